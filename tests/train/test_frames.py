"""What the network sees in training is what it sees in flight."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")
from PIL import Image  # noqa: E402

from edgekit.core import GroundTruth, SourceError  # noqa: E402
from edgekit.data.dota import LabelledFrame  # noqa: E402
from edgekit.kernels import preprocess  # noqa: E402
from edgekit.train.config import InputConfig, ScheduleConfig, TrainConfig  # noqa: E402
from edgekit.train.frames import load_pixels, to_input, training_batch  # noqa: E402

pytestmark = pytest.mark.workstation

MEAN, STD = (120.0, 110.0, 100.0), (50.0, 55.0, 60.0)
CONFIG = TrainConfig(
    seed=3,
    input=InputConfig(size=(128, 96), mean=MEAN, std=STD),
    schedule=ScheduleConfig(crop=(96, 96), batch=3, steps=4, full_size_batch=1, full_size_steps=3),
)


def frame_of(path, pixels=None):
    if pixels is not None:
        Image.fromarray(pixels).save(path)
    empty = np.zeros((0, 5), np.float32)
    return LabelledFrame(
        path.stem, path, GroundTruth(empty, np.zeros(0, np.int32), np.zeros(0, bool), empty)
    )


@pytest.mark.parametrize("shape", [(40, 60), (40, 60, 3)])
def test_pixels_are_normalised_as_the_runtime_does_it(shape):
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    out = np.empty((1, 3, 40, 60), np.float32)
    preprocess(pixels, out, mode="crop", window=(0, 0, 60, 40), mean=MEAN, std=STD)
    assert np.abs(to_input(pixels.astype(np.float32), CONFIG) - out[0]).max() < 1e-5


@pytest.mark.parametrize(
    ("modality", "shape"), [("optical", (8, 9, 3)), ("thermal", (8, 9)), ("sar", (8, 9))]
)
@pytest.mark.parametrize("stored", [(8, 9), (8, 9, 3)])
def test_frames_have_the_channels_of_their_modality(tmp_path, modality, shape, stored):
    pixels = np.full(stored, 77, np.uint8)
    found = load_pixels(frame_of(tmp_path / "a.png", pixels), modality)
    assert found.shape == shape
    assert (found == 77).all()


def test_sixteen_bit_thermal_frames_are_stretched_not_clipped(tmp_path):
    counts = np.linspace(20000, 24000, 72).reshape(8, 9).astype(np.uint16)
    found = load_pixels(frame_of(tmp_path / "a.png", counts), "thermal")
    assert found.dtype == np.uint8
    assert found.min() == 0
    assert found.max() == 255
    assert len(np.unique(found)) > 50


def test_broken_frame_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"no picture")
    with pytest.raises(SourceError, match=r"cannot read .*a\.png"):
        load_pixels(frame_of(tmp_path / "a.png"), "optical")


def batches(config, count=5):
    frames = [frame_of(Path(f"{index}.png")) for index in range(count)]
    pixels = [np.full((100, 140, 3), 10 * index, np.uint8) for index in range(count)]
    return lambda step: training_batch(frames, pixels, config, step)


def test_batch_depends_on_seed_and_step_alone():
    batch = batches(CONFIG)
    assert torch.equal(batch(2)[0], batch(2)[0])
    assert not torch.equal(batch(2)[0], batch(3)[0])
    other = batches(dataclasses.replace(CONFIG, seed=4))
    assert not torch.equal(batch(2)[0], other(2)[0])


def test_last_steps_have_the_size_of_the_input():
    batch = batches(CONFIG)
    assert batch(3)[0].shape == (3, 3, 96, 96)
    assert batch(4)[0].shape == (1, 3, 128, 96)
    assert batch(4)[2] == (128, 96)


def test_every_frame_is_seen_once_an_epoch():
    """Frames are told apart by their grey level, which no photometric change touches here."""
    still = dataclasses.replace(CONFIG.augment, contrast=0.0, brightness=0.0)
    config = dataclasses.replace(CONFIG, augment=still, input=InputConfig(size=(128, 96)))
    batch = batches(config, count=6)
    for first in (0, 2):
        seen = [image for step in (first, first + 1) for image in batch(step)[0]]
        levels = {round(float(image[0, 48, 48]) * 58.395 + 123.675) for image in seen}
        assert levels == {0, 10, 20, 30, 40, 50}
