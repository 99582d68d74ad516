"""LEGNet for inference: batch norms folded, and magnitudes that fit half precision.

Two things overflow fp16 in the trained form and not here, for network inputs within [-4, 4]:

* the LoG kernel's published start has weights near 1e7; its norm is folded into it in float64;
* the Scharr branch adds squares: its kernels are scaled by powers of two, its norm undoes that.

Features times attention squares magnitudes at every block. That product is scaled down too, which
is free: attention plus one, scaled, comes straight out of the convolution before it. Inputs of
random signs at full scale still leave the range in the last stages, as the function itself does.
"""

from __future__ import annotations

from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from model_zoo.backbones.legnet import (
    DRFD,
    AttentionMerge,
    Block,
    ConvExtra,
    Gaussian,
    LEGNet,
    LoGFilter,
    Scharr,
    Stage,
)
from model_zoo.deploy.folding import ChannelAffine, fold_after, fold_before

#: Largest magnitude at the Scharr input that the scaling leaves room for. Network inputs within
#: [-4, 4] gave 32 to 41, ordinary frames 8 to 10.
EDGE_REACH = 48.0
#: Room given to features times attention: values up to 64 times the fp16 limit.
_PRODUCT_SCALE = 1 / 64
_FP16_MAX = 65504.0


class FoldedLoG(nn.Module):
    """`LoGFilter` with the norm in the kernel."""

    def __init__(self, source: LoGFilter) -> None:
        super().__init__()
        self.conv_init = source.conv_init
        self.conv = fold_after(source.LoG, source.norm1)
        self.norm = ChannelAffine(source.norm2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_init(x)
        return self.norm(x + F.relu(self.conv(x)))


class FoldedGaussian(nn.Module):
    """`Gaussian` with the norm in the kernel."""

    def __init__(self, source: Gaussian) -> None:
        super().__init__()
        self.conv = fold_after(source.gaussian, source.norm)
        self.extra = None if source.conv_extra is None else fold_extra(source.conv_extra)

    def forward(self, x: Tensor) -> Tensor:
        smooth = F.relu(self.conv(x))
        return smooth if self.extra is None else self.extra(x + smooth)


class ScaledScharr(nn.Module):
    """`Scharr` whose sum of squares stays within fp16 for inputs up to `reach`."""

    def __init__(self, source: Scharr, reach: float) -> None:
        super().__init__()
        scale = edge_scale(source, reach)
        self.conv_x = _scaled(source.conv_x, scale)
        self.conv_y = _scaled(source.conv_y, scale)
        self.norm = ChannelAffine(source.norm, input_scale=scale)
        self.extra = fold_extra(source.conv_extra)

    def forward(self, x: Tensor) -> Tensor:
        ex, ey = self.conv_x(x), self.conv_y(x)
        return self.extra(x + F.relu(self.norm(torch.sqrt(ex * ex + ey * ey))))


class FoldedMerge(nn.Module):
    """`AttentionMerge` without its last norm, for attention that is `scale * (1 + prior)`."""

    def __init__(self, source: AttentionMerge, scale: float) -> None:
        super().__init__()
        conv = source.conv2d[0]
        assert isinstance(conv, nn.Conv2d)
        self.conv = fold_after(conv, source.conv2d[1])  # type: ignore[arg-type]
        self.conv.weight /= scale
        # Along channels, as a convolution over a tall image: engines know two dimensions best.
        size = source.conv1d.weight.shape[2]
        self.gate = nn.Conv2d(1, 1, (size, 1), padding=(size // 2, 0), bias=False)
        self.gate.weight.copy_(source.conv1d.weight.unsqueeze(3))

    def forward(self, x: Tensor, attention: Tensor) -> Tensor:
        mixed = F.relu(self.conv(x * attention))
        channels = mixed.mean((2, 3), keepdim=True).transpose(1, 2)
        return x + mixed * torch.sigmoid(self.gate(channels)).transpose(1, 2)


class FoldedBlock(nn.Module):
    """`Block` with every norm in a convolution but that after the edge magnitude."""

    def __init__(self, source: Block, reach: float) -> None:
        super().__init__()
        self.prior = (
            ScaledScharr(source.Scharr_edge, reach)
            if source.stage == 0
            else FoldedGaussian(source.gaussian)
        )
        extra = self.prior.extra
        assert extra is not None
        last = extra[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        last.weight *= _PRODUCT_SCALE
        last.bias.copy_((last.bias + 1) * _PRODUCT_SCALE)
        self.merge = FoldedMerge(source.LFEA, _PRODUCT_SCALE)
        first, end = source.mlp[0], source.mlp[3]
        assert isinstance(first, nn.Conv2d)
        assert isinstance(end, nn.Conv2d)
        self.mlp = nn.Sequential(
            fold_after(fold_before(source.LFEA.norm, first), source.mlp[1]),  # type: ignore[arg-type]
            nn.ReLU(),
            fold_after(end, source.norm),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mlp(self.merge(x, self.prior(x)))


@torch.no_grad()
def fold_legnet(model: LEGNet, edge_reach: float = EDGE_REACH) -> None:
    """Fold a backbone in place; the four output norms stay (what follows them decides).

    edge_reach  largest magnitude at the Scharr input to leave room for
    """
    stem = model.Stem
    stem.LoG = FoldedLoG(stem.LoG)  # type: ignore[assignment]
    stem.Conv_D = nn.Sequential(
        stem.Conv_D[0],
        fold_after(stem.Conv_D[1], stem.Conv_D[2]),  # type: ignore[arg-type]
    )
    stem.gaussian = FoldedGaussian(stem.gaussian)  # type: ignore[assignment]
    stem.norm = ChannelAffine(stem.norm)  # type: ignore[assignment]
    _fold_downsampling(stem.drfd)
    for item in model.stages:
        if isinstance(item, DRFD):
            _fold_downsampling(item)
        elif isinstance(item, Stage):
            blocks = [block for block in item.blocks if isinstance(block, Block)]
            item.blocks = nn.Sequential(*(FoldedBlock(block, edge_reach) for block in blocks))


def fold_extra(source: ConvExtra) -> nn.Sequential:
    """`ConvExtra` as three convolutions."""
    layers = list(source.block)
    folded = [fold_after(layers[i], layers[i + 1]) for i in (0, 3, 6)]  # type: ignore[arg-type]
    return nn.Sequential(folded[0], nn.ReLU(), folded[1], nn.ReLU(), folded[2])


def edge_scale(source: Scharr, reach: float) -> Tensor:
    """Largest power of two a channel that keeps the sum of squares within fp16. (D,) f64, <= 1.

    The sum is convex in the input, so its largest value over |input| <= reach lies at one of the
    2^9 corners; the loaded kernels count, not the initial ones.
    """
    corners = torch.tensor(list(product((-1.0, 1.0), repeat=9)), dtype=torch.float64)
    across = corners @ source.conv_x.weight.double().flatten(1).T
    down = corners @ source.conv_y.weight.double().flatten(1).T
    largest = (across.square() + down.square()).amax(0) * reach**2
    smallest = torch.finfo(torch.float64).tiny
    room = torch.sqrt(_FP16_MAX / largest.clamp_min(smallest))
    return torch.exp2(torch.floor(torch.log2(room))).clamp(max=1.0)


def _scaled(conv: nn.Conv2d, scale: Tensor) -> nn.Conv2d:
    conv.weight.copy_(conv.weight.double() * scale[:, None, None, None])
    return conv


def _fold_downsampling(item: DRFD) -> None:
    width = item.norm_c.num_features
    fusion = fold_before(item.norm_c, item.fusion)
    item.fusion = fold_before(item.norm_m, fusion, first_channel=width)
    item.norm_c = item.norm_m = nn.Identity()  # type: ignore[assignment]
    item.gaussian = FoldedGaussian(item.gaussian)  # type: ignore[assignment]
    item.norm_g = ChannelAffine(item.norm_g)  # type: ignore[assignment]
