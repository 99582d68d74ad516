"""A light path-aggregation neck: three maps of equal width at strides 8, 16 and 32.

Source: the shape of PANet (Liu et al., 2018), with additions instead of concatenations, plain 3x3
convolutions (they gain most from INT8) and one strided convolution that brings the stride-4 map
down to stride 8, for objects of ten pixels.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class ConvBNReLU(nn.Sequential):
    """Convolution without bias, batch norm, ReLU; `same` padding for odd kernels."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class LightPAN(nn.Module):
    """(c2, c3, c4, c5) at strides 4..32 -> (n3, n4, n5) at strides 8, 16, 32, `width` channels."""

    STRIDES = (8, 16, 32)

    def __init__(self, inputs: tuple[int, int, int, int], width: int) -> None:
        super().__init__()
        self.detail = ConvBNReLU(inputs[0], width, 3, stride=2)
        self.lateral = nn.ModuleList(ConvBNReLU(channels, width, 1) for channels in inputs[1:])
        self.top_down = nn.ModuleList(ConvBNReLU(width, width, 3) for _ in range(2))
        self.down = nn.ModuleList(ConvBNReLU(width, width, 3, stride=2) for _ in range(2))
        self.bottom_up = nn.ModuleList(ConvBNReLU(width, width, 3) for _ in range(2))

    def forward(self, maps: tuple[Tensor, ...]) -> tuple[Tensor, Tensor, Tensor]:
        c2, c3, c4, c5 = maps
        p3, p4, p5 = (layer(x) for layer, x in zip(self.lateral, (c3, c4, c5), strict=True))
        p4 = self.top_down[1](p4 + F.interpolate(p5, scale_factor=2.0, mode="nearest"))
        detail = self.detail(c2)
        n3 = self.top_down[0](p3 + detail + F.interpolate(p4, scale_factor=2.0, mode="nearest"))
        n4 = self.bottom_up[0](p4 + self.down[0](n3))
        n5 = self.bottom_up[1](p5 + self.down[1](n4))
        return n3, n4, n5
