"""The two clocks of the runtime, passed in so that tests are exact."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Clock:
    """Where time comes from.

    utc_ns   UTC, integer nanoseconds since 1970: names a moment
    mono_ns  monotonic nanoseconds: measures durations, never a date
    """

    utc_ns: Callable[[], int] = time.time_ns
    mono_ns: Callable[[], int] = time.monotonic_ns


SYSTEM_CLOCK = Clock()


def iso8601_utc(utc_ns: int) -> str:
    """UTC nanoseconds as ISO 8601 with microseconds, cut and not rounded.

    >>> iso8601_utc(1_795_501_800_123_456_789)
    '2026-11-24T06:30:00.123456Z'
    """
    moment = _EPOCH + timedelta(microseconds=utc_ns // 1000)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
