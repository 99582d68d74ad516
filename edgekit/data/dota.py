"""Folders in DOTA format: `images/SPLIT/NAME.jpg`, `labels/SPLIT/NAME.txt`, `classes.txt`.

A label line is `x1 y1 x2 y2 x3 y3 x4 y4 class difficult`. The class `ignore` marks regions that
count neither as found nor as missed. Header lines (`imagesource:`, `gsd:`) are allowed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.core import GroundTruth, UsageError, le90_from_corners, unknown_name

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".bmp")
_IGNORE = "ignore"
_HEADERS = ("imagesource", "gsd")


@dataclass(frozen=True, slots=True)
class LabelledFrame:
    """One image and what is in it."""

    name: str
    image_path: Path
    truth: GroundTruth


@dataclass(frozen=True, slots=True)
class DotaSet:
    """One split of a data set; frames sorted by name."""

    classes: tuple[str, ...]
    frames: tuple[LabelledFrame, ...]


def read_dota_folder(folder: Path, split: str) -> DotaSet:
    """Read one split of a DOTA-format folder.

    raises  UsageError where the folder, the split or a label line is not as it must be
    """
    classes = read_classes(folder)
    image_dir, label_dir = folder / "images" / split, folder / "labels" / split
    if not image_dir.is_dir():
        splits = sorted(path.name for path in (folder / "images").glob("*") if path.is_dir())
        raise (
            unknown_name("split", split, splits)
            if splits
            else UsageError(
                f"no images in {folder}", "expected images/SPLIT/NAME.jpg and labels/SPLIT/NAME.txt"
            )
        )
    images = sorted(p for p in image_dir.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
    if not images:
        raise UsageError(f"no images in {image_dir}", f"put files of {', '.join(IMAGE_SUFFIXES)}")
    (name, count), *_ = Counter(image.stem for image in images).most_common(1)
    if count > 1:
        raise UsageError(
            f"{count} images in {image_dir} are called {name}", "keep one, or rename the others"
        )
    frames = []
    for image in images:
        label = label_dir / f"{image.stem}.txt"
        if not label.is_file():
            raise UsageError(
                f"no label file {label}", "write one for each image; an empty file means no objects"
            )
        truth = parse_dota_label(_read_text(label), classes, str(label))
        frames.append(LabelledFrame(image.stem, image, truth))
    return DotaSet(classes, tuple(frames))


def read_classes(folder: Path) -> tuple[str, ...]:
    """Class names from `classes.txt`, one a line, in the order of their indices."""
    path = folder / "classes.txt"
    if not path.is_file():
        raise UsageError(f"no {path}", "write the class names there, one a line")
    classes = tuple(line.strip() for line in _read_text(path).splitlines())
    classes = tuple(name for name in classes if name)
    if not classes:
        raise UsageError(f"{path} names no class", "write the class names there, one a line")
    for name in classes:
        if classes.count(name) > 1:
            raise UsageError(f"{path} names the class '{name}' twice", "remove one of the lines")
    return classes


def _read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")  # some editors begin a file with a mark
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not UTF-8 text: {error.reason}", "save it as UTF-8") from error


def parse_dota_label(text: str, classes: Sequence[str], where: str) -> GroundTruth:
    """Ground truth from the text of one label file; `where` names it in errors."""
    boxes, labels, difficult, ignore = [], [], [], []
    for number, line in enumerate(text.splitlines(), start=1):
        fields = line.split()
        if not fields or fields[0].split(":")[0].lower() in _HEADERS:
            continue
        box, name, is_difficult = _parse_line(fields, f"{where}:{number}")
        if name == _IGNORE:
            ignore.append(box)
            continue
        if name not in classes:
            error = unknown_name("class", name, classes)
            raise UsageError(f"{where}:{number}: {error.what}", error.hint)
        boxes.append(box)
        labels.append(classes.index(name))
        difficult.append(is_difficult)
    return GroundTruth(
        _as_float32(boxes),
        np.array(labels, np.int32),
        np.array(difficult, bool),
        _as_float32(ignore),
    )


def _as_float32(boxes: list[NDArray[np.floating]]) -> NDArray[np.float32]:
    """(N, 5) f32; rounding can carry an angle onto +pi/2, which le90 writes as -pi/2."""
    rounded = np.array(boxes, np.float32).reshape(-1, 5)
    limit = np.float32(np.pi / 2)
    rounded[rounded[:, 4] >= limit, 4] = -limit
    return rounded


def _parse_line(fields: list[str], where: str) -> tuple[NDArray[np.floating], str, bool]:
    hint = "expected x1 y1 x2 y2 x3 y3 x4 y4 class [difficult]"
    if len(fields) not in (9, 10):
        raise UsageError(f"{where}: {len(fields)} fields", hint)
    try:
        corners = np.array([float(value) for value in fields[:8]]).reshape(4, 2)
        difficult = bool(int(fields[9])) if len(fields) == 10 else False
    except ValueError as error:
        raise UsageError(f"{where}: {error}", hint) from error
    if not np.isfinite(corners).all():
        raise UsageError(f"{where}: a corner is not finite", hint)
    return le90_from_corners(corners), fields[8], difficult
