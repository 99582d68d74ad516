"""`edgekit models` lists the zoo and shows a card."""

from __future__ import annotations

import json

from edgekit.cli.main import main


def test_models_lists_every_card_as_json(capsys):
    assert main(["models", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.models/1"
    names = {model["name"] for model in document["models"]}
    assert {"lwganet_l0", "lwganet_l0-obb", "lwganet_l0-obb-thermal"} <= names
    assert all(model["params"] > 0 and model["macs_g"] > 0 for model in document["models"])


def test_shipped_checkpoint_shows_its_licence_and_figures(capsys):
    assert main(["models", "show", "lwganet_l0-obb-thermal"]) == 0
    page = capsys.readouterr().out
    assert "CC-BY-4.0" in page
    assert "AP50" in page


def test_unknown_model_names_the_nearest(capsys):
    assert main(["models", "show", "lwganet_l0-obb-termal"]) == 2
    assert "did you mean 'lwganet_l0-obb-thermal'" in capsys.readouterr().err


def test_show_without_a_name_is_misuse(capsys):
    assert main(["models", "show"]) == 2
    assert "no model named" in capsys.readouterr().err
