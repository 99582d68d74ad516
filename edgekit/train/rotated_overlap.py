"""Exact rotated IoU of box pairs in torch, differentiable, for assignment and the box loss.

Source: the corners of an intersection polygon are edge crossings and corners of one box inside the
other (Zhou et al., "IoU Loss for 2D/3D Object Detection", 2019). The kernels' NumPy form is the
reference in the tests.
"""

from __future__ import annotations

import torch
from torch import Tensor

_EPS = 1e-8
#: Sine of the angle below which edges count as parallel: their crossing would be rounding noise,
#: anywhere along a shared edge line.
_PARALLEL = 1e-5


def paired_rotated_iou(a: Tensor, b: Tensor) -> Tensor:
    """IoU of row i of `a` with row i of `b`.

    Shape   (N, 5), (N, 5) -> (N,), float32, in [0, 1]; gradients flow to both.
    Limits  within 1e-3 of exact where the long side is up to 60 times the short one; beyond that
            float32 loses the order of corners in needles.
    Cost    24 candidate vertices a pair, one sort of 24 a pair.
    """
    # Local coordinates: the pair's common offset carries no information and costs precision.
    origin = a[:, :2].detach()
    corners_a = _corners(a, origin)
    corners_b = _corners(b, origin)
    crossings, crosses = _edge_crossings(corners_a, corners_b)
    vertices = torch.cat([crossings, corners_a, corners_b], dim=1)
    valid = torch.cat(
        [crosses, _inside(corners_a, corners_b), _inside(corners_b, corners_a)], dim=1
    )
    overlap = _polygon_area(vertices, valid)
    area_a, area_b = a[:, 2] * a[:, 3], b[:, 2] * b[:, 3]
    union = (area_a + area_b - overlap).clamp(min=_EPS)
    # A box without area would count every corner of the other as inside.
    is_flat = torch.minimum(area_a, area_b) < _EPS
    return (overlap / union).clamp(0.0, 1.0).masked_fill(is_flat, 0.0)


def _corners(boxes: Tensor, origin: Tensor) -> Tensor:
    """Corners relative to `origin` (N, 2), which leaves before anything small is added."""
    cx, cy = (boxes[:, :2] - origin).unbind(-1)
    w, h, angle = boxes[:, 2:].unbind(-1)
    cos, sin = torch.cos(angle), torch.sin(angle)
    ux, uy, vx, vy = w / 2 * cos, w / 2 * sin, -h / 2 * sin, h / 2 * cos
    xs = torch.stack([cx - ux - vx, cx + ux - vx, cx + ux + vx, cx - ux + vx], dim=-1)
    ys = torch.stack([cy - uy - vy, cy + uy - vy, cy + uy + vy, cy - uy + vy], dim=-1)
    return torch.stack([xs, ys], dim=-1)


def _edge_crossings(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """All 16 crossings of the edges of two quadrilaterals: points (N, 16, 2), validity (N, 16)."""
    start_a, start_b = a[:, :, None, :], b[:, None, :, :]
    along_a = (a.roll(-1, dims=1) - a)[:, :, None, :]
    along_b = (b.roll(-1, dims=1) - b)[:, None, :, :]
    between = start_b - start_a
    denominator = _cross(along_a, along_b)
    lengths = along_a.detach().norm(dim=-1) * along_b.detach().norm(dim=-1)
    parallel = denominator.abs() <= _PARALLEL * lengths
    safe = torch.where(parallel, torch.ones_like(denominator), denominator)
    t = _cross(between, along_b) / safe
    u = _cross(between, along_a) / safe
    valid = ~parallel & (t > 0) & (t < 1) & (u > 0) & (u < 1)
    points = start_a + t.unsqueeze(-1) * along_a
    return points.flatten(1, 2), valid.flatten(1)


def _inside(points: Tensor, quad: Tensor) -> Tensor:
    """Which of the points (N, 4, 2) lie in the rectangles (N, 4, 2); the border counts."""
    origin, first, last = quad[:, None, 0], quad[:, None, 1], quad[:, None, 3]
    offset = points - origin
    along, across = first - origin, last - origin
    p, q = (offset * along).sum(-1), (offset * across).sum(-1)
    slack = 2e-4  # of a side: float32 loses thin boxes at their own corners below this
    length, width = (along * along).sum(-1), (across * across).sum(-1)
    in_length = (p >= -slack * length) & (p <= (1 + slack) * length)
    in_width = (q >= -slack * width) & (q <= (1 + slack) * width)
    return in_length & in_width


def _polygon_area(vertices: Tensor, valid: Tensor) -> Tensor:
    """Area of the convex hull order of the valid vertices; 0 for fewer than three."""
    count = valid.sum(1)
    weight = valid.unsqueeze(-1).to(vertices.dtype)
    centre = (vertices * weight).sum(1, keepdim=True) / count.clamp(min=1)[:, None, None]
    offset = vertices - centre
    with torch.no_grad():
        direction = torch.atan2(offset[..., 1], offset[..., 0]).masked_fill(~valid, 10.0)
        order = direction.argsort(dim=1)
    ordered = offset.gather(1, order.unsqueeze(-1).expand_as(offset))
    kept = valid.gather(1, order)
    # Vertices that do not count repeat the first one: they add triangles of area zero.
    ordered = torch.where(kept.unsqueeze(-1), ordered, ordered[:, :1])
    area = 0.5 * _cross(ordered, ordered.roll(-1, dims=1)).sum(1)
    return torch.where(count > 2, area, torch.zeros_like(area)).clamp(min=0)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    return a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
