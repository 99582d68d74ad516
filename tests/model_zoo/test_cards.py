"""Cards say what the modules are."""

from __future__ import annotations

import json

import pytest

from edgekit.core import UsageError
from model_zoo.cards import find_card, list_cards, read_card

CARDS = {card.name: card for card in list_cards()}


@pytest.mark.workstation
@pytest.mark.parametrize("name", ["lwganet_l0", "lwganet_l1", "lwganet_l2"])
def test_params_and_macs_are_those_of_the_modules(name):
    pytest.importorskip("torch", reason="the workstation half is not installed")
    from model_zoo import create_backbone, create_detector
    from model_zoo.counting import count_macs, count_params

    for card, model in (
        (CARDS[name], create_backbone(name)),
        (CARDS[f"{name}-obb"], create_detector(f"{name}-obb", 4)),
    ):
        assert card.params == count_params(model)
        assert card.macs_g == pytest.approx(count_macs(model, card.macs_input) / 1e9, rel=1e-5)


@pytest.mark.workstation
@pytest.mark.parametrize("name", ["lwganet_l0", "lwganet_l1", "lwganet_l2"])
def test_counts_agree_with_the_published_ones(shared, name):
    pytest.importorskip("torch", reason="the workstation half is not installed")
    from model_zoo import create_backbone
    from model_zoo.counting import count_macs, count_params

    published = json.loads((shared / "models" / "published.json").read_text())
    measured = published["lwganet"]["variants"][name]["scene_classification"]["measured"]
    classifier = create_backbone(name, classes=1000)
    assert count_params(classifier) == measured["params_1000_classes"]
    macs_g = count_macs(classifier, (224, 224)) / 1e9
    assert macs_g == pytest.approx(measured["macs_g_224_1000_classes"], rel=0.01)


def test_unknown_key_names_the_nearest(tmp_path):
    card = tmp_path / "x.toml"
    card.write_text('name = "x"\nlicense = "MIT"\n')
    with pytest.raises(UsageError, match="did you mean 'licence'"):
        read_card(card)


def test_unknown_model_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'lwganet_l0-obb'"):
        find_card("lwganet_l0-ob")
