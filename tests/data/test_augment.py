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
    kept = 0
    for seed in range(200):
        _, moved = random_crop(image, truth, (96, 96), config, np.random.default_rng(seed))
        assert len(moved) + len(moved.ignore) == 1
        inside = (moved.boxes[:, :2] > 0) & (moved.boxes[:, :2] < 96)
        outside = ~((moved.ignore[:, :2] > 0) & (moved.ignore[:, :2] < 96)).all(axis=1)
        assert inside.all()
        assert outside.all()
        kept += len(moved)
    assert 20 < kept < 180


def test_object_that_becomes_too_thin_becomes_an_ignore_region():
    image, truth = scene()
    config = AugmentConfig(scale=(0.1, 0.1), rotation_deg=0)
    _, moved = random_crop(image, truth, (96, 96), config, np.random.default_rng(1))
    assert len(moved) == 0
    assert moved.ignore[0, 3] == pytest.approx(2.4)


def test_ignore_regions_move_like_objects():
    image, truth = scene()
    both = GroundTruth(truth.boxes, truth.labels, truth.difficult, truth.boxes)
    _, moved = random_crop(image, both, (160, 192), CONFIG, np.random.default_rng(3))
    assert len(moved) == 1
    assert np.array_equal(moved.boxes, moved.ignore)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6))
def test_moved_boxes_are_le90_and_keep_their_shape(seed):
    rng = np.random.default_rng(seed)
    boxes = np.stack([rng.uniform(0, 300, 20) for _ in range(5)], axis=1).astype(np.float32)
    boxes[:, 2:] = (
        np.sort(rng.uniform(20, 60, (20, 2)))[:, ::-1].astype(np.float32).repeat([1, 2], axis=1)
    )
    boxes[:, 4] = rng.uniform(-np.pi / 2, np.pi / 2, 20)
    labels = np.arange(20, dtype=np.int32)
    truth = GroundTruth(boxes, labels, labels % 2 == 0, boxes[:0])
    image = np.zeros((300, 300, 3), np.uint8)
    pixels, moved = random_crop(image, truth, (96, 128), CONFIG, rng)
    assert pixels.shape == (96, 128, 3)
    assert pixels.dtype == np.float32
    angle = moved.boxes[:, 4]
    assert ((angle >= -np.float32(np.pi / 2)) & (angle <= np.float32(np.pi / 2))).all()
    was = boxes[moved.labels]
    assert np.allclose(moved.boxes[:, 2] / moved.boxes[:, 3], was[:, 2] / was[:, 3], rtol=1e-5)
    assert (moved.difficult == (moved.labels % 2 == 0)).all()


def test_grey_levels_stay_in_range_and_vary():
    image, truth = scene()
    config = AugmentConfig(contrast=0.9, brightness=200.0, noise=30.0)
    crops = [
        random_crop(image, truth, (96, 96), config, np.random.default_rng(seed))[0]
        for seed in range(10)
    ]
    assert min(crop.min() for crop in crops) == 0
    assert max(crop.max() for crop in crops) == 255
    assert len({float(crop.mean()) for crop in crops}) == 10


def test_image_smaller_than_the_crop_is_padded():
    image = np.full((40, 50), 200, np.uint8)
    empty = np.zeros((0, 5), np.float32)
    truth = GroundTruth(empty, np.zeros(0, np.int32), np.zeros(0, bool), empty)
    still = AugmentConfig(scale=(1, 1), rotation_deg=0, contrast=0, brightness=0)
    pixels, moved = random_crop(image, truth, (96, 128), still, np.random.default_rng(0))
    assert pixels.shape == (96, 128)
    assert len(moved) == 0
    assert (pixels == 200).sum() == pytest.approx(40 * 50, rel=0.06)
