"""Capture, queue, detector and sinks together."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from edgekit.core import Detections, EngineError, SinkError, SourceError, UsageError
from edgekit.runtime.frame_queue import FrameQueue
from edgekit.runtime.pipeline import run_pipeline
from edgekit.runtime.sinks import Result
from edgekit.runtime.sources import Reading, Source, Unreadable
from tests.runtime.frames import a_frame
from tests.runtime.test_messages import SENDER, validate


class Tape:
    """A reader of so many frames."""

    name = "tape"
    remedy = "wind it back"

    def __init__(self, *items: Reading | Unreadable | Exception) -> None:
        self.items = items

    def readings(self, start_utc_ns: int) -> Iterator[Reading | Unreadable]:
        for item in self.items:
            if isinstance(item, Exception):
                raise item
            yield item


class Finds:
    """A detector that finds one object in each frame; `gate` holds it back."""

    def __init__(self, gate: threading.Event | None = None) -> None:
        self.seen = 0
        self.gate = gate

    def detect(self, pixels: Any, modality: str) -> tuple[Detections, dict[str, float]]:
        if self.gate is not None:
            assert self.gate.wait(10)
        self.seen += 1
        box = np.array([[5, 5, 4, 2, 0]], np.float32)
        found = Detections(box, np.ones(1, np.float32), np.zeros(1, np.int32))
        return found, {"preprocess": 1.0, "infer": 2.0, "postprocess": 3.0}


class Keeps:
    """A sink that keeps what it is given."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.results: list[Result] = []
        self.closed = 0
        self.fails_at = fails_at

    @property
    def delivered(self) -> int:
        return len(self.results)

    def write(self, result: Result) -> None:
        if len(self.results) == self.fails_at:
            raise SinkError("disk is full", "make room")
        self.results.append(result)

    def hurry(self) -> None:
        pass

    def report(self) -> str:
        return ""

    def close(self) -> None:
        self.closed += 1


def pictures(count: int) -> list[Reading]:
    return [Reading(np.full((8, 8), n % 256, np.uint8), f"{n}.png") for n in range(count)]


def test_every_frame_reaches_every_sink_in_order() -> None:
    sinks = [Keeps(), Keeps()]
    source = Source(Tape(*pictures(40)), modality="thermal")
    summary = run_pipeline(source, Finds(), sinks, SENDER)
    for sink in sinks:
        assert [result.frame.seq for result in sink.results] == list(range(40))
        assert sink.closed == 1
    for result in sinks[0].results:
        validate(dict(result.message))
        timing = result.message["timing_ms"]
        assert timing["infer"] == 2.0
        assert timing["total"] >= timing["queue"] >= 0
    assert (summary.read, summary.failed, summary.dropped) == (40, 0, 0)
    assert (summary.processed, summary.published, summary.errors) == (40, 40, ())
    assert summary.latency_p50_ms is not None
    assert "40 frames read, 0 failed, 40 processed, 40 published" in summary.line()


def test_empty_source_ends_in_an_empty_summary() -> None:
    sink = Keeps()
    summary = run_pipeline(Source(Tape(), modality="thermal"), Finds(), [sink], SENDER)
    assert (summary.processed, summary.latency_p50_ms) == (0, None)
    assert sink.closed == 1


def test_unreadable_frames_are_counted_beside_the_others() -> None:
    first, last = pictures(2)
    source = Source(Tape(first, Unreadable("x", "torn"), last), modality="thermal")
    summary = run_pipeline(source, Finds(), [Keeps()], SENDER)
    assert (summary.read, summary.failed, summary.processed) == (2, 1, 2)


def test_stopped_run_drains_what_was_captured() -> None:
    gate, sink = threading.Event(), Keeps()
    source = Source(Tape(*pictures(500)), modality="thermal")

    class StopsAtTen(Finds):
        def detect(self, pixels: Any, modality: str) -> tuple[Detections, dict[str, float]]:
            if self.seen == 10:
                source.close()
            return super().detect(pixels, modality)

    gate.set()
    summary = run_pipeline(source, StopsAtTen(gate), [sink], SENDER)
    assert 11 <= summary.processed < 30
    assert summary.processed == summary.read == summary.published
    assert [result.frame.seq for result in sink.results] == list(range(summary.read))


