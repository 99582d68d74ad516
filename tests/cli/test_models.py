"""`edgekit models` lists the zoo and shows a card."""

from __future__ import annotations

import json

from edgekit.cli.main import main


def document(capsys, *arguments):
    assert main(["models", *arguments, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["schema"] == "edgekit.models/1"
    return content


def test_models_lists_every_card_as_json(capsys):
    models = document(capsys)["models"]
    names = [model["name"] for model in models]
    assert names == sorted(names)
    assert {"lwganet_l0", "legnet_tiny-obb", "dynamicvis_b", "lwganet_l0-obb-thermal"} <= {*names}
    assert all(model["params"] > 0 and model["macs_g"] > 0 for model in models)


def test_models_is_a_table_for_people(capsys):
    assert main(["models"]) == 0
    header, _, *rows = capsys.readouterr().out.splitlines()
    assert header.split()[:2] == ["model", "task"]
    assert any(row.startswith("lwganet_l2 ") and "12.003" in row for row in rows)


def test_shipped_checkpoint_shows_licence_and_attribution(capsys):
    assert main(["models", "show", "lwganet_l0-obb-thermal"]) == 0
    page = capsys.readouterr().out
    assert "licence: CC-BY-4.0" in page
    assert "attribution: Trained on HIT-UAV" in page
    assert "classes: Person, Car, Bicycle, OtherVehicle" in page


def test_shown_model_is_the_listed_one(capsys):
    listed = {model["name"]: model for model in document(capsys)["models"]}
    assert document(capsys, "show", "lwganet_l2")["model"] == listed["lwganet_l2"]


def test_unknown_model_names_the_nearest(capsys):
    assert main(["models", "show", "lwganet_l0-obb-termal"]) == 2
    assert "did you mean 'lwganet_l0-obb-thermal'" in capsys.readouterr().err


def test_show_without_a_name_is_misuse(capsys):
    assert main(["models", "show"]) == 2
    assert "no model named" in capsys.readouterr().err
