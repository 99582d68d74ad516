"""DynamicVis: backbones that run a state-space mixer over the tokens that a router selects (b, l).

Source: "DynamicVis: An Efficient and General Visual Foundation Model for Remote Sensing Image
Understanding" (arXiv 2503.16426). Written from a description of the architecture; parameter names
are the published ones, so that published state dicts load.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from edgekit.core.errors import UsageError
from model_zoo.backbones.dynamicvis_scan import ScanInputs, sequential_scan, two_level_scan

_STATES = 16
_CONV_SIZE = 4
_SMALLEST_STRIDE, _LARGEST_STRIDE = 4, 32
#: (height, width) px of the published pretraining; detectors and segmenters use 1024.
PRETRAINED_SIZE = (512, 512)


@dataclass(frozen=True, slots=True)
class DynamicVisConfig:
    """What tells the models apart.

    keep           of N tokens a block selects N // keep; 0: no router, every token in raster order
    global_tokens  one mean token a row stands before the selected ones
    weigh_all      tokens that were not selected are weighted too
    router_noise   scale of the Gumbel noise on the router's choice, in training
    """

    width: int
    depths: tuple[int, int, int, int]
    keep: tuple[int, int, int, int] = (8, 4, 2, 1)
    global_tokens: bool = True
    weigh_all: bool = True
    router_noise: float = 0.1


CONFIGS = {
    "dynamicvis_b": DynamicVisConfig(96, (2, 4, 16, 4)),
    "dynamicvis_l": DynamicVisConfig(128, (2, 4, 32, 4)),
}


def without_selection(config: DynamicVisConfig) -> DynamicVisConfig:
    """The published variant without token selection: every token, sorted and weighted.

    Its checkpoints have the names of the selecting one, so they must be told apart by hand.
    """
    return replace(config, keep=(1, 1, 1, 1), global_tokens=False, weigh_all=False)


class DynamicVis(nn.Module):
    """The backbone: four feature maps, or class logits.

    forward  (B, 3, H, W) f32 -> (c2, c3, c4, c5) at strides 4, 8, 16, 32, or (B, classes) logits
             where `classes` is given. H and W: multiples of 32.
    raises   UsageError for another size

    image_size  (height, width) px that the positional embedding is stored for. At other sizes it is
                resized in the forward pass, as loading an embedding of another size does.
    """

    def __init__(
        self,
        config: DynamicVisConfig,
        classes: int | None = None,
        image_size: tuple[int, int] = PRETRAINED_SIZE,
    ) -> None:
        super().__init__()
        check_size(image_size)
        self.config = config
        self.classes = classes
        self.grid = image_size[0] // _SMALLEST_STRIDE, image_size[1] // _SMALLEST_STRIDE
        self.pos_embed = nn.Parameter(torch.zeros(1, self.grid[0] * self.grid[1], config.width))
        self.layers = nn.ModuleList()
        before = 3
        for stage, width in enumerate(self.widths):
            blocks = [Block(width, config.keep[stage], config) for _ in range(config.depths[stage])]
            merge = PatchMerge(before, width, first=stage == 0)
            self.layers.append(
                nn.ModuleList([merge, nn.ModuleList(blocks), nn.LayerNorm(width, eps=1e-6)])
            )
            before = width
        if classes is not None:
            self.post_meanpool_norm = nn.LayerNorm(before, eps=1e-6)
            self.head = nn.ModuleDict({"fc": nn.Linear(before, classes)})
        self.register_load_state_dict_pre_hook(_resize_on_load)

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels of the four maps."""
        c = self.config.width
        return c, 2 * c, 4 * c, 8 * c

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        check_size((x.shape[2], x.shape[3]))
        maps = []
        for stage, layer in enumerate(self.layers):
            assert isinstance(layer, nn.ModuleList)
            merge, blocks, norm = layer
            assert isinstance(blocks, nn.ModuleList)
            x, rows = merge(x)
            if stage == 0:
                grid = rows, x.shape[1] // rows
                x = x + resize_positions(self.pos_embed, self.grid, grid)
            for block in blocks:
                x = block(x, rows)
            x = as_map(norm(x), rows)
            maps.append(x)
        if self.classes is None:
            return tuple(maps)
        return self.head["fc"](self.post_meanpool_norm(x.mean((2, 3))))


