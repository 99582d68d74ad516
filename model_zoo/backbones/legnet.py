"""LEGNet: light backbones with edge and Gaussian priors (tiny, small).

Source: Lu et al., "LEGNet: A Lightweight Edge-Gaussian Network for Low-Quality Remote Sensing Image
Object Detection" (ICCV 2025 Workshops; arXiv 2503.14012). Written from a description of the
architecture; parameter names are the published ones, so that published state dicts load.

The Scharr, Gaussian and LoG kernels are ordinary parameters that only start from their formulas.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_zoo.backbones.lwganet import DropPath

#: Hidden channels of `ConvExtra`, whatever the width around it.
_EXTRA_WIDTH = 64
#: The attention merge is registered under both names: the same tensors twice in a state dict.
_ALIASES = (".LFEA.conv2d.", ".LFEA.block.")
#: Below the square root in training: its gradient at 0 is infinite, and 0 * inf is NaN.
_SMALLEST_SQUARE = 1e-12


@dataclass(frozen=True, slots=True)
class LEGNetConfig:
    """What tells the variants apart. `drop_path` is the rate of the last block."""

    width: int
    depths: tuple[int, int, int, int] = (1, 4, 4, 2)
    drop_path: float = 0.1


CONFIGS = {"legnet_tiny": LEGNetConfig(32), "legnet_small": LEGNetConfig(64)}


class LEGNet(nn.Module):
    """The backbone: four feature maps, or class logits.

    forward  (B, 3, H, W) f32 -> (c2, c3, c4, c5) at strides 4, 8, 16, 32, or (B, classes) logits
             where `classes` is given. Any H and W: every halving rounds up.

    The published code has no classifier; this one is the global mean of c5 and a linear layer.
    Loading accepts states that hold one name of the doubly registered convolutions only.
    """

    def __init__(self, config: LEGNetConfig, classes: int | None = None) -> None:
        super().__init__()
        self.config = config
        self.classes = classes
        rates = torch.linspace(0, config.drop_path, sum(config.depths)).tolist()
        self.Stem = Stem(config.width)
        stages: list[nn.Module] = []
        for stage, (width, depth) in enumerate(zip(self.widths, config.depths, strict=True)):
            if stage:
                stages.append(DRFD(width // 2))
            first = sum(config.depths[:stage])
            stages.append(Stage(width, stage, rates[first : first + depth]))
        self.stages = nn.Sequential(*stages)
        for stage, width in enumerate(self.widths):
            self.add_module(f"norm{2 * stage}", nn.BatchNorm2d(width))
        if classes is not None:
            self.head = nn.Linear(self.widths[3], classes)
        self.register_load_state_dict_pre_hook(_complete_on_load)

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels of the four maps."""
        c = self.config.width
        return c, 2 * c, 4 * c, 8 * c

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        x = self.Stem(x)
        maps = []
        for index, stage in enumerate(self.stages):
            x = stage(x)
            if index % 2 == 0:
                maps.append(self.get_submodule(f"norm{index}")(x))
        if self.classes is None:
            return tuple(maps)
        return self.head(maps[3].mean((2, 3)))


class Stem(nn.Module):
    """Full-resolution LoG edges, two halvings: 3 -> C channels at stride 4."""

    def __init__(self, width: int) -> None:
        super().__init__()
        quarter, half = width // 4, width // 2
        self.Conv_D = nn.Sequential(
            nn.Conv2d(quarter, half, 3, padding=1, groups=quarter),
            nn.Conv2d(half, half, 3, stride=2, padding=1, groups=half),
            nn.BatchNorm2d(half),
        )
        self.LoG = LoGFilter(quarter)
        self.gaussian = Gaussian(half, 9, 0.5, extra=True)
        self.norm = nn.BatchNorm2d(half)
        self.drfd = DRFD(half)

    def forward(self, x: Tensor) -> Tensor:
        x = self.Conv_D(self.LoG(x))
        return self.drfd(self.norm(x + self.gaussian(x)))


