"""SAR scenes become 8-bit amplitude, whatever they were stored as."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import UsageError
from edgekit.kernels import sar_to_uint8

FULL = {"low_percentile": 0.0, "high_percentile": 100.0}


def speckle(height=40, width=50, seed=0):
    rng = np.random.default_rng(seed)
    parts = rng.normal(size=(2, height, width)).astype(np.float32)
    return (parts[0] + 1j * parts[1]).astype(np.complex64)


def test_amplitude_is_stretched_linearly_from_0_to_255():
    scene = np.float32([[1, 2], [3, 6]])
    # (value - 1) / 5 * 255
    assert sar_to_uint8(scene, **FULL).tolist() == [[0, 51], [102, 255]]


def test_complex_power_and_decibel_forms_of_one_scene_look_alike():
    scene = speckle()
    amplitude = np.abs(scene)
    expected = sar_to_uint8(amplitude).astype(int)
    np.testing.assert_array_equal(sar_to_uint8(scene), expected)
    for scale, values in (("power", amplitude**2), ("db", 20 * np.log10(amplitude))):
        found = sar_to_uint8(values.astype(np.float32), scale=scale).astype(int)
        assert np.abs(found - expected).max() <= 1


def test_values_beyond_the_percentiles_saturate():
    scene = np.arange(1000, dtype=np.float32).reshape(20, 50)
    grey = sar_to_uint8(scene, low_percentile=10, high_percentile=90)
    assert (grey == 0).sum() >= 100
    assert (grey == 255).sum() >= 100
    assert grey.dtype == np.uint8


def test_missing_pixels_are_0_and_do_not_move_the_stretch():
    scene = np.float32([[1, 2], [3, 6]])
    holed = np.float32([[1, 2, math.nan], [3, 6, -99], [math.inf, -math.inf, -99]])
    grey = sar_to_uint8(holed, nodata=-99, **FULL)
    np.testing.assert_array_equal(grey[:2, :2], sar_to_uint8(scene, **FULL))
    assert not grey[:, 2].any()
    assert not grey[2].any()


def test_nodata_of_a_decibel_scene_is_compared_before_conversion():
    scene = np.float32([[-20, -10], [0, -99]])
    grey = sar_to_uint8(scene, scale="db", nodata=-99, **FULL)
    assert grey[1].tolist() == [255, 0]
    # amplitudes 0.1, 0.316, 1: the middle one lies at 0.24 of the range.
    assert grey[0].tolist() == [0, 61]


def test_negative_power_left_by_noise_removal_counts_as_zero():
    assert sar_to_uint8(np.float32([[-4, 0, 4]]), scale="power", **FULL).tolist() == [[0, 0, 255]]


@pytest.mark.parametrize(
    "scene",
    [
        np.zeros((0, 0), np.float32),
        np.full((3, 4), np.nan, np.float32),
        np.full((3, 4), 7, np.float32),
        np.zeros((3, 4), np.complex64),
    ],
)
def test_scene_without_contrast_is_black(scene):
    grey = sar_to_uint8(scene)
    assert grey.shape == scene.shape
    assert not grey.any()


def test_scene_is_not_written_to():
    scene = np.float32([[1, 2], [math.nan, 6]])
    before = scene.copy()
    for scale in ("amplitude", "power", "db"):
        sar_to_uint8(scene, scale=scale)
    np.testing.assert_array_equal(scene, before)


@pytest.mark.parametrize(
    ("scene", "options", "message"),
    [
        (np.zeros((2, 2), np.uint8), {}, "SAR scene is uint8; .*uint8 needs no stretch"),
        (np.zeros((2, 2, 1), np.float32), {}, r"shape \(2, 2, 1\); give one band"),
        (np.zeros((2, 2), np.float32), {"scale": "decibel"}, "unknown SAR scale 'decibel'"),
        (np.zeros((2, 2), np.complex64), {"scale": "db"}, "complex samples have no scale 'db'"),
        (np.zeros((2, 2), np.float32), {"low_percentile": 99.99}, "percentiles 99.99 and 99.95"),
        (np.zeros((2, 2), np.float32), {"high_percentile": 101}, "not 0 <= low < high <= 100"),
    ],
)
def test_wrong_input_is_refused_with_the_value(scene, options, message):
    with pytest.raises(UsageError, match=message):
        sar_to_uint8(scene, **options)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(1e-3, 1e3))
def test_gain_of_the_sensor_does_not_change_the_picture(seed, gain):
    scene = np.abs(speckle(seed=seed))
    scaled = sar_to_uint8((scene * np.float32(gain)).astype(np.float32)).astype(int)
    assert np.abs(scaled - sar_to_uint8(scene)).max() <= 1
