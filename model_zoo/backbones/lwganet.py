"""LWGANet: light backbones with grouped attention (L0, L1, L2).

Source: "LWGANet: Addressing Spatial and Channel Redundancy in Remote Sensing Visual Tasks with
Light-Weight Grouped Attention" (AAAI 2026). Written from a description of the architecture;
parameter names are the published ones, so that published state dicts load.

Two pieces are computed in forms that equal the published ones and also export:

* the four medium-range strips, two of them on sheared maps, are one depthwise 13x13 convolution
  (on square maps the published form and this one agree; on others only this one is defined);
* max pooling with indices and max unpooling are four strided phases and a first-wins select.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Offsets of the taps of the two strip shapes: rows x columns 11x3 and 3x11.
_STRIP_REACH = 5
_KERNEL_SIZE = 13


@dataclass(frozen=True, slots=True)
class LWGANetConfig:
    """What tells the variants apart. `drop_path` is the rate of the last block."""

    width: int
    depths: tuple[int, int, int, int]
    activation: str
    drop_path: float


CONFIGS = {
    "lwganet_l0": LWGANetConfig(32, (1, 2, 4, 2), "gelu", 0.0),
    "lwganet_l1": LWGANetConfig(64, (1, 2, 4, 2), "gelu", 0.1),
    "lwganet_l2": LWGANetConfig(96, (1, 4, 4, 2), "relu", 0.1),
}


class LWGANet(nn.Module):
    """The backbone: four feature maps, or class logits.

    forward  (B, 3, H, W) f32 -> (c2, c3, c4, c5) at strides 4, 8, 16, 32, or (B, classes) logits
             where `classes` is given. H and W: multiples of 32, at least 96 (up to 3 surplus rows
             and columns are dropped by the stem).
    """

    def __init__(self, config: LWGANetConfig, classes: int | None = None) -> None:
        super().__init__()
        self.config = config
        widths = [config.width * 2**stage for stage in range(4)]
        rates = torch.linspace(0, config.drop_path, sum(config.depths)).tolist()
        self.Stem = Stem(widths[0])
        stages: list[nn.Module] = []
        for stage, (width, depth) in enumerate(zip(widths, config.depths, strict=True)):
            if stage:
                stages.append(DRFD(widths[stage - 1], config.activation))
            first = sum(config.depths[:stage])
            stages.append(Stage(width, stage, config.activation, rates[first : first + depth]))
        self.stages = nn.ModuleList(stages)
        self.classes = classes
        if classes is None:
            for stage, width in enumerate(widths):
                self.add_module(f"norm{2 * stage}", nn.BatchNorm2d(width))
        else:
            self.avgpool_pre_head = nn.Sequential(
                nn.AdaptiveAvgPool2d(1),
                nn.Conv2d(widths[3], 1280, 1, bias=False),
                activation(config.activation),
            )
            self.head = nn.Linear(1280, classes)
        self.apply(_initialise)

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
            if self.classes is None and index % 2 == 0:
                maps.append(self.get_submodule(f"norm{index}")(x))
        if self.classes is None:
            return tuple(maps)
        return self.head(self.avgpool_pre_head(x).flatten(1))


class Stem(nn.Module):
    """4x4 patches to C0 channels; trailing rows and columns beyond a multiple of 4 are dropped."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, 4, stride=4, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.proj(x))


