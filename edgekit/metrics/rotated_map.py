"""Rotated mAP: how well a detector finds oriented objects in a labelled set of frames."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.core import Detections, GroundTruth, UsageError
from edgekit.metrics.average_precision import PrCurve, average_precision, precision_recall
from edgekit.metrics.matching import Matches, match_frame

#: .50:.05:.95, as COCO averages over.
COCO_IOU_THRESHOLDS = tuple(round(0.50 + 0.05 * step, 2) for step in range(10))


@dataclass(frozen=True, slots=True, eq=False)
class ClassMetrics:
    """One class over the whole set. AP and angle errors are NaN where nothing defines them.

    ap50, ap75, ap50_95  AP in [0, 1] at IoU 0.50, at 0.75, and the mean over all thresholds
    truths, difficult    labelled objects that count, and those that do not
    detections           all detections of the class, neutral ones included
    found                objects found, at whatever score, and
    pr_curve             the curve: both at IoU 0.50, or at the lowest threshold if not asked for it
    """

    name: str
    ap50: float
    ap75: float
    ap50_95: float
    truths: int
    difficult: int
    detections: int
    found: int
    mean_angle_error_deg: float
    p95_angle_error_deg: float
    pr_curve: PrCurve


@dataclass(frozen=True, slots=True, eq=False)
class DetectionMetrics:
    """A whole set of frames. Means are over the classes that have objects that count.

    ap50, ap75, map50_95  as in `ClassMetrics`, averaged over classes; NaN if no class has objects
    frames                labelled frames, those without objects included
    mean_, p95_angle_error_deg  over all objects found at IoU 0.50 that are >= 1.2 times longer
                          than wide; smallest difference of direction, modulo a half turn
    """

    ap50: float
    ap75: float
    map50_95: float
    per_class: tuple[ClassMetrics, ...]
    frames: int
    truths: int
    detections: int
    mean_angle_error_deg: float
    p95_angle_error_deg: float
    iou_thresholds: tuple[float, ...]

    def to_json(self) -> dict[str, Any]:
        """A document for programs, schema `edgekit.detection_metrics/1`; NaN becomes null.

        Curves are left out: they are as long as the list of detections.
        """
        classes = [
            {name: _plain(getattr(row, name)) for name in _names(row) if name != "pr_curve"}
            for row in self.per_class
        ]
        document = {name: _plain(getattr(self, name)) for name in _names(self)}
        return {"schema": "edgekit.detection_metrics/1", **document, "per_class": classes}


def evaluate_detections(
    predictions: Mapping[str, Detections],
    truths: Mapping[str, GroundTruth],
    class_names: Sequence[str],
    *,
    iou_thresholds: Sequence[float] = COCO_IOU_THRESHOLDS,
) -> DetectionMetrics:
    """Measure the detections of a set of frames against its labels.

    predictions     by frame name; a labelled frame without an entry has no detections
    truths          by frame name, boxes in the same pixels
    iou_thresholds  ascending, in (0, 1]; AP at 0.50 or 0.75 is NaN if that is not among them
    Note     matching as in `match_frame`; frames are taken in order of name, so that equal scores
             rank alike in every run
    Raises   UsageError for predictions of frames that have no labels, for labels without a class
             name, and for thresholds out of order or range
    Source   VOC 2012 area AP a class; mean over classes and thresholds as COCO's
    Cost     for each frame and class, detections x objects rotated IoUs
    """
    thresholds = np.asarray(iou_thresholds, np.float64)
    _check(predictions, truths, class_names, thresholds)
    per_class, errors_deg = [], []
    for label, name in enumerate(class_names):
        matches = [
            match_frame(
                predictions.get(frame, Detections.empty()), truths[frame], label, thresholds
            )
            for frame in sorted(truths)
        ]
        metrics, class_errors_deg = _class_metrics(name, label, matches, truths, thresholds)
        per_class.append(metrics)
        errors_deg.append(class_errors_deg)
    counted = [row for row in per_class if row.truths > 0]
    all_errors_deg = np.concatenate(errors_deg) if errors_deg else np.zeros(0)
    return DetectionMetrics(
        ap50=_mean([row.ap50 for row in counted]),
        ap75=_mean([row.ap75 for row in counted]),
        map50_95=_mean([row.ap50_95 for row in counted]),
        per_class=tuple(per_class),
        frames=len(truths),
        truths=sum(row.truths for row in per_class),
        detections=sum(row.detections for row in per_class),
        mean_angle_error_deg=_mean(all_errors_deg),
        p95_angle_error_deg=_percentile95(all_errors_deg),
        iou_thresholds=tuple(float(value) for value in thresholds),
    )


def _class_metrics(
    name: str,
    label: int,
    matches: Sequence[Matches],
    truths: Mapping[str, GroundTruth],
    thresholds: NDArray[np.float64],
) -> tuple[ClassMetrics, NDArray[np.float64]]:
    difficult = sum(int(truth.difficult[truth.labels == label].sum()) for truth in truths.values())
    objects = sum(int((truth.labels == label).sum()) for truth in truths.values()) - difficult
    curves = [_curve(matches, row, objects) for row in range(len(thresholds))]
    values = [average_precision(curve) if objects else math.nan for curve in curves]
    errors_deg = _joined([match.angle_errors_deg for match in matches], np.float64)
    half = _index_of(thresholds, 0.50)
    curve = curves[0 if half is None else half]
    metrics = ClassMetrics(
        name=name,
        ap50=_at(thresholds, values, 0.50),
        ap75=_at(thresholds, values, 0.75),
        ap50_95=_mean(values),
        truths=objects,
        difficult=difficult,
        detections=sum(len(match.scores) for match in matches),
        found=round(float(curve.recall[-1]) * objects) if len(curve.recall) else 0,
        mean_angle_error_deg=_mean(errors_deg),
        p95_angle_error_deg=_percentile95(errors_deg),
        pr_curve=curve,
    )
    return metrics, errors_deg


def _curve(matches: Sequence[Matches], row: int, objects: int) -> PrCurve:
    """The curve at one threshold; neutral detections are taken out first."""
    counts = [~match.neutral[row] for match in matches]
    scores = [match.scores[count] for match, count in zip(matches, counts, strict=True)]
    found = [match.found[row][count] for match, count in zip(matches, counts, strict=True)]
    return precision_recall(_joined(scores, np.float32), _joined(found, np.bool_), objects)


def _joined(parts: Sequence[NDArray[Any]], dtype: type[np.generic]) -> NDArray[Any]:
    return np.concatenate([np.zeros(0, dtype), *parts])


def _index_of(thresholds: NDArray[np.float64], wanted: float) -> int | None:
    near = np.flatnonzero(np.abs(thresholds - wanted) < 1e-9)
    return int(near[0]) if len(near) else None


def _at(thresholds: NDArray[np.float64], values: Sequence[float], wanted: float) -> float:
    index = _index_of(thresholds, wanted)
    return math.nan if index is None else values[index]


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    return float(np.mean(values)) if len(values) else math.nan


def _percentile95(values: NDArray[np.float64]) -> float:
    return float(np.percentile(values, 95)) if len(values) else math.nan


def _names(row: ClassMetrics | DetectionMetrics) -> list[str]:
    return [field.name for field in fields(row)]


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _check(
    predictions: Mapping[str, Detections],
    truths: Mapping[str, GroundTruth],
    class_names: Sequence[str],
    thresholds: NDArray[np.float64],
) -> None:
    strangers = sorted(set(predictions) - set(truths))
    if strangers:
        raise UsageError(
            f"{len(strangers)} predicted frames have no labels, first '{strangers[0]}'",
            "predict the labelled frames only, under the same names",
        )
    parts: list[tuple[str, Mapping[str, Detections] | Mapping[str, GroundTruth]]] = [
        ("predictions", predictions),
        ("truths", truths),
    ]
    for kind, frames in parts:
        for name, frame in frames.items():
            wrong = frame.labels[(frame.labels < 0) | (frame.labels >= len(class_names))]
            if len(wrong):
                raise UsageError(
                    f"{kind} of frame '{name}' have label {int(wrong[0])}, "
                    f"but there are {len(class_names)} classes",
                    "use the class names of the data set",
                )
    rising = len(thresholds) > 0 and bool(np.all(np.diff(thresholds) > 0))
    if not rising or thresholds[0] <= 0.0 or thresholds[-1] > 1.0:
        raise UsageError(
            f"IoU thresholds {thresholds.tolist()} do not rise within (0, 1]",
            "0.50 to 0.95 is usual",
        )
