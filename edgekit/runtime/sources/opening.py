"""From what a user writes after `--source` to a stream of frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edgekit.core import MODALITIES, SourceError, UsageError, unknown_name
from edgekit.runtime.clock import SYSTEM_CLOCK, Clock
from edgekit.runtime.sources.images import PICTURE_SUFFIXES, FolderReader, PictureReader
from edgekit.runtime.sources.raster import RASTER_SUFFIXES, SAR_SCALES, RasterReader
from edgekit.runtime.sources.reading import Reader
from edgekit.runtime.sources.source import Source
from edgekit.runtime.sources.video import VIDEO_SUFFIXES, VideoReader


def open_source(
    spec: str,
    *,
    modality: str,
    stream: str = "main",
    epoch: str | None = None,
    limit: int | None = None,
    loop: bool = False,
    fps: float | None = None,
    bands: Sequence[int] | None = None,
    sar_scale: str = "auto",
    clock: Clock = SYSTEM_CLOCK,
) -> Source:
    """The frames of a folder of images, one image, a video file or a GeoTIFF.

    spec       a path
    modality   what the frames are to be taken for, one of edgekit.core.MODALITIES
    limit      end after so many frames
    loop       begin again at the end, until the limit or `close()`
    fps        hand out so many frames a second; without it, as fast as they are taken
    bands      of a raster, from 1; sar_scale: what the numbers of a SAR raster are
    raises     SourceError for a path that is not there or an empty folder; UsageError for a kind of
               source that is not known; EdgekitError naming the extra that a reader needs
    """
    if modality not in MODALITIES:
        raise unknown_name("modality", modality, MODALITIES)
    if sar_scale not in SAR_SCALES:
        raise unknown_name("SAR scale", sar_scale, SAR_SCALES)
    if limit is not None and limit < 1:
        raise UsageError(f"limit {limit} leaves no frame", "use --limit 1 or more")
    if fps is not None and not fps > 0:
        raise UsageError(f"{fps} frames a second cannot be kept", "use --fps above 0")
    return Source(
        _open_reader(spec, modality, bands, sar_scale),
        modality=modality,
        stream=stream,
        epoch=epoch,
        limit=limit,
        loop=loop,
        fps=fps,
        clock=clock,
    )


def _open_reader(spec: str, modality: str, bands: Sequence[int] | None, sar_scale: str) -> Reader:
    if "://" in spec:
        raise _unknown_source(spec)
    path = Path(spec)
    if not path.exists():
        raise SourceError(f"source {spec} does not exist", "check the path")

    def open_raster(raster: Path) -> RasterReader:
        return RasterReader(raster, modality, bands=bands, sar_scale=sar_scale)

    suffix = path.suffix.lower()
    if path.is_dir():
        return FolderReader(path, modality, open_raster)
    if suffix in PICTURE_SUFFIXES:
        return PictureReader(path, modality)
    if suffix in RASTER_SUFFIXES:
        return open_raster(path)
    if suffix in VIDEO_SUFFIXES:
        return VideoReader(path, modality)
    raise _unknown_source(spec)


def _unknown_source(spec: str) -> UsageError:
    return UsageError(
        f"source {spec} is of no known kind",
        f"give a folder of images, an image ({', '.join(PICTURE_SUFFIXES)}), a video "
        f"({', '.join(VIDEO_SUFFIXES)}) or a GeoTIFF ({', '.join(RASTER_SUFFIXES)})",
    )
