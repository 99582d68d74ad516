"""How far two runs of what should be the same model are apart: on tensors and on detections."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.core import Detections, UsageError
from edgekit.kernels import rotated_iou


@dataclass(frozen=True, slots=True)
class TensorParity:
    """cosine in [-1, 1] of the flattened tensors, and the largest and mean absolute difference."""

    cosine: float
    max_abs: float
    mean_abs: float


@dataclass(frozen=True, slots=True)
class DetectionParity:
    """Two sets of detections of the same frames, matched one to one.

    reference, candidate   how many detections each set has
    matched                how many found a partner of the same class
    matched_fraction       matched over the larger count; 1 if both are empty
    worst_iou, mean_iou    rotated IoU of the partners; 1 if there are none
    max_score_difference, mean_score_difference  absolute, of the partners; 0 if there are none
    max_unmatched_score    the strongest detection without a partner, in either set; 0 if none. A
                           low value says that only detections near the score threshold come and go
    """

    reference: int
    candidate: int
    matched: int
    matched_fraction: float
    worst_iou: float
    mean_iou: float
    max_score_difference: float
    mean_score_difference: float
    max_unmatched_score: float


def compare_tensors(reference: NDArray[np.number], candidate: NDArray[np.number]) -> TensorParity:
    """Cosine and absolute differences of two tensors of one shape, in float64.

    Shape    any, the same for both; real numbers
    Note     two tensors of zeros have cosine 1, one of them cosine 0. Where anything is not finite
             the tensors are as far apart as can be: cosine 0, differences infinite
    Raises   UsageError for different shapes
    """
    if reference.shape != candidate.shape:
        raise UsageError(
            f"tensors of shape {reference.shape} and {candidate.shape} cannot be compared",
            "compare the same output of the same model",
        )
    a, b = reference.astype(np.float64).ravel(), candidate.astype(np.float64).ravel()
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return TensorParity(cosine=0.0, max_abs=math.inf, mean_abs=math.inf)
    difference = np.abs(a - b)
    return TensorParity(
        cosine=_cosine(a, b),
        max_abs=float(difference.max(initial=0.0)),
        mean_abs=float(difference.mean()) if len(difference) else 0.0,
    )


def compare_detections(
    reference: Sequence[Detections],
    candidate: Sequence[Detections],
    *,
    iou_threshold: float = 0.5,
) -> DetectionParity:
    """Match the detections of the same frames one to one and say how they differ.

    reference, candidate  one entry a frame, in the same order
    Note     partners have the same label and IoU >= `iou_threshold`; the best overlap is paired
             first, so the order of detections does not matter
    Raises   UsageError for different numbers of frames or a threshold outside (0, 1]
    """
    if len(reference) != len(candidate):
        raise UsageError(
            f"{len(reference)} frames cannot be compared with {len(candidate)}",
            "run both on the same frames",
        )
    if not 0.0 < iou_threshold <= 1.0:
        raise UsageError(f"IoU threshold {iou_threshold} is not in (0, 1]", "0.5 is usual")
    ious: list[float] = []
    differences: list[float] = []
    unmatched = 0.0
    for one, other in zip(reference, candidate, strict=True):
        rows, columns, iou = _partners(one, other, iou_threshold)
        ious.extend(iou)
        differences.extend(np.abs(one.scores[rows] - other.scores[columns]).tolist())
        for found, taken in ((one, rows), (other, columns)):
            left = np.delete(found.scores, taken)
            unmatched = max(unmatched, float(left.max(initial=0.0)))
    larger = max(sum(map(len, reference)), sum(map(len, candidate)))
    return DetectionParity(
        reference=sum(map(len, reference)),
        candidate=sum(map(len, candidate)),
        matched=len(ious),
        matched_fraction=len(ious) / larger if larger else 1.0,
        worst_iou=min(ious, default=1.0),
        mean_iou=math.fsum(ious) / len(ious) if ious else 1.0,
        max_score_difference=max(differences, default=0.0),
        mean_score_difference=math.fsum(differences) / len(differences) if differences else 0.0,
        max_unmatched_score=unmatched,
    )


def _partners(
    one: Detections, other: Detections, iou_threshold: float
) -> tuple[list[int], list[int], list[float]]:
    """Rows of one, rows of other and IoU of the pairs, best overlap first."""
    iou = rotated_iou(one.boxes, other.boxes)
    iou[one.labels[:, None] != other.labels[None, :]] = 0.0
    row, column = np.nonzero(iou >= np.float32(iou_threshold))
    # Among equal overlaps (duplicates of one object) the closest scores belong together.
    apart = np.abs(one.scores[row] - other.scores[column])
    rows: dict[int, float] = {}
    columns: dict[int, None] = {}
    for place in np.lexsort((apart, -iou[row, column])):
        a, b = int(row[place]), int(column[place])
        if a not in rows and b not in columns:
            rows[a] = float(iou[a, b])
            columns[b] = None
    return list(rows), list(columns), list(rows.values())


def _cosine(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    largest_a, largest_b = np.abs(a).max(initial=0.0), np.abs(b).max(initial=0.0)
    if largest_a == 0.0 or largest_b == 0.0:
        return 1.0 if largest_a == largest_b else 0.0
    # Scaled first, so that squares neither overflow nor vanish.
    a, b = a / largest_a, b / largest_b
    cosine = np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b))
    return float(np.clip(cosine, -1.0, 1.0))
