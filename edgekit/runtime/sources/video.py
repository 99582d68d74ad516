"""Video files, through PyAV: capture time from the stream's own clock, gaps counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.core import SourceError
from edgekit.runtime.colour import to_modality
from edgekit.runtime.extras import import_extra
from edgekit.runtime.sources.reading import Reading, Unreadable, short_reason

VIDEO_SUFFIXES = (".mp4", ".mkv", ".mov", ".avi", ".ts", ".m4v", ".mpg", ".mpeg", ".webm")


class VideoReader:
    """A video file. Capture time is its creation time, where it states one, plus the pts."""

    remedy = "copy the file again or repair it (ffmpeg -i IN -c copy OUT)"

    def __init__(self, path: Path, modality: str) -> None:
        self._av = import_extra("av", "video", "reading video files")
        self.name = path.name
        self._path = path
        self._modality = modality

    def readings(self, start_utc_ns: int) -> Iterator[Reading | Unreadable]:
        try:
            container = self._av.open(str(self._path))
        except self._av.error.FFmpegError as error:
            raise SourceError(
                f"{self._path} cannot be read as a video ({short_reason(error, str(self._path))})",
                "copy the file again: a video that was cut off has often lost its index",
            ) from error
        with container:
            if not container.streams.video:
                raise SourceError(f"{self._path} holds no video stream", "give a file that does")
            stream = container.streams.video[0]
            stream.thread_type = "SLICE"
            yield from self._frames(container, stream, _creation_utc_ns(container) or start_utc_ns)

    def _frames(
        self, container: Any, stream: Any, start_utc_ns: int
    ) -> Iterator[Reading | Unreadable]:
        first_s = float((stream.start_time or 0) * stream.time_base)
        number, seen_packets, last_s, why = 0, 0, 0.0, "the file ends early"
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
                seen_packets += packet.size > 0
                pictures = packet.decode()
            except (StopIteration, self._av.error.EOFError):
                break
            except self._av.error.InvalidDataError as error:
                # One packet is damaged: its frame is lost, the stream goes on.
                yield Unreadable(f"frame {number}", short_reason(error, str(self._path)))
                number += 1
                continue
            except self._av.error.FFmpegError as error:
                why = short_reason(error, str(self._path))
                break
            for picture in pictures:
                if picture.is_corrupt:
                    yield Unreadable(f"frame {number}", "damaged")
                else:
                    yield self._reading(picture, number, first_s, start_utc_ns)
                last_s = last_s if picture.time is None else picture.time - first_s
                number += 1
        missing = _missing_frames(stream, seen_packets, last_s)
        if missing > 0:
            yield Unreadable(f"from frame {number} on", why, missing)

    def _reading(self, picture: Any, number: int, first_s: float, start_utc_ns: int) -> Reading:
        captured_utc_ns = None
        if picture.time is not None:
            captured_utc_ns = start_utc_ns + round((picture.time - first_s) * 1e9)
        pixels = to_modality(self._pixels(picture), self._modality)
        return Reading(pixels, f"{self.name} frame {number}", captured_utc_ns)

    def _pixels(self, picture: Any) -> NDArray[np.uint8]:
        # `gray` is the luma plane spread to full range: one conversion, rounded once.
        layout = "rgb24" if self._modality == "optical" else "gray"
        pixels: NDArray[np.uint8] = picture.to_ndarray(format=layout)
        return pixels


def _missing_frames(stream: Any, seen_packets: int, last_s: float) -> int:
    """How many frames the header promises that the file does not hold; 0 where it promises none.

    MP4 and AVI state the count. Matroska states the duration, from which a missing end shows. A
    transport stream states neither: what is there is all there is.
    """
    if stream.frames:
        return int(stream.frames) - seen_packets
    container = stream.container
    if "matroska" not in container.format.name or not container.duration or not stream.average_rate:
        return 0
    missing = round((container.duration / 1e6 - last_s) * float(stream.average_rate)) - 1
    # One frame of slack: containers round durations.
    return missing if missing > 1 else 0


def _creation_utc_ns(container: Any) -> int | None:
    """When recording began, if the file says so. A year before 1980 is a camera without a clock."""
    text = container.metadata.get("creation_time", "")
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    if moment.year < 1980:
        return None
    return round(moment.timestamp() * 1e6) * 1000
