"""Numbering, stamping, pacing and counting, with exact clocks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from edgekit.runtime.clock import Clock, iso8601_utc
from edgekit.runtime.sources import Reading, Source, Unreadable

SECOND_NS = 1_000_000_000


class Tape:
    """A reader of prepared items."""

    name = "tape"
    remedy = "wind it back"

    def __init__(self, *items: Reading | Unreadable) -> None:
        self.items = items
        self.starts: list[int] = []

    def readings(self, start_utc_ns: int) -> Iterator[Reading | Unreadable]:
        self.starts.append(start_utc_ns)
        yield from self.items


class Ticking:
    """A clock that moves by a second whenever UTC is asked for."""

    def __init__(self) -> None:
        self.seconds = 0

    def utc_ns(self) -> int:
        self.seconds += 1
        return self.seconds * SECOND_NS


def reading(label: str = "a", captured_utc_ns: int | None = None) -> Reading:
    return Reading(np.zeros((2, 2), np.uint8), label, captured_utc_ns)


def test_numbers_have_no_gaps_where_frames_cannot_be_read() -> None:
    tape = Tape(reading("a"), Unreadable("b", "torn"), reading("c"))
    source = Source(tape, modality="thermal")
    assert [(frame.seq, frame.label) for frame in source] == [(0, "a"), (1, "c")]
    assert (source.read, source.failed) == (2, 1)


def test_recorded_time_is_kept_and_else_the_moment_of_reading_is_taken() -> None:
    ticking = Ticking()
    source = Source(
        Tape(reading("a", 77), reading("b")),
        modality="thermal",
        clock=Clock(ticking.utc_ns, lambda: 5),
    )
    frames = list(source)
    assert frames[0].captured_utc_ns == 77
    assert frames[1].captured_utc_ns == 2 * SECOND_NS
    assert {frame.captured_mono_ns for frame in frames} == {5}


def test_limit_ends_the_stream() -> None:
    source = Source(Tape(*[reading()] * 5), modality="thermal", limit=3)
    assert len(list(source)) == 3
    assert source.read == 3


def test_loop_goes_on_until_the_limit_and_time_never_runs_backwards() -> None:
    ticking = Ticking()
    tape = Tape(reading("a", 1), reading("b", 2))
    source = Source(
        tape, modality="thermal", limit=5, loop=True, clock=Clock(ticking.utc_ns, lambda: 0)
    )
    frames = list(source)
    assert [frame.seq for frame in frames] == [0, 1, 2, 3, 4]
    assert [frame.label for frame in frames] == ["a", "b", "a", "b", "a"]
    stamps = [frame.captured_utc_ns for frame in frames]
    assert stamps == sorted(stamps)


def test_loop_over_nothing_readable_ends() -> None:
    source = Source(Tape(Unreadable("a", "torn")), modality="thermal", loop=True)
    assert list(source) == []
    assert source.failed == 1


def test_closed_source_gives_no_more() -> None:
    source = Source(Tape(*[reading()] * 5), modality="thermal", loop=True)
    labels = []
    for frame in source:
        labels.append(frame.seq)
        if frame.seq == 6:
            source.close()
            source.close()
    assert labels == list(range(7))


def test_frames_are_handed_out_at_the_asked_pace() -> None:
    import time

    source = Source(Tape(*[reading()] * 4), modality="thermal", fps=100.0)
    stamps = [frame.captured_mono_ns for frame in source]
    # Never early; how late depends on the machine.
    assert all(stamp - stamps[0] >= n * 10_000_000 - 2_000_000 for n, stamp in enumerate(stamps))
    assert stamps[-1] <= time.monotonic_ns()


def test_failure_counts_groups_of_frames() -> None:
    source = Source(Tape(reading(), Unreadable("from frame 1 on", "cut", 9)), modality="thermal")
    list(source)
    assert source.failed == 9
    assert str(source.failure()) == (
        "9 of 10 frames of tape could not be read: from frame 1 on (cut); "
        "the other 1 were processed; wind it back"
    )


@pytest.mark.parametrize(
    ("utc_ns", "text"),
    [
        (0, "1970-01-01T00:00:00.000000Z"),
        (1_795_501_800_123_456_789, "2026-11-24T06:30:00.123456Z"),
        (1_795_501_800_999_999_999, "2026-11-24T06:30:00.999999Z"),
    ],
)
def test_time_is_written_in_utc_with_microseconds(utc_ns: int, text: str) -> None:
    assert iso8601_utc(utc_ns) == text
