"""`edgekit eval` gives the accuracy of what flies, and refuses what cannot be measured."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgekit.bundle import AccuracyFigure, write_bundle
from edgekit.cli.main import main
from edgekit.core import corners_from_le90
from tests.runtime.bright_cells import BOX, centre_of, dark_frame, light_cell, write_bright_cells

BUNDLES = Path(__file__).parents[2] / "edgekit" / "assets" / "bundles"
SETS = {"lwganet_l0-obb-thermal": "uav-thermal-obb", "lwganet_l0-obb-sar-ships": "sar-ships"}
CELLS = ((0, 0), (2, 3), (3, 4))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return write_bright_cells(tmp_path_factory.mktemp("eval") / "cells.bundle")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two frames; the cells of even columns are labelled at half their number."""
    from PIL import Image

    folder = tmp_path_factory.mktemp("cells")
    for kind in ("images", "labels"):
        (folder / kind / "val").mkdir(parents=True)
    (folder / "classes.txt").write_text("even\nodd\n")
    for number, scores in enumerate(((255, 240, 220), (250, 230, 210))):
        pixels, lines = dark_frame(), []
        for (row, column), value in zip(CELLS, scores, strict=True):
            light_cell(pixels, row, column, value)
            corners = corners_from_le90(np.array([*centre_of(row, column), *BOX])).ravel()
            name = ("even", "odd")[column % 2]
            if (row, column) != (0, 0):
                lines.append(" ".join(f"{v:.2f}" for v in corners) + f" {name} 0")
        Image.fromarray(pixels).save(folder / "images" / "val" / f"{number}.png")
        (folder / "labels" / "val" / f"{number}.txt").write_text("\n".join(lines) + "\n")
    return folder


