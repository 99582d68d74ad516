"""The reference runs the flying path, and measures what was asked for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.core import SourceError, UsageError  # noqa: E402
from edgekit.data.dota import DotaSet, read_dota_folder  # noqa: E402
from edgekit.kernels import rotated_nms  # noqa: E402
from edgekit.reference import detect_frames, measure_accuracy  # noqa: E402
from edgekit.reference.checkpoint_bundle import checkpoint_detector  # noqa: E402
from edgekit.runtime.sources.images import read_picture  # noqa: E402
from edgekit.train.config import InputConfig, TrainConfig  # noqa: E402
from edgekit.train.trainer import as_checkpoint  # noqa: E402
from model_zoo import create_detector  # noqa: E402
from model_zoo.deploy import DeployObb, DeploySpec  # noqa: E402
from tests.train.scene import write_set  # noqa: E402

pytestmark = pytest.mark.workstation

CONFIG = TrainConfig(
    input=InputConfig(size=(128, 160), modality="thermal", mean=(70.0,) * 3, std=(40.0,) * 3)
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return read_dota_folder(write_set(tmp_path_factory.mktemp("s") / "set", frames=2), "val")


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(1)
    return create_detector("lwganet_l0-obb", 2).eval()


@pytest.fixture(scope="module")
def detector(model):
    checkpoint = as_checkpoint(CONFIG, ("Car", "Truck"), model, {})
    return checkpoint_detector(checkpoint, Path("fresh"), score_threshold=0.0)


def test_detector_equals_the_module_and_nms(detector, model, data):
    frame = data.frames[0]
    found = detect_frames(detector, [frame])[frame.name]
    pixels = (read_picture(frame.image_path).astype(np.float32) - 70) / 40
    images = torch.from_numpy(np.repeat(pixels[None, None], 3, axis=1))
    with torch.no_grad():
        boxes, scores, labels = DeployObb(model, DeploySpec((128, 160)))(images)
    keep = rotated_nms(boxes[0].numpy(), scores[0].numpy(), 0.3, labels[0].numpy(), max_keep=300)
    assert np.allclose(np.sort(found.scores), np.sort(scores[0].numpy()[keep]), atol=1e-5)


def test_classes_can_be_measured_alone(detector, data):
    metrics = measure_accuracy(detector, data, classes=("Truck",))
    assert [row.name for row in metrics.per_class] == ["Truck"]
    assert metrics.frames == 2
    with pytest.raises(UsageError, match="did you mean 'Truck'"):
        measure_accuracy(detector, data, classes=("Trick",))


def test_wrong_class_is_refused_before_anything_is_detected(detector, data):
    def no_frames(frames):
        raise AssertionError("detection began")

    with pytest.raises(UsageError, match="unknown class 'Boat'"):
        measure_accuracy(detector, data, classes=("Boat",), progress=no_frames)


@pytest.mark.parametrize("classes", [("Truck", "Car"), ("Car",)])
def test_classes_in_another_order_or_fewer_are_refused(detector, data, classes):
    """The index is what is compared: the same names in another order would score near zero."""
    with pytest.raises(UsageError, match=r"classes are Car, Truck; the data set's"):
        measure_accuracy(detector, DotaSet(classes, data.frames))


def test_unreadable_frame_is_named_not_left_out(detector, data, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    frame = replace(data.frames[0], image_path=broken)
    with pytest.raises(SourceError, match=r"cannot read .*broken\.png"):
        detect_frames(detector, [frame])


def test_set_with_other_classes_is_refused(detector, data, tmp_path):
    folder = write_set(tmp_path / "other", frames=1)
    (folder / "classes.txt").write_text("Car\nTruck\nBoat\n")
    with pytest.raises(UsageError, match="unknown class 'Boat'"):
        measure_accuracy(detector, read_dota_folder(folder, "val"))
