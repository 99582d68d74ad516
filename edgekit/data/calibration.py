"""Which frames a quantiser sees: reproducible, and spread over what the data set holds.

Frames are grouped by the classes in them and, where `frames.csv` tells, by light and altitude; the
groups are then visited in turn, so that rare conditions are seen as well as common ones.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import numpy as np

from edgekit.core import UsageError
from edgekit.data.dota import DotaSet, LabelledFrame

#: Columns of `frames.csv` that tell conditions apart.
_CONDITIONS = ("light", "altitude_m", "scene")
MIN_FRAMES = 16


@dataclass(frozen=True, slots=True)
class CalibrationSet:
    """Chosen frames, in the order in which they are shown.

    digest  "sha256:..." over the names and the bytes of the images
    """

    frames: tuple[LabelledFrame, ...]
    seed: int
    digest: str


def choose_calibration(data: DotaSet, folder: Path, count: int, seed: int) -> CalibrationSet:
    """Choose `count` frames of a training split.

    folder  the data set's folder, for its `frames.csv`
    raises  UsageError for fewer than MIN_FRAMES frames: activation ranges would be guesses
    """
    if count < MIN_FRAMES or len(data.frames) < MIN_FRAMES:
        raise UsageError(
            f"{min(count, len(data.frames))} calibration frames are too few",
            f"give at least {MIN_FRAMES}",
        )
    conditions = _read_conditions(folder / "frames.csv")
    groups: dict[tuple[object, ...], list[LabelledFrame]] = {}
    for frame in data.frames:
        key = (frozenset(frame.truth.labels.tolist()), conditions.get(frame.name, ()))
        groups.setdefault((sorted(key[0]).__repr__(), key[1]), []).append(frame)
    rng = np.random.default_rng(seed)
    shuffled = [_shuffled(groups[key], rng) for key in sorted(groups, key=repr)]
    order = _shuffled(
        [frame for turn in zip_longest(*_by_size(shuffled)) for frame in turn if frame][:count], rng
    )
    return CalibrationSet(tuple(order), seed, _digest(order))


def _by_size(groups: list[list[LabelledFrame]]) -> list[list[LabelledFrame]]:
    """Largest groups first, so that a short list still holds what is common."""
    return sorted(groups, key=len, reverse=True)


def _shuffled(frames: Sequence[LabelledFrame], rng: np.random.Generator) -> list[LabelledFrame]:
    return [frames[index] for index in rng.permutation(len(frames))]


def _read_conditions(path: Path) -> dict[str, tuple[str, ...]]:
    if not path.is_file():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {
            row["name"]: tuple(row[column] for column in _CONDITIONS if column in row)
            for row in csv.DictReader(file)
            if "name" in row
        }


def _digest(frames: Sequence[LabelledFrame]) -> str:
    total = hashlib.sha256()
    for frame in frames:
        total.update(frame.name.encode())
        total.update(hashlib.sha256(frame.image_path.read_bytes()).digest())
    return f"sha256:{total.hexdigest()}"
