"""Which detections of one frame and class find which labelled objects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgekit.core import Detections, GroundTruth, normalise_le90, wrap_half_turn
from edgekit.kernels import rotated_intersection, rotated_iou

#: A detection counts as lying in an ignore region if this part of its area does.
IGNORE_COVERAGE = 0.5

#: Angles are compared at this IoU, and only for objects at least this much longer than wide: the
#: direction of a square is not defined.
ANGLE_IOU = 0.5
ANGLE_MIN_ASPECT = 1.2

Boxes = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class Matches:
    """What became of the detections of one frame and class, strongest first.

    scores       (D,) f32, falling
    found        (T, D) bool, for each IoU threshold: found an object that none before had found
    neutral      (T, D) bool: counts neither as right nor as wrong
    angle_errors_deg  (A,) f64 in [0, 90], of the found objects that have a direction
    """

    scores: NDArray[np.float32]
    found: NDArray[np.bool_]
    neutral: NDArray[np.bool_]
    angle_errors_deg: NDArray[np.float64]


def match_frame(
    detections: Detections, truth: GroundTruth, label: int, iou_thresholds: NDArray[np.float64]
) -> Matches:
    """Match the detections of class `label` with the objects of that class, strongest first.

    iou_thresholds  (T,) f64; an IoU equal to the threshold is enough
    Note     a detection speaks of the object that it overlaps most. Below the threshold it is
             wrong; if the object is difficult it is neutral; the first on an object is right and
             later ones are wrong. A wrong one is neutral if half of it lies in one ignore region
    Source   VOC development kit (DOTA's does the same); regions after matching, so that an object
             inside one can still be found
    Cost     O(D G) rotated IoUs for D detections and G objects
    """
    rows = np.flatnonzero(detections.labels == label)
    rows = rows[np.argsort(-detections.scores[rows], kind="stable")]
    boxes, scores = detections.boxes[rows], detections.scores[rows]
    objects = np.flatnonzero(truth.labels == label)
    truth_boxes, difficult = truth.boxes[objects], truth.difficult[objects]

    best, best_iou = _most_overlapped(boxes, truth_boxes)
    found = np.zeros((len(iou_thresholds), len(rows)), np.bool_)
    neutral = np.zeros_like(found)
    in_ignored = _ignored(boxes, truth.ignore)
    for row, threshold in enumerate(iou_thresholds):
        found[row], neutral[row] = _outcome(best, best_iou >= threshold, difficult)
        neutral[row] |= in_ignored & ~found[row]
    found_at_half, _ = _outcome(best, best_iou >= ANGLE_IOU, difficult)
    errors_deg = _angle_errors_deg(boxes[found_at_half], truth_boxes[best[found_at_half]])
    return Matches(scores, found, neutral, errors_deg)


def _most_overlapped(
    boxes: Boxes, truth_boxes: Boxes
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """For each box the object with the highest IoU (the first of equals), and that IoU."""
    if len(truth_boxes) == 0:
        return np.zeros(len(boxes), np.int64), np.full(len(boxes), -1.0, np.float32)
    iou = rotated_iou(boxes, truth_boxes)
    best = iou.argmax(axis=1)
    return best, iou[np.arange(len(boxes)), best]


def _outcome(
    best: NDArray[np.int64], overlaps: NDArray[np.bool_], difficult: NDArray[np.bool_]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """(found, neutral) of detections that come strongest first."""
    found, neutral = np.zeros(len(best), np.bool_), np.zeros(len(best), np.bool_)
    rows = np.flatnonzero(overlaps)
    on_difficult = difficult[best[rows]]
    neutral[rows[on_difficult]] = True
    rows = rows[~on_difficult]
    _, first = np.unique(best[rows], return_index=True)
    found[rows[first]] = True
    return found, neutral


def _ignored(boxes: Boxes, regions: Boxes) -> NDArray[np.bool_]:
    if len(regions) == 0 or len(boxes) == 0:
        return np.zeros(len(boxes), np.bool_)
    area = boxes[:, 2] * boxes[:, 3]
    covered = rotated_intersection(boxes, regions).max(axis=1)
    ignored: NDArray[np.bool_] = (area > 0.0) & (covered >= np.float32(IGNORE_COVERAGE) * area)
    return ignored


def _angle_errors_deg(boxes: Boxes, truth_boxes: Boxes) -> NDArray[np.float64]:
    boxes = normalise_le90(boxes.astype(np.float64))
    truth_boxes = normalise_le90(truth_boxes.astype(np.float64))
    directed = truth_boxes[:, 2] >= ANGLE_MIN_ASPECT * truth_boxes[:, 3]
    difference = boxes[directed, 4] - truth_boxes[directed, 4]
    return np.abs(np.rad2deg(wrap_half_turn(difference)))
