"""A run that was broken off goes on as if it had not been; what cannot go on is said."""

from __future__ import annotations

import csv
import dataclasses

import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.core import CheckpointError, EdgekitError  # noqa: E402
from edgekit.data.dota import read_dota_folder  # noqa: E402
from edgekit.train import trainer  # noqa: E402
from edgekit.train.config import InputConfig, ScheduleConfig, TrainConfig  # noqa: E402
from edgekit.train.loss import detection_loss  # noqa: E402
from edgekit.train.trainer import TrainOptions, train  # noqa: E402
from model_zoo import load_checkpoint  # noqa: E402
from tests.train.scene import write_set  # noqa: E402

pytestmark = [
    pytest.mark.workstation,
    # torch warns of its own future changes; they are not ours to mend here.
    pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*"),
]

CONFIG = TrainConfig(
    seed=5,
    input=InputConfig(size=(96, 96), modality="thermal", mean=(70.0,) * 3, std=(40.0,) * 3),
    schedule=ScheduleConfig(crop=(96, 96), batch=2, steps=4, full_size_steps=0, warmup_steps=2),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = write_set(tmp_path_factory.mktemp("set") / "rectangles", frames=3)
    return read_dota_folder(folder, "train")


def weights(folder):
    return load_checkpoint(folder / "last.safetensors").state


def test_run_broken_off_inside_a_step_equals_an_unbroken_one(data, tmp_path, monkeypatch):
    """The forward pass has moved the norms' statistics by then: that state must not be kept."""
    train(CONFIG, data, TrainOptions(out=tmp_path / "whole"), None)
    calls = []

    def interrupted_loss(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return detection_loss(*arguments)

    options = TrainOptions(out=tmp_path / "broken", save_every_s=0.0)
    with monkeypatch.context() as patch:
        patch.setattr(trainer, "detection_loss", interrupted_loss)
        with pytest.raises(KeyboardInterrupt):
            train(CONFIG, data, options, None)
    train(CONFIG, data, options, None)
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "broken")
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


def test_best_checkpoint_survives_a_run_that_is_broken_off(data, tmp_path):
    """The first score is the best; whoever goes on must know of it."""
    scores = iter((0.8, KeyboardInterrupt, 0.5, 0.4, 0.3))

    def score(model):
        value = next(scores)
        if value is KeyboardInterrupt:
            raise KeyboardInterrupt
        return {"ap50": value, "map50_95": value}

    options = TrainOptions(out=tmp_path, validate_every=1)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, data, options, score)
    best = train(CONFIG, data, options, score)
    report = load_checkpoint(best).training["report"]
    assert (report["step"], report["ap50"]) == (1, 0.8)


def test_drop_path_is_resumed_too(data, tmp_path):
    """LWGANet-L1 drops residual branches at random."""
    config = dataclasses.replace(CONFIG, model="lwganet_l1-obb")
    train(config, data, TrainOptions(out=tmp_path / "whole"), None)
    parts = TrainOptions(out=tmp_path / "parts", stop_after_steps=2)
    for _ in range(2):
        train(config, data, parts, None)
    whole, resumed = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(value, resumed[key]) for key, value in whole.items())


def test_finished_run_is_left_as_it_is(data, tmp_path):
    options = TrainOptions(out=tmp_path, log_every=1)
    train(CONFIG, data, options, None)
    before, log = weights(tmp_path), (tmp_path / "log.csv").read_text()
    train(CONFIG, data, options, None)
    assert all(torch.equal(value, before[key]) for key, value in weights(tmp_path).items())
    assert (tmp_path / "log.csv").read_text() == log


def test_log_without_a_state_is_begun_anew(data, tmp_path):
    options = TrainOptions(out=tmp_path, log_every=2)
    train(CONFIG, data, options, None)
    (tmp_path / "last.pt").unlink()
    train(CONFIG, data, options, None)
    with (tmp_path / "log.csv").open() as file:
        assert [row["step"] for row in csv.DictReader(file)] == ["2", "4"]


@pytest.mark.parametrize("content", [b"", b"no state", b"PK\x03\x04 cut short"])
def test_unreadable_state_is_named(data, tmp_path, content):
    (tmp_path / "last.pt").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"last\.pt is not a readable state of a run"):
        train(CONFIG, data, TrainOptions(out=tmp_path), None)


def test_loss_that_is_not_finite_ends_the_run_and_keeps_the_state(data, tmp_path):
    fast = dataclasses.replace(CONFIG.schedule, learning_rate=1e30, warmup_steps=0)
    config = dataclasses.replace(CONFIG, schedule=fast)
    with pytest.raises(EdgekitError, match="the loss is not finite at step"):
        train(config, data, TrainOptions(out=tmp_path), None)
    assert not (tmp_path / "last.safetensors").exists()


def test_run_starts_from_another_checkpoint_and_says_how_much_of_it_fits(data, tmp_path):
    said = []
    train(CONFIG, data, TrainOptions(out=tmp_path / "first"), None)
    start = tmp_path / "first" / "last.safetensors"
    config = dataclasses.replace(CONFIG, init=str(start))
    options = TrainOptions(out=tmp_path / "second", stop_after_steps=1, say=said.append)
    train(config, data, options, None)
    count = len(weights(tmp_path / "first"))
    assert said[0] == f"{count} of {count} entries start from {start}"
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        train(dataclasses.replace(CONFIG, init="nowhere"), data, options, None)
