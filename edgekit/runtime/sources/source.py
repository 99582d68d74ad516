"""A stream of frames from a recording: numbers, stamps, paces, and counts what cannot be read."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Iterator

from edgekit.core import Frame, SourceError
from edgekit.runtime.clock import SYSTEM_CLOCK, Clock
from edgekit.runtime.sources.reading import Reader, Reading, Unreadable

#: So many unreadable frames are named in a report; more are counted.
_NAMED = 3


class Source:
    """Frames of one stream; iterate it once, from one thread. `close()` from any thread ends it.

    read      frames given so far
    failed    frames that could not be read so far: reported by `failure()`, never fatal

    A frame's capture time is the recorded one where the recording knows it, else the moment it is
    handed out. In a second pass of a loop it is always the latter: time does not run backwards.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        modality: str,
        stream: str = "main",
        epoch: str | None = None,
        limit: int | None = None,
        loop: bool = False,
        fps: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        self.modality = modality
        self.stream = stream
        self.epoch = epoch or str(uuid.uuid4())
        self.read = 0
        self.failed = 0
        self._reader = reader
        self._limit = limit
        self._loop = loop
        self._fps = fps
        self._clock = clock
        self._closed = threading.Event()
        self._failures: dict[str, str] = {}

    @property
    def name(self) -> str:
        """The file or folder it reads, for messages."""
        return self._reader.name

    def close(self) -> None:
        """End the stream after the frame that is being handed out. Twice is fine."""
        self._closed.set()

    def failure(self) -> SourceError | None:
        """What could not be read, as the one line that a user needs; None if all could."""
        if not self.failed:
            return None
        named = [f"{label} ({why})" for label, why in self._failures.items()][:_NAMED]
        unnamed = len(self._failures) - len(named)
        more = f", and {unnamed} more" if unnamed else ""
        rest = f"the other {self.read} were processed" if self.read else "none was processed"
        return SourceError(
            f"{self.failed} of {self.read + self.failed} frames of {self.name} could not be read: "
            f"{', '.join(named)}{more}",
            f"{rest}; {self._reader.remedy}",
        )

    def __iter__(self) -> Iterator[Frame]:
        start_mono_ns = self._clock.mono_ns()
        is_first_pass = True
        while not self._closed.is_set():
            read_before = self.read
            for item in self._reader.readings(self._clock.utc_ns()):
                if isinstance(item, Unreadable):
                    self.failed += item.count
                    self._failures.setdefault(item.label, item.why)
                    continue
                self._await_turn(start_mono_ns)
                if self._closed.is_set():
                    return
                frame = self._frame(item, is_first_pass)
                self.read += 1
                yield frame
                if self._limit is not None and self.read >= self._limit:
                    return
            if not self._loop or self.read == read_before:
                return
            is_first_pass = False

    def _await_turn(self, start_mono_ns: int) -> None:
        if self._fps is None:
            return
        due_ns = start_mono_ns + round(self.read * 1e9 / self._fps)
        wait_s = (due_ns - self._clock.mono_ns()) / 1e9
        if wait_s > 0:
            self._closed.wait(wait_s)

    def _frame(self, reading: Reading, is_first_pass: bool) -> Frame:
        recorded = reading.captured_utc_ns if is_first_pass else None
        return Frame(
            pixels=reading.pixels,
            modality=self.modality,
            stream=self.stream,
            seq=self.read,
            epoch=self.epoch,
            captured_utc_ns=self._clock.utc_ns() if recorded is None else recorded,
            captured_mono_ns=self._clock.mono_ns(),
            georef=reading.georef,
            label=reading.label,
        )
