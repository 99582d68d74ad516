"""LWGANet for inference: every batch norm folded that can be, the four strips one convolution."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_zoo.backbones.lwganet import (
    DRFD,
    LWGABlock,
    LWGANet,
    MediumRangeAttention,
    SelfAttention,
    Stage,
)
from model_zoo.deploy.folding import fold_after, fold_before, fold_linear


class FusedMediumRangeAttention(nn.Module):
    """`MediumRangeAttention` with its strips and norm as one 13x13 depthwise convolution."""

    def __init__(self, source: MediumRangeAttention) -> None:
        super().__init__()
        kernel = source.fused_kernel()
        width, size = kernel.shape[0], kernel.shape[-1]
        conv = nn.Conv2d(
            width, width, size, padding=size // 2, groups=width, bias=False, device=kernel.device
        )
        conv.weight.copy_(kernel)
        self.max_m2 = source.max_m2
        self.conv = fold_after(conv, source.norm)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.conv(self.max_m2(F.max_pool2d(x, 3, stride=1, padding=1))))
        return x * F.interpolate(gate, size=x.shape[-2:], mode="nearest")


@torch.no_grad()
def fold_lwganet(model: LWGANet) -> None:
    """Fold a dense backbone in place; the four output norms stay (what follows them decides)."""
    model.Stem.proj = fold_after(model.Stem.proj, model.Stem.norm)
    model.Stem.norm = nn.Identity()  # type: ignore[assignment]
    for item in model.stages:
        if isinstance(item, DRFD):
            _fold_downsampling(item)
        elif isinstance(item, Stage):
            for block in item.blocks:
                assert isinstance(block, LWGABlock)
                _fold_block(block)


def _fold_downsampling(item: DRFD) -> None:
    width = item.norm_c.num_features
    fusion = fold_before(item.norm_c, item.fusion)
    item.fusion = fold_before(item.norm_m, fusion, first_channel=width)
    item.norm_c = item.norm_m = nn.Identity()  # type: ignore[assignment]


def _fold_block(block: LWGABlock) -> None:
    quarter = block.MRA.norm.num_features
    first, last = block.mlp[0], block.mlp[3]
    assert isinstance(first, nn.Conv2d)
    assert isinstance(last, nn.Conv2d)
    if block.stage != 2:
        # Before mlp.1, which then scales the bias that this adds.
        first = fold_before(block.norm, first, first_channel=3 * quarter)
        block.norm = nn.Identity()  # type: ignore[assignment]
    block.mlp = nn.Sequential(
        fold_after(first, block.mlp[1]),  # type: ignore[arg-type]
        nn.Identity(),
        block.mlp[2],
        fold_after(last, block.norm1),
    )
    block.norm1 = nn.Identity()  # type: ignore[assignment]
    for branch in (block.PA.p_conv, block.LA.conv):
        branch[0] = fold_after(branch[0], branch[1])  # type: ignore[arg-type]
        branch[1] = nn.Identity()
    block.MRA = FusedMediumRangeAttention(block.MRA)  # type: ignore[assignment]
    if block.stage == 2:
        block.GA3.attn.proj = fold_linear(block.GA3.attn.proj, block.GA3.norm)
        block.GA3.norm = nn.Identity()  # type: ignore[assignment]
        _fold_query_scale(block.GA3.attn)
    elif block.stage == 3:
        _fold_query_scale(block.GA4)


def _fold_query_scale(attention: SelfAttention) -> None:
    """The factor 1/2 of the queries into their projection: a power of two, so exact."""
    width = attention.proj.out_features
    attention.qkv.weight[:width] *= attention.scale
    attention.scale = 1.0
