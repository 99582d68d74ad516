"""Where results go: the contract of a sink."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgekit.core import Detections, Frame


@dataclass(frozen=True, slots=True)
class Result:
    """One processed frame: what was seen, as values, as a message, and as the bytes that go out."""

    frame: Frame
    detections: Detections
    message: Mapping[str, Any]
    payload: bytes


class Sink(Protocol):
    """Takes results in order, from one thread. `close()` twice is fine."""

    @property
    def delivered(self) -> int:
        """Results that have arrived for certain: written, or acknowledged by the other side."""
        ...

    def write(self, result: Result) -> None:
        """Hand one result on; may hold the caller back while the other side is slow or away.

        raises  SinkError
        """
        ...

    def hurry(self) -> None:
        """The process is to end: from now on wait for the other side only for a stated while."""
        ...

    def report(self) -> str:
        """What it did beyond `delivered`, one line for people; empty if there is nothing to add."""
        ...

    def close(self) -> None:
        """Wait until everything has arrived, then end.

        raises  SinkError with the count of what has not
        """
        ...
