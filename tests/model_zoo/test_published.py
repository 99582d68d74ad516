"""Published weights load in every form that they come in; what does not fit is named."""

from __future__ import annotations

import os
import pickle

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from safetensors.torch import save_file  # noqa: E402

from edgekit.core import CheckpointError  # noqa: E402
from model_zoo import create_backbone, load_published  # noqa: E402

pytestmark = pytest.mark.workstation

NAMES = ("lwganet_l0", "legnet_tiny", "dynamicvis_b")


@pytest.fixture(scope="module")
def sources():
    torch.manual_seed(0)
    return {name: create_backbone(name) for name in NAMES}


def built(name, **options):
    torch.manual_seed(1)
    return create_backbone(name, **options)


def is_equal(model, source):
    state = source.state_dict()
    return all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "meta": {"epoch": 3}},
        lambda state: {"model": state, "optimizer": {}, "epoch": 3},
        lambda state: {f"module.{k}": v for k, v in state.items()},
        lambda state: {"state_dict": {f"backbone.{k}": v for k, v in state.items()}},
        lambda state: {"state_dict": {f"net.backbone.{k}": v for k, v in state.items()}},
    ],
    ids=["bare", "state_dict", "model", "module", "backbone", "net.backbone"],
)
def test_every_wrapping_loads(sources, tmp_path, name, wrap):
    torch.save(wrap(sources[name].state_dict()), tmp_path / "weights.pth")
    model = built(name)
    report = load_published(model, tmp_path / "weights.pth")
    assert (report.kept, report.ignored) == ((), ())
    assert is_equal(model, sources[name])


def test_safetensors_with_one_of_two_names_load(sources, tmp_path):
    state = {k: v for k, v in sources["legnet_tiny"].state_dict().items() if "LFEA.block" not in k}
    save_file(state, tmp_path / "weights.safetensors")
    model = built("legnet_tiny")
    assert load_published(model, tmp_path / "weights.safetensors").kept == ()
    assert is_equal(model, sources["legnet_tiny"])


def test_an_embedding_of_another_size_loads(sources, tmp_path):
    torch.save(sources["dynamicvis_b"].state_dict(), tmp_path / "weights.pth")
    model = built("dynamicvis_b", image_size=128)
    load_published(model, tmp_path / "weights.pth")
    assert model.pos_embed.shape == (1, 1024, 96)


def test_a_classifier_gives_a_backbone_its_weights(tmp_path):
    source = built("lwganet_l0", classes=10)
    torch.save({"model": source.state_dict()}, tmp_path / "weights.pth")
    model = built("lwganet_l0")
    report = load_published(model, tmp_path / "weights.pth")
    assert set(report.ignored) == {"avgpool_pre_head.1.weight", "head.weight", "head.bias"}
    assert {name.split(".")[0] for name in report.kept} == {"norm0", "norm2", "norm4", "norm6"}
    assert torch.equal(model.Stem.proj.weight, source.Stem.proj.weight)


def test_the_other_parts_of_a_detector_are_reported(sources, tmp_path):
    state = {f"backbone.{k}": v for k, v in sources["legnet_tiny"].state_dict().items()}
    state["neck.lateral_convs.0.conv.weight"] = torch.zeros(1)
    torch.save({"state_dict": state}, tmp_path / "weights.pth")
    report = load_published(built("legnet_tiny"), tmp_path / "weights.pth")
    assert report.ignored == ("neck.lateral_convs.0.conv.weight",)


@pytest.mark.parametrize(
    ("saved", "options", "loaded", "message"),
    [
        ("legnet_small", {}, "legnet_tiny", "Stem.Conv_D.0.weight is"),
        ("lwganet_l0", {}, "legnet_tiny", "no weights for Stem.Conv_D.0.weight"),
        ("lwganet_l1", {}, "lwganet_l0", "Stem.proj.weight is"),
        ("dynamicvis_l", {"image_size": 64}, "dynamicvis_b", "pos_embed is"),
    ],
)
def test_another_variant_is_refused_by_its_first_mismatch(
    tmp_path, saved, options, loaded, message
):
    torch.save(create_backbone(saved, **options).state_dict(), tmp_path / "weights.pth")
    model = built(loaded)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(CheckpointError, match=message):
        load_published(model, tmp_path / "weights.pth")
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_another_class_count_is_refused(tmp_path):
    torch.save(built("legnet_tiny", classes=5).state_dict(), tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=r"head.weight is \(5, 256\), not \(7, 256\)"):
        load_published(built("legnet_tiny", classes=7), tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop("stages.2.blocks.1.norm.weight"), "no weights for stages.2.blocks.1"),
        (lambda s: s.pop("norm4.weight"), "no weights for norm4.weight"),
        (lambda s: s.update({"stages.9.weight": torch.zeros(1)}), "stages.9.weight is not in"),
        (lambda s: s.update({"epoch": 3}), "'epoch' is a int, not an array"),
    ],
)
def test_one_wrong_entry_is_named(sources, tmp_path, change, message):
    state = dict(sources["legnet_tiny"].state_dict())
    change(state)
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(CheckpointError, match=message):
        load_published(built("legnet_tiny"), tmp_path / "weights.pth")


class Runs:
    """A pickle that makes a folder when it is executed."""

    def __init__(self, folder):
        self.folder = folder

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("plain", [True, False])
def test_code_in_a_file_is_not_executed(tmp_path, plain):
    path, folder = tmp_path / "weights.pth", tmp_path / "made"
    content = {"state_dict": {"a": Runs(str(folder))}}
    if plain:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match="not executed"):
        load_published(built("legnet_tiny"), path)
    assert not folder.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_file_is_refused(sources, tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    state = {k: v.clone() for k, v in sources["lwganet_l0"].state_dict().items()}
    save_file(state, whole) if suffix == ".safetensors" else torch.save(state, whole)
    for part in (0, 1, 100, whole.stat().st_size // 2):
        cut = tmp_path / f"cut{suffix}"
        cut.write_bytes(whole.read_bytes()[:part])
        with pytest.raises(CheckpointError):
            load_published(built("lwganet_l0"), cut)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no weights at"):
        load_published(built("lwganet_l0"), tmp_path / "none.pth")


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(content=st.binary(max_size=300), suffix=st.sampled_from([".pth", ".safetensors"]))
def test_any_bytes_give_one_typed_error(tmp_path, content, suffix):
    path = tmp_path / f"weights{suffix}"
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        load_published(create_backbone("legnet_tiny"), path)
    assert "\n" not in str(caught.value)
