"""The detection loss: quality focal classification and rotated IoU.

Source: quality focal loss (Li et al., "Generalized Focal Loss", 2020), beta 2; box loss `1 - IoU`
weighted by the soft label, weight 2, as in RTMDet-R. Both are divided by the sum of soft labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.train.assignment import assign, candidates
from edgekit.train.rotated_overlap import paired_rotated_iou
from model_zoo.heads.distance_angle import (
    LevelOutputs,
    decode_distance_angle,
    flatten_levels,
    grid_points,
)

_BOX_WEIGHT = 2.0


@dataclass(frozen=True, slots=True)
class Targets:
    """What is in one training image: objects and regions that teach nothing.

    boxes (M, 5) f32 le90 px, labels (M,) i64, ignore (K, 5) f32
    """

    boxes: Tensor
    labels: Tensor
    ignore: Tensor


def detection_loss(
    outputs: list[LevelOutputs],
    targets: Sequence[Targets],
    size: tuple[int, int],
    strides: tuple[int, ...],
) -> dict[str, Tensor]:
    """Loss terms of a batch: `cls` and `box`, scalars to be summed."""
    logits, log_distances, angle = (part.float() for part in flatten_levels(outputs))
    points, stride_of = grid_points(size, strides, logits.device)
    boxes = decode_distance_angle(log_distances, angle, points, stride_of)
    quality = torch.zeros_like(logits)
    teaches = torch.ones_like(logits[..., 0])
    predicted, wanted, weights = [], [], []
    for image, target in enumerate(targets):
        if len(target.ignore):
            teaches[image] = (~candidates(points, stride_of, target.ignore).any(1)).float()
        if not len(target.boxes):
            continue
        found = assign(logits[image], boxes[image], points, stride_of, target.boxes, target.labels)
        quality[image, found.points, target.labels[found.objects]] = found.overlap
        teaches[image, found.points] = 1.0
        predicted.append(boxes[image, found.points])
        wanted.append(target.boxes[found.objects])
        weights.append(found.overlap)
    total = torch.cat(weights).sum().clamp(min=1.0) if weights else logits.new_ones(())
    cls = quality_focal_loss(logits, quality) * teaches.unsqueeze(-1)
    losses = {"cls": cls.sum() / total, "box": boxes.sum() * 0.0}
    if predicted:
        overlap = paired_rotated_iou(torch.cat(predicted), torch.cat(wanted))
        losses["box"] = _BOX_WEIGHT * ((1 - overlap) * torch.cat(weights)).sum() / total
    return losses


def quality_focal_loss(logits: Tensor, quality: Tensor) -> Tensor:
    """`|q - p|^2 * BCE(p, q)`, element by element."""
    scale = (quality - logits.sigmoid()).abs() ** 2
    return scale * F.binary_cross_entropy_with_logits(logits, quality, reduction="none")
