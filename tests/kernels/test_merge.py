"""Tiles of one frame become one set of detections in frame pixels."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.core import Detections, Transform, UsageError
from edgekit.kernels import merge_tiles


def detections(*rows):
    """Rows of (cx, cy, w, h, angle, score, label)."""
    table = np.array(rows, np.float64).reshape(-1, 7)
    return Detections(
        table[:, :5].astype(np.float32),
        table[:, 5].astype(np.float32),
        table[:, 6].astype(np.int32),
    )


def tile(x, y, scale=1.0):
    return Transform(scale, scale, -x * scale, -y * scale)


def test_object_in_the_overlap_of_two_tiles_is_found_once():
    left = detections((90, 50, 12, 4, 0.5, 0.7, 0), (10, 10, 8, 4, 0, 0.6, 0))
    right = detections((10, 50, 12, 4, 0.5, 0.9, 0))
    merged = merge_tiles([(left, tile(0, 0)), (right, tile(80, 0))], 0.3)
    np.testing.assert_allclose(merged.scores, np.float32([0.9, 0.6]))
    np.testing.assert_allclose(merged.boxes[:, :2], [[90, 50], [10, 10]])


def test_boxes_are_scaled_back_to_the_frame():
    found = detections((20, 30, 8, 4, 0.25, 0.5, 1))
    merged = merge_tiles([(found, Transform(2.0, 2.0, 4.0, 10.0))], 0.5)
    np.testing.assert_allclose(merged.boxes, [[8, 10, 4, 2, 0.25]])
    assert merged.labels.tolist() == [1]


def test_classes_are_apart_unless_asked_otherwise():
    tiles = [(detections((5, 5, 8, 4, 0, 0.9, 0), (5, 5, 8, 4, 0, 0.8, 1)), tile(0, 0))]
    assert merge_tiles(tiles, 0.5).labels.tolist() == [0, 1]
    assert merge_tiles(tiles, 0.5, class_agnostic=True).labels.tolist() == [0]


def test_equal_scores_keep_the_order_of_the_tiles():
    one, two = detections((5, 5, 8, 4, 0, 0.5, 0)), detections((5, 5, 8, 4, 0, 0.5, 1))
    merged = merge_tiles([(one, tile(0, 0)), (two, tile(50, 0))], 0.5, max_keep=1)
    assert merged.labels.tolist() == [0]


def test_no_tiles_and_empty_tiles_give_no_detections():
    for tiles in ([], [(Detections.empty(), tile(0, 0))], [(Detections.empty(), tile(0, 0))] * 3):
        merged = merge_tiles(tiles, 0.5)
        assert len(merged) == 0
        assert merged.boxes.dtype == np.float32
        assert merged.labels.dtype == np.int32


def test_unknown_mode_is_answered_with_the_menu():
    with pytest.raises(UsageError, match="unknown merge mode 'average'; known: nms"):
        merge_tiles([], 0.5, "average")


def test_tiles_with_track_ids_are_refused():
    tracked = Detections(
        np.ones((1, 5), np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), np.array([7])
    )
    with pytest.raises(UsageError, match="merge tiles before tracking"):
        merge_tiles([(tracked, tile(0, 0))], 0.5)
