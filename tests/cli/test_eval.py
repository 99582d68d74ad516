"""`edgekit eval` on the shipped bundles and on what is not one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.cli.main import main

BUNDLES = Path(__file__).parents[2] / "edgekit" / "assets" / "bundles"
SETS = {"lwganet_l0-obb-thermal": "uav-thermal-obb", "lwganet_l0-obb-sar-ships": "sar-ships"}


def accuracy_of(bundle: Path) -> dict[str, float]:
    manifest = json.loads((bundle / "manifest.json").read_text())
    (figures,) = manifest["accuracy"].values()
    return {row["metric"]: row["value"] for row in figures}


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(SETS))
def test_shipped_bundle_has_the_accuracy_that_it_states(shared, capsys, name):
    """Within 0.5 points: the CPU that measured it may round 8-bit products differently."""
    bundle = BUNDLES / f"{name}.bundle"
    stated = accuracy_of(bundle)
    classes = [key.removeprefix("ap50 ") for key in stated if key.startswith("ap50 ")]
    data = shared / "data" / SETS[name]
    code = main(
        ["eval", str(bundle), "--data", str(data), "--classes", ",".join(classes), "--json"]
    )
    assert code == 0
    document = json.loads(capsys.readouterr().out)
    assert document["ap50"] == pytest.approx(stated["ap50"], abs=0.005)


def test_subset_of_frames_is_measured(shared, capsys):
    bundle = BUNDLES / "lwganet_l0-obb-thermal.bundle"
    data = shared / "data" / "uav-thermal-obb"
    assert main(["eval", str(bundle), "--data", str(data), "--limit", "12", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["frames"] == 12
    assert document["engine"]["precision"] == "int8"
    assert document["ap50"] > 0.5


@pytest.mark.parametrize(
    ("arguments", "message", "code"),
    [
        (["eval", "nowhere.bundle", "--data", "."], "no checkpoint or bundle at", 2),
        (["eval", str(BUNDLES), "--data", "."], "no classes.txt", 2),
    ],
)
def test_misuse_is_one_line(capsys, arguments, message, code):
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
