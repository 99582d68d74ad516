"""Oriented boxes in le90: one rectangle has one name."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import (
    corners_from_le90,
    enclosing_aabb,
    le90_from_corners,
    normalise_le90,
    wrap_half_turn,
)

HALF = math.pi / 2
BOUNDED = settings(max_examples=50, deadline=None)
ANGLE = st.floats(-100, 100)


@st.composite
def boxes(draw, *, smallest_aspect=1.0):
    """(5,) f64 box in le90, clearly longer than wide where an aspect is asked for."""
    h = draw(st.floats(0.5, 50))
    w = h * draw(st.floats(smallest_aspect, 20))
    centre = st.floats(-1000, 1000)
    return np.array([draw(centre), draw(centre), w, h, draw(st.floats(-HALF, HALF - 1e-6))])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((1, 2, 8, 4, 0.5), (1, 2, 8, 4, 0.5)),
        ((1, 2, 4, 8, 0.5), (1, 2, 8, 4, 0.5 - HALF)),
        ((1, 2, 4, 8, -0.5), (1, 2, 8, 4, HALF - 0.5)),
        ((1, 2, 8, 4, HALF), (1, 2, 8, 4, -HALF)),
        ((1, 2, 8, 4, -HALF), (1, 2, 8, 4, -HALF)),
        ((1, 2, 8, 4, math.pi), (1, 2, 8, 4, 0)),
        ((1, 2, 4, 4, 0.25), (1, 2, 4, 4, 0.25)),
        ((1, 2, 4, 8, 0), (1, 2, 8, 4, -HALF)),
    ],
)
def test_normalise_gives_the_one_name_of_the_rectangle(box, expected):
    np.testing.assert_allclose(normalise_le90(np.array(box, np.float64)), expected, atol=1e-12)


def test_normalise_copies_and_keeps_shape_and_dtype():
    given_boxes = np.array([[[1, 2, 4, 8, 0.5]]], np.float32)
    before = given_boxes.copy()
    result = normalise_le90(given_boxes)
    assert result.shape == (1, 1, 5)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(given_boxes, before)


@pytest.mark.parametrize("shape", [(0, 5), (3, 0, 5)])
def test_no_boxes_stay_no_boxes(shape):
    empty = np.zeros(shape, np.float32)
    assert normalise_le90(empty).shape == shape
    assert corners_from_le90(empty).shape == (*shape[:-1], 4, 2)
    assert le90_from_corners(corners_from_le90(empty)).shape == shape
    assert enclosing_aabb(empty).shape == (*shape[:-1], 4)


def test_corners_run_clockwise_on_screen_from_the_start_corner():
    corners = corners_from_le90(np.array([10.0, 20.0, 8.0, 4.0, 0.0]))
    # y points down, so right then down is clockwise.
    assert corners.tolist() == [[6, 18], [14, 18], [14, 22], [6, 22]]


def test_positive_angle_turns_clockwise_on_screen():
    corners = corners_from_le90(np.array([0.0, 0.0, 8.0, 4.0, math.pi / 4]))
    middle_of_the_right_side = corners[1:3].mean(axis=0)
    np.testing.assert_allclose(middle_of_the_right_side, [math.sqrt(8), math.sqrt(8)])


def test_enclosing_box_of_a_diagonal_one():
    root = math.sqrt(2)
    outer = enclosing_aabb(np.array([1.0, 2.0, 4.0, 2.0, math.pi / 4]))
    np.testing.assert_allclose(
        outer, [1 - 1.5 * root, 2 - 1.5 * root, 1 + 1.5 * root, 2 + 1.5 * root]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_half_turn_interval_stays_half_open_where_rounding_would_close_it(dtype):
    limit = dtype(HALF)
    just_below = np.nextafter(-limit, dtype(-2))
    wrapped = wrap_half_turn(np.array([limit, -limit, just_below, 3 * limit], dtype))
    assert wrapped.dtype == dtype
    assert (wrapped >= -limit).all()
    assert (wrapped < limit).all()


@BOUNDED
@given(ANGLE)
def test_wrapped_angle_lies_in_the_interval_and_has_the_same_direction(angle):
    for dtype, tolerance in ((np.float64, 1e-9), (np.float32, 1e-4)):
        wrapped = wrap_half_turn(np.array(angle, dtype))
        assert dtype(-HALF) <= wrapped < dtype(HALF)
        assert math.sin(float(wrapped) - float(dtype(angle))) == pytest.approx(0, abs=tolerance)


@BOUNDED
@given(boxes(smallest_aspect=1.01))
def test_box_to_corners_and_back_is_the_same_box(box):
    back = le90_from_corners(corners_from_le90(box))
    np.testing.assert_allclose(back[:4], box[:4], rtol=1e-9, atol=1e-9)
    assert math.sin(back[4] - box[4]) == pytest.approx(0, abs=1e-8)


@BOUNDED
@given(boxes(smallest_aspect=1.01), st.integers(0, 3), st.booleans())
def test_corners_may_start_anywhere_and_run_either_way(box, start, reverse):
    corners = np.roll(corners_from_le90(box), start, axis=0)
    back = le90_from_corners(corners[::-1] if reverse else corners)
    np.testing.assert_allclose(back[:4], box[:4], rtol=1e-9, atol=1e-9)
    assert math.sin(back[4] - box[4]) == pytest.approx(0, abs=1e-8)


@BOUNDED
@given(boxes(), ANGLE, st.booleans())
def test_normalised_box_is_le90_and_covers_the_same_points(box, angle, swap):
    box[4] = angle
    if swap:
        box[2], box[3] = box[3], box[2]
    result = normalise_le90(box)
    assert result[2] >= result[3]
    assert -HALF <= result[4] < HALF
    np.testing.assert_array_equal(normalise_le90(result), result)
    before, after = corners_from_le90(box), corners_from_le90(result)
    apart = np.linalg.norm(before[:, None] - after[None], axis=2)
    assert apart.min(axis=1).max() < 1e-6, "every corner is a corner of the other"


@BOUNDED
@given(boxes())
def test_enclosing_box_is_that_of_the_corners(box):
    corners = corners_from_le90(box)
    expected = [*corners.min(axis=0), *corners.max(axis=0)]
    np.testing.assert_allclose(enclosing_aabb(box), expected, rtol=1e-9, atol=1e-9)
