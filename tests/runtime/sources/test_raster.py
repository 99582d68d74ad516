"""GeoTIFF files made by a real driver, and the Sentinel-1 scene that ships."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from numpy.typing import NDArray
from PIL import Image
from rasterio.transform import Affine

from edgekit.core import Frame, SourceError, UsageError
from edgekit.runtime.demo import SAMPLES
from edgekit.runtime.messages import locate
from edgekit.runtime.sources import Source, open_source
from edgekit.runtime.sources.raster import RasterReader

CAMARGUE = SAMPLES / "sentinel1" / "s1a-iw-vv-db-20m-camargue.tif"


def write_raster(path: Path, bands: NDArray[Any], *, nodata: float | None = None) -> Path:
    """Bands (B, H, W) as a GeoTIFF, UTM 31N, 10 m pixels from 500 km east, 5000 km north."""
    count, height, width = bands.shape
    with rasterio.open(
        path,
        "w",
        driver="GTiff",
        count=count,
        height=height,
        width=width,
        dtype=bands.dtype,
        nodata=nodata,
        crs="EPSG:32631",
        transform=Affine(10.0, 0.0, 500_000.0, 0.0, -10.0, 5_000_000.0),
    ) as dataset:
        dataset.write(bands)
    return path


def only_frame(path: Path, **options: Any) -> Frame:
    (frame,) = open_source(str(path), **options)
    return frame


def test_decibels_become_amplitude(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "s.tif", np.array([[[-20.0, 0.0, 20.0]]], np.float32))
    frame = only_frame(path, modality="sar")
    np.testing.assert_allclose(frame.pixels, [[0.1, 1.0, 10.0]], rtol=1e-6)
    assert frame.pixels.dtype == np.float32
    assert frame.label == "s.tif"


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        ("auto", [1.0, 4.0, 9.0]),
        ("amplitude", [1.0, 4.0, 9.0]),
        ("power", [1.0, 2.0, 3.0]),
        ("db", [10 ** (1 / 20), 10 ** (4 / 20), 10 ** (9 / 20)]),
    ],
)
def test_scale_of_a_sar_raster(tmp_path: Path, scale: str, expected: list[float]) -> None:
    path = write_raster(tmp_path / "s.tif", np.array([[[1.0, 4.0, 9.0]]], np.float32))
    frame = only_frame(path, modality="sar", sar_scale=scale)
    np.testing.assert_allclose(frame.pixels, [expected], rtol=1e-6)


def test_nodata_is_not_a_measurement(tmp_path: Path) -> None:
    bands = np.array([[[-99.0, -20.0, 0.0]]], np.float32)
    frame = only_frame(write_raster(tmp_path / "s.tif", bands, nodata=-99), modality="sar")
    assert np.isnan(frame.pixels[0, 0])
    np.testing.assert_allclose(frame.pixels[0, 1:], [0.1, 1.0], rtol=1e-6)
    optical = np.array([[[7, 200, 100]]], np.uint8)
    frame = only_frame(write_raster(tmp_path / "o.tif", optical, nodata=7), modality="thermal")
    assert frame.pixels.tolist() == [[0, 200, 100]]


def test_complex_samples_stay_complex(tmp_path: Path) -> None:
    bands = np.array([[[1 + 1j, 2 - 3j]]], np.complex64)
    path = write_raster(tmp_path / "slc.tif", bands)
    frame = only_frame(path, modality="sar")
    assert frame.pixels.dtype == np.complex64
    np.testing.assert_array_equal(frame.pixels, bands[0])
    with pytest.raises(SourceError, match="complex samples cannot be taken as thermal"):
        list(open_source(str(path), modality="thermal"))


def test_bands_are_chosen(tmp_path: Path) -> None:
    bands = np.arange(4, dtype=np.uint8)[:, None, None] * np.ones((1, 2, 3), np.uint8)
    path = write_raster(tmp_path / "o.tif", bands)
    assert only_frame(path, modality="optical").pixels[0, 0].tolist() == [0, 1, 2]
    chosen = only_frame(path, modality="optical", bands=(4, 3, 2))
    assert chosen.pixels[0, 0].tolist() == [3, 2, 1]
    assert only_frame(path, modality="thermal", bands=(4,)).pixels[0, 0] == 3
    assert only_frame(path, modality="thermal").pixels[0, 0] == 0


@pytest.mark.parametrize("bands", [(5,), (0,), (1, 2), ()])
def test_bands_that_are_not_there_are_refused(tmp_path: Path, bands: tuple[int, ...]) -> None:
    path = write_raster(tmp_path / "o.tif", np.zeros((4, 2, 3), np.uint8))
    with pytest.raises(UsageError, match=r"of o.tif cannot be taken; it has 4"):
        list(open_source(str(path), modality="optical", bands=bands))


def test_sixteen_bit_optical_is_stretched_alike_in_all_bands(tmp_path: Path) -> None:
    values = np.linspace(1000, 3000, 100).reshape(10, 10)
    bands = np.stack([values, values, values / 2]).astype(np.uint16)
    frame = only_frame(write_raster(tmp_path / "o.tif", bands), modality="optical")
    assert frame.pixels.shape == (10, 10, 3)
    assert frame.pixels.dtype == np.uint8
    np.testing.assert_array_equal(frame.pixels[..., 0], frame.pixels[..., 1])
    assert frame.pixels[..., 2].mean() < frame.pixels[..., 0].mean()


def test_positions_follow_the_affine_and_the_reference_system(tmp_path: Path) -> None:
    path = write_raster(tmp_path / "o.tif", np.zeros((1, 100, 200), np.uint8))
    georef = only_frame(path, modality="thermal").georef
    assert georef is not None
    (lat, lon), (lat_east, lon_east) = georef.to_lat_lon(np.array([[0.0, 0.0], [200.0, 0.0]]))
    # UTM 31N, 500 km east is the central meridian 3 E; northing 5000 km is 45.1536 N there
    # (GRS80/WGS84 meridian arc over the scale 0.9996).
    assert lon == pytest.approx(3.0, abs=1e-9)
    assert lat == pytest.approx(45.15349, abs=2e-4)
    assert lon_east - lon == pytest.approx(2000 / (111_320 * np.cos(np.radians(lat))), rel=3e-3)
    assert lat_east == pytest.approx(lat, abs=1e-4)
    assert georef.sigma_m == pytest.approx(10.0, rel=0.01)


def test_raster_without_a_position_is_a_plain_frame(tmp_path: Path) -> None:
    Image.new("L", (4, 4)).save(tmp_path / "o.tif")
    assert only_frame(tmp_path / "o.tif", modality="thermal").georef is None


def test_large_raster_comes_in_windows_that_know_where_they_lie(tmp_path: Path) -> None:
    bands = np.arange(60 * 100, dtype=np.float32).reshape(1, 60, 100)
    path = write_raster(tmp_path / "s.tif", bands)
    reader = RasterReader(path, "sar", whole_max_px=1000, window_px=40, window_overlap_px=10)
    frames = list(Source(reader, modality="sar"))
    assert [frame.label for frame in frames] == [
        f"s.tif x={x} y={y}" for y in (0, 20) for x in (0, 30, 60)
    ]
    last = frames[-1]
    np.testing.assert_array_equal(last.pixels, bands[0, 20:60, 60:100])
    whole = only_frame(path, modality="sar")
    assert last.georef is not None
    assert whole.georef is not None
    np.testing.assert_allclose(
        last.georef.to_lat_lon(np.array([[5.0, 7.0]])),
        whole.georef.to_lat_lon(np.array([[65.0, 27.0]])),
        atol=1e-12,
    )


def test_windows_of_one_file_agree_on_scale_and_stretch(tmp_path: Path) -> None:
    # The right half is positive only: by itself it would be taken for amplitude.
    bands = np.full((1, 40, 80), -10.0, np.float32)
    bands[:, :, 40:] = 10.0
    path = write_raster(tmp_path / "s.tif", bands)
    reader = RasterReader(path, "sar", whole_max_px=1, window_px=40, window_overlap_px=0)
    left, right = Source(reader, modality="sar")
    np.testing.assert_allclose(left.pixels, 10**-0.5, rtol=1e-6)
    np.testing.assert_allclose(right.pixels, 10**0.5, rtol=1e-6)


def test_shipped_scene_lies_in_the_camargue_and_needs_no_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_args: object) -> None:
        raise AssertionError("a raster must not need the network")

    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    frame = only_frame(CAMARGUE, modality="sar")
    assert frame.size_px == (217, 268)
    assert 10 ** (-26.66 / 20) < np.nanmin(frame.pixels) < np.nanmax(frame.pixels) < 1.2
    assert frame.georef is not None
    lat, lon = frame.georef.to_lat_lon(np.array([[134.0, 108.5]]))[0]
    assert 43.574 < lat < 43.614
    assert 4.487 < lon < 4.554


def test_detections_of_a_georeferenced_frame_get_positions() -> None:
    from edgekit.core import Detections

    frame = only_frame(CAMARGUE, modality="sar")
    boxes = np.array([[134, 108.5, 20, 10, 0]], np.float32)
    found = Detections(boxes, np.ones(1, np.float32), np.zeros(1, np.int32))
    geo = locate(found, frame).geo
    assert geo is not None
    assert geo.shape == (1, 3)
    assert geo[0, 2] == pytest.approx(20, rel=0.02)
    assert locate(Detections.empty(), frame).geo is None


@pytest.mark.parametrize("content", [b"", b"II*\x00 no more", b"plain text"])
def test_broken_raster_is_counted_and_reported(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.tif"
    path.write_bytes(content)
    source = open_source(str(path), modality="sar")
    assert list(source) == []
    line = str(source.failure())
    assert line.startswith("1 of 1 frames of s.tif could not be read: s.tif (")
    assert str(tmp_path) not in line


def test_raster_that_is_cut_short_is_counted_and_reported(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).normal(size=(1, 200, 200)).astype(np.float32)
    path = write_raster(tmp_path / "s.tif", noise)
    path.write_bytes(path.read_bytes()[:80_000])
    source = open_source(str(path), modality="sar")
    assert list(source) == []
    assert source.failed == 1
    assert "none was processed; check the file with gdalinfo" in str(source.failure())


def test_folder_may_hold_rasters_between_pictures(empty_folder: Path) -> None:
    Image.new("L", (4, 4), 1).save(empty_folder / "a.png")
    write_raster(empty_folder / "b.tif", np.full((1, 4, 4), 2, np.uint8))
    Image.new("L", (4, 4), 3).save(empty_folder / "c.png")
    frames = list(open_source(str(empty_folder), modality="thermal"))
    assert [int(frame.pixels[0, 0]) for frame in frames] == [1, 2, 3]
