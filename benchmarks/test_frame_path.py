"""The work around the engine: rotated NMS and preprocessing, each next to OpenCV's.

Boxes are what the shipped thermal detector gives on a shipped frame before NMS; frames are shipped
ones. Read the ratios of medians; single times depend on the machine.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgekit.bundle import open_bundle
from edgekit.engines.base import open_engine
from edgekit.kernels import preprocess, rotated_nms
from edgekit.runtime.detector import Detector
from edgekit.runtime.sources.images import read_picture

cv2 = pytest.importorskip("cv2", reason="OpenCV is the peer; it is in the test extra")

ASSETS = Path(__file__).parents[1] / "edgekit" / "assets"
FRAME = ASSETS / "samples" / "thermal" / "0_130_90_0_09875.jpg"
IOU = 0.3


@pytest.fixture(scope="module")
def candidates() -> tuple[np.ndarray, np.ndarray]:
    """All 1000 candidates of one frame: boxes (N, 5), scores (N,)."""
    bundle = open_bundle(ASSETS / "bundles" / "lwganet_l0-obb-thermal.bundle")
    engine = open_engine(bundle)
    detector = Detector(bundle, engine)
    ((array, _),) = detector.network_inputs(read_picture(FRAME), "thermal")
    outputs = engine.infer({bundle.manifest.input.name: array})
    engine.close()
    return outputs["boxes"][0], outputs["scores"][0]


@pytest.mark.benchmark(group="rotated NMS, 1000 candidates")
def test_rotated_nms(benchmark, candidates):
    boxes, scores = candidates
    keep = benchmark(rotated_nms, boxes, scores, IOU)
    assert len(keep) > 20


@pytest.mark.benchmark(group="rotated NMS, 1000 candidates")
def test_rotated_nms_by_opencv(benchmark, candidates):
    boxes, scores = candidates
    rows = [((b[0], b[1]), (b[2], b[3]), np.degrees(b[4])) for b in boxes.astype(float)]
    keep = benchmark(cv2.dnn.NMSBoxesRotated, rows, scores.tolist(), 0.0, IOU)
    assert len(keep) > 20


@pytest.mark.parametrize("size", [(512, 640), (320, 320)], ids=["as it is", "letterboxed"])
@pytest.mark.benchmark(group="preprocess 640 x 512")
def test_preprocess(benchmark, size):
    pixels = read_picture(FRAME)
    out = np.empty((1, 3, *size), np.float32)
    benchmark(preprocess, pixels, out, mean=(123.7,) * 3, std=(48.1,) * 3)
    assert np.isfinite(out).all()


@pytest.mark.parametrize("size", [(512, 640), (320, 320)], ids=["as it is", "letterboxed"])
@pytest.mark.benchmark(group="preprocess 640 x 512")
def test_preprocess_by_opencv_and_numpy(benchmark, size):
    pixels = read_picture(FRAME)

    def by_opencv() -> np.ndarray:
        height, width = size
        scale = min(width / pixels.shape[1], height / pixels.shape[0])
        small = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
        canvas = np.full(size, 123.7, np.float32)
        top, left = (height - small.shape[0]) // 2, (width - small.shape[1]) // 2
        canvas[top : top + small.shape[0], left : left + small.shape[1]] = small
        normal = (canvas - 123.7) / 48.1
        return np.ascontiguousarray(np.repeat(normal[None, None], 3, axis=1), np.float32)

    assert benchmark(by_opencv).shape == (1, 3, *size)