def test_failing_sink_ends_the_run_and_the_others_are_closed() -> None:
    bad, good = Keeps(fails_at=3), Keeps()
    source = Source(Tape(*pictures(100)), modality="thermal")
    summary = run_pipeline(source, Finds(), [good, bad], SENDER)
    assert [str(error) for error in summary.errors] == ["disk is full; make room"]
    assert (good.closed, bad.closed) == (1, 1)
    assert summary.published == 3


def test_failing_detector_ends_the_run_with_its_error() -> None:
    class Fails(Finds):
        def detect(self, pixels: Any, modality: str) -> tuple[Detections, dict[str, float]]:
            raise EngineError("out of memory", "use a smaller input")

    sink = Keeps()
    summary = run_pipeline(Source(Tape(*pictures(9)), modality="thermal"), Fails(), [sink], SENDER)
    assert isinstance(summary.errors[0], EngineError)
    assert summary.processed == 0
    assert sink.closed == 1


def test_source_that_breaks_is_reported_after_its_frames_went_through() -> None:
    tape = Tape(*pictures(3), SourceError("camera is gone", "plug it in"))
    sink = Keeps()
    summary = run_pipeline(Source(tape, modality="thermal"), Finds(), [sink], SENDER)
    assert summary.processed == 3
    assert [str(error) for error in summary.errors] == ["camera is gone; plug it in"]


def test_bug_in_a_source_is_not_hidden() -> None:
    sink = Keeps()
    with pytest.raises(ZeroDivisionError):
        run_pipeline(
            Source(Tape(ZeroDivisionError("a bug")), modality="thermal"), Finds(), [sink], SENDER
        )
    assert sink.closed == 1


def test_queue_of_policy_every_holds_capture_back() -> None:
    queue = FrameQueue(2, "every")
    put: list[int] = []

    def capture() -> None:
        for seq in range(5):
            assert queue.put(a_frame(seq=seq))
            put.append(seq)
        queue.close()

    thread = threading.Thread(target=capture)
    thread.start()
    taken: list[int] = []
    while (frame := queue.take()) is not None:
        assert len(put) <= len(taken) + 4
        taken.append(frame.seq)
    thread.join(5)
    assert taken == put == [0, 1, 2, 3, 4]
    assert queue.dropped == 0


def test_queue_of_policy_latest_drops_the_oldest_and_counts() -> None:
    queue = FrameQueue(2, "latest")
    for seq in range(5):
        assert queue.put(a_frame(seq=seq))
    queue.close()
    assert [frame.seq for frame in (queue.take(), queue.take()) if frame] == [3, 4]
    assert queue.take() is None
    assert queue.dropped == 3


def test_closed_queue_takes_nothing_more() -> None:
    queue = FrameQueue(1)
    queue.close()
    queue.close()
    assert not queue.put(a_frame())
    assert queue.take() is None


def test_unknown_policy_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean 'latest'"):
        FrameQueue(1, "lates")


def test_slow_detector_with_policy_latest_accounts_for_every_frame() -> None:
    gate, sink = threading.Event(), Keeps()
    source = Source(Tape(*pictures(200)), modality="thermal")

    def open_when_captured() -> None:
        while source.read < 200:
            pass
        gate.set()

    opener = threading.Thread(target=open_when_captured)
    opener.start()
    summary = run_pipeline(source, Finds(gate), [sink], SENDER, policy="latest", queue_frames=2)
    opener.join(5)
    assert summary.dropped > 0
    assert summary.dropped + summary.processed == summary.read == 200
    seqs = [result.frame.seq for result in sink.results]
    assert seqs == sorted(seqs)
    assert seqs[-1] == 199
