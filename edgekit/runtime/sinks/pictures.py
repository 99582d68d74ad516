"""Annotated pictures in a folder, one a frame."""

from __future__ import annotations

import re
from pathlib import Path

from edgekit.core import Frame, SinkError, replacing
from edgekit.runtime.drawing import annotate, require_pillow
from edgekit.runtime.sinks.sink import Result

_JPEG_QUALITY = 92


class PictureSink:
    """Writes `00012-NAME.jpg` into a folder, which it makes.

    raises  SinkError where the folder cannot be made or written, EdgekitError without Pillow
    """

    def __init__(self, folder: Path, classes: tuple[str, ...]) -> None:
        require_pillow()
        self._folder = folder
        self._classes = classes
        self._delivered = 0
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(folder, error) from error

    @property
    def delivered(self) -> int:
        return self._delivered

    def write(self, result: Result) -> None:
        picture = annotate(result.frame.pixels, result.detections, self._classes)
        path = self._folder / picture_name(result.frame)
        try:
            with replacing(path) as temporary:
                picture.save(temporary, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
        except OSError as error:
            raise _cannot_write(path, error) from error
        self._delivered += 1

    def hurry(self) -> None:
        """Nothing to do: the disk is waited for in any case."""

    def report(self) -> str:
        return ""

    def close(self) -> None:
        """Nothing to do: every picture is on disk."""


def picture_name(frame: Frame) -> str:
    """The file name for a frame's picture: its number, then its label in safe characters."""
    label = re.sub(r"[^A-Za-z0-9._=-]+", "-", frame.label).strip("-.")
    return f"{frame.seq:05d}-{label}.jpg" if label else f"{frame.seq:05d}.jpg"


def _cannot_write(path: Path, error: OSError) -> SinkError:
    reason = (error.strerror or str(error)).lower()
    return SinkError(f"cannot write {path}: {reason}", "name another folder, or make room")
