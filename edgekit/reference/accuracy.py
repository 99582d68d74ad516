"""Rotated mAP of anything that detects, over a labelled set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from edgekit.core import Detections, GroundTruth, SourceError, UsageError, unknown_name
from edgekit.data.dota import DotaSet, LabelledFrame
from edgekit.metrics import DetectionMetrics, evaluate_detections
from edgekit.runtime.detector import Detector
from edgekit.runtime.sources.images import read_picture

#: Low, so that the whole precision-recall curve counts; flying thresholds are higher.
EVAL_SCORE_THRESHOLD = 0.05


def measure_accuracy(
    detector: Detector,
    data: DotaSet,
    *,
    classes: Sequence[str] = (),
    progress: Callable[[Iterable[LabelledFrame]], Iterable[LabelledFrame]] = iter,
) -> DetectionMetrics:
    """Rotated mAP of a detector over a data set.

    classes  measure these alone; empty: all
    raises   UsageError where the detector's classes are not the data set's or `classes` are none of
             them, SourceError for an unreadable frame (a score over fewer frames than asked for
             would mislead)
    """
    names = detector.bundle.manifest.classes
    _check_classes(names, data.classes, classes)
    predictions = detect_frames(detector, data.frames, progress=progress)
    truths = {frame.name: frame.truth for frame in data.frames}
    if classes:
        predictions, truths = _only(predictions, truths, names, classes)
        names = tuple(classes)
    return evaluate_detections(predictions, truths, names)


def detect_frames(
    detector: Detector,
    frames: Sequence[LabelledFrame],
    *,
    progress: Callable[[Iterable[LabelledFrame]], Iterable[LabelledFrame]] = iter,
) -> dict[str, Detections]:
    """Detections by frame name."""
    modality = detector.bundle.manifest.input.modality
    found = {}
    for frame in progress(frames):
        try:
            pixels = read_picture(frame.image_path)
        except (OSError, SyntaxError, ValueError) as error:
            raise SourceError(
                f"cannot read {frame.image_path}", "repair the file or remove it and its label"
            ) from error
        found[frame.name], _ = detector.detect(pixels, modality)
    return found


def _check_classes(names: Sequence[str], of_data: Sequence[str], chosen: Sequence[str]) -> None:
    for name in (*of_data, *chosen):
        if name not in names:
            raise unknown_name("class", name, names)
    if tuple(names) != tuple(of_data):
        raise UsageError(
            f"the detector's classes are {', '.join(names)}; the data set's {', '.join(of_data)}",
            "list the detector's classes in classes.txt, in its order",
        )


def _only(
    predictions: dict[str, Detections],
    truths: dict[str, GroundTruth],
    names: Sequence[str],
    classes: Sequence[str],
) -> tuple[dict[str, Detections], dict[str, GroundTruth]]:
    """The same with the chosen classes alone, renumbered in their order."""
    renumber = np.full(len(names), -1, np.int32)
    for new, name in enumerate(classes):
        renumber[list(names).index(name)] = new
    few_predictions, few_truths = {}, {}
    for frame, found in predictions.items():
        kept = found.take(renumber[found.labels] >= 0)
        few_predictions[frame] = Detections(kept.boxes, kept.scores, renumber[kept.labels])
    for frame, truth in truths.items():
        rows = renumber[truth.labels] >= 0
        few_truths[frame] = GroundTruth(
            truth.boxes[rows], renumber[truth.labels[rows]], truth.difficult[rows], truth.ignore
        )
    return few_predictions, few_truths
