"""Golden vectors of rotated IoU: `python tests/golden/rotated_iou/make.py` rewrites cases.json.

The reference is shapely (GEOS polygon overlay) in float64, independent of the code under test. Each
pair is moved by the centre of its first box before the polygons are built: the difference of two
float32 centres is exact in float64, so coordinates of 1e5 px cost the reference nothing.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
from shapely import Polygon

TOLERANCE = 1e-9
Box = tuple[float, float, float, float, float]


def main() -> None:
    """Write cases.json beside this file."""
    rows = [case(name, a, b) for name, a, b in [*named_pairs(), *random_pairs()]]
    header = {
        "schema": "edgekit.golden.rotated_iou/1",
        "about": "boxes (cx, cy, w, h, angle), px and rad, every number a float32; areas px^2",
        "reference": "shapely polygon intersection in float64, coordinates local to each pair",
        "generator": "python tests/golden/rotated_iou/make.py",
        "tolerance": f"{TOLERANCE} absolute for iou, {TOLERANCE} of the smaller box for "
        "intersection, computed in float64; 1e-6 and 1e-6 for a float32 result",
        "tolerance_iou": TOLERANCE,
    }
    lines = [f'"{key}": {json.dumps(value)},' for key, value in header.items()]
    text = "\n".join(["{", *lines, '"cases": [', ",\n".join(map(json.dumps, rows)), "]", "}"])
    Path(__file__).with_name("cases.json").write_text(text + "\n", encoding="utf-8")


def case(name: str, a: Box, b: Box) -> dict[str, object]:
    """One row: the pair as float32 numbers, and what the reference says of it."""
    a, b = as_float32(a), as_float32(b)
    shared = intersection_px2(a, b)
    union = area_px2(a) + area_px2(b) - shared
    return {
        "name": name,
        "a": a,
        "b": b,
        "intersection": shared,
        "iou": shared / union if shared > 0.0 else 0.0,
    }


def as_float32(box: Box) -> Box:
    """The box that a float32 array would hold."""
    return tuple(float(np.float32(value)) for value in box)  # type: ignore[return-value]


def intersection_px2(a: Box, b: Box) -> float:
    """Area shared by two boxes; 0 where a side is not positive."""
    if min(a[2], a[3], b[2], b[3]) <= 0.0:
        return 0.0
    if a[2:] == b[2:] and a[:2] == b[:2]:
        return area_px2(a)
    near = polygon((0.0, 0.0, *a[2:]))
    other = polygon((b[0] - a[0], b[1] - a[1], *b[2:]))
    return float(near.intersection(other).area)


def area_px2(box: Box) -> float:
    """Width times height, 0 where a side is not positive."""
    return max(box[2], 0.0) * max(box[3], 0.0)


def polygon(box: Box) -> Polygon:
    """The outline of one box."""
    cx, cy, w, h, angle = box
    cos, sin = math.cos(angle), math.sin(angle)
    halves = [(-w / 2, -h / 2), (w / 2, -h / 2), (w / 2, h / 2), (-w / 2, h / 2)]
    return Polygon([(cx + x * cos - y * sin, cy + x * sin + y * cos) for x, y in halves])


def named_pairs() -> list[tuple[str, Box, Box]]:
    """Pairs that implementations are known to get wrong."""
    half, quarter = math.pi / 2, math.pi / 4
    return [
        ("apart", (0, 0, 10, 4, 0.3), (100, 40, 10, 4, 0.9)),
        ("enclosing boxes overlap, boxes do not", (0, 0, 40, 2, quarter), (0, 12, 40, 2, quarter)),
        ("identical", (12.5, 7.25, 30, 8, 0.7), (12.5, 7.25, 30, 8, 0.7)),
        ("identical, axis-aligned", (0, 0, 4, 2, 0), (0, 0, 4, 2, 0)),
        ("same rectangle, half a turn on", (5, 5, 20, 6, 0.4), (5, 5, 20, 6, 0.4 - math.pi)),
        ("same rectangle, sides swapped", (5, 5, 20, 6, 0.4), (5, 5, 6, 20, 0.4 + half)),
        ("two sides of the le90 seam", (50, 50, 40, 10, -half), (50, 50, 40, 10, half - 1e-3)),
        ("nested, shared centre and angle", (0, 0, 20, 10, 0.5), (0, 0, 8, 4, 0.5)),
        ("nested, shared centre, turned", (0, 0, 40, 30, 0.2), (0, 0, 9, 3, -1.1)),
        ("nested, off centre", (100, 100, 60, 50, 0.9), (108, 93, 5, 2, 0.1)),
        ("nested, touching one side from inside", (0, 0, 20, 10, 0), (0, 4, 6, 2, 0)),
        ("small in huge", (0, 0, 100000, 80000, 0.3), (1234.5, -987.25, 1.5, 0.5, 1.2)),
        ("touching along a whole edge", (0, 0, 10, 10, 0), (10, 0, 10, 10, 0)),
        ("touching along part of an edge", (0, 0, 10, 10, 0), (10, 5, 10, 4, 0)),
        ("touching at a corner", (0, 0, 10, 10, 0), (10, 10, 10, 10, 0)),
        ("corner touches an edge", (0, 0, 10, 10, 0), (12, 0, math.sqrt(8), math.sqrt(8), quarter)),
        ("half overlap", (0, 0, 4, 2, 0), (2, 0, 4, 2, 0)),
        ("quarter overlap at a corner", (0, 0, 4, 4, 0), (2, 2, 4, 4, 0)),
        ("square on square turned by 45 degrees", (3, 4, 10, 10, 0), (3, 4, 10, 10, quarter)),
        ("thin cross", (0, 0, 100, 1, 0.25), (0, 0, 100, 1, 0.25 + half)),
        ("slivers at a small angle", (0, 0, 200, 0.5, 0), (0, 0, 200, 0.5, 0.01)),
        ("sliver over a corner", (0, 0, 10, 10, 0), (5, 5, 30, 0.01, quarter)),
        ("sliver across the other", (0, 0, 20, 10, 0.3), (1, 1, 1000, 0.001, 1.1)),
        ("turned by one float32 step", (9, 9, 50, 20, 0.5), (9, 9, 50, 20, 0.50000006)),
        ("shifted by one float32 step", (9, 9, 50, 20, 0.5), (9.000001, 9, 50, 20, 0.5)),
        ("parallel edges on one line", (0, 0, 10, 4, 0.3), (2, 0.618672, 10, 4, 0.3)),
        ("at 1e5 px, shifted by half a pixel", (1e5, 1e5, 12, 5, 0.6), (100000.5, 1e5, 12, 5, 0.6)),
        ("at 1e5 px, identical", (1e5, 99999.5, 12, 5, 0.6), (1e5, 99999.5, 12, 5, 0.6)),
        ("at 1e5 px, thin and crossing", (1e5, 1e5, 90, 2, 0.6), (100003, 99998, 90, 2, -0.9)),
        ("at -1e5 px, touching", (-1e5, 0, 10, 10, 0), (-99990, 0, 10, 10, 0)),
        ("one side is zero", (0, 0, 10, 0, 0.2), (0, 0, 10, 10, 0.2)),
        ("both are points", (0, 0, 0, 0, 0), (0, 0, 0, 0, 0)),
        ("one side is negative", (0, 0, 10, -4, 0.2), (0, 0, 10, 4, 0.2)),
        ("both sides are negative", (0, 0, -10, -4, 0.2), (0, 0, 10, 4, 0.2)),
        ("angle far outside of le90", (0, 0, 10, 4, 0.25 + 40 * math.pi), (1, 1, 10, 4, 0.25)),
    ]


def random_pairs() -> list[tuple[str, Box, Box]]:
    """Overlapping pairs of ordinary sizes, seed 7."""
    rng = np.random.default_rng(7)
    rows = []
    for index in range(40):
        a, b = (
            (*rng.uniform(0, 25, 2), *rng.uniform(2, 40, 2), rng.uniform(-np.pi, np.pi))
            for _ in range(2)
        )
        rows.append((f"random {index}", a, b))
    return rows


if __name__ == "__main__":
    main()
