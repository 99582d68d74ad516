"""Greedy non-maximum suppression of oriented boxes, by exact rotated IoU."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgekit.core import UsageError
from edgekit.kernels.enclosing_pairs import iter_enclosing_pairs
from edgekit.kernels.rotated_iou import checked_boxes, rotated_iou_pairs

#: Boxes decided together. Only the survivors of a block meet the boxes after it, so heaps of
#: duplicates cost little; a block of one would be the textbook loop.
_BLOCK_BOXES = 256


def rotated_nms(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    iou_threshold: float,
    labels: NDArray[np.integer] | None = None,
    max_keep: int | None = None,
) -> NDArray[np.int64]:
    """Rows of the boxes to keep, by falling score; of equal scores the lower row comes first.

    Shape   boxes (N, 5), scores (N,) float32 or float64, labels (N,) integer or None -> (K,) i64
    Unit    boxes (cx, cy, w, h, angle), pixels and radians
    Note    a box falls if its IoU with a kept box of the same label is greater than
            `iou_threshold`; equal is kept. Without labels every box meets every other. Boxes with a
            side <= 0 or a value that is not finite overlap nothing and stay; scores that are NaN
            come last. At most `max_keep` rows are returned, and the work ends there
    Raises  UsageError for other shapes or dtypes, a threshold outside [0, 1], a negative max_keep
    Source  greedy NMS with the IoU of `rotated_iou`, compared in float64
    Cost    O(N log N), one exact IoU a pair that can pass the threshold; at most 64 MiB

    >>> boxes = np.float32([[0, 0, 4, 2, 0], [0.5, 0, 4, 2, 0], [9, 9, 4, 2, 0]])
    >>> rotated_nms(boxes, np.float32([0.5, 0.9, 0.7]), 0.5)
    array([1, 2])
    """
    boxes = checked_boxes(boxes, "to suppress")
    _check(boxes, scores, iou_threshold, labels, max_keep)
    limit = len(boxes) if max_keep is None else min(max_keep, len(boxes))
    order = np.argsort(-scores, kind="stable")
    ranked = boxes[order].astype(np.float64)
    labels = None if labels is None else labels[order]

    kept: list[NDArray[np.int64]] = []
    count = 0
    alive = np.arange(len(ranked))
    while count < limit and len(alive):
        block, alive = alive[:_BLOCK_BOXES], alive[_BLOCK_BOXES:]
        block = _survivors(block, ranked, labels, iou_threshold)[: limit - count]
        kept.append(block)
        count += len(block)
        if count < limit and len(alive):
            _, beaten = _duplicates(block, alive, ranked, labels, iou_threshold)
            alive = np.delete(alive, beaten)
    return order[np.concatenate(kept)] if kept else np.zeros(0, np.int64)


def _survivors(
    block: NDArray[np.int64],
    boxes: NDArray[np.float64],
    labels: NDArray[np.integer] | None,
    iou_threshold: float,
) -> NDArray[np.int64]:
    """The greedy pass inside one block of rows, which are in falling order of score."""
    winner, loser = _duplicates(block, block, boxes, labels, iou_threshold)
    later = winner < loser
    winner, loser = winner[later], loser[later]
    by_winner = np.argsort(winner, kind="stable")
    winner, loser = winner[by_winner], loser[by_winner]
    names, starts = np.unique(winner, return_index=True)
    alive = np.ones(len(block), np.bool_)
    for name, losers in zip(names.tolist(), np.split(loser, starts[1:]), strict=False):
        if alive[name]:
            alive[losers] = False
    return block[alive]


def _duplicates(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    boxes: NDArray[np.float64],
    labels: NDArray[np.integer] | None,
    iou_threshold: float,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Places (in rows, in columns) of the pairs of one label with IoU above the threshold."""
    a, b = boxes[rows], boxes[columns]
    winners, losers = [], []
    for row, column in iter_enclosing_pairs(a, b):
        if rows is columns:
            wanted = row < column
            row, column = row[wanted], column[wanted]
        if labels is not None:
            wanted = labels[rows[row]] == labels[columns[column]]
            row, column = row[wanted], column[wanted]
        wanted = _can_exceed(a[row], b[column], iou_threshold)
        row, column = row[wanted], column[wanted]
        wanted = rotated_iou_pairs(a[row], b[column]) > iou_threshold
        winners.append(row[wanted])
        losers.append(column[wanted])
    if not winners:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    return np.concatenate(winners), np.concatenate(losers)


def _can_exceed(
    a: NDArray[np.float64], b: NDArray[np.float64], iou_threshold: float
) -> NDArray[np.bool_]:
    """False where the areas alone forbid it: IoU is at most the smaller area over the larger."""
    area_a, area_b = a[:, 2] * a[:, 3], b[:, 2] * b[:, 3]
    # The margin keeps a pair whose bound is rounded down onto the threshold.
    return np.minimum(area_a, area_b) > (iou_threshold - 1e-9) * np.maximum(area_a, area_b)


def _check(
    boxes: NDArray[np.floating],
    scores: NDArray[np.floating],
    iou_threshold: float,
    labels: NDArray[np.integer] | None,
    max_keep: int | None,
) -> None:
    if not isinstance(scores, np.ndarray) or scores.dtype not in (np.float32, np.float64):
        kind = getattr(scores, "dtype", type(scores).__name__)
        raise UsageError(f"scores are {kind}", "give a NumPy array, float32 or float64")
    if scores.shape != (len(boxes),):
        raise UsageError(f"scores have shape {scores.shape}", f"give ({len(boxes)},), one a box")
    if labels is not None and not (
        isinstance(labels, np.ndarray) and np.issubdtype(labels.dtype, np.integer)
    ):
        kind = getattr(labels, "dtype", type(labels).__name__)
        raise UsageError(f"labels are {kind}", "give a NumPy array of integers, or None")
    if labels is not None and labels.shape != (len(boxes),):
        raise UsageError(f"labels have shape {labels.shape}", f"give ({len(boxes)},), one a box")
    if not 0.0 <= iou_threshold <= 1.0:
        raise UsageError(f"IoU threshold {iou_threshold} is not in [0, 1]", "0.5 is usual")
    if max_keep is not None and max_keep < 0:
        raise UsageError(f"max_keep {max_keep} is negative", "use 0 or more, or None for all")
