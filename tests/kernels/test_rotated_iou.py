"""Rotated IoU: exact against independent references, and never surprised by a box."""

from __future__ import annotations

import json
import math
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from edgekit.core import UsageError
from edgekit.kernels import (
    rotated_intersection,
    rotated_intersection_pairs,
    rotated_iou,
    rotated_iou_pairs,
)

TESTS = Path(__file__).parents[1]
GOLDEN = json.loads((TESTS / "golden/rotated_iou/cases.json").read_text(encoding="utf-8"))
SHARED = Path(os.environ.get("EDGEKIT_SHARED", TESTS.parents[1] / "shared"))
BOUNDED = settings(max_examples=50, deadline=None)


def f32(*boxes):
    return np.array(boxes, np.float32)


@st.composite
def box_sets(draw, *, most=6):
    """(N, 5) f64 boxes that overlap often: centres within 40 px, sides 0.5 to 60 px."""
    count = draw(st.integers(1, most))
    centre = st.floats(-20, 20, width=32)
    side = st.floats(0.5, 60, width=32)
    angle = st.floats(-4, 4, width=32)
    return np.array(
        [[draw(part) for part in (centre, centre, side, side, angle)] for _ in range(count)]
    )


@pytest.mark.parametrize("case", GOLDEN["cases"], ids=lambda case: case["name"])
def test_golden_pair_has_the_reference_iou_and_intersection(case):
    a, b = np.array([case["a"]]), np.array([case["b"]])
    tolerance = GOLDEN["tolerance_iou"]
    smaller_px2 = min(abs(a[0, 2] * a[0, 3]), abs(b[0, 2] * b[0, 3]))
    assert rotated_iou_pairs(a, b)[0] == pytest.approx(case["iou"], rel=0, abs=tolerance)
    assert rotated_intersection_pairs(a, b)[0] == pytest.approx(
        case["intersection"], rel=0, abs=tolerance * max(smaller_px2, 1e-3)
    )
    in_f32 = rotated_iou(a.astype(np.float32), b.astype(np.float32))[0, 0]
    assert in_f32 == pytest.approx(case["iou"], rel=0, abs=1e-6)


def test_published_head_golden_is_met_to_1e_9():
    path = SHARED / "models/golden/head_rotated_iou.safetensors"
    if not path.exists():
        pytest.skip("shared goldens are not at hand")
    golden = pytest.importorskip("safetensors.numpy").load_file(path)
    a, b = golden["a"], golden["b"]
    np.testing.assert_allclose(rotated_iou_pairs(a, b), golden["iou"], rtol=0, atol=1e-9)
    np.testing.assert_allclose(np.diag(rotated_iou(a, b)), golden["iou"], rtol=0, atol=1e-6)


def test_random_scene_agrees_with_shapely_for_all_pairs():
    shapely = pytest.importorskip("shapely")
    rng = np.random.default_rng(3)
    low, high = [0, 0, 1, 1, -2], [120, 120, 50, 20, 2]
    boxes = rng.uniform(low, high, (60, 5))
    corners = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]])
    outlines = []
    for cx, cy, w, h, angle in boxes:
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        outlines.append(shapely.Polygon(corners * (w, h) @ turn + (cx, cy)))
    shared = np.array([[one.intersection(two).area for two in outlines] for one in outlines])
    union = np.array([[one.union(two).area for two in outlines] for one in outlines])
    np.testing.assert_allclose(rotated_intersection(boxes, boxes), shared, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(rotated_iou(boxes, boxes), shared / union, rtol=0, atol=1e-6)


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (0, 3), (3, 0)])
def test_empty_sets_give_an_empty_table(rows, columns):
    table = rotated_iou(np.zeros((rows, 5), np.float32), np.zeros((columns, 5), np.float32))
    assert table.shape == (rows, columns)
    assert table.dtype == np.float32


def test_one_pair_by_hand():
    # 4 x 2 boxes, 1 px apart along the long side: shared 3 * 2, union 8 + 8 - 6.
    a, b = f32([0, 0, 4, 2, 0]), f32([1, 0, 4, 2, 0])
    assert rotated_intersection(a, b) == np.float32(6)
    assert rotated_iou(a, b) == np.float32(0.6)


def test_full_containment_is_not_iou_one():
    outer, inner = f32([0, 0, 20, 10, 0.5]), f32([0, 0, 8, 5, 0.5])
    # 8 * 5 inside 20 * 10: 40 / 200.
    assert rotated_iou(outer, inner)[0, 0] == pytest.approx(0.2, abs=1e-7)
    assert rotated_intersection(outer, inner)[0, 0] == pytest.approx(40, abs=1e-4)


def test_float32_coordinates_of_1e5_px_lose_nothing():
    near = f32([0, 0, 12, 5, 0.6], [0.5, 0.25, 12, 5, 0.6])
    far = near + f32([1e5, 1e5, 0, 0, 0])
    assert rotated_iou(near[:1], near[1:])[0, 0] > 0.8
    np.testing.assert_array_equal(rotated_iou(far, far), rotated_iou(near, near))


def test_angle_wraps_at_the_le90_seam():
    step = 1e-4
    a = np.array([[50, 50, 40, 10, -math.pi / 2]])
    b = np.array([[50, 50, 40, 10, math.pi / 2 - step]])
    turned = np.array([[50, 50, 40, 10, -math.pi / 2 - step]])
    assert rotated_iou_pairs(a, b) == pytest.approx(rotated_iou_pairs(a, turned), abs=1e-12)
    assert rotated_iou_pairs(a, b)[0] > 0.999


