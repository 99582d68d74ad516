"""`edgekit train`: a run from the command line, and what it refuses."""

from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.cli.main import main
from model_zoo import load_checkpoint
from tests.train.scene import write_set

pytestmark = [
    pytest.mark.workstation,
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]

RECIPE = """
[input]
size = [96, 96]
modality = "thermal"

[schedule]
crop = [96, 96]
steps = 2
full_size_steps = 0
batch = 2
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set") / "rectangles", frames=2)


def test_run_writes_a_checkpoint_and_prints_where(data, tmp_path, capsys):
    (tmp_path / "run.toml").write_text(RECIPE)
    arguments = ["train", str(tmp_path / "run.toml"), "--data", str(data), "--steps", "1"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 0
    path = capsys.readouterr().out.strip()
    checkpoint = load_checkpoint(tmp_path / "run" / "best.safetensors")
    assert path == str(tmp_path / "run" / "best.safetensors")
    assert checkpoint.classes == ("Car", "Truck")
    assert checkpoint.training["config"]["schedule"]["steps"] == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "no data set; give --data"),
        (["--data", "nowhere"], "no nowhere/classes.txt"),
        (["--data", "DATA", "--model", "legnet_tny-obb"], "did you mean 'legnet_tiny-obb'"),
        (["--data", "DATA", "--modality", "thermic"], "did you mean 'thermal'"),
        (["--data", "DATA", "--size", "100", "96"], "must be multiples of 32"),
        (["--data", "DATA", "--steps", "-1"], "schedule has no steps"),
        (["--data", "DATA", "--seed", "-1"], "seed is -1; it must be at least 0"),
        (["--data", "DATA", "--validate-every", "0"], "--validate-every is 0"),
        (["--data", "DATA", "--threads", "-2"], "--threads is -2"),
        (["nowhere.toml"], "cannot read nowhere.toml: No such file"),
    ],
)
def test_misuse_is_one_line(data, tmp_path, capsys, options, message):
    given = [str(data) if item == "DATA" else item for item in options]
    assert main(["train", *given, "--out", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("modle = 'x'", "unknown key 'modle'; did you mean 'model'"),
        ("[schedule]\nstpes = 3", "unknown key 'stpes'; did you mean 'steps'"),
        ("[augment]\nscale = [0.0, 1.0]", "augment.scale is (0.0, 1.0); it must be two rising"),
        ("[input]\nstd = [1.0, 0.0, 1.0]", "input.std is (1.0, 0.0, 1.0); it must be above 0"),
        (RECIPE.replace("batch = 2", "batch = 1"), "schedule.batch is 1; it must be 2 or more"),
        ("[schedule]\nlearning_rate = nan", "schedule.learning_rate is nan; it must be above 0"),
    ],
)
def test_wrong_recipe_names_key_and_cure(tmp_path, capsys, text, message):
    (tmp_path / "run.toml").write_text(text)
    assert main(["train", str(tmp_path / "run.toml"), "--out", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