def evaluate(capsys, model, data, *options):
    assert main(["eval", str(model), "--data", str(data), *options, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_bundle_is_measured(bundle, data, capsys):
    """Unlabelled cells score above the labelled ones of their class: precision 1/3 at recall 1/2,
    1/2 at recall 1, so AP50 is 1/2 with the monotone envelope. Odd columns are all right."""
    document = evaluate(capsys, bundle.root, data)
    assert document["schema"] == "edgekit.eval/1"
    assert document["digest"] == bundle.digest
    assert document["engine"]["precision"] == "fp32"
    assert document["frames"] == 2
    per_class = {row["name"]: row for row in document["per_class"]}
    assert per_class["odd"]["ap50"] == pytest.approx(1.0)
    assert per_class["even"]["ap50"] == pytest.approx(0.5)
    assert document["ap50"] == pytest.approx(0.75)


def test_table_ends_with_the_mean_and_says_what_was_measured(bundle, data, capsys):
    assert main(["eval", str(bundle.root), "--data", str(data)]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0].split()[:4] == ["class", "AP50", "AP75", "AP50:95"]
    assert lines[4].split()[:2] == ["mean", "0.750"]
    assert lines[-1] == f"2 frames of {data.name} val, openvino fp32"
    assert shown.err == "", "a progress line is for terminals"


def test_chosen_classes_are_measured_alone(bundle, data, capsys):
    document = evaluate(capsys, bundle.root, data, "--classes", "odd")
    assert [row["name"] for row in document["per_class"]] == ["odd"]
    assert document["ap50"] == pytest.approx(1.0)


def test_bundle_is_measured_over_the_classes_that_it_states(bundle, data, tmp_path, capsys):
    """So that its card's mean and this one are over the same classes."""
    figure = AccuracyFigure("cells val", "ap50 odd", 1.0)
    manifest = replace(bundle.manifest, accuracy={"fp32": (figure,)}, files=())
    files = {file.path: bundle.root / file.path for file in bundle.manifest.files}
    stating = write_bundle(tmp_path / "stating.bundle", manifest, files)
    document = evaluate(capsys, stating.root, data)
    assert [row["name"] for row in document["per_class"]] == ["odd"]
    both = evaluate(capsys, stating.root, data, "--classes", "even,odd")
    assert [row["name"] for row in both["per_class"]] == ["even", "odd"]


def test_score_threshold_and_limit_are_obeyed(bundle, data, capsys):
    document = evaluate(
        capsys, bundle.root, data, "--score-threshold", "0.97", "--limit", "1", "--artefact", "fp32"
    )
    assert document["frames"] == 1
    assert document["score_threshold"] == 0.97
    assert sum(row["found"] for row in document["per_class"]) == 0
    assert document["ap50"] == pytest.approx(0.0)


def test_bundle_is_measured_without_torch(bundle, data):
    code = (
        "import sys\n"
        "for name in ('torch', 'nncf', 'onnx'): sys.modules[name] = None\n"
        "from edgekit.cli.main import main\n"
        f"raise SystemExit(main(['eval', {str(bundle.root)!r}, '--data', {str(data)!r}]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "mean" in done.stdout


@pytest.mark.workstation
def test_checkpoint_is_measured_over_its_headline_classes(tmp_path, capsys):
    torch = pytest.importorskip("torch", reason="the workstation half is not installed")
    from edgekit.train.config import InputConfig, TrainConfig
    from edgekit.train.trainer import as_checkpoint
    from model_zoo import create_detector, save_checkpoint
    from tests.train.scene import write_set

    torch.manual_seed(2)
    inputs = InputConfig(size=(128, 160), modality="thermal", mean=(70.0,) * 3, std=(40.0,) * 3)
    config = TrainConfig(input=inputs, headline_classes=("Truck",))
    model = create_detector("lwganet_l0-obb", 2).eval()
    path = tmp_path / "fresh.safetensors"
    save_checkpoint(path, as_checkpoint(config, ("Car", "Truck"), model, {}))
    folder = write_set(tmp_path / "set", frames=2)

    document = evaluate(capsys, path, folder)
    assert [row["name"] for row in document["per_class"]] == ["Truck"]
    assert document["engine"]["name"] == "torch"
    both = evaluate(capsys, path, folder, "--classes", "Car,Truck", "--limit", "1")
    assert [row["name"] for row in both["per_class"]] == ["Car", "Truck"]
    assert main(["eval", str(path), "--data", str(folder), "--precision", "int8"]) == 2
    assert "a checkpoint has no artefacts" in capsys.readouterr().err


def accuracy_of(bundle: Path) -> dict[str, float]:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (figures,) = manifest["accuracy"].values()
    return {row["metric"]: row["value"] for row in figures}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETS))
def test_shipped_bundle_has_the_accuracy_that_it_states(shared, capsys, name):
    """Within 0.5 points: the CPU that measured it may round 8-bit products differently."""
    bundle = BUNDLES / f"{name}.bundle"
    document = evaluate(capsys, bundle, shared / "data" / SETS[name])
    assert document["ap50"] == pytest.approx(accuracy_of(bundle)["ap50"], abs=0.005)


def test_shipped_bundle_finds_what_is_labelled_in_a_few_frames(shared, capsys):
    bundle = BUNDLES / "lwganet_l0-obb-thermal.bundle"
    document = evaluate(capsys, bundle, shared / "data" / "uav-thermal-obb", "--limit", "12")
    assert document["frames"] == 12
    assert document["engine"]["precision"] == "int8"
    assert document["ap50"] > 0.5


@pytest.mark.parametrize(
    ("options", "message", "code"),
    [
        (("--limit", "0"), "--limit is 0; it must be 1 or more", 2),
        (("--threads", "0"), "--threads is 0; it must be 1 or more", 2),
        (("--score-threshold", "1.5"), "--score-threshold is 1.5; use 0 up to below 1", 2),
        (("--score-threshold", "nan"), "--score-threshold is nan", 2),
        (("--classes", "evn"), "did you mean 'even'", 2),
        (("--split", "test"), "test", 2),
        (("--precision", "int8"), "no int8 artefact; it has fp32", 2),
        (("--artefact", "fp16"), "unknown artefact 'fp16'", 2),
    ],
)
def test_option_that_cannot_be_meant_is_one_line(bundle, data, capsys, options, message, code):
    assert main(["eval", str(bundle.root), "--data", str(data), *options]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("model", "message", "code"),
    [
        ("nowhere.bundle", "no checkpoint or bundle at", 2),
        (".", "classes.txt; write the class names there", 2),
    ],
)
def test_missing_model_or_data_is_one_line(capsys, tmp_path, model, message, code):
    assert main(["eval", str(tmp_path / model), "--data", str(tmp_path)]) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.write_bytes(b"not weights"), "is not a readable safetensors file"),
        (lambda path: path.mkdir(), "manifest.json"),
    ],
)
def test_what_is_neither_checkpoint_nor_bundle_is_one_line(data, tmp_path, capsys, make, message):
    if "safetensors" in message:
        pytest.importorskip("torch", reason="the workstation half is not installed")
    path = tmp_path / "model"
    make(path)
    assert main(["eval", str(path), "--data", str(data)]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
