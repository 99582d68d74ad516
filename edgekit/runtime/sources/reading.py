"""What a reader of recordings gives: a decoded picture, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from edgekit.core import GeoReference


@dataclass(frozen=True, slots=True)
class Reading:
    """A decoded picture.

    pixels           as edgekit.core.Frame holds them
    label            where it came from, for people
    captured_utc_ns  the recorded capture time; None where the recording does not say
    """

    pixels: NDArray[Any]
    label: str
    captured_utc_ns: int | None = None
    georef: GeoReference | None = None


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A frame, or `count` frames, that could not be read. `why` is a few words."""

    label: str
    why: str
    count: int = 1


class Reader(Protocol):
    """A recording that can be read from its start, as often as wanted."""

    @property
    def name(self) -> str:
        """The file or folder, for messages."""
        ...

    @property
    def remedy(self) -> str:
        """What a user can do about frames that cannot be read."""
        ...

    def readings(self, start_utc_ns: int) -> Iterator[Reading | Unreadable]:
        """Everything in it, in order.

        start_utc_ns  stands for the start of the recording where the recording does not say
        raises        SourceError where nothing can be read at all
        """
        ...


def short_reason(error: BaseException, path: str = "") -> str:
    """The first line of an error in lower case, without the path that the label says already."""
    told = getattr(error, "strerror", None) or str(error)
    text = told.splitlines()[0] if told else type(error).__name__
    for name in {path, repr(path)} - {"", "''"}:
        text = text.replace(name, "").strip(" :,'")
    text = text[:1].lower() + text[1:] if text[1:2].islower() else text
    return text if len(text) <= 120 else text[:117] + "..."
