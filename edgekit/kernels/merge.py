"""Detections of overlapping tiles, put together into those of the frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgekit.core import Detections, Transform, UsageError, unknown_name
from edgekit.kernels.rotated_nms import rotated_nms

#: How duplicates in the overlap of tiles are resolved.
MERGE_MODES = ("nms",)


def merge_tiles(
    tiles: Sequence[tuple[Detections, Transform]],
    iou_threshold: float,
    mode: str = "nms",
    *,
    class_agnostic: bool = False,
    max_keep: int | None = None,
) -> Detections:
    """One set of detections in frame pixels from those of the tiles of one frame.

    tiles           each tile's detections in its own input pixels, and the map that cut it
    iou_threshold   two boxes of one class above it are the same object: the higher score stays
    class_agnostic  boxes of different classes are compared too
    returns         boxes in frame pixels, by falling score; ties keep the order of the tiles
    Raises          UsageError for an unknown mode, a threshold outside [0, 1], or tiles that carry
                    track ids or positions: those belong to frames, so merge first
    Source          greedy NMS (`rotated_nms`) over all tiles together
    Cost            that of `rotated_nms` on all boxes
    """
    if mode not in MERGE_MODES:
        raise unknown_name("merge mode", mode, MERGE_MODES)
    if any(found.track_ids is not None or found.geo is not None for found, _ in tiles):
        raise UsageError(
            "tiles carry track ids or positions", "merge tiles before tracking and georeferencing"
        )
    if not tiles:
        return Detections.empty()
    found = Detections(
        boxes=np.concatenate([part.boxes_to_frame(found.boxes) for found, part in tiles]),
        scores=np.concatenate([found.scores for found, _ in tiles]),
        labels=np.concatenate([found.labels for found, _ in tiles]),
    )
    labels = None if class_agnostic else found.labels
    return found.take(rotated_nms(found.boxes, found.scores, iou_threshold, labels, max_keep))
