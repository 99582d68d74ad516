"""Annotated pictures and JSON lines."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgekit.core import Detections, SinkError, corners_from_le90
from edgekit.runtime.contact_sheet import Panel, Section, contact_sheet
from edgekit.runtime.drawing import PALETTE, annotate, class_colour, counts_by_class
from edgekit.runtime.messages import detections_message, encode_message
from edgekit.runtime.sinks import JsonLinesSink, Result
from edgekit.runtime.sinks.pictures import PictureSink, picture_name
from tests.runtime.frames import a_frame
from tests.runtime.test_messages import SENDER, TIMING

CLASSES = ("Person", "Car")


def found(*boxes: tuple[float, ...], label: int = 1) -> Detections:
    count = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 5),
        np.full(count, 0.9, np.float32),
        np.full(count, label, np.int32),
    )


def a_result(seq: int = 0, label: str = "a.png") -> Result:
    frame = a_frame(seq=seq, label=label)
    detections = found((40, 30, 20, 10, 0.3))
    message = detections_message(SENDER, frame, detections, TIMING, 0)
    return Result(frame, detections, message, encode_message(message))


def test_box_is_drawn_in_the_colour_of_its_class_where_it_is() -> None:
    pixels = np.full((600, 800), 128, np.uint8)
    detections = found((400, 300, 120, 50, 0.4))
    image = np.array(annotate(pixels, detections, CLASSES, legend=False, labels=False, factor=1.0))
    assert image.shape == (600, 800, 3)
    colour = tuple(int(class_colour(1)[i : i + 2], 16) for i in (1, 3, 5))
    corners = corners_from_le90(detections.boxes)[0]
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        x, y = np.rint((a + b) / 2).astype(int)
        near = image[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3)
        assert (near == colour).all(axis=1).any()
    untouched = np.abs(image.astype(int) - 128).max(axis=2) == 0
    assert untouched[:200].all()
    assert untouched[290:310, 385:415].all()


def test_small_frame_is_enlarged_and_has_a_legend_below() -> None:
    image = annotate(np.zeros((512, 640), np.uint8), Detections.empty(), CLASSES)
    assert image.size[0] == 1280
    assert image.size[1] > 1024


@pytest.mark.parametrize(
    "pixels",
    [
        np.zeros((40, 60), np.uint8),
        np.zeros((40, 60, 3), np.uint8),
        np.linspace(0, 1, 2400, dtype=np.float32).reshape(40, 60),
        np.ones((40, 60), np.complex64),
        np.full((40, 60), np.nan, np.float32),
    ],
)
def test_any_kind_of_frame_can_be_drawn(pixels: np.ndarray) -> None:
    image = annotate(pixels, found((30, 20, 10, 5, 0)), CLASSES)
    assert image.mode == "RGB"


def test_crowd_of_labels_neither_fails_nor_covers_boxes() -> None:
    rng = np.random.default_rng(0)
    boxes = np.column_stack([rng.uniform(-10, 650, (300, 2)), np.full((300, 3), (20, 10, 0.2))])
    image = annotate(np.zeros((512, 640), np.uint8), found(*map(tuple, boxes)), CLASSES)
    assert image.size[0] == 1280


def test_counts_name_only_what_was_found() -> None:
    assert counts_by_class(found((1, 1, 2, 1, 0), (5, 5, 2, 1, 0)), CLASSES) == {"Car": 2}
    assert counts_by_class(Detections.empty(), CLASSES) == {}


def test_more_classes_than_colours_begin_again() -> None:
    assert class_colour(len(PALETTE)) == class_colour(0)


def test_picture_sink_writes_one_jpeg_a_frame(tmp_path: Path) -> None:
    sink = PictureSink(tmp_path / "vis", CLASSES)
    for seq in range(3):
        sink.write(a_result(seq, f"clip.mp4 frame {seq}"))
    sink.close()
    names = sorted(path.name for path in (tmp_path / "vis").iterdir())
    assert names == [f"{seq:05d}-clip.mp4-frame-{seq}.jpg" for seq in range(3)]
    assert sink.delivered == 3
    with Image.open(tmp_path / "vis" / names[0]) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("", "00007.jpg"),
        ("a/b\\c.tif x=1 y=2", "00007-a-b-c.tif-x=1-y=2.jpg"),
        ("../../etc", "00007-etc.jpg"),
        ("ü.png", "00007-png.jpg"),
    ],
)
def test_file_name_is_safe_whatever_the_label(label: str, name: str) -> None:
    assert picture_name(a_frame(seq=7, label=label)) == name


def test_folder_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SinkError, match=r"cannot write .*file/vis: not a directory"):
        PictureSink(tmp_path / "file" / "vis", CLASSES)


def test_json_lines_are_the_messages() -> None:
    out = io.BytesIO()
    sink = JsonLinesSink(out)
    results = [a_result(seq) for seq in range(3)]
    for result in results:
        sink.write(result)
    lines = out.getvalue().splitlines()
    assert [json.loads(line) for line in lines] == [dict(result.message) for result in results]
    assert sink.delivered == 3


def test_contact_sheet_holds_sections_of_any_length() -> None:
    panel = Panel(np.zeros((512, 640), np.uint8), found((300, 200, 50, 20, 0)), "1 Car", "a.png")
    small = Panel(np.ones((20, 60), np.float32), Detections.empty(), "nothing found", "b.tif")
    sheet = contact_sheet(
        "edgekit demo",
        "6 frames",
        [
            Section("Thermal", "int8", CLASSES, (panel,) * 5, ("a note", "another")),
            Section("SAR", "int8", ("ship",), (small,)),
        ],
    )
    assert sheet.size[0] == 2452
    assert sheet.size[1] > 1000
