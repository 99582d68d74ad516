"""Dynamic soft-label assignment: which points answer for which objects.

Source: RTMDet (Lyu et al., 2022), section "Dynamic soft label assignment": candidates are points
inside an object; a cost of classification, overlap and distance ranks them; each object takes as
many points as the sum of its 13 best overlaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from edgekit.train.rotated_overlap import paired_rotated_iou

_IOU_WEIGHT = 3.0
_SOFT_CENTRE_BASE, _SOFT_CENTRE_RADIUS = 10.0, 3.0
_TOP_CANDIDATES = 13
_NEVER = 1e8


@dataclass(frozen=True, slots=True)
class Assignment:
    """For one image.

    points   (P,) i64, indices of positive points
    objects  (P,) i64, the object that each answers for
    overlap  (P,) f32, IoU of the point's box with its object: the soft label
    """

    points: Tensor
    objects: Tensor
    overlap: Tensor


@torch.no_grad()
def assign(
    logits: Tensor, boxes: Tensor, points: Tensor, strides: Tensor, truth: Tensor, labels: Tensor
) -> Assignment:
    """Assign the points of one image to its objects.

    logits (N, C), boxes (N, 5), points (N, 2), strides (N,), truth (M, 5) le90 px, labels (M,) i64
    """
    point_of, object_of = candidates(points, strides, truth).nonzero(as_tuple=True)
    if point_of.numel() == 0:
        none = torch.zeros(0, dtype=torch.long, device=logits.device)
        return Assignment(none, none, torch.zeros(0, device=logits.device))
    overlap = paired_rotated_iou(boxes[point_of], truth[object_of])
    cost = (
        _classification_cost(logits[point_of], labels[object_of], overlap)
        - _IOU_WEIGHT * torch.log(overlap + 1e-7)
        + _centre_cost(points[point_of], strides[point_of], truth[object_of])
    )
    count = (len(points), len(truth))
    overlaps = torch.zeros(count, device=logits.device)
    overlaps[point_of, object_of] = overlap
    costs = torch.full(count, _NEVER, device=logits.device)
    costs[point_of, object_of] = cost
    return _cheapest(costs, overlaps)


def candidates(points: Tensor, strides: Tensor, truth: Tensor) -> Tensor:
    """Which points may answer for which objects: those inside it. (N, M) bool.

    On the finest level a box counts as at least two cells wide, so that an object smaller than a
    cell, between four points, still has candidates.
    """
    offset = points[:, None, :] - truth[None, :, :2]
    cos, sin = torch.cos(truth[:, 4]), torch.sin(truth[:, 4])
    along = (offset[..., 0] * cos + offset[..., 1] * sin).abs()
    across = (offset[..., 1] * cos - offset[..., 0] * sin).abs()
    finest = strides.min()
    reach = torch.where(strides == finest, finest, torch.zeros_like(strides))[:, None]
    half_w = torch.maximum(truth[:, 2][None] / 2, reach)
    half_h = torch.maximum(truth[:, 3][None] / 2, reach)
    return (along < half_w) & (across < half_h)


def _classification_cost(logits: Tensor, labels: Tensor, overlap: Tensor) -> Tensor:
    target = torch.zeros_like(logits)
    target[torch.arange(len(labels)), labels] = overlap
    scale = (target - logits.sigmoid()).abs() ** 2
    return (F.binary_cross_entropy_with_logits(logits, target, reduction="none") * scale).sum(1)


def _centre_cost(points: Tensor, strides: Tensor, truth: Tensor) -> Tensor:
    distance = (points - truth[:, :2]).norm(dim=1) / strides
    return _SOFT_CENTRE_BASE ** (distance.clamp(max=8.0) - _SOFT_CENTRE_RADIUS)


def _cheapest(costs: Tensor, overlaps: Tensor) -> Assignment:
    top = overlaps.topk(min(_TOP_CANDIDATES, len(overlaps)), dim=0).values
    wanted = top.sum(0).int().clamp(min=1)
    rank = costs.argsort(dim=0).argsort(dim=0)
    chosen = (rank < wanted[None]) & (costs < _NEVER)
    # A point wanted by several objects goes to the one it costs least.
    costs = torch.where(chosen, costs, torch.full_like(costs, _NEVER))
    cheapest, object_of = costs.min(dim=1)
    positive = (cheapest < _NEVER).nonzero().squeeze(1)
    object_of = object_of[positive]
    return Assignment(positive, object_of, overlaps[positive, object_of])
