"""Detections: the rows of every field belong together, whatever is taken."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from edgekit.core import Detections, GroundTruth


def three(**more):
    return Detections(
        np.arange(15, dtype=np.float32).reshape(3, 5),
        np.float32([0.9, 0.8, 0.7]),
        np.int32([2, 1, 0]),
        **more,
    )


def test_rows_are_taken_from_every_field_in_the_order_asked_for():
    found = three(track_ids=np.array([7, 8, 9]), geo=np.arange(9.0).reshape(3, 3))
    some = found.take(np.array([2, 0]))
    assert some.boxes[:, 0].tolist() == [10, 0]
    assert some.scores.tolist() == np.float32([0.7, 0.9]).tolist()
    assert some.labels.tolist() == [0, 2]
    assert some.track_ids.tolist() == [9, 7]
    assert some.geo[:, 0].tolist() == [6, 0]


def test_rows_are_taken_by_mask_too():
    some = three().take(np.array([False, True, False]))
    assert some.labels.tolist() == [1]
    assert some.track_ids is None
    assert some.geo is None


def test_what_is_taken_is_a_copy():
    found = three()
    found.take(np.array([0])).boxes[:] = -1
    assert found.boxes[0].tolist() == [0, 1, 2, 3, 4]


def test_empty_has_no_rows_and_the_right_types():
    empty = Detections.empty()
    assert len(empty) == 0
    assert empty.boxes.shape == (0, 5)
    kinds = (empty.boxes.dtype, empty.scores.dtype, empty.labels.dtype)
    assert kinds == (np.float32, np.float32, np.int32)
    assert len(empty.take(np.zeros(0, np.int64))) == 0
    assert len(three().take(np.zeros(3, np.bool_))) == 0


def test_length_is_the_number_of_rows():
    assert len(three()) == 3


def test_detections_cannot_be_reassigned():
    with pytest.raises(dataclasses.FrozenInstanceError):
        three().scores = np.zeros(3, np.float32)


@pytest.mark.parametrize(
    "change",
    [
        {"boxes": np.zeros((3, 4), np.float32)},
        {"boxes": np.zeros((2, 5), np.float32)},
        {"labels": np.zeros(2, np.int32)},
        {"track_ids": np.zeros(2, np.int64)},
        {"geo": np.zeros((3, 2))},
    ],
)
def test_fields_of_different_length_are_refused(change):
    with pytest.raises(AssertionError):
        dataclasses.replace(three(), **change)


def test_ground_truth_holds_one_label_and_flag_a_box():
    empty = np.zeros((0, 5), np.float32)
    boxes = np.zeros((2, 5), np.float32)
    assert len(GroundTruth(boxes, np.zeros(2, np.int32), np.zeros(2, np.bool_), empty)) == 2
    with pytest.raises(AssertionError):
        GroundTruth(boxes, np.zeros(3, np.int32), np.zeros(3, np.bool_), empty)
    with pytest.raises(AssertionError):
        GroundTruth(boxes, np.zeros(2, np.int32), np.zeros(1, np.bool_), empty)
    with pytest.raises(AssertionError):
        GroundTruth(boxes, np.zeros(2, np.int32), np.zeros(2, np.bool_), boxes[:, :4])
