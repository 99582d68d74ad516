"""What an artefact costs and gains against the float reference: parity, accuracy, speed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.data.dota import LabelledFrame
from edgekit.engines.base import Engine
from edgekit.metrics import DetectionMetrics, compare_detections, compare_tensors
from edgekit.reference import detect_frames
from edgekit.runtime.detector import Detector
from edgekit.runtime.sources.images import read_picture


@dataclass(frozen=True, slots=True)
class Parity:
    """An artefact against eager PyTorch on the same frames.

    score_cosine, score_max_abs  of the K best scores, in falling order: order and position of
                                 single candidates may differ, the sorted scores must not
    detections                   matched sets after NMS, at the flying threshold
    """

    frames: int
    score_cosine: float
    score_max_abs: float
    detections: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Measured:
    """What is known of one artefact after measuring it."""

    parity: Parity | None
    accuracy: DetectionMetrics | None


def measure_parity(
    reference: Detector, candidate: Detector, frames: Sequence[LabelledFrame]
) -> Parity:
    """Run both on the same frames and compare."""
    expected = detect_frames(reference, frames)
    found = detect_frames(candidate, frames)
    names = [frame.name for frame in frames]
    scores = [_sorted_scores(detector, frames) for detector in (reference, candidate)]
    tensors = compare_tensors(scores[0], scores[1])
    matched = compare_detections([expected[n] for n in names], [found[n] for n in names])
    return Parity(len(frames), tensors.cosine, tensors.max_abs, asdict(matched))


def _sorted_scores(detector: Detector, frames: Sequence[LabelledFrame]) -> NDArray[np.float32]:
    modality = detector.bundle.manifest.input.modality
    name = detector.bundle.manifest.input.name
    rows = []
    for frame in frames:
        for array, _ in detector.network_inputs(read_picture(frame.image_path), modality):
            rows.append(np.sort(detector.engine.infer({name: array})["scores"][0])[::-1])
    return np.concatenate(rows)


@dataclass(frozen=True, slots=True)
class Speed:
    """Median milliseconds of one inference, engines taking turns in one process."""

    median_ms: dict[str, float]
    runs: int
    threads: int | None

    def ratio(self, slow: str, fast: str) -> float:
        """How many times faster `fast` is than `slow`."""
        return self.median_ms[slow] / self.median_ms[fast]


def measure_speed(
    engines: Mapping[str, Engine],
    inputs: Mapping[str, NDArray[np.float32]],
    *,
    runs: int = 30,
    threads: int | None = None,
) -> Speed:
    """Interleaved single inferences: on a shared machine a drift meets all engines alike."""
    spent: dict[str, list[float]] = {name: [] for name in engines}
    for engine in engines.values():
        for _ in range(3):
            engine.infer(inputs)
    for _ in range(runs):
        for name, engine in engines.items():
            start = time.perf_counter_ns()
            engine.infer(inputs)
            spent[name].append((time.perf_counter_ns() - start) / 1e6)
    medians = {name: statistics.median(values) for name, values in spent.items()}
    return Speed(medians, runs, threads)
