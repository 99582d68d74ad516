"""A checkpoint becomes a bundle that gives what eager PyTorch gives."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")
pytest.importorskip("nncf", reason="the quantiser is not installed")

from edgekit.bundle import open_bundle  # noqa: E402
from edgekit.cli.main import main  # noqa: E402
from edgekit.core import UsageError  # noqa: E402
from edgekit.data.dota import read_dota_folder  # noqa: E402
from edgekit.engines.base import open_engine  # noqa: E402
from edgekit.export.bundling import ExportRequest, export_bundle  # noqa: E402
from edgekit.export.openvino_ir import FLOAT_OPERATORS  # noqa: E402
from edgekit.train.config import InputConfig, ScheduleConfig, TrainConfig  # noqa: E402
from edgekit.train.trainer import TrainOptions, train  # noqa: E402
from targets import load_target  # noqa: E402
from tests.train.scene import write_set  # noqa: E402

pytestmark = [
    pytest.mark.workstation,
    # The exporter and the quantiser warn of their own future changes.
    pytest.mark.filterwarnings("ignore"),
]

SIZE = (96, 128)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("export") / "rectangles", frames=16, size=SIZE)


@pytest.fixture(scope="module")
def checkpoint(folder, tmp_path_factory):
    config = TrainConfig(
        input=InputConfig(size=SIZE, modality="thermal", mean=(70.0,) * 3, std=(40.0,) * 3),
        schedule=ScheduleConfig(
            crop=(96, 96), batch=4, steps=30, full_size_steps=0, warmup_steps=5
        ),
    )
    out = tmp_path_factory.mktemp("run")
    return train(config, read_dota_folder(folder, "train"), TrainOptions(out=out), None)


def request(checkpoint, out, **changes):
    settings = {
        "checkpoint": checkpoint,
        "target": load_target("cpu-x86"),
        "out": out,
        "precisions": ("fp32", "int8"),
        "calibration_frames": 16,
    }
    return ExportRequest(**(settings | changes))


@pytest.fixture(scope="module")
def report(folder, checkpoint, tmp_path_factory):
    out = tmp_path_factory.mktemp("bundles") / "rectangles.bundle"
    return export_bundle(request(checkpoint, out, data=folder))


def test_float_artefact_equals_eager(report):
    parity = report.measured["fp32"].parity
    assert parity.score_max_abs < 1e-4
    assert parity.score_cosine > 0.99999
    assert parity.detections["worst_iou"] > 0.99


def test_bundle_verifies_and_says_where_it_came_from(report, folder):
    manifest = open_bundle(report.bundle.root).manifest
    assert manifest.target == "cpu-x86"
    assert manifest.provenance.inputs["checkpoint"].startswith("sha256:")
    assert manifest.provenance.inputs["calibration"].startswith("sha256:")
    assert str(folder.parent) not in (report.bundle.root / "manifest.json").read_text()
    calibration = json.loads((report.bundle.root / "reports/calibration.json").read_text())
    assert len(calibration["frames"]) == 16


def test_int8_that_misses_a_gate_is_left_out_and_named(report):
    """A net this small may not gain the speed that the target asks for: both outcomes are right,
    a silent one is not."""
    kept = {artefact.precision for artefact in report.bundle.manifest.artefacts}
    assert "fp32" in kept
    assert ("int8" in kept) != ("int8" in report.refused)
    if "int8" in report.refused:
        assert "the gate is" in report.refused["int8"]


def test_kept_artefacts_run_what_they_promise(report):
    for artefact in report.bundle.manifest.artefacts:
        engine = open_engine(report.bundle, artefact_id=artefact.id)
        spec = engine.info.inputs[0]
        outputs = engine.infer({spec.name: np.zeros(spec.shape, np.float32)})
        assert engine.info.precision == artefact.precision
        assert outputs["boxes"].shape[2] == 5
        engine.close()


def test_sensitive_operators_stay_in_float():
    assert {"Sigmoid", "Softmax", "GroupConvolution", "MaxPool"} <= set(FLOAT_OPERATORS)


def test_taken_name_is_refused_before_any_work(report, checkpoint):
    with pytest.raises(UsageError, match="exists; use --force"):
        export_bundle(request(checkpoint, report.bundle.root, precisions=("fp32",)))


def test_too_few_calibration_frames_are_refused(checkpoint, folder, tmp_path):
    with pytest.raises(UsageError, match="calibration frames are too few"):
        export_bundle(request(checkpoint, tmp_path / "x", data=folder, calibration_frames=4))


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["--target", "cpu-x68"], "unknown target 'cpu-x68'; did you mean 'cpu-x86'", 2),
        (["--target", "cpu-x86"], "INT8 needs calibration frames; give --data", 2),
        (["--target", "cpu-x86", "--precision", "fp16"], "does not compute fp16", 2),
        (["--target", "cpu-x86", "--precision", "fp32", "--size", "100", "96"], "input size", 2),
    ],
)
def test_misuse_is_one_line(checkpoint, tmp_path, capsys, arguments, message, code):
    out = tmp_path / "x.bundle"
    assert main(["export", str(checkpoint), "--out", str(out), *arguments]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not out.exists()


def test_broken_checkpoint_is_one_line(tmp_path, capsys):
    path = tmp_path / "broken.safetensors"
    path.write_bytes(b"not weights")
    arguments = ["export", str(path), "--target", "cpu-x86", "--precision", "fp32"]
    assert main([*arguments, "--out", str(tmp_path / "x.bundle")]) == 1
    assert "not a readable safetensors file" in capsys.readouterr().err