class LoGFilter(nn.Module):
    """3 -> Q channels, plus the rectified, normalised response of a Laplacian of Gaussian."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv_init = nn.Conv2d(3, width, 7, padding=3)
        self.LoG = _depthwise(width, starting_log_kernel(7, 1.0))
        self.norm1 = nn.BatchNorm2d(width)
        self.norm2 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_init(x)
        # Published kernels reach 1e7, which no half-precision training holds.
        with torch.autocast(x.device.type, enabled=False):
            edges = self.norm1(self.LoG(x.float()))
        return self.norm2(x + F.relu(edges))


class Gaussian(nn.Module):
    """A depthwise smoothing, and optionally `ConvExtra` over input plus smoothed input."""

    def __init__(self, width: int, size: int, sigma: float, *, extra: bool) -> None:
        super().__init__()
        self.gaussian = _depthwise(width, gaussian_kernel(size, sigma))
        self.norm = nn.BatchNorm2d(width)
        self.conv_extra = ConvExtra(width) if extra else None

    def forward(self, x: Tensor) -> Tensor:
        smooth = F.relu(self.norm(self.gaussian(x)))
        return smooth if self.conv_extra is None else self.conv_extra(x + smooth)


class Scharr(nn.Module):
    """Edge magnitude by two depthwise 3x3 convolutions."""

    def __init__(self, width: int) -> None:
        super().__init__()
        across, down = scharr_kernels()
        self.conv_x = _depthwise(width, across)
        self.conv_y = _depthwise(width, down)
        self.norm = nn.BatchNorm2d(width)
        self.conv_extra = ConvExtra(width)

    def forward(self, x: Tensor) -> Tensor:
        ex, ey = self.conv_x(x).float(), self.conv_y(x).float()
        square = ex * ex + ey * ey
        if self.training:
            square = square.clamp_min(_SMALLEST_SQUARE)
        return self.conv_extra(x + F.relu(self.norm(torch.sqrt(square))))


class ConvExtra(nn.Module):
    """1x1 to 64 channels, 3x3, 1x1 back."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.block = nn.Sequential(
            nn.Conv2d(width, _EXTRA_WIDTH, 1),
            nn.BatchNorm2d(_EXTRA_WIDTH),
            nn.ReLU(),
            nn.Conv2d(_EXTRA_WIDTH, _EXTRA_WIDTH, 3, padding=1, bias=False),
            nn.BatchNorm2d(_EXTRA_WIDTH),
            nn.ReLU(),
            nn.Conv2d(_EXTRA_WIDTH, width, 1),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.block(x)


class DRFD(nn.Module):
    """Downsampling D -> 2D, stride 2: a strided convolution and a max pool, fused by a 1x1."""

    def __init__(self, width: int) -> None:
        super().__init__()
        out = 2 * width
        self.conv = nn.Conv2d(width, out, 3, padding=1, groups=width)
        self.conv_c = nn.Conv2d(out, out, 3, stride=2, padding=1, groups=out)
        self.norm_c = nn.BatchNorm2d(out)
        self.norm_m = nn.BatchNorm2d(out)
        self.fusion = nn.Conv2d(2 * out, out, 1)
        self.gaussian = Gaussian(out, 5, 0.5, extra=False)
        self.norm_g = nn.BatchNorm2d(out)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        x = self.norm_g(x + self.gaussian(x))
        strided = self.norm_c(F.relu(self.conv_c(x)))
        pooled = self.norm_m(F.max_pool2d(x, 3, stride=2, padding=1))
        return self.fusion(torch.cat([strided, pooled], dim=1))


