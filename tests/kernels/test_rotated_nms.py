"""Rotated NMS: greedy, exact, stable, and the same for a heap as for a scene."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import UsageError, enclosing_aabb
from edgekit.kernels import rotated_iou, rotated_nms

SHARED = Path(os.environ.get("EDGEKIT_SHARED", Path(__file__).parents[3] / "shared"))


def f32(*rows):
    return np.array(rows, np.float32)


def random_scene(seed, count, *, side_px=200, classes=3):
    rng = np.random.default_rng(seed)
    low, high = [0, 0, 8, 4, -1.57], [side_px, side_px, 50, 20, 1.57]
    boxes = rng.uniform(low, high, (count, 5)).astype(np.float32)
    scores = rng.permutation(count).astype(np.float32) / max(count, 1)
    return boxes, scores, rng.integers(0, classes, count)


def textbook_nms(boxes, scores, threshold, labels=None):
    """One box after the other, against all that are kept."""
    iou = rotated_iou(boxes, boxes)
    if labels is not None:
        iou[labels[:, None] != labels[None, :]] = 0
    keep = []
    for row in np.argsort(-scores, kind="stable"):
        if all(iou[row, kept] <= threshold for kept in keep):
            keep.append(int(row))
    return keep


def test_duplicate_falls_and_the_rest_comes_by_falling_score():
    boxes = f32([0, 0, 10, 4, 0], [1, 0, 10, 4, 0], [50, 50, 10, 4, 1])
    keep = rotated_nms(boxes, f32(0.5, 0.8, 0.6), 0.5)
    assert keep.dtype == np.int64
    assert keep.tolist() == [1, 2]


def test_no_boxes_keep_nothing():
    keep = rotated_nms(np.zeros((0, 5), np.float32), np.zeros(0, np.float32), 0.5)
    assert keep.shape == (0,)
    assert keep.dtype == np.int64


def test_one_box_is_kept():
    assert rotated_nms(f32([5, 5, 4, 2, 0]), f32(0.1), 0.5).tolist() == [0]


def test_iou_equal_to_the_threshold_is_kept():
    # Halves of each other: 4 x 2 inside 8 x 2 is IoU 0.5 exactly.
    boxes = f32([0, 0, 8, 2, 0], [2, 0, 4, 2, 0])
    assert rotated_nms(boxes, f32(0.9, 0.8), 0.5).tolist() == [0, 1]
    assert rotated_nms(boxes, f32(0.9, 0.8), 0.499).tolist() == [0]


def test_nested_boxes_are_both_kept_below_threshold():
    boxes = f32([0, 0, 40, 20, 0.3], [0, 0, 10, 5, 0.3])
    assert rotated_nms(boxes, f32(0.9, 0.8), 0.3).tolist() == [0, 1]


def test_boxes_of_one_batch_do_not_suppress_each_other():
    boxes = f32([0, 0, 10, 4, 0], [0, 0, 10, 4, 0], [0, 0, 10, 4, 0])
    images = np.array([0, 1, 0])
    assert rotated_nms(boxes, f32(0.9, 0.8, 0.7), 0.5, labels=images).tolist() == [0, 1]
    assert rotated_nms(boxes, f32(0.9, 0.8, 0.7), 0.5).tolist() == [0]


def test_thin_diagonal_neighbours_are_both_kept():
    boxes = f32([0, 0, 60, 3, math.pi / 4], [0, 6, 60, 3, math.pi / 4])
    outer = enclosing_aabb(boxes)
    overlap = np.prod(np.minimum(*outer[:, 2:]) - np.maximum(*outer[:, :2]))
    each = np.prod(outer[:, 2:] - outer[:, :2], axis=1)
    assert overlap / (each.sum() - overlap) > 0.6, "by enclosing boxes they would be duplicates"
    assert rotated_nms(boxes, f32(0.9, 0.8), 0.1).tolist() == [0, 1]


def test_angle_wrap_at_the_le90_seam_is_a_duplicate():
    boxes = f32([50, 50, 40, 8, -math.pi / 2], [50, 50, 40, 8, math.pi / 2 - 0.01])
    assert rotated_nms(boxes, f32(0.8, 0.9), 0.5).tolist() == [1]


def test_equal_scores_come_by_lower_index():
    boxes = f32(*[[100 * k, 0, 10, 4, 0] for k in range(300)])
    scores = np.full(300, 0.5, np.float32)
    assert rotated_nms(boxes, scores, 0.5).tolist() == list(range(300))
    on_one_spot = np.repeat(boxes[:1], 300, axis=0)
    assert rotated_nms(on_one_spot, scores, 0.5).tolist() == [0]


def test_duplicates_at_1e5_px_fall_and_neighbours_stay():
    boxes = f32([1e5, 1e5, 12, 4, 0.6], [100000.5, 1e5, 12, 4, 0.6], [100000, 100005, 12, 4, 0.6])
    assert rotated_nms(boxes, f32(0.9, 0.8, 0.7), 0.5).tolist() == [0, 2]


def test_max_keep_returns_the_strongest_of_the_full_answer():
    boxes, scores, labels = random_scene(5, 900)
    full = rotated_nms(boxes, scores, 0.3, labels)
    for most in (0, 1, 100, 255, 256, 257, len(full), 10_000):
        np.testing.assert_array_equal(rotated_nms(boxes, scores, 0.3, labels, most), full[:most])


def test_boxes_that_are_not_finite_or_empty_overlap_nothing_and_stay():
    boxes = f32([math.nan, 0, 10, 4, 0], [0, 0, 10, 4, 0], [0, 0, 0, 4, 0], [0, 0, 10, math.inf, 0])
    assert rotated_nms(boxes, f32(0.9, 0.8, 0.7, 0.6), 0.5).tolist() == [0, 1, 2, 3]


def test_scores_that_are_nan_come_last():
    boxes = f32([0, 0, 4, 2, 0], [50, 0, 4, 2, 0], [90, 0, 4, 2, 0])
    assert rotated_nms(boxes, f32(math.nan, -math.inf, 0.1), 0.5).tolist() == [2, 1, 0]


@pytest.mark.parametrize("threshold", [0.0, 0.3, 1.0])
@pytest.mark.parametrize(
    ("count", "side_px"), [(2, 10), (60, 200), (255, 400), (256, 400), (257, 400), (700, 60)]
)
def test_blocks_decide_as_the_textbook_loop_does(count, side_px, threshold):
    boxes, scores, labels = random_scene(count, count, side_px=side_px)
    assert rotated_nms(boxes, scores, threshold, labels).tolist() == textbook_nms(
        boxes, scores, threshold, labels
    )
    assert rotated_nms(boxes, scores, threshold).tolist() == textbook_nms(boxes, scores, threshold)


def test_published_multiclass_golden_is_met_exactly():
    path = SHARED / "models/golden/head_multiclass_nms.safetensors"
    if not path.exists():
        pytest.skip("shared goldens are not at hand")
    golden = pytest.importorskip("safetensors.numpy").load_file(path)
    scores = golden["scores"][:, :15]  # column 15 is the background
    row, label = np.nonzero(scores > 0.05)
    keep = rotated_nms(golden["boxes"][row], scores[row, label], 0.1, label, max_keep=100)
    np.testing.assert_array_equal(row[keep], golden["kept_rows"])
    np.testing.assert_array_equal(label[keep], golden["kept_labels"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"boxes": np.zeros((3, 4), np.float32)}, r"shape \(3, 4\); give \(N, 5\)"),
        ({"boxes": np.zeros((3, 5), np.int32)}, "boxes to suppress are int32"),
        ({"scores": np.zeros(2, np.float32)}, r"scores have shape \(2,\); give \(3,\)"),
        ({"scores": np.zeros(3, np.int64)}, "scores are int64"),
        ({"scores": [0.1, 0.2, 0.3]}, "scores are list"),
        ({"labels": np.zeros(2, np.int64)}, r"labels have shape \(2,\)"),
        ({"labels": np.zeros(3, np.float32)}, "labels are float32"),
        ({"iou_threshold": 1.5}, r"IoU threshold 1.5 is not in \[0, 1\]"),
        ({"iou_threshold": math.nan}, "IoU threshold nan"),
        ({"max_keep": -1}, "max_keep -1 is negative"),
    ],
)
def test_wrong_input_is_refused_with_the_value(change, message):
    good = {
        "boxes": np.zeros((3, 5), np.float32),
        "scores": np.zeros(3, np.float32),
        "iou_threshold": 0.5,
    }
    with pytest.raises(UsageError, match=message):
        rotated_nms(**{**good, **change})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 80), st.floats(0, 1))
def test_nms_of_what_is_kept_keeps_all_of_it(seed, count, threshold):
    boxes, scores, labels = random_scene(seed, count, side_px=100)
    keep = rotated_nms(boxes, scores, threshold, labels)
    again = rotated_nms(boxes[keep], scores[keep], threshold, labels[keep])
    assert again.tolist() == list(range(len(keep)))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 80))
def test_order_of_boxes_does_not_matter_for_distinct_scores(seed, count):
    boxes, scores, labels = random_scene(seed, count, side_px=100)
    shuffled = np.random.default_rng(seed).permutation(count)
    keep = rotated_nms(boxes[shuffled], scores[shuffled], 0.3, labels[shuffled])
    np.testing.assert_array_equal(shuffled[keep], rotated_nms(boxes, scores, 0.3, labels))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 80))
def test_batch_equals_one_image_after_the_other(seed, count):
    boxes, scores, images = random_scene(seed, count, side_px=60)
    together = rotated_nms(boxes, scores, 0.3, images)
    for image in np.unique(images):
        rows = np.flatnonzero(images == image)
        alone = rows[rotated_nms(boxes[rows], scores[rows], 0.3)]
        np.testing.assert_array_equal(together[images[together] == image], alone)
