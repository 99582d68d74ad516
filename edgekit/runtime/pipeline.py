"""Capture -> queue -> detector -> sinks.

    capture thread          this thread
    source  --> FrameQueue --> detector --> message --> every sink

The source ends the stream: at its end, or when it is closed. What was captured by then is still
looked at and handed on; then the sinks are closed.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgekit.core import Detections, EdgekitError, Frame
from edgekit.runtime.clock import SYSTEM_CLOCK, Clock
from edgekit.runtime.frame_queue import FrameQueue
from edgekit.runtime.messages import Sender, detections_message, encode_message, locate
from edgekit.runtime.sinks.sink import Result, Sink
from edgekit.runtime.sources.source import Source

#: Frames that may wait between capture and detection: enough to hide the jitter of decoding.
QUEUE_FRAMES = 4
#: Latencies that the summary's percentiles are of: the last so many frames.
_KEPT_LATENCIES = 10_000
#: A closed source ends with the frame it is reading; one that hangs must not hold the sinks open.
_CAPTURE_END_S = 30.0


class Detects(Protocol):
    """What the pipeline needs of a detector."""

    def detect(
        self, pixels: NDArray[np.generic], modality: str
    ) -> tuple[Detections, dict[str, float]]: ...


@dataclass(frozen=True, slots=True)
class Summary:
    """What a run did.

    read, failed    frames that the source gave, and could not give
    dropped         frames thrown away unseen by policy `latest`
    processed       frames that went through the detector
    published       frames whose result has arrived at every sink for certain
    latency_*_ms    capture to the sinks; None without a frame
    errors          what went wrong at an end of the pipeline, the first first
    """

    read: int
    failed: int
    dropped: int
    processed: int
    published: int
    elapsed_s: float
    latency_p50_ms: float | None
    latency_p90_ms: float | None
    errors: tuple[EdgekitError, ...]

    def line(self) -> str:
        """One line for people."""
        rate = self.processed / self.elapsed_s if self.elapsed_s > 0 else 0.0
        parts = [
            f"{self.read} frames read",
            f"{self.failed} failed",
            *([f"{self.dropped} dropped"] if self.dropped else []),
            f"{self.processed} processed",
            f"{self.published} published",
            f"{rate:.1f} frames/s",
        ]
        if self.latency_p50_ms is not None and self.latency_p90_ms is not None:
            parts.append(f"latency p50 {self.latency_p50_ms:.1f} ms")
            parts.append(f"p90 {self.latency_p90_ms:.1f} ms")
        return ", ".join(parts)


def run_pipeline(
    source: Source,
    detector: Detects,
    sinks: Sequence[Sink],
    sender: Sender,
    *,
    policy: str = "every",
    queue_frames: int = QUEUE_FRAMES,
    clock: Clock = SYSTEM_CLOCK,
) -> Summary:
    """Stream every frame of `source` through `detector` to all `sinks`, and close those.

    Close the source (and `hurry` the sinks) from a signal handler or another thread to stop early.
    A failing source, detector or sink ends the run; the others still end in order, and the errors
    are in the summary. Frames that cannot be read are no error here: see `Source.failure`.
    """
    queue = FrameQueue(queue_frames, policy)
    capture = _Capture(source, queue)
    errors: list[EdgekitError] = []
    latencies_ms: deque[float] = deque(maxlen=_KEPT_LATENCIES)
    processed = 0
    start_ns = clock.mono_ns()
    capture.start()
    try:
        while (frame := queue.take()) is not None:
            result = _process(frame, detector, sender, clock)
            processed += 1
            for sink in sinks:
                sink.write(result)
            latencies_ms.append((clock.mono_ns() - frame.captured_mono_ns) / 1e6)
    except EdgekitError as error:
        errors.append(error)
    finally:
        elapsed_s = (clock.mono_ns() - start_ns) / 1e9
        source.close()
        queue.close()
        capture.join(_CAPTURE_END_S)
        close_errors = _close(sinks)
    if isinstance(capture.error, EdgekitError):
        errors.insert(0, capture.error)
    elif capture.error is not None:
        raise capture.error
    p50, p90 = np.percentile(latencies_ms, (50, 90)) if latencies_ms else (None, None)
    return Summary(
        read=source.read,
        failed=source.failed,
        dropped=queue.dropped,
        processed=processed,
        published=min((sink.delivered for sink in sinks), default=processed),
        elapsed_s=elapsed_s,
        latency_p50_ms=None if p50 is None else float(p50),
        latency_p90_ms=None if p90 is None else float(p90),
        errors=(*errors, *close_errors),
    )


class _Capture(threading.Thread):
    """Reads the source into the queue. `error` is what ended it early."""

    def __init__(self, source: Source, queue: FrameQueue) -> None:
        super().__init__(name=f"capture-{source.stream}", daemon=True)
        self.error: Exception | None = None
        self._source = source
        self._queue = queue

    def run(self) -> None:
        try:
            for frame in self._source:
                if not self._queue.put(frame):
                    break
        except Exception as error:  # noqa: BLE001  the border of a thread: recorded, raised by its owner
            self.error = error
        finally:
            self._queue.close()


def _process(frame: Frame, detector: Detects, sender: Sender, clock: Clock) -> Result:
    queue_ms = (clock.mono_ns() - frame.captured_mono_ns) / 1e6
    found, spent_ms = detector.detect(frame.pixels, frame.modality)
    detections = locate(found, frame)
    total_ms = (clock.mono_ns() - frame.captured_mono_ns) / 1e6
    timing_ms = {"queue": queue_ms, **spent_ms, "total": total_ms}
    message = detections_message(sender, frame, detections, timing_ms, clock.utc_ns())
    return Result(frame, detections, message, encode_message(message))


def _close(sinks: Sequence[Sink]) -> list[EdgekitError]:
    errors = []
    for sink in sinks:
        try:
            sink.close()
        except EdgekitError as error:
            errors.append(error)
    return errors
