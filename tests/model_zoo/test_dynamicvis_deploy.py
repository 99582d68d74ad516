"""DynamicVis' static form gives what the trained form gives."""

from __future__ import annotations

import json

import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.core import UsageError  # noqa: E402
from model_zoo import create_backbone, create_detector  # noqa: E402
from model_zoo.backbones.dynamicvis import DynamicVis, DynamicVisConfig  # noqa: E402
from model_zoo.deploy import DeployObb, DeploySpec, reparameterize  # noqa: E402
from model_zoo.deploy.dynamicvis import (  # noqa: E402
    DeployDynamicVis,
    states_at_once,
    top_tokens,
)
from tests.model_zoo.filling import golden_input  # noqa: E402
from tests.model_zoo.scaled_filling import COMPACT, fill_from_spec, spec_of  # noqa: E402
from tests.model_zoo.static_graph import differences, run_exported  # noqa: E402

pytestmark = pytest.mark.workstation


@pytest.fixture(scope="module")
def filled():
    golden = json.loads((COMPACT / "dynamicvis_b_128x128.json").read_text())
    model = create_backbone("dynamicvis_b").eval()
    fill_from_spec(model, spec_of(model, golden["fill_scales"], "^$"))
    return model


def golden_frame():
    """The golden's input: no two tokens of it tie within rounding."""
    return golden_input((1, 3, 128, 128), "dynvis-7")


def shallow(seed=0, **changes):
    """One block a stage, with mixers that are felt and positions that are not zero."""
    torch.manual_seed(seed)
    model = DynamicVis(DynamicVisConfig(32, (1, 1, 1, 1), **changes), image_size=(64, 64))
    torch.nn.init.normal_(model.pos_embed)
    for name, parameter in model.named_parameters():
        if name.endswith("out_proj.weight"):
            torch.nn.init.normal_(parameter)
    return model.eval()


@pytest.mark.parametrize("top_k_limit", [None, 100, 48])
def test_static_features_equal_the_trained_ones(filled, top_k_limit):
    x = golden_frame()
    static = DeployDynamicVis(filled, (128, 128), top_k_limit=top_k_limit)
    with torch.no_grad():
        assert max(differences(filled(x), static(x))) <= 1e-4


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"keep": (0, 0, 0, 0)},
        {"keep": (1, 1, 1, 1), "weigh_all": False, "global_tokens": False},
        {"global_tokens": False},
    ],
    ids=["published", "no router", "all tokens", "no global tokens"],
)
@pytest.mark.parametrize("size", [(64, 64), (64, 128), (160, 96)])
def test_every_variant_and_size_equals_the_trained_one(changes, size):
    model = shallow(**changes)
    x = torch.randn(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert max(differences(model(x), reparameterize(model, size)(x))) <= 1e-5


def test_states_in_groups_give_the_same(monkeypatch):
    model, x = shallow(), torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr("model_zoo.deploy.dynamicvis.SCAN_TENSOR_BYTES", 1)
    grouped = reparameterize(model)
    assert grouped.stages[0][0].mixer.group == 1
    with torch.no_grad():
        assert max(differences(model(x), grouped(x))) <= 1e-5


@pytest.mark.parametrize(("side", "states"), [(128, 16), (512, 16), (1024, 16), (2048, 4)])
def test_large_images_take_few_states_at_once(side, states):
    """Both directions, global and selected tokens of the first stage, inner width 192."""
    tokens = side // 4 + (side // 4) ** 2 // 8
    assert states_at_once(2 * tokens * 192, 16) == states


@pytest.mark.parametrize("limit", [1, 7, 50, 64, 100])
def test_rounds_of_top_k_equal_one(limit):
    logits = torch.randn(2, 90, generator=torch.Generator().manual_seed(0)) * 1e30
    expected = logits.sort(dim=1, descending=True).indices[:, :64]
    assert torch.equal(top_tokens(logits, 64, limit), expected)


def test_rounds_repeat_no_token_where_all_tie():
    ids = top_tokens(torch.zeros(1, 40), 40, 9)
    assert sorted(ids[0].tolist()) == list(range(40))


def test_the_model_is_not_touched():
    model = shallow()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    reparameterize(model)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_another_size_is_refused():
    static = reparameterize(shallow())
    with pytest.raises(UsageError, match="64x64 px, not 96x64"):
        static(torch.zeros(1, 3, 96, 64))
    with pytest.raises(UsageError, match="multiples of 32"):
        reparameterize(shallow(), (64, 100))


def test_the_static_classifier_equals_the_trained_one():
    torch.manual_seed(0)
    model = DynamicVis(DynamicVisConfig(32, (1, 1, 1, 1)), 5, (64, 64)).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.allclose(model(x), reparameterize(model)(x), atol=1e-5)


def test_folded_detector_equals_the_trained_one():
    torch.manual_seed(0)
    model = create_detector("dynamicvis_b-obb", 3).eval()
    x = golden_input((1, 3, 64, 96), "fold")
    with torch.no_grad():
        expected, found = model(x), reparameterize(model, (64, 96))(x)
        boxes, scores, labels = DeployObb(model, DeploySpec((64, 96), 20))(x)
    for level, folded in zip(expected, found, strict=True):
        assert max(differences(level, folded)) <= 1e-4
    assert (boxes.shape, scores.shape, labels.shape) == ((1, 20, 5), (1, 20), (1, 20))


@pytest.mark.parametrize("size", [(64, 64), (96, 128)])
def test_the_exported_graph_is_plain_and_gives_the_same(size):
    model = shallow()
    x = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        expected = model(x)
    assert max(differences(expected, run_exported(reparameterize(model, size), x))) <= 1e-3


@pytest.mark.slow
def test_the_whole_exported_backbone_gives_the_same(filled):
    x = golden_frame()
    with torch.no_grad():
        expected = filled(x)
    assert max(differences(expected, run_exported(reparameterize(filled, (128, 128)), x))) <= 1e-3
