"""A one-stage oriented detector as one static graph that ends in decoded candidates."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model_zoo.deploy.backbones import OUTPUT_NORMS, fold_backbone
from model_zoo.deploy.folding import fold_after, fold_before
from model_zoo.heads.distance_angle import (
    DistanceAngleHead,
    LevelOutputs,
    SharedTower,
    decode_distance_angle,
    flatten_levels,
    grid_points,
)
from model_zoo.necks.light_pan import LightPAN
from model_zoo.tasks.obb import ObbDetector

DEFAULT_CANDIDATES = 1000


@dataclass(frozen=True, slots=True)
class DeploySpec:
    """What is fixed in the graph: input size (height, width) px, and the number of candidates.

    top_k_limit  largest K that the target's TopK takes, where a backbone asks for more
    """

    size: tuple[int, int]
    candidates: int = DEFAULT_CANDIDATES
    top_k_limit: int | None = None


class FoldedTower(nn.Module):
    """`SharedTower` with each level's norms folded: one run of convolutions a level."""

    def __init__(self, source: SharedTower) -> None:
        super().__init__()
        self.levels = nn.ModuleList(
            nn.Sequential(
                *(
                    layer
                    for conv, norm in zip(source.convs, norms, strict=True)  # type: ignore[call-overload]
                    for layer in (fold_after(conv, norm), nn.ReLU(inplace=True))
                )
            )
            for norms in source.norms
        )

    def forward(self, x: Tensor, level: int) -> Tensor:
        return self.levels[level](x)


class DeployObb(nn.Module):
    """Folded detector, decode and top-k in one module, for one input size.

    forward  (1, 3, H, W) f32 -> boxes (1, K, 5) f32 in input pixels, le90; scores (1, K) f32 by
             falling score; labels (1, K) int32. One label a point: its best class.
    """

    def __init__(self, model: ObbDetector, spec: DeploySpec) -> None:
        super().__init__()
        self.spec = spec
        self.model = fold_detector(model, spec.size, spec.top_k_limit)
        device = next(model.parameters()).device
        points, strides = grid_points(spec.size, model.head.strides, device)
        self.register_buffer("points", points, persistent=False)
        self.register_buffer("strides", strides, persistent=False)
        self.candidates = min(spec.candidates, len(points))
        self.eval()

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        return self.decode(self.model(images))

    def decode(self, outputs: list[LevelOutputs]) -> tuple[Tensor, Tensor, Tensor]:
        """Candidates from raw predictions: only the K best points are decoded."""
        logits, log_distances, angle = flatten_levels(outputs)
        best, labels = logits.max(dim=2)
        best, rows = best.topk(self.candidates, dim=1, sorted=True)
        labels = labels.gather(1, rows)
        log_distances = log_distances.gather(1, rows.unsqueeze(-1).expand(-1, -1, 4))
        angle = angle.gather(1, rows)
        points, strides = self.points[rows[0]].unsqueeze(0), self.strides[rows[0]].unsqueeze(0)  # type: ignore[index]
        boxes = decode_distance_angle(log_distances, angle, points, strides)
        return as_le90(boxes), best.sigmoid(), labels.to(torch.int32)


def as_le90(boxes: Tensor) -> Tensor:
    """The same rectangles with `w >= h` and the angle in [-pi/2, pi/2). Shape (..., 5)."""
    cx, cy, w, h, angle = boxes.unbind(-1)
    angle = torch.where(w < h, angle + torch.pi / 2, angle)
    angle = angle - torch.pi * torch.floor(angle / torch.pi + 0.5)
    # Just under +pi/2 the sum rounds up to the next turn, which lands one ulp below -pi/2.
    angle = angle.clamp(min=-torch.pi / 2)
    parts = [cx, cy, torch.maximum(w, h), torch.minimum(w, h), angle]
    return torch.stack(parts, dim=-1)


@torch.no_grad()
def fold_detector(
    model: ObbDetector,
    image_size: tuple[int, int] | None = None,
    top_k_limit: int | None = None,
) -> ObbDetector:
    """A copy of a detector, on its device, in which every batch norm that can be folded is.

    image_size, top_k_limit  as in `fold_backbone`
    """
    model = copy.deepcopy(model).eval().requires_grad_(False)
    model.backbone = fold_backbone(model.backbone, image_size, top_k_limit)  # type: ignore[assignment]
    _fold_neck(model.neck, model.backbone)
    _fold_head(model.head)
    return model


def _fold_neck(neck: LightPAN, backbone: nn.Module) -> None:
    for block in (neck.detail, *neck.lateral, *neck.top_down, *neck.down, *neck.bottom_up):
        block[0] = fold_after(block[0], block[1])
        block[1] = nn.Identity()
    # The norms of strides 8..32 meet 1x1 laterals; that of stride 4 a padded 3x3, and stays.
    for lateral, name in zip(neck.lateral, OUTPUT_NORMS[1:], strict=True):
        norm = getattr(backbone, name, None)
        if isinstance(norm, nn.BatchNorm2d):
            lateral[0] = fold_before(norm, lateral[0])  # type: ignore[index, operator]
            backbone.add_module(name, nn.Identity())


def _fold_head(head: DistanceAngleHead) -> None:
    head.cls_tower = FoldedTower(head.cls_tower)  # type: ignore[assignment]
    head.reg_tower = FoldedTower(head.reg_tower)  # type: ignore[assignment]
