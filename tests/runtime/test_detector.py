"""The path from pixels to detections, with a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bundle import Bundle, DecodeSpec, TileSpec
from edgekit.core import EngineError, SourceError, UsageError
from edgekit.engines.base import open_engine
from edgekit.runtime.detector import Detector
from edgekit.runtime.tiling import plan_tiles
from tests.runtime.bright_cells import BOX, centre_of, dark_frame, light_cell, write_bright_cells


@pytest.fixture(scope="module")
def detector(bright_cells: Bundle) -> Iterator[Detector]:
    engine = open_engine(bright_cells, threads=1)
    yield Detector(bright_cells, engine)
    engine.close()


@pytest.fixture(scope="module")
def tiling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Detector]:
    """Tiles of 64 x 96 that overlap by 32."""
    path = tmp_path_factory.mktemp("tiling") / "tiling.bundle"
    bundle = write_bright_cells(path, modality="sar", overlap_px=32)
    engine = open_engine(bundle, threads=1)
    yield Detector(bundle, engine)
    engine.close()


def test_bright_cell_is_found_where_it_is(detector: Detector) -> None:
    pixels = dark_frame()
    light_cell(pixels, row=2, column=3)
    found, spent = detector.detect(pixels, "thermal")
    np.testing.assert_allclose(found.boxes, [[*centre_of(2, 3), *BOX]], rtol=1e-6)
    assert found.scores.tolist() == [1.0]
    assert found.labels.tolist() == [1]
    assert set(spent) == {"preprocess", "infer", "postprocess"}
    assert all(value > 0 for value in spent.values())


def test_dark_frame_holds_nothing(detector: Detector) -> None:
    found, _ = detector.detect(dark_frame(), "thermal")
    assert len(found) == 0


def test_detections_come_by_falling_score(detector: Detector) -> None:
    pixels = dark_frame()
    for column, value in enumerate((150, 250, 200)):
        light_cell(pixels, 0, 2 * column, value)
    found, _ = detector.detect(pixels, "thermal")
    assert found.scores.tolist() == sorted(found.scores.tolist(), reverse=True)
    assert found.boxes[:, 0].tolist() == [centre_of(0, c)[0] for c in (2, 4, 0)]


def test_frame_of_another_size_is_letterboxed_and_boxes_map_back(detector: Detector) -> None:
    pixels = dark_frame((128, 192))
    pixels[64:96, 96:128] = 255  # cell (2, 3) at half the scale
    found, _ = detector.detect(pixels, "thermal")
    x, y = centre_of(2, 3)
    np.testing.assert_allclose(found.boxes, [[2 * x, 2 * y, 2 * BOX[0], 2 * BOX[1], BOX[2]]])


def test_threshold_given_replaces_the_bundles(bright_cells: Bundle, detector: Detector) -> None:
    pixels = dark_frame()
    light_cell(pixels, 0, 0, 100)
    assert len(detector.detect(pixels, "thermal")[0]) == 0
    lenient = Detector(bright_cells, detector.engine, score_threshold=0.3)
    assert len(lenient.detect(pixels, "thermal")[0]) == 1


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_threshold_outside_its_range_is_refused(
    bright_cells: Bundle, detector: Detector, threshold: float
) -> None:
    with pytest.raises(UsageError, match="threshold"):
        Detector(bright_cells, detector.engine, score_threshold=threshold)


def test_colour_frame_meets_a_gray_model_as_luma(detector: Detector) -> None:
    pixels = np.zeros((64, 96, 3), np.uint8)
    pixels[:16, :16] = (0, 255, 0)  # luma 150
    pixels[32:48, 32:48] = (0, 0, 255)  # luma 29
    found, _ = detector.detect(pixels, "optical")
    np.testing.assert_allclose(found.boxes[:, :2], [centre_of(0, 0)])
    np.testing.assert_allclose(found.scores, 150 / 255, atol=0.002)


def test_gray_frame_meets_an_rgb_model(tmp_path: Path) -> None:
    bundle = write_bright_cells(tmp_path / "rgb.bundle", colour="RGB", modality="optical")
    engine = open_engine(bundle, threads=1)
    pixels = dark_frame()
    light_cell(pixels, 1, 1)
    found, _ = Detector(bundle, engine).detect(pixels, "thermal")
    engine.close()
    np.testing.assert_allclose(found.boxes[:, :2], [centre_of(1, 1)])


def test_sar_amplitude_is_stretched_before_it_is_looked_at(tiling: Detector) -> None:
    scene = np.full((64, 96), 0.01, np.float32)
    light_cell(scene, 1, 2, 5.0)
    for values in (scene, scene.astype(np.complex64) * 1j):
        found, _ = tiling.detect(values, "sar")
        np.testing.assert_allclose(found.boxes[:, :2], [centre_of(1, 2)])


def test_object_seen_in_four_tiles_is_reported_once(tiling: Detector) -> None:
    # Tiles start at x 0, 64, 96 and y 0, 32, 64: the cell at x 64..80, y 48..64 lies in several.
    pixels = dark_frame((128, 192))
    light_cell(pixels, 3, 4)
    found, _ = tiling.detect(pixels, "sar")
    np.testing.assert_allclose(found.boxes, [[*centre_of(3, 4), *BOX]], rtol=1e-6)


def test_every_cell_of_a_large_frame_is_found_at_full_resolution(tiling: Detector) -> None:
    pixels = dark_frame((160, 208))  # no multiple of the step: the last tiles are flush
    cells = [(0, 0), (0, 12), (9, 0), (9, 12), (4, 6)]
    for row, column in cells:
        light_cell(pixels, row, column)
    found, _ = tiling.detect(pixels, "sar")
    assert {tuple(centre) for centre in found.boxes[:, :2].tolist()} == {
        centre_of(row, column) for row, column in cells
    }


def test_no_more_than_max_detections_are_kept(tmp_path: Path) -> None:
    bundle = write_bright_cells(tmp_path / "few.bundle", decode=DecodeSpec(0.5, 0.3, 3, False))
    engine = open_engine(bundle, threads=1)
    found, _ = Detector(bundle, engine).detect(np.full((64, 96), 255, np.uint8), "thermal")
    engine.close()
    assert len(found) == 3


def test_class_that_the_bundle_does_not_name_is_refused(tmp_path: Path) -> None:
    bundle = write_bright_cells(tmp_path / "foreign.bundle", extra_class=7)
    engine = open_engine(bundle, threads=1)
    with pytest.raises(EngineError, match="class 8, the bundle names 2"):
        Detector(bundle, engine).detect(np.full((64, 96), 255, np.uint8), "thermal")
    engine.close()


def test_candidate_without_a_number_is_none(bright_cells: Bundle) -> None:
    class Broken:
        info = None

        def infer(self, inputs: object) -> dict[str, np.ndarray]:
            boxes = np.array([[[8, 8, 4, 2, 0], [np.nan, 8, 4, 2, 0]]], np.float32)
            return {
                "boxes": boxes,
                "scores": np.array([[np.nan, 0.9]], np.float32),
                "labels": np.zeros((1, 2), np.int32),
            }

    found, _ = Detector(bright_cells, Broken()).detect(dark_frame(), "thermal")  # type: ignore[arg-type]
    assert len(found) == 0


def test_pixels_that_are_no_picture_are_refused(detector: Detector) -> None:
    with pytest.raises(SourceError, match="float64"):
        detector.detect(np.zeros((64, 96), np.float64), "thermal")


@settings(max_examples=50, deadline=None)
@given(
    size=st.tuples(st.integers(1, 700), st.integers(1, 700)),
    tile=st.integers(8, 128),
    overlap_share=st.floats(0, 0.9),
)
def test_tiles_cover_everything_stay_inside_and_overlap(
    size: tuple[int, int], tile: int, overlap_share: float
) -> None:
    overlap = int(tile * overlap_share)
    covered = np.zeros(size, bool)
    windows = plan_tiles(size, (tile, tile), overlap)
    for x, y, width, height in windows:
        assert x >= 0
        assert y >= 0
        assert x + width <= size[1]
        assert y + height <= size[0]
        assert (width, height) == (min(tile, size[1]), min(tile, size[0]))
        covered[y : y + height, x : x + width] = True
    assert covered.all()
    assert len(set(windows)) == len(windows)
    columns = sorted({x for x, *_ in windows})
    assert all(b - a <= tile - overlap for a, b in pairwise(columns))


@pytest.mark.parametrize("overlap", [-1, 64, 65])
def test_overlap_that_leaves_no_step_is_refused(overlap: int) -> None:
    with pytest.raises(UsageError, match="tile overlap"):
        plan_tiles((100, 100), (64, 64), overlap)


def test_tile_larger_than_the_input_is_scaled_down(tmp_path: Path) -> None:
    bundle = write_bright_cells(tmp_path / "half.bundle", modality="sar", overlap_px=0)
    tile = TileSpec(size=(128, 192), overlap_px=0)
    half = replace(bundle.manifest, input=replace(bundle.manifest.input, tile=tile))
    engine = open_engine(bundle, threads=1)
    pixels = dark_frame((128, 384))
    pixels[0:32, 192:224] = 255
    found, _ = Detector(replace(bundle, manifest=half), engine).detect(pixels, "sar")
    engine.close()
    np.testing.assert_allclose(found.boxes[:, :2], [(208, 16)])
