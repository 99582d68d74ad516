"""Cards say what the modules and checkpoints are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.core import UsageError
from model_zoo.cards import find_card, list_cards, read_card

CARDS = {card.name: card for card in list_cards()}
BACKBONES = sorted(card.name for card in CARDS.values() if card.task == "backbone")
CHECKPOINTS = sorted(card.name for card in CARDS.values() if "checkpoint" in card.facts)
#: Their scan walks token by token: minutes at full size.
SLOW = {"dynamicvis_b", "dynamicvis_l"}
#: The least of a card.
PLAIN = """
name = "x"
title = "X"
task = "backbone"
params = 1
macs_g = 1.0
macs_input = [64, 64]
licence = "MIT"
"""


def slow_where_it_is(names):
    return [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in names]


@pytest.mark.workstation
def test_every_model_of_the_zoo_has_a_card():
    pytest.importorskip("torch", reason="the workstation half is not installed")
    from model_zoo import backbone_names, detector_names

    assert {*backbone_names(), *detector_names()} == CARDS.keys() - set(CHECKPOINTS)
    assert backbone_names() == BACKBONES


@pytest.mark.workstation
@pytest.mark.parametrize("name", BACKBONES)
def test_params_are_those_of_the_modules(name):
    pytest.importorskip("torch", reason="the workstation half is not installed")
    from model_zoo import create_backbone, create_detector
    from model_zoo.counting import count_params

    assert CARDS[name].params == count_params(create_backbone(name))
    assert CARDS[f"{name}-obb"].params == count_params(create_detector(f"{name}-obb", 4))


@pytest.mark.workstation
@pytest.mark.parametrize("name", slow_where_it_is(BACKBONES))
def test_macs_are_those_of_the_modules(name):
    pytest.importorskip("torch", reason="the workstation half is not installed")
    from model_zoo import create_backbone, create_detector
    from model_zoo.counting import count_macs

    for card, model in (
        (CARDS[name], create_backbone(name)),
        (CARDS[f"{name}-obb"], create_detector(f"{name}-obb", 4)),
    ):
        assert card.macs_g == pytest.approx(count_macs(model, card.macs_input) / 1e9, rel=1e-5)


@pytest.mark.workstation
@pytest.mark.parametrize("name", CHECKPOINTS)
def test_card_of_a_checkpoint_says_what_its_header_says(name):
    pytest.importorskip("torch", reason="the workstation half is not installed")
    from model_zoo import detector_from_checkpoint, load_checkpoint
    from model_zoo.counting import count_macs, count_params

    card = CARDS[name]
    checkpoint = load_checkpoint(Path(__file__).parents[2] / card.facts["checkpoint"])
    model = detector_from_checkpoint(checkpoint)
    assert tuple(card.facts["classes"]) == checkpoint.classes
    assert card.licence == checkpoint.licence
    assert card.facts["attribution"] == checkpoint.attribution
    assert card.macs_input == tuple(checkpoint.input["size"])
    assert (
        f"{checkpoint.input['mean'][0]:g}) / {checkpoint.input['std'][0]:g}"
        in (card.facts["preprocessing"])
    )
    assert card.params == count_params(model)
    assert card.macs_g == pytest.approx(count_macs(model, card.macs_input) / 1e9, rel=1e-5)


@pytest.mark.workstation
@pytest.mark.parametrize("name", ["lwganet_l0", "lwganet_l1", "lwganet_l2"])
def test_lwganet_counts_agree_with_the_published_ones(shared, name):
    pytest.importorskip("torch", reason="the workstation half is not installed")
    from model_zoo import create_backbone
    from model_zoo.counting import count_macs, count_params

    published = json.loads((shared / "models" / "published.json").read_text())
    measured = published["lwganet"]["variants"][name]["scene_classification"]["measured"]
    classifier = create_backbone(name, classes=1000)
    assert count_params(classifier) == measured["params_1000_classes"]
    macs_g = count_macs(classifier, (224, 224)) / 1e9
    assert macs_g == pytest.approx(measured["macs_g_224_1000_classes"], rel=0.01)


@pytest.mark.workstation
@pytest.mark.parametrize("name", ["legnet_tiny", "legnet_small"])
def test_legnet_counts_agree_with_the_published_ones(shared, name):
    pytest.importorskip("torch", reason="the workstation half is not installed")
    from model_zoo import create_backbone
    from model_zoo.counting import count_macs, count_params

    published = json.loads((shared / "models" / "published.json").read_text())
    counted = published["legnet"]["backbones"][name]
    backbone = create_backbone(name)
    assert count_params(backbone) == counted["params"]
    assert count_macs(backbone, (224, 224)) == pytest.approx(counted["macs_224"], rel=0.01)


def test_every_figure_of_a_card_has_its_source():
    for card in CARDS.values():
        for row in card.facts.get("published", ()):
            assert row["source"]
        for row in card.facts.get("measured", ()):
            assert row["command"].startswith(("edgekit ", "make ", "python "))


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('license = "MIT"\n', "did you mean 'licence'"),
        ("published = 3\n", "'published' must be a list"),
        ("measured = []\n", "'measured' has 0 items"),
        ('[[published]]\nmetric = "AP50"\n', "'published'.* key 'data_set' is missing"),
        ("classes = [1]\n", "'classes' must be a text"),
        ("name = 3\n", "cannot be read"),
    ],
)
def test_wrong_entry_is_named(tmp_path, wrong, message):
    card = tmp_path / "x.toml"
    card.write_text(PLAIN + wrong)
    with pytest.raises(UsageError, match=message):
        read_card(card)


@pytest.mark.parametrize("key", ["name", "title", "task", "params", "macs_g", "licence"])
def test_missing_entry_is_named(tmp_path, key):
    card = tmp_path / "x.toml"
    lines = [line for line in PLAIN.splitlines() if not line.startswith(f"{key} ")]
    card.write_text("\n".join(lines))
    with pytest.raises(UsageError, match=f"key '{key}' is missing"):
        read_card(card)


def test_input_of_a_card_has_two_sides(tmp_path):
    card = tmp_path / "x.toml"
    card.write_text(PLAIN.replace("[64, 64]", "[64]"))
    with pytest.raises(UsageError, match="'macs_input' has 1 items, not exactly 2"):
        read_card(card)


def test_unknown_model_names_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'lwganet_l0-obb'"):
        find_card("lwganet_l0-ob")
