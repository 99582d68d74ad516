"""Training crops: one random affine view of an image, with its boxes.

The crop keeps native resolution up to a scale jitter, so that small objects keep their size. All
randomness comes from the generator that is passed in.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgekit.core import GroundTruth, wrap_half_turn

#: Objects thinner than this in the crop teach nothing.
_MIN_SIDE_PX = 3.0


@dataclass(frozen=True, slots=True)
class AugmentConfig:
    """How far a view may differ from the image.

    scale           range of the scale jitter, log-uniform
    rotation_deg    largest rotation either way
    flip_h, flip_v  probabilities
    contrast, brightness  largest relative change of contrast; largest shift in grey levels
    centre_on_object  probability that the crop is centred near an object
    """

    scale: tuple[float, float] = (0.75, 1.35)
    rotation_deg: float = 10.0
    flip_h: float = 0.5
    flip_v: float = 0.0
    contrast: float = 0.2
    brightness: float = 20.0
    noise: float = 0.0
    centre_on_object: float = 0.85


def random_crop(
    image: NDArray[np.uint8],
    truth: GroundTruth,
    size: tuple[int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> tuple[NDArray[np.float32], GroundTruth]:
    """A crop of `size` (height, width) px, values 0..255 f32 of the image's channels, with truth.

    Objects whose centre falls outside become ignore regions.
    """
    matrix = _random_affine(image.shape[:2], truth, size, config, rng)
    pixels = _warp(image, matrix, size)
    pixels = _photometric(pixels, config, rng)
    boxes = _transform_boxes(truth.boxes, matrix)
    ignore = _transform_boxes(truth.ignore, matrix)
    height, width = size
    inside = (boxes[:, 0] > 0) & (boxes[:, 0] < width) & (boxes[:, 1] > 0) & (boxes[:, 1] < height)
    large = boxes[:, 3] >= _MIN_SIDE_PX
    kept = inside & large
    return pixels, GroundTruth(
        boxes[kept],
        truth.labels[kept],
        truth.difficult[kept],
        np.concatenate([ignore, boxes[~kept]]),
    )


def _random_affine(
    image_size: tuple[int, ...],
    truth: GroundTruth,
    size: tuple[int, int],
    config: AugmentConfig,
    rng: np.random.Generator,
) -> NDArray[np.float64]:
    """(2, 3) matrix from image pixels to crop pixels."""
    height, width = image_size
    scale = float(np.exp(rng.uniform(*np.log(config.scale))))
    angle = np.deg2rad(rng.uniform(-config.rotation_deg, config.rotation_deg))
    flip_x = -1.0 if rng.random() < config.flip_h else 1.0
    flip_y = -1.0 if rng.random() < config.flip_v else 1.0
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    linear = np.array([[cos, -sin], [sin, cos]]) @ np.diag([flip_x, flip_y])
    reach = 0.5 * np.array(size[::-1]) / scale
    if len(truth) and rng.random() < config.centre_on_object:
        focus = truth.boxes[rng.integers(len(truth)), :2] + rng.uniform(-0.7, 0.7, 2) * reach
    else:
        focus = rng.uniform([0, 0], [width, height])
    # Where the crop is smaller than the image, stay inside it: a border teaches little.
    limits = np.array([width, height], float)
    focus = np.where(
        2 * reach < limits, np.clip(focus, reach, limits - reach), rng.uniform(0.3, 0.7, 2) * limits
    )
    offset = 0.5 * np.array(size[::-1]) - linear @ focus
    return np.concatenate([linear, offset[:, None]], axis=1)


def _warp(
    image: NDArray[np.uint8], matrix: NDArray[np.float64], size: tuple[int, int]
) -> NDArray[np.float32]:
    inverse = np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2]
    warped = Image.fromarray(image).transform(
        (size[1], size[0]),
        Image.Transform.AFFINE,
        tuple(inverse.ravel()),
        resample=Image.Resampling.BILINEAR,
        fillcolor=114 if image.ndim == 2 else (114, 114, 114),
    )
    return np.asarray(warped, dtype=np.float32)


def _photometric(
    pixels: NDArray[np.float32], config: AugmentConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    contrast = 1 + rng.uniform(-config.contrast, config.contrast)
    shift = rng.uniform(-config.brightness, config.brightness)
    changed = (pixels - 114) * contrast + 114 + shift
    if config.noise:
        grain = rng.normal(0, rng.uniform(0, config.noise), pixels.shape)
        changed = changed + grain.astype(np.float32)
    return np.clip(changed, 0, 255).astype(np.float32)


def _transform_boxes(
    boxes: NDArray[np.float32], matrix: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Boxes under a similarity (uniform scale, rotation, flips)."""
    linear, offset = matrix[:, :2], matrix[:, 2]
    scale = np.sqrt(abs(np.linalg.det(linear)))
    centres = boxes[:, :2] @ linear.T + offset
    direction = np.stack([np.cos(boxes[:, 4]), np.sin(boxes[:, 4])], axis=1) @ linear.T
    angle = wrap_half_turn(np.arctan2(direction[:, 1], direction[:, 0]))
    return np.concatenate([centres, boxes[:, 2:4] * scale, angle[:, None]], axis=1).astype(
        np.float32
    )
