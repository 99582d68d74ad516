"""Calibration sets are reproducible and spread."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.core import GroundTruth, UsageError
from edgekit.data.calibration import choose_calibration
from edgekit.data.dota import DotaSet, LabelledFrame


def make_set(folder, count=60):
    frames = []
    for index in range(count):
        path = folder / f"{index:03}.jpg"
        path.write_bytes(str(index).encode())
        label = 1 if index % 20 == 0 else 0
        truth = GroundTruth(
            np.array([[5, 5, 4, 2, 0]], np.float32),
            np.array([label], np.int32),
            np.array([False]),
            np.zeros((0, 5), np.float32),
        )
        frames.append(LabelledFrame(path.stem, path, truth))
    return DotaSet(("Car", "Bicycle"), tuple(frames))


def test_same_seed_chooses_the_same_frames(tmp_path):
    data = make_set(tmp_path)
    first, second = (choose_calibration(data, tmp_path, 20, 7) for _ in range(2))
    assert first == second
    assert first.digest != choose_calibration(data, tmp_path, 20, 8).digest


def test_rare_classes_are_all_seen(tmp_path):
    chosen = choose_calibration(make_set(tmp_path), tmp_path, 20, 0)
    assert sum(1 in frame.truth.labels for frame in chosen.frames) == 3


def test_conditions_of_frames_csv_are_spread(tmp_path):
    data = make_set(tmp_path)
    rows = [f"{f.name},{'night' if i < 4 else 'day'}" for i, f in enumerate(data.frames)]
    (tmp_path / "frames.csv").write_text("name,light\n" + "\n".join(rows) + "\n")
    chosen = choose_calibration(data, tmp_path, 20, 0)
    assert sum(int(frame.name) < 4 for frame in chosen.frames) == 4


@pytest.mark.parametrize(("count", "frames"), [(8, 60), (32, 10)])
def test_too_few_frames_are_refused(tmp_path, count, frames):
    with pytest.raises(UsageError, match="calibration frames are too few"):
        choose_calibration(make_set(tmp_path, frames), tmp_path, count, 0)
