import json
from pathlib import Path

import pytest

from edgekit.bundle import AccuracyFigure, InputSpec, TileSpec
from edgekit.cli.main import main
from tests.bundle.examples import example_bundle, example_manifest


def test_a_bundle_is_summed_up_for_people(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = example_bundle(tmp_path)
    assert main(["inspect", str(bundle.root)]) == 0
    out = capsys.readouterr().out
    for text in (
        "lwganet_l0-obb 1",
        "2: Person, Car",
        "optical, 32x32, 3 channels from RGB, letterbox",
        "score >= 0.05, rotated NMS at IoU 0.5 class by class, at most 300",
        "CC-BY-4.0",
        "edgekit export car.safetensors",
        "edgekit 0.1.0",
        "cpu-x86",
        bundle.digest,
    ):
        assert text in out
    row = next(line for line in out.splitlines() if line.startswith("openvino-fp32"))
    assert row.split() == ["openvino-fp32", "openvino", "2026.4.1", "fp32", "0.00", "0.7100"]
    assert "measured on cars val" in out


def test_tiling_and_what_was_not_measured_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = example_manifest().input
    tiled = InputSpec(
        **{name: getattr(spec, name) for name in InputSpec.__slots__}
        | {"resize": "tile", "tile": TileSpec((32, 32), 8), "modality": "sar"}
    )
    bundle = example_bundle(tmp_path, input=tiled, accuracy={})
    assert main(["inspect", str(bundle.root)]) == 0
    out = capsys.readouterr().out
    assert "sar, 32x32, 3 channels from RGB, tiles of 32x32 overlapping by 8 px" in out
    assert "measured" not in out


def test_a_program_gets_the_manifest_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = (AccuracyFigure("cars val", "ap50", 0.71), AccuracyFigure("cars val", "ap75", 0.4))
    bundle = example_bundle(tmp_path, accuracy={"openvino-fp32": figures})
    assert main(["inspect", str(bundle.root), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.inspect/1"
    assert document["digest"] == bundle.digest
    assert document["manifest"]["classes"] == ["Person", "Car"]
    assert [row["metric"] for row in document["manifest"]["accuracy"]["openvino-fp32"]] == [
        "ap50",
        "ap75",
    ]


def test_nothing_is_told_of_an_altered_bundle(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = example_bundle(tmp_path)
    (bundle.root / "card.md").write_bytes(b"")
    assert main(["inspect", str(bundle.root)]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "'card.md' has 0 bytes, not 21; fetch" in captured.err
