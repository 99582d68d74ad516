"""From the pixels of a frame to detections: the one path of flight, prediction and evaluation.

pixels -> colour -> [tiles | letterbox] -> engine -> threshold -> rotated NMS -> merge -> frame
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import Bundle
from edgekit.core import Detections, EngineError, Transform, UsageError
from edgekit.engines.base import Engine
from edgekit.kernels import merge_tiles, preprocess, rotated_nms, sar_to_uint8
from edgekit.runtime.clock import SYSTEM_CLOCK, Clock
from edgekit.runtime.colour import to_modality
from edgekit.runtime.tiling import plan_tiles

Window = tuple[int, int, int, int]


class Detector:
    """A bundle and the engine that runs it. One owner, one thread: the input buffer is reused.

    score_threshold  in place of the bundle's own
    raises           UsageError for a threshold outside [0, 1]
    """

    def __init__(
        self,
        bundle: Bundle,
        engine: Engine,
        *,
        score_threshold: float | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        manifest = bundle.manifest
        self.bundle = bundle
        self.engine = engine
        self._input = manifest.input
        self._decode = manifest.decode
        if score_threshold is not None:
            if not 0.0 <= score_threshold <= 1.0:
                raise UsageError(f"score threshold {score_threshold} is not in 0..1", "try 0.3")
            self._decode = replace(manifest.decode, score_threshold=score_threshold)
        self._class_count = len(manifest.classes)
        self._buffer: NDArray[np.float32] = np.zeros(manifest.input.shape, np.float32)
        self._clock = clock

    def warm_up(self) -> None:
        """Run the engine once on an empty input, so that the first frame is as fast as the rest."""
        self._buffer.fill(0.0)
        self.engine.infer({self._input.name: self._buffer})

    def detect(self, pixels: NDArray[Any], modality: str) -> tuple[Detections, dict[str, float]]:
        """What is in one frame.

        pixels    (H, W, 3) u8 RGB, (H, W) u8, or SAR amplitude (H, W) f32 or c64
        modality  what the pixels show; they are brought to the bundle's colour
        returns   detections in frame pixels by falling score, at most the bundle's max_detections;
                  and milliseconds of `preprocess`, `infer` and `postprocess`
        raises    SourceError for pixels that are no picture, EngineError for foreign output
        cost      one pass over the input a tile; nothing is kept between frames
        """
        spent = {"preprocess": 0.0, "infer": 0.0, "postprocess": 0.0}
        start = self._clock.mono_ns()
        picture = self._as_picture(pixels, modality)
        parts: list[tuple[Detections, Transform]] = []
        for window in self._windows(picture):
            transform = self._fill(picture, window)
            start = self._book(spent, "preprocess", start)
            outputs = self.engine.infer({self._input.name: self._buffer})
            start = self._book(spent, "infer", start)
            parts.append((self._decode_outputs(outputs), transform))
            start = self._book(spent, "postprocess", start)
        detections = self._merge(parts)
        self._book(spent, "postprocess", start)
        return detections, spent

    def network_inputs(
        self, pixels: NDArray[Any], modality: str
    ) -> Iterator[tuple[NDArray[np.float32], Transform]]:
        """What the engine is given for a frame, tile by tile: for calibration and parity.

        The array is the detector's own buffer, overwritten by the next tile: copy what you keep.
        """
        picture = self._as_picture(pixels, modality)
        for window in self._windows(picture):
            yield self._buffer, self._fill(picture, window)

    def _as_picture(self, pixels: NDArray[Any], modality: str) -> NDArray[np.uint8]:
        if modality == "sar" and pixels.dtype != np.uint8:
            pixels = sar_to_uint8(pixels, scale="amplitude")
        return to_modality(pixels, "optical" if self._input.colour == "RGB" else "thermal")

    def _windows(self, picture: NDArray[np.uint8]) -> list[Window | None]:
        """Tiles of a frame that is larger than a tiling bundle's input; else None, the whole."""
        tile = self._input.tile
        height, width = picture.shape[:2]
        if self._input.resize != "tile" or tile is None:
            return [None]
        if height <= tile.size[0] and width <= tile.size[1]:
            return [None]
        return [*plan_tiles((height, width), tile.size, tile.overlap_px)]

    def _fill(self, picture: NDArray[np.uint8], window: Window | None) -> Transform:
        tile = self._input.tile
        is_one_to_one = tile is not None and tile.size == self._input.shape[2:]
        return preprocess(
            picture,
            self._buffer,
            mode="crop" if window is not None and is_one_to_one else "letterbox",
            window=window,
            mean=self._input.mean,
            std=self._input.std,
        )

    def _decode_outputs(self, outputs: Any) -> Detections:
        """Candidates over the threshold that survive rotated NMS, in input pixels."""
        boxes, scores = outputs["boxes"][0], outputs["scores"][0]
        # A candidate without a score (a comparison with NaN is false) or without a place is none.
        is_candidate = (scores >= self._decode.score_threshold) & np.isfinite(boxes).all(axis=1)
        rows = np.flatnonzero(is_candidate)
        found = Detections(
            boxes=boxes[rows].astype(np.float32, copy=False),
            scores=scores[rows].astype(np.float32, copy=False),
            labels=outputs["labels"][0][rows].astype(np.int32, copy=False),
        )
        if len(found) and not 0 <= found.labels.min() <= found.labels.max() < self._class_count:
            raise EngineError(
                f"the graph gives class {found.labels.max()}, the bundle names "
                f"{self._class_count} classes",
                "export the bundle again",
            )
        decode = self._decode
        labels = None if decode.class_agnostic else found.labels
        keep = rotated_nms(
            found.boxes, found.scores, decode.nms_iou, labels, max_keep=decode.max_detections
        )
        return found.take(keep)

    def _merge(self, parts: list[tuple[Detections, Transform]]) -> Detections:
        if len(parts) == 1:
            found, transform = parts[0]
            return replace(found, boxes=transform.boxes_to_frame(found.boxes))
        return merge_tiles(
            parts,
            self._decode.nms_iou,
            class_agnostic=self._decode.class_agnostic,
            max_keep=self._decode.max_detections,
        )

    def _book(self, spent: dict[str, float], stage: str, start_ns: int) -> int:
        now = self._clock.mono_ns()
        spent[stage] += (now - start_ns) / 1e6
        return now
