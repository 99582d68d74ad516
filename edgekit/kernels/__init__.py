"""Arithmetic that every frame passes through, in plain NumPy.

Oriented boxes are `(cx, cy, w, h, angle)`, pixels and radians (`edgekit.core.boxes`).
"""

from edgekit.kernels.merge import MERGE_MODES, merge_tiles
from edgekit.kernels.preprocess import PREPROCESS_MODES, preprocess
from edgekit.kernels.rotated_iou import (
    rotated_intersection,
    rotated_intersection_pairs,
    rotated_iou,
    rotated_iou_pairs,
)
from edgekit.kernels.rotated_nms import rotated_nms
from edgekit.kernels.sar import SAR_SCALES, sar_to_uint8

__all__ = [
    "MERGE_MODES",
    "PREPROCESS_MODES",
    "SAR_SCALES",
    "merge_tiles",
    "preprocess",
    "rotated_intersection",
    "rotated_intersection_pairs",
    "rotated_iou",
    "rotated_iou_pairs",
    "rotated_nms",
    "sar_to_uint8",
]
