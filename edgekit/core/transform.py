"""The map between a frame and the network input that was cut from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Transform:
    """`input = frame * scale + offset`, per axis, in pixels with centres at + 0.5.

    Letterboxing and tiling keep `scale_x == scale_y`; a stretch does not, and then an oriented
    box maps to a parallelogram: `boxes_to_frame` refuses it rather than be wrong in silence.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float

    def boxes_to_frame(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Oriented boxes from network-input pixels to frame pixels. Shape (N, 5) -> (N, 5) f32."""
        self._require_uniform()
        out = np.array(boxes, dtype=np.float32, copy=True)
        out[:, 0] = (out[:, 0] - self.offset_x) / self.scale_x
        out[:, 1] = (out[:, 1] - self.offset_y) / self.scale_y
        out[:, 2:4] /= self.scale_x
        return out

    def boxes_to_input(self, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        """Oriented boxes from frame pixels to network-input pixels. Shape (N, 5) -> (N, 5) f32."""
        self._require_uniform()
        out = np.array(boxes, dtype=np.float32, copy=True)
        out[:, 0] = out[:, 0] * self.scale_x + self.offset_x
        out[:, 1] = out[:, 1] * self.scale_y + self.offset_y
        out[:, 2:4] *= self.scale_x
        return out

    def _require_uniform(self) -> None:
        assert self.scale_x == self.scale_y, "oriented boxes need the same scale on both axes"
