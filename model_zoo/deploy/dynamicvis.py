"""DynamicVis for inference: one graph of plain operators for one image size.

Against the trained form: tokens are gathered once for both directions, norm and input projection
run once a token, only selected tokens leave the mixer, the scan has no loop, and the largest
tokens are found with TopK over logits. Router, TopK and scan belong in float32: their rounding
moves tokens in the sequence.
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgekit.core.errors import UsageError
from model_zoo.backbones.dynamicvis import (
    BidirectionalMixer,
    Block,
    DynamicVis,
    PatchMerge,
    RMSNorm,
    as_map,
    check_size,
    resize_positions,
)
from model_zoo.backbones.dynamicvis_scan import CHUNK, ScanInputs, two_level_scan

#: Largest K of TensorRT's TopK.
TENSORRT_TOP_K = 3840
#: A scan holds about five tensors of this size; larger ones take the states in groups.
SCAN_TENSOR_BYTES = 256 * 2**20


class DeployDynamicVis(nn.Module):
    """A folded copy of a backbone for one image size.

    forward  (B, 3, H, W) f32 -> (c2, c3, c4, c5), or the logits of a classifier
    raises   UsageError for another image size

    image_size   (height, width) px; None: the size that the embedding is stored for
    top_k_limit  largest K the engine's TopK takes, `TENSORRT_TOP_K` for TensorRT; more tokens than
                 that are taken in rounds, with the same result
    """

    positions: Tensor

    def __init__(
        self,
        source: DynamicVis,
        image_size: tuple[int, int] | None = None,
        *,
        top_k_limit: int | None = None,
    ) -> None:
        super().__init__()
        grid = source.grid
        if image_size is not None:
            check_size(image_size)
            grid = image_size[0] // 4, image_size[1] // 4
        self.image_size = 4 * grid[0], 4 * grid[1]
        self.widths = source.widths
        with torch.no_grad():
            positions = resize_positions(source.pos_embed.float(), source.grid, grid)
        self.register_buffer("positions", positions.detach().clone())
        self.merges, self.stages, self.norms = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for stage, layer in enumerate(source.layers):
            assert isinstance(layer, nn.ModuleList)
            merge, blocks, norm = copy.deepcopy(layer)
            assert isinstance(merge, PatchMerge)
            assert isinstance(blocks, nn.ModuleList)
            rows, columns = grid[0] >> stage, grid[1] >> stage
            deployed = [
                DeployBlock(block, rows, rows * columns, top_k_limit)
                for block in blocks
                if isinstance(block, Block)
            ]
            self.merges.append(merge)
            self.stages.append(nn.Sequential(*deployed))
            self.norms.append(norm)
        self.classifier: nn.Module | None = None
        if source.classes is not None:
            head = copy.deepcopy((source.post_meanpool_norm, source.head["fc"]))
            self.classifier = nn.Sequential(*head)
        self.eval().requires_grad_(False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        if tuple(x.shape[2:]) != self.image_size:
            raise UsageError(
                f"this graph is for {self.image_size[0]}x{self.image_size[1]} px, "
                f"not {x.shape[2]}x{x.shape[3]}",
                "deploy the model again for that size",
            )
        maps: list[Tensor] = []
        for merge, blocks, norm in zip(self.merges, self.stages, self.norms, strict=True):
            x, rows = merge(x)
            if not maps:
                x = x + self.positions
            x = as_map(norm(blocks(x)), rows)
            maps.append(x)
        if self.classifier is not None:
            return self.classifier(x.mean((2, 3)))
        return tuple(maps)


class DeployBlock(nn.Module):
    """`Block` on constant shapes: (B, tokens, C) -> the same."""

    def __init__(self, source: Block, rows: int, tokens: int, top_k_limit: int | None) -> None:
        super().__init__()
        self.rows = rows if source.global_tokens else 0
        self.columns = tokens // rows
        self.selected = tokens // source.keep if source.keep else tokens
        self.routed = bool(source.keep)
        self.weigh_all = source.weigh_all
        self.top_k_limit = top_k_limit or self.selected
        if self.routed:
            self.router = source.spatial_gate
        self.mixer = DeployMixer(source.spatial_mamba_mixer, self.rows, self.selected)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, width = x.shape
        summary = None
        if self.rows:
            summary = x.reshape(batch, self.rows, self.columns, width).mean(2)
        if not self.routed:
            return self.mixer(x, summary)
        logits = self.router(x).squeeze(2)
        weights = torch.softmax(logits, dim=1).unsqueeze(2)
        ids = top_tokens(logits, self.selected, self.top_k_limit).unsqueeze(2)
        places = ids.expand(batch, self.selected, width)
        chosen = x.gather(1, places)
        mixed = self.mixer(chosen, summary) * weights.gather(1, ids)
        rest = x + x * weights if self.weigh_all else x
        return rest.scatter(1, places, chosen + mixed)


class DeployMixer(nn.Module):
    """`BidirectionalMixer` for selected tokens (B, k, C) behind global tokens (B, G, C) or None."""

    rates: Tensor
    skip: Tensor

    def __init__(self, source: BidirectionalMixer, rows: int, selected: int) -> None:
        super().__init__()
        mamba = source.mamba_layer
        self.rows, self.selected = rows, selected
        self.inner = mamba.D.shape[0]
        self.rank = mamba.rank
        self.register_buffer("rates", -torch.exp(mamba.A_log.detach()))
        self.register_buffer("skip", mamba.D.detach().clone())
        self.in_proj = mamba.in_proj
        self.out_proj = mamba.out_proj
        self.conv1d = mamba.conv1d
        self.x_proj = mamba.x_proj
        self.dt_proj = mamba.dt_proj
        with torch.no_grad():
            gain = source.pre_norm.weight.double()
            self.in_proj.weight.copy_(self.in_proj.weight.double() * gain)
            self.out_proj.weight /= 2  # the mean of both directions: a power of two, so exact
        self.group = states_at_once(2 * (rows + selected) * self.inner, self.rates.shape[1])

    def forward(self, chosen: Tensor, summary: Tensor | None) -> Tensor:
        batch, length = chosen.shape[0], self.rows + self.selected
        tokens = chosen if summary is None else torch.cat([summary, chosen], dim=1)
        mean_square = (tokens * tokens).mean(2, keepdim=True)
        signal, gate = self.in_proj(tokens * torch.rsqrt(mean_square + RMSNorm.EPS)).split(
            self.inner, dim=2
        )
        signal = signal.transpose(1, 2)
        both = self.conv1d(torch.cat([signal, signal.flip(2)]))[:, :, :length]
        both = F.silu(both).transpose(1, 2)
        states = self.rates.shape[1]
        ranks, b, c = self.x_proj(both).split([self.rank, states, states], dim=2)
        dt = F.softplus(self.dt_proj(ranks))
        scanned = two_level_scan(
            ScanInputs(dt, both, self.rates, b, c), chunk=CHUNK, states=self.group
        )
        scanned = scanned + both * self.skip
        # Backwards the selected tokens come first, the last of them leading.
        forward = scanned[:batch, self.rows :]
        backward = scanned[batch:, : self.selected].flip(1)
        return chosen + self.out_proj((forward + backward) * F.silu(gate[:, self.rows :]))


def top_tokens(logits: Tensor, count: int, limit: int) -> Tensor:
    """Indices of the `count` largest logits by falling value, at most `limit` a TopK. (B, count).

    After a round the tokens it took get the lowest finite number, below every logit.
    """
    rounds = []
    for first in range(0, count, limit):
        ids = logits.topk(min(limit, count - first), dim=1, sorted=True).indices
        rounds.append(ids)
        if first + limit < count:
            lowest = torch.full_like(ids, torch.finfo(logits.dtype).min, dtype=logits.dtype)
            logits = logits.scatter(1, ids, lowest)
    return rounds[0] if len(rounds) == 1 else torch.cat(rounds, dim=1)


def states_at_once(elements: int, states: int) -> int:
    """How many states, a power of two, keep a float32 scan tensor within its limit.

    elements  of one state: both directions, length, width
    """
    group = states
    while group > 1 and 4 * elements * group > SCAN_TENSOR_BYTES:
        group //= 2
    return group
