"""What is known to be in one frame."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """Labelled objects of one frame, in frame pixels.

    boxes      (N, 5) f32, le90
    labels     (N,) i32, index into the data set's class names
    difficult  (N,) bool: counts neither as found nor as missed
    ignore     (M, 5) f32, le90: regions where detections count neither as right nor as wrong
    """

    boxes: NDArray[np.float32]
    labels: NDArray[np.int32]
    difficult: NDArray[np.bool_]
    ignore: NDArray[np.float32]

    def __post_init__(self) -> None:
        count = len(self.labels)
        assert self.boxes.shape == (count, 5)
        assert self.difficult.shape == (count,)
        assert self.ignore.ndim == 2
        assert self.ignore.shape[1] == 5

    def __len__(self) -> int:
        return len(self.labels)
