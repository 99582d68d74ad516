"""Which boxes of two sets can overlap at all: their enclosing axis-aligned boxes do.

Columns are sorted by their left edge once; the ones that can meet a row then form one run, found by
binary search. For the scenes that a detector sees this leaves a few per cent of all pairs.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.floating]
Rows = NDArray[np.int64]

#: Pairs looked at in one step; bounds the memory where everything overlaps everything.
_STEP_PAIRS = 1 << 18


def half_extents(boxes: FloatArray) -> NDArray[np.float64]:
    """Half width and half height of the enclosing axis-aligned boxes; NaN for empty boxes.

    Shape  (N, 5) float -> (N, 2) f64, pixels
    Note   empty: a side <= 0 or a value that is not finite. NaN compares as false with everything,
           so an empty box overlaps nothing
    Cost   O(N)
    """
    boxes = boxes.astype(np.float64, copy=False)
    w, h, angle = boxes[:, 2], boxes[:, 3], boxes[:, 4]
    solid = (w > 0.0) & (h > 0.0) & np.isfinite(boxes).all(axis=1)
    with np.errstate(all="ignore"):
        cos, sin = np.abs(np.cos(angle)), np.abs(np.sin(angle))
        half = np.stack((w * cos + h * sin, w * sin + h * cos), axis=1)
    half *= 0.5
    half[~solid] = np.nan
    return half


def iter_enclosing_pairs(a: FloatArray, b: FloatArray) -> Iterator[tuple[Rows, Rows]]:
    """Indices (into a, into b) of all pairs whose enclosing boxes overlap, in bounded steps.

    Shape  a (N, 5), b (M, 5) float -> steps of two (P,) i64 arrays
    Note   touching is not overlapping; every pair comes once; rows ascend
    Cost   O((N + M) log M + pairs whose x intervals meet); at most 64 MiB
    """
    half_a, half_b = half_extents(a), half_extents(b)
    columns = np.flatnonzero(~np.isnan(half_b[:, 0]))
    if len(columns) == 0:
        return
    centre_a = a[:, :2].astype(np.float64, copy=False)
    centre_b = b[:, :2].astype(np.float64, copy=False)
    columns = columns[np.argsort(centre_b[columns, 0], kind="stable")]
    sorted_x, sorted_half_x = centre_b[columns, 0], half_b[columns, 0]
    reach = half_a[:, 0] + sorted_half_x.max()
    solid = ~np.isnan(reach)
    first = np.searchsorted(sorted_x, np.where(solid, centre_a[:, 0] - reach, 0.0), "left")
    last = np.searchsorted(sorted_x, np.where(solid, centre_a[:, 0] + reach, 0.0), "right")
    counts = np.where(solid, last - first, 0)

    for rows in _row_steps(counts):
        row = np.repeat(rows, counts[rows])
        place = np.arange(len(row)) - np.repeat(
            np.cumsum(counts[rows]) - counts[rows], counts[rows]
        )
        column_place = place + np.repeat(first[rows], counts[rows])
        # The difference of centres is exact to rounding also far from the origin, where the edges
        # themselves are not.
        near = np.abs(centre_a[row, 0] - sorted_x[column_place]) < (
            half_a[row, 0] + sorted_half_x[column_place]
        )
        row, column = row[near], columns[column_place[near]]
        near = np.abs(centre_a[row, 1] - centre_b[column, 1]) < half_a[row, 1] + half_b[column, 1]
        if near.any():
            yield row[near], column[near]


def _row_steps(counts: Rows) -> Iterator[Rows]:
    """Rows that have candidates, in runs of at most `_STEP_PAIRS` candidates (or a single row)."""
    rows = np.flatnonzero(counts)
    total = np.cumsum(counts[rows])
    start = 0
    while start < len(rows):
        done = total[start - 1] if start else 0
        stop = max(start + 1, int(np.searchsorted(total, done + _STEP_PAIRS, "right")))
        yield rows[start:stop]
        start = stop
