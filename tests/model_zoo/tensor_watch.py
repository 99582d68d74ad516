"""Every tensor that a module computes, seen and optionally rounded to half precision."""

from __future__ import annotations

import torch
from torch.utils._python_dispatch import TorchDispatchMode

FP16_MAX = torch.finfo(torch.float16).max


class TensorWatch(TorchDispatchMode):
    """Largest magnitude over all operator outputs; with `half`, each output goes through fp16."""

    def __init__(self, *, half: bool = False) -> None:
        super().__init__()
        self.half = half
        self.largest = 0.0

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor) and output.is_floating_point():
            self.largest = max(self.largest, output.abs().max().item())
            if self.half:
                output = output.half().float()
        return output