class Stage(nn.Module):
    """A run of blocks of one width."""

    def __init__(self, width: int, stage: int, drop_rates: list[float]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(Block(width, stage, rate) for rate in drop_rates))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class Block(nn.Module):
    """A prior (edges in the first stage, smoothing after it) as attention, then an MLP."""

    def __init__(self, width: int, stage: int, drop_rate: float) -> None:
        super().__init__()
        self.mlp = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.Conv2d(2 * width, width, 1, bias=False),
        )
        self.LFEA = AttentionMerge(width)
        if stage == 0:
            self.Scharr_edge = Scharr(width)
        else:
            self.gaussian = Gaussian(width, 5, 1.0, extra=True)
        self.norm = nn.BatchNorm2d(width)
        self.drop_path = DropPath(drop_rate)
        self.stage = stage

    def forward(self, x: Tensor) -> Tensor:
        prior = self.Scharr_edge(x) if self.stage == 0 else self.gaussian(x)
        return x + self.norm(self.drop_path(self.mlp(self.LFEA(x, prior))))


class AttentionMerge(nn.Module):
    """Features weighted by a prior, convolved, and gated per channel (LFEA)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv2d = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        )
        self.block = self.conv2d
        reach = int((math.log2(width) + 1) / 2)
        size = reach if reach % 2 else reach + 1
        self.conv1d = nn.Conv1d(1, 1, size, padding=size // 2, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor, prior: Tensor) -> Tensor:
        mixed = self.conv2d(x * prior + x)
        gate = torch.sigmoid(self.conv1d(mixed.mean((2, 3)).unsqueeze(1)))
        return self.norm(x + mixed * gate.squeeze(1)[:, :, None, None])


def complete_aliases(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with both names of the merge convolutions where it holds one of them."""
    completed = dict(state)
    for name, tensor in state.items():
        for own, other in (_ALIASES, _ALIASES[::-1]):
            if own in name:
                completed.setdefault(name.replace(own, other), tensor)
    return completed


def gaussian_kernel(size: int, sigma: float) -> Tensor:
    """(size, size) f32 that sums to 1."""
    reach = size // 2
    r = torch.arange(-reach, reach + 1, dtype=torch.float64)
    kernel = torch.exp(-(r[:, None] ** 2 + r[None, :] ** 2) / (2 * sigma**2)).float()
    return kernel / kernel.sum()


def mean_free_log_kernel(size: int, sigma: float) -> Tensor:
    """Laplacian of Gaussian (size, size) f32, its mean taken off."""
    reach = size // 2
    r = torch.arange(-reach, reach + 1, dtype=torch.float64)
    square = r[:, None] ** 2 + r[None, :] ** 2
    kernel = (square - 2 * sigma**2) / (2 * math.pi * sigma**4) * torch.exp(-square / 2 / sigma**2)
    return (kernel - kernel.mean()).float()


def starting_log_kernel(size: int, sigma: float) -> Tensor:
    """The LoG kernel that training starts from: positive centre, magnitudes that sum to 1.

    The published code divides by the kernel's sum, a rounding residue near -4e-8: weights of 1e7,
    other ones on other machines. The norm that follows undoes the scale; the sign is kept.
    """
    kernel = mean_free_log_kernel(size, sigma)
    return -kernel / kernel.abs().sum()


def scharr_kernels() -> tuple[Tensor, Tensor]:
    """Horizontal and vertical derivative, (3, 3) f32, not scaled."""
    across = torch.tensor([[-3.0, 0.0, 3.0], [-10.0, 0.0, 10.0], [-3.0, 0.0, 3.0]])
    return across, across.T.contiguous()


def _depthwise(width: int, kernel: Tensor) -> nn.Conv2d:
    size = kernel.shape[0]
    conv = nn.Conv2d(width, width, size, padding=size // 2, groups=width, bias=False)
    with torch.no_grad():
        conv.weight.copy_(kernel)
    return conv


def _complete_on_load(module: nn.Module, state: dict[str, Tensor], *_: Any) -> None:
    state.update(complete_aliases(state))
