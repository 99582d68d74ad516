"""Parity: two runs of one model, compared on tensors and on detections."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import Detections, UsageError
from edgekit.metrics import compare_detections, compare_tensors


def found(*rows):
    """Rows of (cx, cy, w, h, angle, score, label)."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    return Detections(
        table[:, :5].astype(np.float32),
        table[:, 5].astype(np.float32),
        table[:, 6].astype(np.int32),
    )


SCENE = found((10, 10, 20, 8, 0.3, 0.9, 0), (60, 10, 20, 8, 1, 0.7, 0), (60, 60, 12, 6, -1, 0.5, 1))


def test_scene_is_on_a_par_with_itself_in_any_order():
    shuffled = SCENE.take(np.array([2, 0, 1]))
    parity = compare_detections([SCENE], [shuffled])
    assert (parity.reference, parity.candidate, parity.matched) == (3, 3, 3)
    assert parity.matched_fraction == 1
    assert parity.worst_iou == parity.mean_iou == 1
    assert parity.max_score_difference == parity.max_unmatched_score == 0


@pytest.mark.parametrize("frames", [[], [Detections.empty()], [Detections.empty()] * 3])
def test_nothing_found_on_both_sides_is_parity(frames):
    parity = compare_detections(frames, frames)
    assert parity.matched_fraction == parity.worst_iou == 1
    assert parity.matched == 0


def test_differences_are_of_the_partners_and_the_rest_is_reported():
    # Moved by 2 of 20 px: IoU 18/22. One of another class, and one that only the candidate has.
    reference = found((10, 10, 20, 8, 0, 0.9, 0), (60, 10, 20, 8, 0, 0.7, 0))
    candidate = found(
        (12, 10, 20, 8, 0, 0.8, 0), (60, 10, 20, 8, 0, 0.6, 1), (200, 10, 20, 8, 0, 0.3, 0)
    )
    parity = compare_detections([reference], [candidate])
    assert parity.matched == 1
    assert parity.matched_fraction == pytest.approx(1 / 3)
    assert parity.worst_iou == pytest.approx(18 / 22, abs=1e-6)
    assert parity.max_score_difference == pytest.approx(0.1, abs=1e-6)
    assert parity.max_unmatched_score == pytest.approx(0.7)


def test_partners_are_one_to_one_and_the_best_overlap_goes_first():
    reference = found((10, 10, 20, 8, 0, 0.9, 0))
    candidate = found((13, 10, 20, 8, 0, 0.9, 0), (11, 10, 20, 8, 0, 0.2, 0))
    parity = compare_detections([reference], [candidate])
    assert parity.matched == 1
    assert parity.worst_iou == pytest.approx(19 / 21, abs=1e-6)
    assert parity.max_unmatched_score == pytest.approx(0.9)


def test_frames_are_not_mixed():
    parity = compare_detections([SCENE, Detections.empty()], [Detections.empty(), SCENE])
    assert parity.matched == 0
    assert parity.matched_fraction == 0


def test_different_numbers_of_frames_are_refused():
    with pytest.raises(UsageError, match="1 frames cannot be compared with 0"):
        compare_detections([SCENE], [])


@pytest.mark.parametrize("threshold", [0.0, 1.5, math.nan])
def test_threshold_out_of_range_is_refused(threshold):
    with pytest.raises(UsageError, match=r"is not in \(0, 1\]"):
        compare_detections([SCENE], [SCENE], iou_threshold=threshold)


@pytest.mark.parametrize(
    ("reference", "candidate", "cosine", "max_abs", "mean_abs"),
    [
        ([1, 2, 3], [1, 2, 3], 1, 0, 0),
        ([1, 0], [0, 2], 0, 2, 1.5),
        ([1, -2], [-1, 2], -1, 4, 3),
        # (3 * 4 + 4 * 3) / (5 * 5)
        ([3, 4], [4, 3], 24 / 25, 1, 1),
        ([0, 0], [0, 0], 1, 0, 0),
        ([0, 0], [0, 1], 0, 1, 0.5),
        ([], [], 1, 0, 0),
        ([1, math.nan], [1, 2], 0, math.inf, math.inf),
        ([1e30, 1e30], [1e30, 1e30], 1, 0, 0),
        ([1e-30, 0], [2e-30, 0], 1, 1e-30, 5e-31),
    ],
)
def test_tensors_by_hand(reference, candidate, cosine, max_abs, mean_abs):
    parity = compare_tensors(np.float32(reference), np.float32(candidate))
    assert parity.cosine == pytest.approx(cosine, abs=1e-9)
    assert parity.max_abs == pytest.approx(max_abs, rel=1e-6)
    assert parity.mean_abs == pytest.approx(mean_abs, rel=1e-6)


def test_tensors_of_different_shape_are_refused():
    with pytest.raises(UsageError, match=r"shape \(2, 3\) and \(3, 2\)"):
        compare_tensors(np.zeros((2, 3)), np.zeros((3, 2)))


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=20), st.floats(0.01, 100))
def test_cosine_does_not_depend_on_scale(values, factor):
    tensor = np.array(values)
    parity = compare_tensors(tensor, tensor * factor)
    assert parity.cosine == pytest.approx(1, abs=1e-9)
