"""Frames to test with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.core import Frame, GeoReference

EPOCH = "6f1c1e0e-7a3c-4b0e-9a53-0c8f5b8f3a10"


def a_frame(
    pixels: NDArray[Any] | None = None,
    *,
    seq: int = 0,
    modality: str = "thermal",
    stream: str = "main",
    captured_mono_ns: int = 0,
    georef: GeoReference | None = None,
    label: str = "",
) -> Frame:
    """A small frame with the given facts."""
    return Frame(
        pixels=np.zeros((64, 96), np.uint8) if pixels is None else pixels,
        modality=modality,
        stream=stream,
        seq=seq,
        epoch=EPOCH,
        captured_utc_ns=1_795_501_800_123_456_789,
        captured_mono_ns=captured_mono_ns,
        georef=georef,
        label=label,
    )
