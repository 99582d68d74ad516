"""Preprocessing: one picture in, the network's input out, and a map that takes boxes back."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import Transform, UsageError
from edgekit.kernels import preprocess

NEUTRAL = {"mean": (0.0,), "std": (1.0,)}


def picture(height, width, channels=3, seed=0):
    shape = (height, width, channels) if channels == 3 else (height, width)
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def unwritten(height, width):
    return np.full((1, 3, height, width), np.nan, np.float32)


def sampled_one_by_one(pixels, transform, height, width):
    """Bilinear sampling written as the definition reads, a pixel at a time; f64."""
    rows, columns = pixels.shape[:2]
    out = np.zeros((height, width))
    for y in range(height):
        for x in range(width):
            v = (y + 0.5 - transform.offset_y) / transform.scale_y - 0.5
            u = (x + 0.5 - transform.offset_x) / transform.scale_x - 0.5
            u, v = min(max(u, 0), columns - 1), min(max(v, 0), rows - 1)
            left, top = math.floor(u), math.floor(v)
            right, below = min(left + 1, columns - 1), min(top + 1, rows - 1)
            a, b = u - left, v - top
            upper = (1 - a) * pixels[top, left] + a * pixels[top, right]
            lower = (1 - a) * pixels[below, left] + a * pixels[below, right]
            out[y, x] = (1 - b) * upper + b * lower
    return out


def test_scale_one_is_an_exact_copy_with_zero_padding():
    pixels, out = picture(50, 60), unwritten(64, 60)
    transform = preprocess(pixels, out, **NEUTRAL)
    assert transform == Transform(1.0, 1.0, 0.0, 7.0)
    np.testing.assert_array_equal(out[0, :, 7:57], pixels.transpose(2, 0, 1))
    assert not out[0, :, :7].any()
    assert not out[0, :, 57:].any()


def test_values_are_normalised_by_channel_and_padding_is_the_mean():
    pixels, out = np.full((2, 4, 3), (10, 20, 30), np.uint8), unwritten(4, 4)
    preprocess(pixels, out, mean=(8, 10, 15), std=(2, 5, 10))
    np.testing.assert_array_equal(out[0, :, 1, 0], np.float32([1, 2, 1.5]))
    assert not out[0, :, 0].any()


def test_one_channel_is_repeated_to_three():
    pixels, out = picture(24, 30, channels=1), unwritten(48, 64)
    preprocess(pixels, out, mean=(1, 2, 3), std=(1, 1, 1))
    as_rgb = unwritten(48, 64)
    preprocess(np.repeat(pixels[..., None], 3, axis=2), as_rgb, mean=(1, 2, 3), std=(1, 1, 1))
    np.testing.assert_array_equal(out, as_rgb)


@pytest.mark.parametrize(
    ("height", "width", "out_height", "out_width"),
    [
        (512, 640, 640, 640),
        (1080, 1920, 640, 640),
        (256, 320, 512, 640),
        (512, 640, 256, 320),
        (100, 100, 333, 640),
        (480, 641, 512, 640),
        (333, 77, 64, 64),
        (7, 5, 64, 96),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_letterbox_is_within_one_grey_level_of_opencv(
    height, width, out_height, out_width, channels
):
    cv2 = pytest.importorskip("cv2")
    pixels, out = picture(height, width, channels), unwritten(out_height, out_width)
    transform = preprocess(pixels, out, **NEUTRAL)
    scale = transform.scale_x
    expected = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    rows, columns = expected.shape[:2]
    top, left = int(transform.offset_y), int(transform.offset_x)
    inside = out[0, :, top : top + rows, left : left + columns]
    difference = inside - np.moveaxis(expected.reshape(rows, columns, -1), 2, 0)
    assert np.abs(difference).max() <= 1.0
    outside = out.copy()
    outside[0, :, top : top + rows, left : left + columns] = 0
    assert not outside.any(), "all that the picture does not cover is padding"


@pytest.mark.parametrize(
    ("height", "width", "out_height", "out_width"),
    [(9, 7, 18, 14), (10, 12, 5, 6), (11, 13, 32, 40), (1, 1, 4, 4), (1, 9, 6, 6), (20, 3, 8, 8)],
)
def test_letterbox_is_what_the_definition_says(height, width, out_height, out_width):
    pixels, out = picture(height, width, channels=1), unwritten(out_height, out_width)
    transform = preprocess(pixels, out, **NEUTRAL)
    expected = sampled_one_by_one(pixels, transform, out_height, out_width)
    top, left = int(transform.offset_y), int(transform.offset_x)
    rows = max(1, round(height * transform.scale_y))
    columns = max(1, round(width * transform.scale_x))
    inside = np.s_[top : top + rows, left : left + columns]
    np.testing.assert_allclose(out[0, 0][inside], expected[inside], rtol=0, atol=1e-3)


def test_letterbox_equals_itself_between_calls_and_sizes():
    pixels, other = picture(70, 90), picture(33, 90, seed=1)
    first, second = unwritten(64, 64), unwritten(64, 64)
    a = preprocess(pixels, first, **NEUTRAL)
    preprocess(other, unwritten(128, 32), **NEUTRAL)
    preprocess(other, second, **NEUTRAL)
    b = preprocess(pixels, second, **NEUTRAL)
    assert a == b
    np.testing.assert_array_equal(first, second)


def test_letterbox_of_a_window_equals_letterbox_of_the_cut():
    pixels, window = picture(80, 90), (10, 20, 48, 32)
    from_window, from_cut = unwritten(64, 64), unwritten(64, 64)
    transform = preprocess(pixels, from_window, window=window, **NEUTRAL)
    of_cut = preprocess(pixels[20:52, 10:58], from_cut, **NEUTRAL)
    np.testing.assert_array_equal(from_window, from_cut)
    box = np.float32([[30, 40, 8, 4, 0.5]])
    cut_box = box - np.float32([10, 20, 0, 0, 0])
    np.testing.assert_allclose(
        transform.boxes_to_input(box), of_cut.boxes_to_input(cut_box), atol=1e-4
    )


@pytest.mark.parametrize(
    ("window", "taken", "placed"),
    [
        ((10, 5, 32, 32), np.s_[5:37, 10:42], np.s_[0:32, 0:32]),
        ((10, 5, 20, 8), np.s_[5:13, 10:30], np.s_[0:8, 0:20]),
        ((50, 30, 32, 32), np.s_[30:40, 50:60], np.s_[0:10, 0:10]),
        ((-4, -6, 32, 32), np.s_[0:26, 0:28], np.s_[6:32, 4:32]),
    ],
)
def test_crop_copies_the_window_and_pads_the_rest(window, taken, placed):
    pixels, out = picture(40, 60), unwritten(32, 32)
    transform = preprocess(pixels, out, mode="crop", window=window, **NEUTRAL)
    expected = np.zeros((3, 32, 32), np.float32)
    expected[(slice(None), *placed)] = pixels[taken].transpose(2, 0, 1)
    np.testing.assert_array_equal(out[0], expected)
    assert transform == Transform(1.0, 1.0, -window[0], -window[1])


def test_crop_without_a_window_takes_a_frame_that_fits():
    pixels, out = picture(20, 30, channels=1), unwritten(32, 32)
    transform = preprocess(pixels, out, mode="crop", **NEUTRAL)
    assert transform == Transform(1.0, 1.0, 0.0, 0.0)
    np.testing.assert_array_equal(out[0, 2, :20, :30], pixels)
    assert out.sum() == 3.0 * pixels.sum()


def test_views_of_a_frame_are_taken_as_they_are():
    pixels = picture(64, 64)[::2, 4:36]
    out, expected = unwritten(40, 40), unwritten(40, 40)
    preprocess(pixels, out, **NEUTRAL)
    preprocess(np.ascontiguousarray(pixels), expected, **NEUTRAL)
    np.testing.assert_array_equal(out, expected)


def test_bright_spot_is_found_where_the_transform_says():
    pixels = np.zeros((100, 160), np.uint8)
    pixels[40:44, 100:104] = 255
    out = unwritten(300, 400)
    transform = preprocess(pixels, out, **NEUTRAL)
    y, x = np.indices((300, 400)) + 0.5
    weight = out[0, 0] / out[0, 0].sum()
    expected = transform.boxes_to_input(np.float32([[102, 42, 4, 4, 0]]))[0]
    assert (weight * x).sum() == pytest.approx(expected[0], abs=0.05)
    assert (weight * y).sum() == pytest.approx(expected[1], abs=0.05)


@pytest.mark.parametrize("size", [(512, 640, 3), (1080, 1920, 3), (1080, 1920, 1)])
def test_working_memory_stays_below_one_mebibyte(size):
    pixels, out = picture(*size), unwritten(512, 640)
    preprocess(pixels, out, **NEUTRAL)
    tracemalloc.start()
    preprocess(pixels, out, **NEUTRAL)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"pixels": np.zeros((8, 8), np.float32)}, "pixels are float32; .*sar_to_uint8"),
        ({"pixels": np.zeros((8, 8, 4), np.uint8)}, r"shape \(8, 8, 4\); give \(H, W, 3\)"),
        ({"pixels": np.zeros((0, 8), np.uint8)}, "an empty frame"),
        ({"pixels": [[1]]}, "pixels are list"),
        ({"out": np.zeros((1, 3, 8, 8))}, "out is float64"),
        ({"out": np.zeros((3, 8, 8), np.float32)}, r"out has shape \(3, 8, 8\)"),
        ({"out": np.zeros((1, 1, 8, 8), np.float32)}, r"give \(1, 3, h, w\)"),
        ({"out": np.zeros((1, 3, 8, 16), np.float32)[..., ::2]}, "not C-contiguous"),
        ({"mode": "letterbocks"}, "did you mean 'letterbox'"),
        ({"mean": (1, 2)}, r"mean \(1, 2\) is not one or three numbers"),
        ({"std": (1, math.nan, 1)}, "std .* is not one or three numbers"),
        ({"std": (1, 0, 1)}, "std .* is not positive"),
        ({"window": (4, 4, 8, 4)}, r"window \(4, 4, 8, 4\) leaves the frame of 8x8"),
        ({"window": (0, 0, 0, 4)}, "leaves the frame"),
        ({"mode": "crop", "window": (0, 0, 9, 4)}, "window of 9x4 does not fit the input of 8x8"),
        ({"mode": "crop", "window": (8, 0, 4, 4)}, "lies outside the frame"),
    ],
)
def test_wrong_input_is_refused_with_the_value(change, message):
    good = {
        "pixels": np.zeros((8, 8), np.uint8),
        "out": np.zeros((1, 3, 8, 8), np.float32),
        **NEUTRAL,
    }
    arguments = {**good, **change}
    with pytest.raises(UsageError, match=message):
        preprocess(arguments.pop("pixels"), arguments.pop("out"), **arguments)


@settings(max_examples=50, deadline=None)
@given(*[st.integers(1, 90)] * 4, st.booleans())
def test_any_size_fills_all_of_the_input_and_maps_boxes_both_ways(
    height, width, out_height, out_width, grey
):
    pixels = picture(height, width, 1 if grey else 3)
    out = unwritten(out_height, out_width)
    transform = preprocess(pixels, out, **NEUTRAL)
    assert ((out >= 0) & (out <= 255)).all()
    corner = transform.boxes_to_input(np.float32([[width, height, 1, 1, 0]]))[0]
    assert corner[0] <= out_width + 0.51
    assert corner[1] <= out_height + 0.51
    box = np.float32([[width / 3, height / 2, 5, 3, 0.4]])
    back = transform.boxes_to_frame(transform.boxes_to_input(box))
    np.testing.assert_allclose(back, box, rtol=1e-4, atol=1e-3)