@pytest.mark.parametrize(
    "odd",
    [
        [0, 0, 0, 0, 0],
        [0, 0, 10, 0, 0],
        [0, 0, -10, 4, 0],
        [0, 0, -10, -4, 0],
        [math.nan, 0, 10, 4, 0],
        [0, 0, math.nan, 4, 0],
        [0, 0, 10, 4, math.nan],
        [math.inf, 0, 10, 4, 0],
        [0, 0, math.inf, math.inf, 0],
        [0, 0, 10, 4, math.inf],
    ],
)
def test_box_without_area_or_with_a_value_that_is_not_finite_has_iou_zero(odd):
    boxes = f32(odd, [0, 0, 10, 4, 0])
    expected = [[0, 0], [0, 1]]
    np.testing.assert_array_equal(rotated_iou(boxes, boxes), expected)
    np.testing.assert_array_equal(rotated_intersection(boxes, boxes), np.float32(expected) * 40)


@pytest.mark.parametrize("side", [1e-200, 1e-30, 1e30, 1e200])
def test_extreme_sides_give_a_number(side):
    boxes = np.array([[0, 0, side, side, 0.3], [0, 0, 1, 1, 0.2]])
    table = rotated_iou(boxes, boxes)
    assert np.isfinite(table).all()
    assert ((table >= 0) & (table <= 1)).all()


def test_pairs_come_in_chunks_without_a_seam():
    rng = np.random.default_rng(0)
    a, b = rng.uniform([0, 0, 1, 1, -1], [9, 9, 9, 9, 1], (2, 5000, 5))
    whole = rotated_iou_pairs(a, b)
    for row in (0, 2047, 2048, 4095, 4096, 4999):
        alone = rotated_iou_pairs(a[row : row + 1], b[row : row + 1])[0]
        assert whole[row] == pytest.approx(alone, rel=0, abs=1e-14)


@pytest.mark.parametrize("function", [rotated_iou, rotated_intersection])
@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.zeros((2, 4), np.float32), r"shape \(2, 4\); give \(N, 5\)"),
        (np.zeros(5, np.float32), r"shape \(5,\)"),
        (np.zeros((2, 5), np.int64), "int64; give a NumPy array"),
        (np.zeros((2, 5), np.float16), "float16"),
        ([[0.0, 0.0, 1.0, 1.0, 0.0]], "are list"),
    ],
)
def test_wrong_boxes_are_refused_by_name(function, wrong, message):
    good = np.zeros((1, 5), np.float32)
    with pytest.raises(UsageError, match=f"boxes a .*{message}"):
        function(wrong, good)
    with pytest.raises(UsageError, match=f"boxes b .*{message}"):
        function(good, wrong)


def test_pairs_of_different_length_are_refused():
    with pytest.raises(UsageError, match="2 boxes cannot be paired with 3"):
        rotated_iou_pairs(np.zeros((2, 5)), np.zeros((3, 5)))


@BOUNDED
@given(box_sets())
def test_iou_of_a_box_with_itself_is_one(boxes):
    np.testing.assert_allclose(rotated_iou_pairs(boxes, boxes), 1.0, rtol=0, atol=1e-12)


@BOUNDED
@given(box_sets(), box_sets())
def test_iou_is_symmetric_and_within_0_and_1(a, b):
    table = rotated_iou(a, b)
    np.testing.assert_array_max_ulp(table, rotated_iou(b, a).T, maxulp=1)
    assert ((table >= 0) & (table <= 1)).all()


@BOUNDED
@given(box_sets(), box_sets())
def test_intersection_is_at_most_the_smaller_box(a, b):
    smaller = np.minimum.outer(a[:, 2] * a[:, 3], b[:, 2] * b[:, 3])
    assert (rotated_intersection(a, b) <= smaller * (1 + 1e-6)).all()


@BOUNDED
@given(
    box_sets(),
    box_sets(),
    st.floats(-500, 500),
    st.floats(-500, 500),
    st.floats(-3, 3),
    st.floats(0.1, 10),
)
def test_iou_is_unchanged_by_common_shift_turn_and_scale(a, b, x, y, turn, scale):
    def moved(boxes):
        cos, sin = math.cos(turn), math.sin(turn)
        centre = boxes[:, :2] @ np.array([[cos, sin], [-sin, cos]])
        return np.column_stack((centre * scale + (x, y), boxes[:, 2:4] * scale, boxes[:, 4] + turn))

    np.testing.assert_allclose(rotated_iou(moved(a), moved(b)), rotated_iou(a, b), atol=1e-6)


@BOUNDED
@given(box_sets(), box_sets())
def test_boxes_whose_circles_are_apart_share_nothing(a, b):
    reach = np.add.outer(np.hypot(a[:, 2], a[:, 3]), np.hypot(b[:, 2], b[:, 3])) / 2
    b = b + np.array([reach.max() + 100, 0, 0, 0, 0])
    assert not rotated_iou(a, b).any()


@BOUNDED
@given(arrays(np.float32, st.tuples(st.integers(0, 8), st.just(5))))
def test_any_float32_boxes_give_numbers_between_0_and_1(boxes):
    table = rotated_iou(boxes, boxes[::-1].copy())
    assert ((table >= 0) & (table <= 1)).all()
