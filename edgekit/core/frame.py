"""One frame of a stream, and what is known of where it was taken."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: What a frame shows. `optical` (H, W, 3) RGB u8; `thermal` (H, W) u8; `sar` (H, W) f32 amplitude
#: or c64, or (H, W) u8 where the producer has stretched it already.
MODALITIES = ("optical", "thermal", "sar")


@dataclass(frozen=True, slots=True)
class Pose:
    """Where a camera was when it took a frame.

    alt_m_hae            metres above the WGS 84 ellipsoid
    quaternion_ned_wxyz  rotation from the body frame to north-east-down
    sigma                (position m, attitude rad), one sigma
    """

    lat_deg: float
    lon_deg: float
    alt_m_hae: float
    quaternion_ned_wxyz: tuple[float, float, float, float]
    sigma: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Camera:
    """A pinhole camera: focal lengths and principal point in pixels, and how it is mounted."""

    fx: float
    fy: float
    cx: float
    cy: float
    distortion: tuple[float, ...] = ()
    mount_quaternion: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class GeoReference:
    """How pixels of a geocoded frame map to the ground.

    to_lat_lon  takes (N, 2) f64 pixel positions x, y (centres at + 0.5) and returns (N, 2) f64
                latitude and longitude in degrees
    sigma_m     one-sigma radius of the positions in metres
    """

    to_lat_lon: Callable[[NDArray[np.float64]], NDArray[np.float64]]
    sigma_m: float


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame as a source gives it; pixels are C-contiguous and not written to by anyone.

    modality         one of MODALITIES
    stream           name of the stream it belongs to
    seq              number in its stream, from 0, without gaps
    epoch            uuid of this process start: (stream, epoch, seq) names the frame
    captured_utc_ns  capture time, UTC; for recordings the recorded time where known
    captured_mono_ns capture time on the monotonic clock: durations use this one
    label            where it came from (file name, tile of a raster), for people
    """

    pixels: NDArray[Any]
    modality: str
    stream: str
    seq: int
    epoch: str
    captured_utc_ns: int
    captured_mono_ns: int
    pose: Pose | None = None
    georef: GeoReference | None = None
    label: str = ""

    @property
    def size_px(self) -> tuple[int, int]:
        """(height, width)."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])
