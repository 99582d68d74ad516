"""Checkpoints are data: they round-trip, and what does not fit is refused by name."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

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


def write_header(path, text):
    save_file({"weight": torch.zeros(3)}, path, {"schema": "edgekit.checkpoint/1", "edgekit": text})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model": 3}, "'model' must be a text"),
        ({"classes": []}, "'classes' has 0 items"),
        ({"classes": "Car"}, "'classes' must be a list"),
        ({"licence": None}, "'licence' is missing or of the wrong type"),
        ({"extra": 1}, "unknown key 'extra'"),
        ({"input": {"size": [96, 96]}}, "'input': key 'modality' is missing"),
        ({"input": {"sise": [96, 96]}}, "did you mean 'size'"),
        ({"training": 1}, "'training' is missing or of the wrong type"),
    ],
)
def test_header_that_says_too_little_is_refused(checkpoint, tmp_path, change, message):
    header = {name: getattr(checkpoint, name) for name in checkpoint.__slots__ if name != "state"}
    write_header(tmp_path / "a.safetensors", json.dumps(header | change))
    with pytest.raises(CheckpointError, match=message):
        load_checkpoint(tmp_path / "a.safetensors")


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]"])
def test_header_that_is_no_object_is_refused(tmp_path, text):
    write_header(tmp_path / "a.safetensors", text)
    with pytest.raises(CheckpointError, match=r"header is not JSON|must be an object"):
        load_checkpoint(tmp_path / "a.safetensors")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_typed_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "a.safetensors"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"not a readable safetensors file|carries no"):
        load_checkpoint(path)


def test_lines_in_an_attribution_are_kept(checkpoint, tmp_path):
    """A TOML recipe may write it over several lines."""
    written = replace(checkpoint, attribution="one\ntwo")
    save_checkpoint(tmp_path / "a.safetensors", written)
    assert load_checkpoint(tmp_path / "a.safetensors").attribution == "one\ntwo"


def test_unknown_model_is_named_with_the_file(checkpoint):
    wrong = replace(checkpoint, model="lwganet_l9-obb")
    with pytest.raises(CheckpointError, match=r"^a\.safetensors: unknown model 'lwganet_l9-obb'"):
        detector_from_checkpoint(wrong, "a.safetensors")


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
