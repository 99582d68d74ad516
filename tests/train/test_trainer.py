"""A run is deterministic, resumable, and leaves what a user needs."""

from __future__ import annotations

import csv
import dataclasses
import itertools
import json

import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.core import UsageError  # noqa: E402
from edgekit.data.dota import read_dota_folder  # noqa: E402
from edgekit.train.config import InputConfig, ScheduleConfig, TrainConfig, read_config  # noqa: E402
from edgekit.train.trainer import TrainOptions, learning_rate, train  # noqa: E402
from edgekit.train.validate import validator_for  # noqa: E402
from model_zoo import load_checkpoint  # noqa: E402
from tests.train.scene import write_set  # noqa: E402

pytestmark = [
    pytest.mark.workstation,
    # torch warns of its own future changes; they are not ours to mend here.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]

CONFIG = TrainConfig(
    seed=5,
    input=InputConfig(size=(128, 160), modality="thermal", mean=(70.0,) * 3, std=(40.0,) * 3),
    schedule=ScheduleConfig(
        crop=(96, 96), batch=2, steps=6, full_size_batch=1, full_size_steps=2, warmup_steps=2
    ),
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("set") / "rectangles")


def test_resumed_run_equals_an_unbroken_one(folder, tmp_path):
    data = read_dota_folder(folder, "train")
    train(CONFIG, data, TrainOptions(out=tmp_path / "whole"), None)
    parts = TrainOptions(out=tmp_path / "parts", stop_after_steps=3)
    for _ in range(3):
        train(CONFIG, data, parts, None)
    whole, resumed = (
        load_checkpoint(tmp_path / name / "last.safetensors") for name in ("whole", "parts")
    )
    assert whole.training["report"]["step"] == resumed.training["report"]["step"] == 8
    assert all(torch.equal(value, resumed.state[key]) for key, value in whole.state.items())


def test_run_leaves_logs_curves_and_the_best_checkpoint(folder, tmp_path):
    config = dataclasses.replace(CONFIG, data=str(folder))
    validation = read_dota_folder(folder, "val")
    options = TrainOptions(out=tmp_path, validate_every=4, log_every=2)
    best = train(
        config, read_dota_folder(folder, "train"), options, validator_for(config, validation)
    )
    assert best == tmp_path / "best.safetensors"
    with (tmp_path / "log.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [2, 4, 6, 8]
    lines = (tmp_path / "validation.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [4, 8]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    checkpoint = load_checkpoint(best)
    assert checkpoint.training["config"]["data"] == "rectangles"
    assert str(folder) not in json.dumps(checkpoint.training)


def test_other_configuration_is_not_resumed(folder, tmp_path):
    data = read_dota_folder(folder, "train")
    train(CONFIG, data, TrainOptions(out=tmp_path, stop_after_steps=1), None)
    other = dataclasses.replace(CONFIG, seed=6)
    with pytest.raises(UsageError, match="holds a run with another configuration"):
        train(other, data, TrainOptions(out=tmp_path), None)


def test_loss_falls(folder, tmp_path):
    schedule = dataclasses.replace(
        CONFIG.schedule, steps=40, full_size_steps=0, learning_rate=4e-3, batch=4
    )
    config = dataclasses.replace(CONFIG, schedule=schedule)
    data = read_dota_folder(folder, "train")
    train(config, data, TrainOptions(out=tmp_path, log_every=10), None)
    with (tmp_path / "log.csv").open() as file:
        box = [float(row["box"]) for row in csv.DictReader(file)]
    assert box[-1] < box[0]


def test_learning_rate_warms_up_and_falls_to_its_end():
    rates = [learning_rate(CONFIG, step) for step in range(CONFIG.total_steps + 1)]
    assert rates[1] == pytest.approx(CONFIG.schedule.learning_rate)
    assert rates[0] == pytest.approx(rates[1] / 2)
    assert rates[-1] == pytest.approx(CONFIG.schedule.final_learning_rate)
    assert all(a >= b for a, b in itertools.pairwise(rates[1:]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("sead = 3", "unknown key 'sead'; did you mean 'seed'"),
        ("[schedule]\nbatch = 'x'", "batch must be int"),
        ("[input]\nsize = [100, 640]", "must be multiples of 32"),
        ("[input]\nmodality = 'thermic'", "did you mean 'thermal'"),
        ("[input]\nsize = [64]", "must be a list of 2"),
        ("seed = ", "is not TOML"),
    ],
)
def test_wrong_configuration_is_named(tmp_path, text, message):
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=message):
        read_config(path)


@pytest.mark.parametrize("name", ["thermal", "sar-ships"])
def test_shipped_recipes_are_valid(name):
    from importlib.resources import files

    with_path = files("edgekit.train") / "recipes" / f"{name}.toml"
    config = read_config(with_path)  # type: ignore[arg-type]
    assert config.headline_classes
    assert config.attribution
