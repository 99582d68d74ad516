"""Parameters and multiply-accumulates of a model, counted on the modules that run."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from model_zoo.backbones.lwganet import MediumRangeAttention, SelfAttention


def count_params(model: nn.Module) -> int:
    """Trainable parameters."""
    return sum(parameter.numel() for parameter in model.parameters())


@torch.no_grad()
def count_macs(model: nn.Module, size: tuple[int, int]) -> int:
    """Multiply-accumulates of convolutions, linear layers and attention products at one size.

    The four strips of medium-range attention count with the taps that they have (132 a channel),
    not with those of the 13x13 kernel that they are run as. DynamicVis' selective scan is
    element-wise work and does not count.
    """
    total = 0

    def conv(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        taps = module.weight[0].numel()
        total += output.numel() * taps

    def linear(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        total += output.numel() * module.in_features

    def attention(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        tokens = output.shape[-2] * output.shape[-1]
        total += 2 * tokens * tokens * output.shape[1]

    def strips(module: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        height, width = (-(-side // 3) for side in output.shape[-2:])
        total += 132 * height * width * output.shape[1]

    hooks = {
        nn.Conv1d: conv,
        nn.Conv2d: conv,
        nn.Linear: linear,
        SelfAttention: attention,
        MediumRangeAttention: strips,
    }
    handles = [
        module.register_forward_hook(hooks[type(module)])
        for module in model.modules()
        if type(module) in hooks
    ]
    try:
        model.eval()(torch.zeros(1, 3, *size))
    finally:
        for handle in handles:
            handle.remove()
    return total
