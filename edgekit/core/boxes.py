"""Oriented boxes in the le90 convention.

A box is `(cx, cy, w, h, angle)`: pixels of the frame it speaks of, pixel centres at integers
+ 0.5, angle in radians from the +x axis to the long side, positive clockwise on screen (y points
down), `w >= h`, `angle in [-pi/2, pi/2)`. Corners are listed clockwise on screen, from
`centre + R(-w/2, -h/2)`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]


def normalise_le90(boxes: FloatArray) -> FloatArray:
    """The same rectangles with `w >= h` and the angle in [-pi/2, pi/2).

    Shape  (..., 5) -> (..., 5), dtype kept. A copy.
    """
    boxes = np.array(boxes, copy=True)
    w, h, angle = boxes[..., 2].copy(), boxes[..., 3].copy(), boxes[..., 4]
    swap = w < h
    boxes[..., 2] = np.where(swap, h, w)
    boxes[..., 3] = np.where(swap, w, h)
    boxes[..., 4] = wrap_half_turn(np.where(swap, angle + np.pi / 2, angle))
    return boxes


def wrap_half_turn(angle: FloatArray) -> FloatArray:
    """Angles brought into [-pi/2, pi/2) by whole half turns; dtype kept.

    Rounding can land a float32 exactly on +pi/2, which is the same direction as -pi/2: such
    values are mapped to -pi/2 so that the interval stays half open.
    """
    angle = np.asarray(angle)
    wrapped = np.mod(angle + np.pi / 2, np.pi) - np.pi / 2
    wrapped = wrapped.astype(angle.dtype, copy=False)
    limit = np.asarray(np.pi / 2, dtype=wrapped.dtype)
    return np.where(wrapped >= limit, -limit, wrapped)


def corners_from_le90(boxes: FloatArray) -> FloatArray:
    """Corner points of oriented boxes, clockwise on screen from `centre + R(-w/2, -h/2)`.

    Shape  (..., 5) -> (..., 4, 2), pixels, dtype kept.
    """
    boxes = np.asarray(boxes)
    cx, cy, w, h, angle = np.moveaxis(boxes, -1, 0)
    cos, sin = np.cos(angle), np.sin(angle)
    ux, uy = 0.5 * w * cos, 0.5 * w * sin
    vx, vy = -0.5 * h * sin, 0.5 * h * cos
    xs = np.stack([cx - ux - vx, cx + ux - vx, cx + ux + vx, cx - ux + vx], axis=-1)
    ys = np.stack([cy - uy - vy, cy + uy - vy, cy + uy + vy, cy - uy + vy], axis=-1)
    return np.stack([xs, ys], axis=-1)


def le90_from_corners(corners: FloatArray) -> FloatArray:
    """Oriented boxes from rectangles given by four corners in order around the rectangle.

    Shape   (..., 4, 2) -> (..., 5), dtype kept.
    Source  the polygon-to-box rule of DOTA's tools: the long side is the longer of edges 1-2 and
            2-3, the centre the mean of the corners. Exact for rectangles; for other quadrilaterals
            it is an approximation.
    """
    corners = np.asarray(corners)
    centre = corners.mean(axis=-2)
    first = corners[..., 1, :] - corners[..., 0, :]
    second = corners[..., 2, :] - corners[..., 1, :]
    first_px = np.hypot(first[..., 0], first[..., 1])
    second_px = np.hypot(second[..., 0], second[..., 1])
    long_side = np.where((first_px >= second_px)[..., None], first, second)
    angle = wrap_half_turn(np.arctan2(long_side[..., 1], long_side[..., 0]))
    size = (np.maximum(first_px, second_px), np.minimum(first_px, second_px))
    parts = (centre[..., 0], centre[..., 1], *size, angle)
    return np.stack(parts, axis=-1).astype(corners.dtype, copy=False)


def enclosing_aabb(boxes: FloatArray) -> FloatArray:
    """Axis-aligned `(x1, y1, x2, y2)` that enclose oriented boxes. Shape (..., 5) -> (..., 4)."""
    boxes = np.asarray(boxes)
    cx, cy, w, h, angle = np.moveaxis(boxes, -1, 0)
    cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
    half_x, half_y = 0.5 * (w * cos + h * sin), 0.5 * (w * sin + h * cos)
    return np.stack([cx - half_x, cy - half_y, cx + half_x, cy + half_y], axis=-1)
