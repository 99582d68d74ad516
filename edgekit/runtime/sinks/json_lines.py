"""Messages as JSON lines on a text stream."""

from __future__ import annotations

from typing import BinaryIO

from edgekit.runtime.sinks.sink import Result


class JsonLinesSink:
    """One line a frame, flushed at once, so that a reader at the end of a pipe sees it now."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._delivered = 0

    @property
    def delivered(self) -> int:
        return self._delivered

    def write(self, result: Result) -> None:
        self._stream.write(result.payload + b"\n")
        self._stream.flush()
        self._delivered += 1

    def hurry(self) -> None:
        """Nothing to do: writing waits for nobody but the reader of the pipe."""

    def report(self) -> str:
        return ""

    def close(self) -> None:
        """Nothing to do: every line is out."""
