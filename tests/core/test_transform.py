"""The map between frame and network input is exact both ways."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import Transform


def test_boxes_move_and_grow_with_the_picture():
    transform = Transform(2.0, 2.0, 10.0, -4.0)
    boxes = np.float32([[5, 6, 8, 4, 0.5]])
    np.testing.assert_array_equal(
        transform.boxes_to_input(boxes), np.float32([[20, 8, 16, 8, 0.5]])
    )
    np.testing.assert_array_equal(
        transform.boxes_to_frame(np.float32([[20, 8, 16, 8, 0.5]])), boxes
    )


def test_no_boxes_stay_no_boxes():
    transform = Transform(2.0, 2.0, 0.0, 0.0)
    assert transform.boxes_to_frame(np.zeros((0, 5), np.float32)).shape == (0, 5)
    assert transform.boxes_to_input(np.zeros((0, 5), np.float32)).shape == (0, 5)


def test_boxes_given_are_not_changed():
    boxes = np.float32([[5, 6, 8, 4, 0.5]])
    before = boxes.copy()
    Transform(2.0, 2.0, 1.0, 1.0).boxes_to_frame(boxes)
    Transform(2.0, 2.0, 1.0, 1.0).boxes_to_input(boxes)
    np.testing.assert_array_equal(boxes, before)


@pytest.mark.parametrize("method", ["boxes_to_frame", "boxes_to_input"])
def test_stretch_refuses_oriented_boxes_rather_than_be_wrong(method):
    with pytest.raises(AssertionError, match="same scale on both axes"):
        getattr(Transform(2.0, 1.0, 0.0, 0.0), method)(np.zeros((1, 5), np.float32))


@settings(max_examples=50, deadline=None)
@given(
    st.floats(0.05, 20),
    st.floats(-2000, 2000),
    st.floats(-2000, 2000),
    st.lists(
        st.tuples(*[st.floats(-4000, 4000)] * 2, *[st.floats(0.5, 500)] * 2, st.floats(-1.5, 1.5)),
        max_size=5,
    ),
)
def test_frame_to_input_and_back_is_the_same_box(scale, offset_x, offset_y, rows):
    boxes = np.array(rows, np.float32).reshape(-1, 5)
    transform = Transform(scale, scale, offset_x, offset_y)
    back = transform.boxes_to_frame(transform.boxes_to_input(boxes))
    # float32 at the size of the numbers in between: input pixels, brought back by the scale.
    largest = np.abs(boxes[:, :2]).max(initial=0) + 2000 / scale + 1
    np.testing.assert_allclose(back[:, :2], boxes[:, :2], atol=4 * 6e-8 * largest)
    np.testing.assert_allclose(back[:, 2:], boxes[:, 2:], rtol=1e-6)
    assert back.dtype == np.float32
