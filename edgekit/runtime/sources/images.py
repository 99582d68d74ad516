"""Pictures in files: one, or a folder of them by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.core import SourceError
from edgekit.runtime.colour import stretch_limits, stretch_to_uint8, to_modality
from edgekit.runtime.extras import import_extra
from edgekit.runtime.sources.raster import RASTER_SUFFIXES, RasterReader
from edgekit.runtime.sources.reading import Reading, Unreadable, short_reason

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png")


def read_picture(path: Path) -> NDArray[Any]:
    """A JPEG or PNG as pixels, turned upright if it says that it lies on its side.

    returns  (H, W) u8 for one channel, else (H, W, 3) RGB u8; 16-bit ones are stretched to 8 bit
             between their 1st and 99th percentile
    raises   OSError, SyntaxError or ValueError, as Pillow does, for a file that is broken
    """
    image_module = import_extra("PIL.Image", "images", "reading images")
    image_ops = import_extra("PIL.ImageOps", "images", "reading images")
    try:
        with image_module.open(path) as image:
            upright = image_ops.exif_transpose(image)
            if upright.mode in ("I", "I;16", "I;16B", "I;16L", "F"):
                values = np.asarray(upright, np.float32)
                return stretch_to_uint8(values, stretch_limits(values))
            has_one_channel = upright.mode in ("1", "L", "LA")
            return np.array(upright.convert("L" if has_one_channel else "RGB"), np.uint8)
    except image_module.DecompressionBombError as error:
        raise ValueError(str(error)) from error


class PictureReader:
    """One picture file."""

    remedy = "repair or remove the file"

    def __init__(self, path: Path, modality: str) -> None:
        import_extra("PIL.Image", "images", "reading images")
        self.name = path.name
        self._path = path
        self._modality = modality

    def readings(self, start_utc_ns: int) -> Iterator[Reading | Unreadable]:
        try:
            pixels = to_modality(read_picture(self._path), self._modality)
        except (OSError, SyntaxError, ValueError) as error:
            yield Unreadable(self._path.name, short_reason(error, str(self._path)))
        else:
            yield Reading(pixels, self._path.name)


class FolderReader:
    """The pictures and rasters of a folder, sorted by name; other files and folders are left alone.

    open_raster  makes the reader of a TIFF file
    """

    remedy = "repair or remove those files"

    def __init__(
        self, folder: Path, modality: str, open_raster: Callable[[Path], RasterReader]
    ) -> None:
        self.name = folder.name or str(folder)
        suffixes = (*PICTURE_SUFFIXES, *RASTER_SUFFIXES)
        self._paths = sorted(p for p in folder.iterdir() if p.suffix.lower() in suffixes)
        if not self._paths:
            raise SourceError(
                f"folder {folder} holds no images", f"put {', '.join(suffixes)} files into it"
            )
        self._modality = modality
        self._open_raster = open_raster

    def readings(self, start_utc_ns: int) -> Iterator[Reading | Unreadable]:
        for path in self._paths:
            is_raster = path.suffix.lower() in RASTER_SUFFIXES
            reader = self._open_raster(path) if is_raster else PictureReader(path, self._modality)
            yield from reader.readings(start_utc_ns)
