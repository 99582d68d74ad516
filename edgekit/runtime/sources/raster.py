"""GeoTIFF and other TIFF files, through rasterio: bands, nodata, and where the pixels lie.

A raster is one frame if it is not too large, else a frame a window. SAR values leave here as
amplitude (or complex samples), as DESIGN's frames hold them, whatever the file stores.
"""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.core import GeoReference, SourceError, UsageError
from edgekit.runtime.colour import stretch_limits, stretch_to_uint8, to_modality
from edgekit.runtime.extras import import_extra
from edgekit.runtime.sources.reading import Reading, Unreadable, short_reason
from edgekit.runtime.tiling import plan_tiles

RASTER_SUFFIXES = (".tif", ".tiff")
#: What the numbers of a real-valued SAR raster may be. `auto`: dB if any is below zero, which
#: neither an amplitude nor a power can be, else amplitude.
SAR_SCALES = ("auto", "db", "amplitude", "power")

#: A larger raster comes in windows: 25 megapixels of float32 are 100 MB.
_WHOLE_MAX_PX = 25_000_000
_WINDOW_PX = 4096
#: Neighbouring windows share this much, so that an object on their seam is whole in one of them.
_WINDOW_OVERLAP_PX = 256
#: Longest side of the reduced picture from which the stretch and the scale of a file are told.
_OVERVIEW_PX = 1024
_METRES_PER_DEGREE = 111_320.0

Window = tuple[int, int, int, int]


class RasterReader:
    """A TIFF file as one frame, or as windows with their offset in the label.

    bands      numbers from 1; by default three for optical if there are as many, else the first
    sar_scale  one of SAR_SCALES
    """

    remedy = "check the file with gdalinfo, and copy it again if it is cut short"

    def __init__(
        self,
        path: Path,
        modality: str,
        *,
        bands: Sequence[int] | None = None,
        sar_scale: str = "auto",
        whole_max_px: int = _WHOLE_MAX_PX,
        window_px: int = _WINDOW_PX,
        window_overlap_px: int = _WINDOW_OVERLAP_PX,
    ) -> None:
        self._rasterio = import_extra("rasterio", "raster", "reading GeoTIFF files")
        self.name = path.name
        self._path = path
        self._modality = modality
        self._bands = bands
        self._sar_scale = sar_scale
        self._whole_max_px = whole_max_px
        self._window_px = window_px
        self._window_overlap_px = window_overlap_px

    def readings(self, start_utc_ns: int) -> Iterator[Reading | Unreadable]:
        io_error = self._rasterio.errors.RasterioIOError
        # A device in flight must not wait for datum grids from the internet.
        os.environ["PROJ_NETWORK"] = "OFF"
        try:
            with self._open() as dataset:
                bands = self._choose_bands(dataset)
                values = _Values.of(dataset, bands, self._modality, self._sar_scale)
                for window in self._windows(dataset):
                    label = self._label(dataset, window)
                    try:
                        pixels = values.read(dataset, bands, window)
                    except io_error as error:
                        yield Unreadable(label, short_reason(error, str(self._path)))
                    else:
                        yield Reading(
                            to_modality(pixels, self._modality),
                            label,
                            georef=_georeference(dataset, window),
                        )
        except io_error as error:
            yield Unreadable(self._path.name, short_reason(error, str(self._path)))

    def _open(self) -> Any:
        with warnings.catch_warnings():
            # A TIFF without a position is a picture like any other here.
            warnings.simplefilter("ignore", self._rasterio.errors.NotGeoreferencedWarning)
            return self._rasterio.open(self._path)

    def _choose_bands(self, dataset: Any) -> list[int]:
        if self._bands is None:
            wants_three = self._modality == "optical" and dataset.count >= 3
            return [1, 2, 3] if wants_three else [1]
        bands = list(self._bands)
        wrong = [band for band in bands if not 1 <= band <= dataset.count]
        if wrong or len(bands) not in (1, 3):
            raise UsageError(
                f"bands {','.join(map(str, bands))} of {self.name} cannot be taken",
                f"it has {dataset.count}: name one of them, or three for red, green and blue",
            )
        return bands

    def _windows(self, dataset: Any) -> list[Window]:
        if dataset.width * dataset.height <= self._whole_max_px:
            return [(0, 0, dataset.width, dataset.height)]
        size = (dataset.height, dataset.width)
        return plan_tiles(size, (self._window_px, self._window_px), self._window_overlap_px)

    def _label(self, dataset: Any, window: Window) -> str:
        x, y, width, height = window
        if (width, height) == (dataset.width, dataset.height):
            return self._path.name
        return f"{self._path.name} x={x} y={y}"


