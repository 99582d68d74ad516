"""Batch norms folded into the linear layers before or after them.

In evaluation a batch norm is `s * x + t` with `s = gamma / sqrt(var + eps)`, `t = beta - mean * s`.
Everything is computed in float64 and rounded once. New layers lie where the old ones do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def norm_scale_shift(norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """`(s, t)` of a batch norm in evaluation, float64."""
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight.double() / torch.sqrt(norm.running_var.double() + norm.eps)
    return scale, norm.bias.double() - norm.running_mean.double() * scale


class ChannelAffine(nn.Module):
    """A batch norm that no convolution can take: one multiply-add a channel."""

    scale: Tensor
    shift: Tensor

    def __init__(self, norm: nn.BatchNorm2d, input_scale: Tensor | None = None) -> None:
        super().__init__()
        scale, shift = norm_scale_shift(norm)
        if input_scale is not None:
            scale = scale / input_scale
        self.register_buffer("scale", scale.float()[:, None, None])
        self.register_buffer("shift", shift.float()[:, None, None])

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale + self.shift


@torch.no_grad()
def fold_after(conv: nn.Conv2d, norm: nn.BatchNorm2d) -> nn.Conv2d:
    """One convolution that equals `norm(conv(x))`."""
    scale, shift = norm_scale_shift(norm)
    bias = shift if conv.bias is None else conv.bias.double() * scale + shift
    return _like(conv, conv.weight.double() * scale[:, None, None, None], bias)


@torch.no_grad()
def fold_before(norm: nn.BatchNorm2d, conv: nn.Conv2d, first_channel: int = 0) -> nn.Conv2d:
    """One convolution that equals `conv(x)` with `norm` applied to a run of its input channels.

    first_channel  where the run starts; it is as long as the norm is wide
    raises         AssertionError for anything but an unpadded 1x1 convolution: elsewhere the shift
                   would have to appear in the padding too
    """
    assert conv.kernel_size == (1, 1), "a norm folds forward only into a 1x1 convolution"
    assert conv.padding == (0, 0), "a norm folds forward only into an unpadded convolution"
    scale, shift = norm_scale_shift(norm)
    run = slice(first_channel, first_channel + norm.num_features)
    weight = conv.weight.double().clone()
    added = weight[:, run, 0, 0] @ shift
    weight[:, run] *= scale[None, :, None, None]
    bias = added if conv.bias is None else conv.bias.double() + added
    return _like(conv, weight, bias)


@torch.no_grad()
def fold_linear(linear: nn.Linear, norm: nn.BatchNorm2d) -> nn.Linear:
    """One linear layer that equals `norm` over the outputs of `linear`."""
    scale, shift = norm_scale_shift(norm)
    device = linear.weight.device
    folded = nn.Linear(linear.in_features, linear.out_features, device=device)
    folded.weight.copy_(linear.weight.double() * scale[:, None])
    bias = shift if linear.bias is None else linear.bias.double() * scale + shift
    folded.bias.copy_(bias)
    return folded


def _like(conv: nn.Conv2d, weight: Tensor, bias: Tensor) -> nn.Conv2d:
    folded = nn.Conv2d(
        conv.in_channels,
        conv.out_channels,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        conv.dilation,  # type: ignore[arg-type]
        conv.groups,
        device=weight.device,
    )
    assert folded.bias is not None
    folded.weight.copy_(weight)
    folded.bias.copy_(bias)
    return folded
