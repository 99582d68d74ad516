"""A one-stage anchor-free oriented head: distances to four sides and an angle at every point.

Source: the RTMDet-R head (Lyu et al., "RTMDet", 2022): convolutions shared over levels with batch
norm of their own, one 1x1 predictor per level, no objectness. Points are cell centres
`((j + 0.5) s, (i + 0.5) s)`; distances are `exp(conv) * s`; the angle is a plain number in radians.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

#: Limit of the exponent: exp(6) * 32 px is larger than any frame, and safe in half precision.
MAX_LOG_DISTANCE = 6.0
_PRIOR_PROBABILITY = 0.01


class LevelOutputs(NamedTuple):
    """Raw predictions of a level, (B, C, h, w) each: C classes, 4 log distances, 1 angle."""

    logits: Tensor
    distances: Tensor
    angle: Tensor


class DistanceAngleHead(nn.Module):
    """Maps of `width` channels -> `LevelOutputs` per level."""

    def __init__(
        self, classes: int, width: int, depth: int = 2, strides: tuple[int, ...] = (8, 16, 32)
    ) -> None:
        super().__init__()
        self.strides = strides
        self.cls_tower = SharedTower(width, depth, len(strides))
        self.reg_tower = SharedTower(width, depth, len(strides))
        self.cls_pred = nn.ModuleList(nn.Conv2d(width, classes, 1) for _ in strides)
        self.reg_pred = nn.ModuleList(nn.Conv2d(width, 4, 1) for _ in strides)
        self.ang_pred = nn.ModuleList(nn.Conv2d(width, 1, 1) for _ in strides)
        for layer in (*self.cls_pred, *self.reg_pred, *self.ang_pred):
            nn.init.normal_(layer.weight, std=0.01)
            nn.init.zeros_(layer.bias)
        prior = math.log(_PRIOR_PROBABILITY / (1 - _PRIOR_PROBABILITY))
        for layer in self.cls_pred:
            assert isinstance(layer, nn.Conv2d)
            assert layer.bias is not None
            nn.init.constant_(layer.bias, prior)

    def forward(self, maps: tuple[Tensor, ...]) -> list[LevelOutputs]:
        outputs = []
        for level, x in enumerate(maps):
            cls, reg = self.cls_tower(x, level), self.reg_tower(x, level)
            outputs.append(
                LevelOutputs(
                    self.cls_pred[level](cls), self.reg_pred[level](reg), self.ang_pred[level](reg)
                )
            )
        return outputs


class SharedTower(nn.Module):
    """3x3 convolutions shared by all levels, each level with its own batch norms, ReLU."""

    def __init__(self, width: int, depth: int, levels: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(
            nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(depth)
        )
        self.norms = nn.ModuleList(
            nn.ModuleList(nn.BatchNorm2d(width) for _ in range(depth)) for _ in range(levels)
        )

    def forward(self, x: Tensor, level: int) -> Tensor:
        norms: nn.ModuleList = self.norms[level]  # type: ignore[assignment]
        for conv, norm in zip(self.convs, norms, strict=True):
            x = F.relu(norm(conv(x)))
        return x


def grid_points(
    size: tuple[int, int], strides: tuple[int, ...], device: torch.device | None = None
) -> tuple[Tensor, Tensor]:
    """Cell centres (N, 2) in input pixels and the stride of each (N,), levels in order, rows first.

    size  (height, width) of the network input, a multiple of the largest stride
    """
    points, strides_of = [], []
    for stride in strides:
        height, width = size[0] // stride, size[1] // stride
        ys = (torch.arange(height, device=device, dtype=torch.float32) + 0.5) * stride
        xs = (torch.arange(width, device=device, dtype=torch.float32) + 0.5) * stride
        grid_y, grid_x = torch.meshgrid(ys, xs, indexing="ij")
        points.append(torch.stack([grid_x, grid_y], dim=-1).view(-1, 2))
        strides_of.append(torch.full((height * width,), float(stride), device=device))
    return torch.cat(points), torch.cat(strides_of)


def flatten_levels(outputs: list[LevelOutputs]) -> tuple[Tensor, Tensor, Tensor]:
    """Levels joined: logits (B, N, C), log distances (B, N, 4), angle (B, N)."""
    logits = torch.cat([out.logits.flatten(2) for out in outputs], dim=2).transpose(1, 2)
    distances = torch.cat([out.distances.flatten(2) for out in outputs], dim=2).transpose(1, 2)
    angle = torch.cat([out.angle.flatten(2) for out in outputs], dim=2).squeeze(1)
    return logits, distances, angle


def decode_distance_angle(
    log_distances: Tensor, angle: Tensor, points: Tensor, strides: Tensor
) -> Tensor:
    """Oriented boxes from predictions at points.

    Shape   (..., 4), (...,), (..., 2), (...,) -> (..., 5) `(cx, cy, w, h, angle)`, pixels; neither
            `w >= h` nor the range of the angle is enforced here.
    Source  rotated FCOS / RTMDet-R: distances l, t, r, b in the box's own frame.
    """
    distances = torch.exp(log_distances.clamp(max=MAX_LOG_DISTANCE)) * strides.unsqueeze(-1)
    return box_from_distances(distances, angle, points)


def box_from_distances(distances: Tensor, angle: Tensor, points: Tensor) -> Tensor:
    """Boxes from distances in pixels (..., 4) `(l, t, r, b)`, raw angles and points (..., 2)."""
    left, top, right, bottom = distances.unbind(-1)
    along, across = (right - left) / 2, (bottom - top) / 2
    cos, sin = torch.cos(angle), torch.sin(angle)
    cx = points[..., 0] + along * cos - across * sin
    cy = points[..., 1] + along * sin + across * cos
    return torch.stack([cx, cy, left + right, top + bottom, angle], dim=-1)
