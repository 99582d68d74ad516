"""`edgekit predict` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from edgekit.bundle import Bundle
from edgekit.cli.main import main
from edgekit.runtime.demo import SAMPLES
from tests.runtime.bright_cells import dark_frame, light_cell, write_bright_cells


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bright_cells(tmp_path_factory.mktemp("bundle") / "bright-cells.bundle")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(3):
        pixels = dark_frame()
        for column in range(number):
            light_cell(pixels, 1, column)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def test_pictures_a_document_and_a_table(
    bundle: Bundle, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["predict", str(bundle.root), str(frames), "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == [
        "00000-0.png.jpg",
        "00001-1.png.jpg",
        "00002-2.png.jpg",
        "detections.json",
    ]
    document = json.loads((out / "detections.json").read_text("utf-8"))
    assert document["schema"] == "edgekit.predictions/1"
    assert document["model"]["bundle"] == bundle.digest
    assert [len(frame["detections"]) for frame in document["frames"]] == [0, 1, 2]
    assert document["frames"][2]["label"] == "2.png"
    assert document["failed"] == 0
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split() == ["frame", "even", "odd", "ms"]
    assert [row.split()[:3] for row in rows] == [
        ["0.png", "0", "0"],
        ["1.png", "1", "0"],
        ["2.png", "1", "1"],
    ]


def test_json_on_stdout_is_the_document_on_disk(
    bundle: Bundle, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["predict", str(bundle.root), str(frames), "--out", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((out / "detections.json").read_text())


def test_georeferenced_scene_gives_positions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = write_bright_cells(tmp_path / "sar.bundle", modality="sar", overlap_px=16)
    scene = SAMPLES / "sentinel1" / "s1a-iw-vv-db-20m-camargue.tif"
    arguments = ["predict", str(bundle.root), str(scene), "--out", str(tmp_path / "out")]
    assert main([*arguments, "--threshold", "0.3", "--json"]) == 0
    (frame,) = json.loads(capsys.readouterr().out)["frames"]
    assert frame["modality"] == "sar"
    assert len(frame["detections"]) > 3
    for item in frame["detections"]:
        assert 43.57 < item["geo"]["lat"] < 43.62
        assert 4.48 < item["geo"]["lon"] < 4.56


def test_unreadable_image_is_reported_and_the_rest_is_there(
    bundle: Bundle, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (frames / "1.png").write_bytes(b"no picture")
    out = tmp_path / "out"
    assert main(["predict", str(bundle.root), str(frames), "--out", str(out)]) == 1
    captured = capsys.readouterr()
    assert captured.err.splitlines()[-1].startswith("edgekit: 1 of 3 frames of frames could not")
    assert len(list(out.glob("*.jpg"))) == 2
    assert json.loads((out / "detections.json").read_text())["failed"] == 1


def test_folder_that_cannot_be_made_is_one_clear_line(
    bundle: Bundle, frames: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out"
    assert main(["predict", str(bundle.root), str(frames), "--out", str(out)]) == 1
    assert "cannot write" in capsys.readouterr().err
