"""Measures of a detector: accuracy against labels, and parity between two runs of one model."""

from edgekit.metrics.average_precision import PrCurve, average_precision, precision_recall
from edgekit.metrics.parity import (
    DetectionParity,
    TensorParity,
    compare_detections,
    compare_tensors,
)
from edgekit.metrics.rotated_map import (
    COCO_IOU_THRESHOLDS,
    ClassMetrics,
    DetectionMetrics,
    evaluate_detections,
)

__all__ = [
    "COCO_IOU_THRESHOLDS",
    "ClassMetrics",
    "DetectionMetrics",
    "DetectionParity",
    "PrCurve",
    "TensorParity",
    "average_precision",
    "compare_detections",
    "compare_tensors",
    "evaluate_detections",
    "precision_recall",
]
