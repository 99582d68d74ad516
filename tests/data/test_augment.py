"""Crops move boxes with their pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytest.importorskip("PIL", reason="Pillow is not installed")

from edgekit.core import GroundTruth, corners_from_le90
from edgekit.data.augment import AugmentConfig, random_crop

BOX = np.array([[150, 120, 60, 24, 0.4]], np.float32)
CONFIG = AugmentConfig(rotation_deg=180, flip_v=0.5, contrast=0, brightness=0)


def scene() -> tuple[np.ndarray, GroundTruth]:
    """A bright oriented rectangle on a dark ground, and its box."""
    ys, xs = np.mgrid[:256, :320] + 0.5
    dx, dy = xs - BOX[0, 0], ys - BOX[0, 1]
    cos, sin = np.cos(BOX[0, 4]), np.sin(BOX[0, 4])
    inside = (abs(dx * cos + dy * sin) < 30) & (abs(dy * cos - dx * sin) < 12)
    image = np.where(inside, 255, 0).astype(np.uint8)
    return image, GroundTruth(BOX, np.array([1], np.int32), np.array([False]), BOX[:0])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_box_encloses_its_bright_pixels(seed):
    image, truth = scene()
    pixels, moved = random_crop(image, truth, (160, 192), CONFIG, np.random.default_rng(seed))
    boxes = moved.boxes if len(moved) else moved.ignore
    cx, cy, w, h, angle = boxes[0]
    ys, xs = np.nonzero(pixels > 200)
    dx, dy = xs + 0.5 - cx, ys + 0.5 - cy
    along = abs(dx * np.cos(angle) + dy * np.sin(angle))
    across = abs(dy * np.cos(angle) - dx * np.sin(angle))
    assert (along <= w / 2 + 1).all()
    assert (across <= h / 2 + 1).all()
    corners = corners_from_le90(boxes[0])
    if ((corners > 2) & (corners < [190, 158])).all():
        assert len(xs) == pytest.approx(w * h, rel=0.15)


def test_same_generator_gives_the_same_crop():
    image, truth = scene()
    first = random_crop(image, truth, (96, 96), CONFIG, np.random.default_rng(5))
    second = random_crop(image, truth, (96, 96), CONFIG, np.random.default_rng(5))
    assert np.array_equal(first[0], second[0])
    assert np.array_equal(first[1].boxes, second[1].boxes)


def test_object_that_leaves_the_crop_becomes_an_ignore_region():
    image, truth = scene()
    config = AugmentConfig(centre_on_object=0.0)
    for seed in range(200):
        _, moved = random_crop(image, truth, (96, 96), config, np.random.default_rng(seed))
        assert len(moved) + len(moved.ignore) == 1