class PatchMerge(nn.Module):
    """A strided convolution, then tokens in row-major order and a layer norm.

    forward  (B, C, H, W) -> tokens (B, N, width), rows of tokens
    """

    def __init__(self, channels: int, width: int, *, first: bool) -> None:
        super().__init__()
        size, stride, padding = (7, _SMALLEST_STRIDE, 3) if first else (3, 2, 1)
        self.projection = nn.Conv2d(channels, width, size, stride=stride, padding=padding)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        nn.init.kaiming_normal_(self.projection.weight, nonlinearity="linear")
        assert self.projection.bias is not None
        nn.init.zeros_(self.projection.bias)

    def forward(self, x: Tensor) -> tuple[Tensor, int]:
        x = self.projection(x)
        return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2]


class Block(nn.Module):
    """The mixer over a mean token a row and the tokens of largest weight, by falling weight.

    forward  tokens (B, N, C), rows of tokens -> (B, N, C)
    """

    def __init__(self, width: int, keep: int, config: DynamicVisConfig) -> None:
        super().__init__()
        self.keep = keep
        self.global_tokens = config.global_tokens
        self.weigh_all = config.weigh_all
        self.router_noise = config.router_noise
        if keep:
            self.spatial_gate = nn.Linear(width, 1, bias=False)
        self.spatial_mamba_mixer = BidirectionalMixer(width)

    def forward(self, x: Tensor, rows: int) -> Tensor:
        # There is no norm before router, pooling and gather: all three use x itself.
        summary = x.unflatten(1, (rows, -1)).mean(2) if self.global_tokens else x[:, :0]
        if not self.keep:
            return self.spatial_mamba_mixer(torch.cat([summary, x], dim=1))[:, summary.shape[1] :]
        # Half precision moves tokens in the sequence, and 1 / N does not fit it.
        with torch.autocast(x.device.type, enabled=False):
            logits = self.spatial_gate(x.float()).squeeze(2)
        weights = torch.softmax(logits, dim=1).unsqueeze(2)
        ids = self.select(logits).unsqueeze(2)
        places = ids.expand(-1, -1, x.shape[2])
        chosen = x.gather(1, places)
        mixed = self.spatial_mamba_mixer(torch.cat([summary, chosen], dim=1))
        mixed = mixed[:, summary.shape[1] :] * weights.gather(1, ids)
        rest = x + x * weights if self.weigh_all else x
        return rest.scatter(1, places, chosen + mixed)

    def select(self, logits: Tensor) -> Tensor:
        """Indices of the tokens to mix, (B, k), by falling logit, ties by lowest index.

        Logits, not their softmax: that merges neighbours in float32.
        """
        logits = logits.detach()
        if self.training and self.router_noise:
            gumbel = -torch.empty_like(logits).exponential_().log()
            logits = logits + self.router_noise * gumbel
        order = logits.sort(dim=1, descending=True, stable=True).indices
        return order[:, : logits.shape[1] // self.keep]


class BidirectionalMixer(nn.Module):
    """x plus the mean of the mixer forwards and backwards, one set of weights. (B, L, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.pre_norm = RMSNorm(width)
        self.mamba_layer = Mamba(width)

    def forward(self, x: Tensor) -> Tensor:
        normed = self.pre_norm(x)
        both = self.mamba_layer(torch.cat([normed, normed.flip(1)]))
        forward, backward = both.chunk(2)
        return x + (forward + backward.flip(1)) / 2


class RMSNorm(nn.Module):
    """x over its root mean square, with a gain."""

    EPS = 1e-5

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.rsqrt(x.square().mean(2, keepdim=True) + self.EPS) * self.weight


class Mamba(nn.Module):
    """Gated causal convolution and selective scan. (B, L, C) -> (B, L, C)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = 2 * width
        self.rank = math.ceil(width / 16)
        rates = torch.arange(1, _STATES + 1, dtype=torch.float32)
        self.A_log = nn.Parameter(rates.log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        self.conv1d = nn.Conv1d(inner, inner, _CONV_SIZE, padding=_CONV_SIZE - 1, groups=inner)
        self.in_proj = nn.Linear(width, 2 * inner, bias=False)
        self.x_proj = nn.Linear(inner, self.rank + 2 * _STATES, bias=False)
        self.dt_proj = nn.Linear(self.rank, inner)
        self.out_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        length = x.shape[1]
        signal, gate = self.in_proj(x).chunk(2, dim=2)
        signal = F.silu(self.conv1d(signal.transpose(1, 2))[..., :length].transpose(1, 2))
        rank_steps, b, c = self.x_proj(signal).split([self.rank, _STATES, _STATES], dim=2)
        dt = F.softplus(self.dt_proj(rank_steps))
        with torch.autocast(x.device.type, enabled=False):
            dt, b, c = dt.float(), b.float(), c.float()
            scanned = scan(ScanInputs(dt, signal.float(), -torch.exp(self.A_log), b, c))
        return self.out_proj((scanned + self.D * signal) * F.silu(gate))


def scan(inputs: ScanInputs) -> Tensor:
    """The loop, or with gradients the two-level form, its states made again on the way back.

    Without that a training step would keep the states of every block: gigabytes.
    """
    if not torch.is_grad_enabled():
        return sequential_scan(inputs)
    return checkpoint(_scan_again, *inputs, use_reentrant=False)


def _scan_again(*inputs: Tensor) -> Tensor:
    return two_level_scan(ScanInputs(*inputs))


def as_map(tokens: Tensor, rows: int) -> Tensor:
    """(B, N, C) in row-major order -> (B, C, rows, N / rows)."""
    return tokens.transpose(1, 2).unflatten(2, (rows, -1))


def resize_positions(embedding: Tensor, grid: tuple[int, int], target: tuple[int, int]) -> Tensor:
    """A positional embedding for another grid of tokens, bicubic (a = -0.75), not antialiased.

    embedding     (1, rows * columns, C)
    grid, target  (rows, columns)
    """
    if grid == target:
        return embedding
    resized = F.interpolate(
        as_map(embedding, grid[0]), target, mode="bicubic", align_corners=False, antialias=False
    )
    return resized.flatten(2).transpose(1, 2)


def check_size(size: tuple[int, int]) -> None:
    """Refuse an image (height, width) px whose tokens do not halve evenly.

    raises  UsageError for anything but multiples of 32
    """
    if any(side < _LARGEST_STRIDE or side % _LARGEST_STRIDE for side in size):
        raise UsageError(
            f"image size {size[0]}x{size[1]} must be multiples of {_LARGEST_STRIDE}",
            "pad the image",
        )


def fit_positions(model: DynamicVis, stored: Tensor) -> Tensor:
    """A stored positional embedding for the size that `model` was built for.

    Stored ones are square; what is neither of the model's length nor square is given back as it is.
    """
    if stored.ndim != 3 or stored.shape[1] == model.pos_embed.shape[1]:
        return stored
    side = math.isqrt(stored.shape[1])
    if side * side != stored.shape[1]:
        return stored
    return resize_positions(stored.float(), (side, side), model.grid)


def _resize_on_load(module: nn.Module, state: dict[str, Tensor], prefix: str, *_: Any) -> None:
    assert isinstance(module, DynamicVis)
    name = prefix + "pos_embed"
    if name in state:
        state[name] = fit_positions(module, state[name])
