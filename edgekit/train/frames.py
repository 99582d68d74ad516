"""Decoded training frames in memory, and the batches that are cut from them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgekit.core import GroundTruth, SourceError
from edgekit.data.augment import random_crop
from edgekit.data.dota import LabelledFrame
from edgekit.runtime.colour import to_modality
from edgekit.runtime.sources.images import read_picture
from edgekit.train.config import TrainConfig
from edgekit.train.loss import Targets


def load_pixels(frame: LabelledFrame, modality: str) -> NDArray[np.uint8]:
    """(H, W, 3) RGB for optical frames, (H, W) for thermal and SAR ones: read as in flight."""
    try:
        return to_modality(read_picture(frame.image_path), modality)
    except (OSError, SyntaxError, ValueError) as error:
        raise SourceError(
            f"cannot read {frame.image_path}", "replace or remove the file"
        ) from error


def training_batch(
    frames: Sequence[LabelledFrame],
    pixels: Sequence[NDArray[np.uint8]],
    config: TrainConfig,
    step: int,
) -> tuple[Tensor, list[Targets], tuple[int, int]]:
    """The batch of one step: (B, 3, H, W) channels-last f32, targets, and (H, W).

    It depends on the seed and the step alone, so that a resumed run sees what an unbroken one
    would have seen.
    """
    schedule = config.schedule
    crop_phase = step < schedule.steps
    size = schedule.crop if crop_phase else config.input.size
    count = schedule.batch if crop_phase else schedule.full_size_batch
    rng = np.random.default_rng([config.seed, step])
    images, targets = [], []
    for index in _epoch_slice(len(frames), count, step, config):
        view, truth = random_crop(pixels[index], frames[index].truth, size, config.augment, rng)
        images.append(to_input(view, config))
        targets.append(_to_targets(truth))
    batch = torch.from_numpy(np.stack(images)).contiguous(memory_format=torch.channels_last)
    return batch, targets, size


def to_input(pixels: NDArray[np.float32], config: TrainConfig) -> NDArray[np.float32]:
    """(H, W) or (H, W, 3) grey levels -> (3, H, W), normalised as the runtime does it."""
    channels = np.repeat(pixels[None], 3, 0) if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    mean = np.array(config.input.mean, np.float32)[:, None, None]
    std = np.array(config.input.std, np.float32)[:, None, None]
    return (channels - mean) / std


def _epoch_slice(frames: int, count: int, step: int, config: TrainConfig) -> list[int]:
    """Indices of a step: each epoch goes once through all frames in an order of its own."""
    schedule = config.schedule
    first = step * schedule.batch
    if step >= schedule.steps:
        first = schedule.steps * schedule.batch + (step - schedule.steps) * schedule.full_size_batch
    chosen = []
    for position in range(first, first + count):
        epoch, offset = divmod(position, frames)
        order = np.random.default_rng([config.seed, 1, epoch]).permutation(frames)
        chosen.append(int(order[offset]))
    return chosen


def _to_targets(truth: GroundTruth) -> Targets:
    return Targets(
        torch.from_numpy(truth.boxes),
        torch.from_numpy(truth.labels.astype(np.int64)),
        torch.from_numpy(truth.ignore),
    )
