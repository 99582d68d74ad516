"""Checkpoints are data: they round-trip, and what does not fit is refused by name."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from safetensors.torch import save_file  # noqa: E402

from edgekit.core import CheckpointError  # noqa: E402
from model_zoo import (  # noqa: E402
    Checkpoint,
    create_detector,
    detector_from_checkpoint,
    load_checkpoint,
    save_checkpoint,
)

pytestmark = pytest.mark.workstation


@pytest.fixture(scope="module")
def checkpoint() -> Checkpoint:
    torch.manual_seed(3)
    model = create_detector("lwganet_l0-obb", 2)
    return Checkpoint(
        model="lwganet_l0-obb",
        classes=("Car", "Person"),
        input={
            "size": [96, 128],
            "modality": "thermal",
            "mean": [120.0] * 3,
            "std": [50.0] * 3,
            "resize": "letterbox",
            "tile_overlap_px": 32,
        },
        licence="CC-BY-4.0",
        attribution="somebody",
        training={},
        state=model.state_dict(),
    )


def test_checkpoint_round_trips(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "a.safetensors", checkpoint)
    loaded = load_checkpoint(tmp_path / "a.safetensors")
    assert replace(loaded, state={}) == replace(checkpoint, state={})
    assert all(torch.equal(loaded.state[key], value) for key, value in checkpoint.state.items())
    detector_from_checkpoint(loaded)


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        load_checkpoint(tmp_path / "none.safetensors")


def test_truncated_file_is_refused(checkpoint, tmp_path):
    path = tmp_path / "cut.safetensors"
    save_checkpoint(path, checkpoint)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="not a readable safetensors file"):
        load_checkpoint(path)


def test_pickle_is_refused_and_not_executed(tmp_path):
    witness = tmp_path / "executed"

    class Bomb:
        def __reduce__(self):
            return os.system, (f"touch {witness}",)

    path = tmp_path / "bomb.safetensors"
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(CheckpointError):
        load_checkpoint(path)
    assert not witness.exists()


def test_foreign_safetensors_file_is_refused(tmp_path):
    save_file({"weight": torch.zeros(3)}, tmp_path / "foreign.safetensors")
    with pytest.raises(CheckpointError, match=r"carries no edgekit\.checkpoint/1 header"):
        load_checkpoint(tmp_path / "foreign.safetensors")


def test_other_class_count_names_the_first_mismatch(checkpoint):
    wrong = replace(checkpoint, classes=("Car",))
    with pytest.raises(CheckpointError, match=r"head\.cls_pred\.0\.weight is \(2, 64, 1, 1\)"):
        detector_from_checkpoint(wrong)


def test_other_variant_names_the_first_mismatch(checkpoint):
    wrong = replace(checkpoint, model="lwganet_l1-obb")
    with pytest.raises(CheckpointError, match=r"backbone\.Stem\.proj\.weight is \(32, 3, 4, 4\)"):
        detector_from_checkpoint(wrong)


@pytest.mark.parametrize("change", ["missing", "unexpected"])
def test_missing_and_unexpected_weights_are_named(checkpoint, change):
    state = dict(checkpoint.state)
    if change == "missing":
        del state["neck.detail.0.weight"]
    else:
        state["neck.extra"] = torch.zeros(1)
    name = "neck.detail.0.weight" if change == "missing" else "neck.extra"
    with pytest.raises(CheckpointError, match=name):
        detector_from_checkpoint(replace(checkpoint, state=state))