@dataclass(frozen=True, slots=True)
class _Values:
    """How the numbers of a file become pixels; told once a file, so that all windows agree.

    kind    as_they_are | db | power | amplitude | complex | stretch
    limits  the values that become 0 and 255, for stretch
    """

    kind: str
    limits: tuple[float, float] = (0.0, 1.0)

    @staticmethod
    def of(dataset: Any, bands: list[int], modality: str, sar_scale: str) -> _Values:
        kinds = {dataset.dtypes[band - 1] for band in bands}
        if kinds == {"uint8"}:
            return _Values("as_they_are")
        if any(kind.startswith("complex") for kind in kinds):
            if modality != "sar":
                raise SourceError(
                    f"complex samples cannot be taken as {modality}", "use --modality sar"
                )
            return _Values("complex")
        overview = _overview(dataset, bands)
        if modality != "sar":
            return _Values("stretch", stretch_limits(overview))
        if sar_scale != "auto":
            return _Values(sar_scale)
        return _Values("db" if bool(np.any(overview < 0)) else "amplitude")

    def read(self, dataset: Any, bands: list[int], window: Window) -> NDArray[Any]:
        """(H, W) or (H, W, 3): u8, or SAR amplitude f32, or complex samples c64."""
        x, y, width, height = window
        masked = dataset.read(bands, window=((y, y + height), (x, x + width)), masked=True)
        if self.kind == "as_they_are":
            return _channels_last(masked.filled(0))
        if self.kind == "complex":
            return _channels_last(masked.astype(np.complex64).filled(np.nan))
        values: NDArray[Any] = _channels_last(masked.astype(np.float32).filled(np.nan))
        if self.kind == "db":
            return np.asarray(np.power(np.float32(10.0), values / np.float32(20.0)))
        if self.kind == "power":
            return np.asarray(np.sqrt(np.maximum(values, np.float32(0.0))))
        if self.kind == "stretch":
            return stretch_to_uint8(values, self.limits)
        return values


def _overview(dataset: Any, bands: list[int]) -> NDArray[Any]:
    """A reduced picture of the whole file, f32 with NaN where nothing was measured."""
    step = max(1, math.ceil(max(dataset.height, dataset.width) / _OVERVIEW_PX))
    shape = (len(bands), -(-dataset.height // step), -(-dataset.width // step))
    masked = dataset.read(bands, out_shape=shape, masked=True)
    overview: NDArray[Any] = masked.astype(np.float32).filled(np.nan)
    return overview


def _channels_last(bands: NDArray[Any]) -> NDArray[Any]:
    if len(bands) == 1:
        return np.ascontiguousarray(bands[0])
    return np.ascontiguousarray(np.moveaxis(bands, 0, -1))


def _georeference(dataset: Any, window: Window) -> GeoReference | None:
    """The affine map and the reference system of the file; None where it has none.

    The radius is one pixel on the ground, taken at the middle of the window: what the grid itself
    leaves open. How well the file was placed is not in the file.
    """
    if dataset.crs is None or dataset.transform.is_identity:
        return None
    warp = import_extra("rasterio.warp", "raster", "georeferencing")
    affine, crs = dataset.transform, dataset.crs
    x, y, width, height = window

    def to_lat_lon(positions: NDArray[np.float64]) -> NDArray[np.float64]:
        columns, rows = positions[:, 0] + x, positions[:, 1] + y
        # Affine maps of rasters count from the corner of a pixel, and so do positions with centres
        # at + 0.5: nothing to shift.
        east = affine.a * columns + affine.b * rows + affine.c
        north = affine.d * columns + affine.e * rows + affine.f
        lon, lat = warp.transform(crs, "EPSG:4326", east, north)
        return np.stack([np.asarray(lat, np.float64), np.asarray(lon, np.float64)], axis=-1)

    middle = np.array([[width / 2, height / 2], [width / 2 + 1, height / 2 + 1]], np.float64)
    (lat_1, lon_1), (lat_2, lon_2) = to_lat_lon(middle)
    north_m = (lat_2 - lat_1) * _METRES_PER_DEGREE
    east_m = (lon_2 - lon_1) * _METRES_PER_DEGREE * math.cos(math.radians(lat_1))
    return GeoReference(to_lat_lon, sigma_m=round(math.hypot(north_m, east_m) / math.sqrt(2), 3))
