"""Image folders and single images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.core import SourceError, UsageError
from edgekit.runtime.sources import open_source


def save(path: Path, value: int = 0, mode: str = "L", size: tuple[int, int] = (12, 8)) -> None:
    Image.new(mode, size, (value,) * 3 if mode == "RGB" else value).save(path)


def test_folder_gives_its_images_by_name(empty_folder: Path) -> None:
    for value, name in ((3, "c.png"), (1, "a.jpg"), (2, "b.JPEG")):
        save(empty_folder / name, value)
    (empty_folder / "notes.txt").write_text("not a frame")
    (empty_folder / "more.png").mkdir(exist_ok=True)
    (empty_folder / "more.png").rmdir()
    source = open_source(str(empty_folder), modality="thermal", stream="belly")
    frames = list(source)
    assert [frame.label for frame in frames] == ["a.jpg", "b.JPEG", "c.png"]
    assert [frame.seq for frame in frames] == [0, 1, 2]
    assert {frame.stream for frame in frames} == {"belly"}
    assert len({frame.epoch for frame in frames}) == 1
    assert (source.read, source.failed, source.failure()) == (3, 0, None)
    assert frames[2].pixels.shape == (8, 12)
    assert frames[2].pixels[0, 0] == 3


@pytest.mark.parametrize(
    ("mode", "modality", "shape"),
    [
        ("L", "thermal", (8, 12)),
        ("RGB", "thermal", (8, 12)),
        ("L", "optical", (8, 12, 3)),
        ("RGB", "optical", (8, 12, 3)),
        ("L", "sar", (8, 12)),
        ("RGBA", "optical", (8, 12, 3)),
        ("P", "optical", (8, 12, 3)),
    ],
)
def test_pixels_take_the_form_of_the_modality(
    tmp_path: Path, mode: str, modality: str, shape: tuple[int, ...]
) -> None:
    Image.new(mode, (12, 8)).save(tmp_path / "a.png")
    (frame,) = open_source(str(tmp_path / "a.png"), modality=modality)
    assert frame.pixels.shape == shape
    assert frame.pixels.dtype == np.uint8
    assert frame.pixels.flags.c_contiguous


def test_colour_becomes_gray_by_rec_601(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2), (200, 100, 50)).save(tmp_path / "a.png")
    (frame,) = open_source(str(tmp_path / "a.png"), modality="thermal")
    assert frame.pixels[0, 0] == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)


def test_sixteen_bit_image_is_stretched(tmp_path: Path) -> None:
    values = np.linspace(20_000, 24_000, 12 * 8).reshape(8, 12).astype(np.uint16)
    Image.fromarray(values).save(tmp_path / "radiometric.png")
    (frame,) = open_source(str(tmp_path / "radiometric.png"), modality="thermal")
    assert frame.pixels.dtype == np.uint8
    assert (frame.pixels.min(), frame.pixels.max()) == (0, 255)


def test_picture_that_lies_on_its_side_is_turned_upright(tmp_path: Path) -> None:
    image = Image.new("L", (12, 8))
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(tmp_path / "side.jpg", exif=exif)
    (frame,) = open_source(str(tmp_path / "side.jpg"), modality="thermal")
    assert frame.size_px == (12, 8)


def test_unreadable_images_are_counted_and_the_rest_is_given(empty_folder: Path) -> None:
    save(empty_folder / "a.png")
    (empty_folder / "b.png").write_bytes(b"this is no picture")
    save(empty_folder / "c.jpg", size=(200, 200))
    whole = (empty_folder / "c.jpg").read_bytes()
    (empty_folder / "c.jpg").write_bytes(whole[: len(whole) // 2])
    (empty_folder / "d.png").write_bytes(b"")
    save(empty_folder / "e.png")
    source = open_source(str(empty_folder), modality="thermal")
    assert [(frame.label, frame.seq) for frame in source] == [("a.png", 0), ("e.png", 1)]
    assert (source.read, source.failed) == (2, 3)
    line = str(source.failure())
    assert line.startswith("3 of 5 frames of frames could not be read: b.png (")
    assert "c.jpg (" in line
    assert line.endswith("the other 2 were processed; repair or remove those files")
    assert "\n" not in line
    assert str(empty_folder) not in line


def test_many_unreadable_images_are_still_one_line(empty_folder: Path) -> None:
    for number in range(40):
        (empty_folder / f"{number:02}.jpg").write_bytes(b"x")
    source = open_source(str(empty_folder), modality="thermal")
    assert list(source) == []
    line = str(source.failure())
    assert "40 of 40" in line
    assert "and 37 more; none was processed" in line
    assert len(line) < 500


def test_folder_without_images_is_refused(empty_folder: Path) -> None:
    with pytest.raises(SourceError, match=r"holds no images; put \.jpg"):
        open_source(str(empty_folder), modality="thermal")


@pytest.mark.parametrize(
    ("spec", "error", "match"),
    [
        ("nowhere", SourceError, "does not exist"),
        ("rtsp://camera/1", UsageError, "no known kind; give a folder of images"),
        ("clip.xyz", UsageError, "no known kind"),
    ],
)
def test_source_of_no_known_kind_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spec: str, error: type[Exception], match: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.xyz").write_bytes(b"")
    with pytest.raises(error, match=match):
        open_source(spec, modality="thermal")


@pytest.mark.parametrize(
    "options",
    [{"modality": "infrared"}, {"limit": 0}, {"fps": 0.0}, {"fps": -1.0}, {"sar_scale": "log"}],
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    save(tmp_path / "a.png")
    with pytest.raises(UsageError):
        open_source(str(tmp_path / "a.png"), **{"modality": "thermal", **options})  # type: ignore[arg-type]