class DRFD(nn.Module):
    """Downsampling C -> 2C, stride 2: a strided convolution and a max pool, fused by a 1x1."""

    def __init__(self, width: int, act: str) -> None:
        super().__init__()
        out = 2 * width
        self.conv = nn.Conv2d(width, out, 3, padding=1, groups=width)
        self.conv_c = nn.Conv2d(out, out, 3, stride=2, padding=1, groups=out)
        self.act_c = activation(act)
        self.norm_c = nn.BatchNorm2d(out)
        self.norm_m = nn.BatchNorm2d(out)
        self.fusion = nn.Conv2d(2 * out, out, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        strided = self.norm_c(self.act_c(self.conv_c(x)))
        pooled = self.norm_m(F.max_pool2d(x, 3, stride=2, padding=1))
        return self.fusion(torch.cat([strided, pooled], dim=1))


class Stage(nn.Module):
    """A run of LWGA blocks of one width."""

    def __init__(self, width: int, stage: int, act: str, drop_rates: list[float]) -> None:
        super().__init__()
        self.blocks = nn.Sequential(*(LWGABlock(width, stage, act, rate) for rate in drop_rates))

    def forward(self, x: Tensor) -> Tensor:
        return self.blocks(x)


class LWGABlock(nn.Module):
    """Four channel quarters, each with attention of another reach, joined by an MLP."""

    def __init__(self, width: int, stage: int, act: str, drop_rate: float) -> None:
        super().__init__()
        quarter = width // 4
        self.stage = stage
        self.mlp = nn.Sequential(
            nn.Conv2d(width, 2 * width, 1, bias=False),
            nn.BatchNorm2d(2 * width),
            activation(act),
            nn.Conv2d(2 * width, width, 1, bias=False),
        )
        self.PA = PointAttention(quarter, act)
        self.LA = LocalAttention(quarter, act)
        self.MRA = MediumRangeAttention(quarter)
        if stage <= 1:
            self.GA12 = LargeKernelAttention(quarter, act)
        elif stage == 2:
            self.GA3 = PooledSelfAttention(quarter)
        else:
            self.GA4 = SelfAttention(quarter)
        if stage != 2:
            self.norm = nn.BatchNorm2d(quarter)
        self.drop_path = DropPath(drop_rate)
        self.norm1 = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        x1, x2, x3, x4 = x.chunk(4, dim=1)
        attended = torch.cat([x1 + self.PA(x1), self.LA(x2), self.MRA(x3), self._global(x4)], dim=1)
        return x + self.norm1(self.drop_path(self.mlp(attended)))

    def _global(self, x: Tensor) -> Tensor:
        if self.stage <= 1:
            return self.norm(x + self.GA12(x))
        if self.stage == 2:
            return x + self.GA3(x)
        return self.norm(x + self.GA4(x))


class PointAttention(nn.Module):
    """A per-pixel sigmoid gate from two 1x1 convolutions."""

    def __init__(self, width: int, act: str) -> None:
        super().__init__()
        self.p_conv = nn.Sequential(
            nn.Conv2d(width, 4 * width, 1, bias=False),
            nn.BatchNorm2d(4 * width),
            activation(act),
            nn.Conv2d(4 * width, width, 1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.p_conv(x))


class LocalAttention(nn.Module):
    """A full 3x3 convolution."""

    def __init__(self, width: int, act: str) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            activation(act),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x)


class BlurPool(nn.Module):
    """Depthwise 4x4 binomial blur, stride 3, on a reflect-padded map (left 1, right 2)."""

    filt: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
        kernel = torch.outer(taps, taps) / 64
        self.register_buffer("filt", kernel.repeat(width, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.pad(x, (1, 2, 1, 2), mode="reflect")
        return F.conv2d(x, self.filt, stride=3, groups=x.shape[1])


class MediumRangeAttention(nn.Module):
    """A gate from four strips (upright, flat and two diagonal ones) on a map blurred to a third."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.max_m2 = BlurPool(width)
        tall, flat = (11, 3), (3, 11)
        self.H_att1 = _strip(width, tall)
        self.V_att1 = _strip(width, flat)
        self.H_att2 = _strip(width, tall)
        self.V_att2 = _strip(width, flat)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        pooled = self.max_m2(F.max_pool2d(x, 3, stride=1, padding=1))
        kernel = self.fused_kernel().to(pooled.dtype)
        gate = F.conv2d(pooled, kernel, padding=_KERNEL_SIZE // 2, groups=kernel.shape[0])
        gate = torch.sigmoid(self.norm(gate))
        return x * F.interpolate(gate, size=x.shape[-2:], mode="nearest")

    def fused_kernel(self) -> Tensor:
        """The four strips as one depthwise kernel, (q, 1, 13, 13).

        The sheared strips read p[r + dy, c + dx - dy] (H_att2) and p[r + dy - dx, c + dx]
        (V_att2), with zero outside the map: taps along the anti-diagonal.
        """
        strips = (self.H_att1, self.V_att1, self.H_att2, self.V_att2)
        weights = torch.cat([strip.weight.flatten(1) for strip in strips], dim=1)
        kernel = weights.new_zeros(weights.shape[0], _KERNEL_SIZE**2)
        index = _strip_taps().to(weights.device)
        return kernel.index_add(1, index, weights).view(-1, 1, _KERNEL_SIZE, _KERNEL_SIZE)


def _strip(width: int, size: tuple[int, int]) -> nn.Conv2d:
    return nn.Conv2d(width, width, size, padding="same", groups=width, bias=False)


def _strip_taps() -> Tensor:
    """Flat positions in the 13x13 kernel of H_att1, V_att1, H_att2 and V_att2, in that order."""
    centre = _KERNEL_SIZE // 2
    long, short = range(-_STRIP_REACH, _STRIP_REACH + 1), range(-1, 2)
    offsets = [(dy, dx) for dy in long for dx in short]
    offsets += [(dy, dx) for dy in short for dx in long]
    offsets += [(dy, dx - dy) for dy in long for dx in short]
    offsets += [(dy - dx, dx) for dy in short for dx in long]
    return torch.tensor([(dy + centre) * _KERNEL_SIZE + dx + centre for dy, dx in offsets])


class Phases(NamedTuple):
    """A map split into its four 2x2 phases, and where each window's first maximum lies."""

    maximum: Tensor
    selectors: tuple[Tensor, Tensor, Tensor, Tensor]


def pool_phases(x: Tensor) -> Phases:
    """Max pool 2x2 that remembers positions: the first maximum in row-major order wins.

    Equals `max_pool2d(return_indices=True)` bit for bit, ties included (NaN inputs apart).
    """
    a, b = x[..., 0::2, 0::2], x[..., 0::2, 1::2]
    c, d = x[..., 1::2, 0::2], x[..., 1::2, 1::2]
    upper, lower = torch.maximum(a, b), torch.maximum(c, d)
    top, left_up, left_down = upper >= lower, a >= b, c >= d
    selectors = (top & left_up, top & ~left_up, ~top & left_down, ~top & ~left_down)
    return Phases(torch.maximum(upper, lower), selectors)


def unpool_phases(y: Tensor, phases: Phases) -> Tensor:
    """Put pooled values back where the maxima came from, zero elsewhere. (B, C, h, w) -> x2."""
    zero = torch.zeros((), dtype=y.dtype, device=y.device)
    parts = torch.stack([torch.where(chosen, y, zero) for chosen in phases.selectors], dim=2)
    return F.pixel_shuffle(parts.flatten(1, 2), 2)


class LargeKernelAttention(nn.Module):
    """Stages 1 and 2: a selective large-kernel gate on the max-pooled map, max-unpooled."""

    def __init__(self, width: int, act: str) -> None:
        super().__init__()
        half = width // 2
        self.proj_1 = nn.Conv2d(width, width, 1)
        self.act = activation(act)
        self.conv0 = nn.Conv2d(width, width, 5, padding=2, groups=width)
        self.conv_spatial = nn.Conv2d(width, width, 7, padding=9, dilation=3, groups=width)
        self.conv1 = nn.Conv2d(width, half, 1)
        self.conv2 = nn.Conv2d(width, half, 1)
        self.conv_squeeze = nn.Conv2d(2, 2, 7, padding=3)
        self.conv = nn.Conv2d(half, width, 1)
        self.proj_2 = nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        phases = pool_phases(x)
        u = self.act(self.proj_1(phases.maximum))
        near = self.conv0(u)
        far = self.conv_spatial(near)
        near, far = self.conv1(near), self.conv2(far)
        both = torch.cat([near, far], dim=1)
        summary = torch.cat([both.mean(1, keepdim=True), both.amax(1, keepdim=True)], dim=1)
        gates = torch.sigmoid(self.conv_squeeze(summary))
        mixed = self.conv(near * gates[:, 0:1] + far * gates[:, 1:2])
        return unpool_phases(self.proj_2(u * mixed), phases)


class SelfAttention(nn.Module):
    """Plain multi-head self-attention over all pixels, head dimension 4, no positions."""

    HEAD_DIM = 4

    def __init__(self, width: int) -> None:
        super().__init__()
        self.qkv = nn.Linear(width, 3 * width, bias=False)
        self.proj = nn.Linear(width, width, bias=False)
        self.scale = self.HEAD_DIM**-0.5

    def forward(self, x: Tensor) -> Tensor:
        batch, width, height, wide = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        qkv = self.qkv(tokens).view(batch, height * wide, 3, -1, self.HEAD_DIM)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)
        q = q if self.scale == 1.0 else q * self.scale
        weights = torch.softmax(q @ k.transpose(-2, -1), dim=-1)
        attended = (weights @ v).transpose(1, 2).reshape(batch, height * wide, width)
        return self.proj(attended).transpose(1, 2).reshape(batch, width, height, wide)


class PooledSelfAttention(nn.Module):
    """Stage 3: self-attention on the max-pooled map, max-unpooled."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(width)
        self.attn = SelfAttention(width)

    def forward(self, x: Tensor) -> Tensor:
        phases = pool_phases(x)
        return unpool_phases(self.norm(self.attn(phases.maximum)), phases)


class DropPath(nn.Module):
    """Drops a residual branch per sample, in training only."""

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.rate == 0.0:
            return x
        keep = 1.0 - self.rate
        mask = torch.rand((x.shape[0], 1, 1, 1), dtype=x.dtype, device=x.device) < keep
        return x * mask / keep


def activation(name: str) -> nn.Module:
    """`gelu` (the erf form: the tanh form leaves the published tolerance) or `relu`."""
    return nn.GELU() if name == "gelu" else nn.ReLU()


def _initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Conv2d, nn.Linear)):
        nn.init.trunc_normal_(module.weight, std=0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
