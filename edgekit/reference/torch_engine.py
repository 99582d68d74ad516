"""Eager PyTorch behind the engine protocol."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from edgekit.engines.base import EngineInfo, Tensors, TensorSpec, check_inputs
from model_zoo.deploy import DeployObb

INPUT_NAME = "images"


class TorchEngine:
    """A deploy module run by eager PyTorch in float32: the reference, not for flight."""

    def __init__(self, module: DeployObb) -> None:
        height, width = module.spec.size
        self._module = module.eval()
        self._done: deque[tuple[object, dict[str, NDArray[Any]]]] = deque()
        self._device = next(module.parameters()).device
        count = module.candidates
        self._info = EngineInfo(
            name="torch",
            version=torch.__version__,
            device=str(self._device),
            precision="fp32",
            inputs=(TensorSpec(INPUT_NAME, "float32", (1, 3, height, width)),),
            outputs=(
                TensorSpec("boxes", "float32", (1, count, 5)),
                TensorSpec("scores", "float32", (1, count)),
                TensorSpec("labels", "int32", (1, count)),
            ),
        )

    @property
    def info(self) -> EngineInfo:
        return self._info

    @torch.no_grad()
    def infer(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Run once and wait."""
        check_inputs(self._info.inputs, inputs)
        images = torch.from_numpy(np.asarray(inputs[INPUT_NAME])).to(self._device)
        boxes, scores, labels = self._module(images.contiguous(memory_format=torch.channels_last))
        named = {"boxes": boxes, "scores": scores, "labels": labels}
        return {name: tensor.cpu().numpy() for name, tensor in named.items()}

    def submit(self, inputs: Tensors, token: object) -> None:
        """Run now; the result waits for `results`."""
        self._done.append((token, self.infer(inputs)))

    def results(self, timeout_s: float) -> Iterator[tuple[Any, dict[str, NDArray[Any]]]]:
        """What was submitted, in order."""
        while self._done:
            yield self._done.popleft()

    def close(self) -> None:
        """Nothing to give back."""
        self._done.clear()
