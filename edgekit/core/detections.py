"""What a detector found in one frame."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Detections:
    """Oriented detections of one frame; row i of every array speaks of the same object.

    boxes      (N, 5) f32, le90, pixels of the frame
    scores     (N,) f32 in [0, 1]
    labels     (N,) i32, index into the model's class names
    track_ids  (N,) i64, or None where nothing tracks
    geo        (N, 3) f64, latitude deg, longitude deg, one-sigma radius m; or None
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    labels: NDArray[np.int32]
    track_ids: NDArray[np.int64] | None = None
    geo: NDArray[np.float64] | None = None

    def __post_init__(self) -> None:
        count = len(self.scores)
        assert self.boxes.shape == (count, 5), f"boxes {self.boxes.shape} for {count} scores"
        assert self.labels.shape == (count,), f"labels {self.labels.shape} for {count} scores"
        assert self.track_ids is None or self.track_ids.shape == (count,)
        assert self.geo is None or self.geo.shape == (count, 3)

    def __len__(self) -> int:
        return len(self.scores)

    @staticmethod
    def empty() -> Detections:
        """No detections."""
        return Detections(
            np.zeros((0, 5), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32)
        )

    def take(self, rows: NDArray[np.int64] | NDArray[np.bool_]) -> Detections:
        """The rows that an index array or a mask selects, in its order. A copy."""
        return replace(
            self,
            boxes=self.boxes[rows],
            scores=self.scores[rows],
            labels=self.labels[rows],
            track_ids=None if self.track_ids is None else self.track_ids[rows],
            geo=None if self.geo is None else self.geo[rows],
        )
