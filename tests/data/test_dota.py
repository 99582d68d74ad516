"""DOTA folders are read strictly; what is wrong is named with file and line."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.core import UsageError
from edgekit.data.dota import parse_dota_label, read_dota_folder

CLASSES = ("Car", "Person")
LINE = "10 20 50 20 50 40 10 40 Car 0"


def test_line_becomes_an_oriented_box():
    truth = parse_dota_label(LINE, CLASSES, "a.txt")
    assert truth.boxes.tolist() == [[30, 30, 40, 20, 0]]
    assert truth.labels.tolist() == [0]
    assert truth.difficult.tolist() == [False]


def test_empty_file_means_no_objects():
    assert len(parse_dota_label("", CLASSES, "a.txt")) == 0


def test_headers_difficult_and_ignore_are_honoured():
    text = f"imagesource:x\ngsd:0.1\n{LINE[:-1]}1\n{LINE.replace('Car', 'ignore')}\n"
    truth = parse_dota_label(text, CLASSES, "a.txt")
    assert truth.difficult.tolist() == [True]
    assert truth.ignore.shape == (1, 5)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1 2 3", "a.txt:1: 3 fields"),
        (LINE.replace("10", "x", 1), "a.txt:1: could not convert"),
        (LINE.replace("10", "nan", 1), "a.txt:1: a corner is not finite"),
        (LINE.replace("Car", "Cat"), "a.txt:1: unknown class 'Cat'; did you mean 'Car'"),
    ],
)
def test_wrong_lines_are_named(line, message):
    with pytest.raises(UsageError, match=message):
        parse_dota_label(line, CLASSES, "a.txt")


def test_folder_is_read_in_order_of_name(tmp_path):
    for name in ("b", "a"):
        for kind, suffix in (("images", ".jpg"), ("labels", ".txt")):
            path = tmp_path / kind / "val" / f"{name}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(LINE if suffix == ".txt" else "")
    (tmp_path / "classes.txt").write_text("Car\nPerson\n")
    data = read_dota_folder(tmp_path, "val")
    assert [frame.name for frame in data.frames] == ["a", "b"]
    assert data.classes == CLASSES
    with pytest.raises(UsageError, match="unknown split 'vla'; did you mean 'val'"):
        read_dota_folder(tmp_path, "vla")
    (tmp_path / "labels" / "val" / "a.txt").unlink()
    with pytest.raises(UsageError, match=r"no label file .*a\.txt"):
        read_dota_folder(tmp_path, "val")


def make_folder(folder, names, label=LINE):
    """Empty images, each with a label file."""
    for name in names:
        image = folder / "images" / "val" / name
        text = folder / "labels" / "val" / f"{image.stem}.txt"
        for path in (image, text):
            path.parent.mkdir(parents=True, exist_ok=True)
        image.touch()
        text.write_text(label)
    (folder / "classes.txt").write_text("Car\nPerson\n")
    return folder


def test_two_images_of_one_name_are_refused(tmp_path):
    folder = make_folder(tmp_path, ["a.jpg", "a.k.jpg", "a.png"])
    with pytest.raises(UsageError, match=r"2 images in .* are called a; "):
        read_dota_folder(folder, "val")


def test_error_names_file_and_line(tmp_path):
    folder = make_folder(tmp_path, ["a.jpg"], f"{LINE}\n\n1 2 3\n")
    with pytest.raises(UsageError, match=r"labels/val/a\.txt:3: 3 fields"):
        read_dota_folder(folder, "val")


def test_label_that_is_not_text_is_refused(tmp_path):
    folder = make_folder(tmp_path, ["a.jpg"])
    (folder / "labels" / "val" / "a.txt").write_bytes(b"\xff\xfe1")
    with pytest.raises(UsageError, match=r"a\.txt is not UTF-8 text"):
        read_dota_folder(folder, "val")


def test_mark_at_the_start_of_a_file_is_no_part_of_a_class(tmp_path):
    folder = make_folder(tmp_path, ["a.jpg"])
    (folder / "classes.txt").write_text("Car\nPerson\n", encoding="utf-8-sig")
    assert read_dota_folder(folder, "val").classes == CLASSES


def test_class_named_twice_is_refused(tmp_path):
    folder = make_folder(tmp_path, ["a.jpg"])
    (folder / "classes.txt").write_text("Car\nPerson\nCar\n")
    with pytest.raises(UsageError, match="names the class 'Car' twice"):
        read_dota_folder(folder, "val")


def test_set_without_images_says_what_is_expected(tmp_path):
    (tmp_path / "classes.txt").write_text("Car\n")
    with pytest.raises(UsageError, match=r"expected images/SPLIT/NAME\.jpg"):
        read_dota_folder(tmp_path, "val")


@pytest.mark.parametrize("sign", [1, -1])
def test_upright_boxes_stay_on_the_closed_side_of_the_seam(sign):
    """An angle of pi/2 - 1e-9 is no float32: it would round up to the open end."""
    length = 40 * sign
    lean = 1e-9 * length
    line = f"0 0 {lean:.12f} {length} {lean - 10:.12f} {length} -10 0 Car"
    (angle,) = parse_dota_label(line, CLASSES, "a.txt").boxes[:, 4]
    assert angle == -np.float32(np.pi / 2)


def test_set_without_classes_is_refused(tmp_path):
    with pytest.raises(UsageError, match=r"no .*classes\.txt"):
        read_dota_folder(tmp_path, "val")


def test_real_set_has_the_documented_counts(shared):
    data = read_dota_folder(shared / "data" / "uav-thermal-obb", "val")
    labels = np.concatenate([frame.truth.labels for frame in data.frames])
    assert len(data.frames) == 233
    assert np.bincount(labels).tolist() == [878, 699, 554, 12]
