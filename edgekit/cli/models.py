"""`edgekit models`: what the zoo holds."""

from __future__ import annotations

import argparse
from typing import Any

from edgekit.cli.output import print_json, table
from edgekit.core import UsageError

EXAMPLE = "edgekit models show lwganet_l0-obb-thermal"
SCHEMA = "edgekit.models/1"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", choices=("list", "show"), default="list")
    parser.add_argument("name", nargs="?", help="for `show`: name of a model")
    parser.add_argument("--json", action="store_true", help=f"one JSON document, {SCHEMA}")


def run(args: argparse.Namespace) -> int:
    from model_zoo.cards import find_card, list_cards

    if args.action == "show":
        if not args.name:
            raise UsageError(
                "no model named", "edgekit models show NAME; edgekit models lists them"
            )
        card = find_card(args.name).to_json()
        if args.json:
            print_json({"schema": SCHEMA, "model": card})
        else:
            print(_page(card))
        return 0
    cards = list_cards()
    if args.json:
        print_json({"schema": SCHEMA, "models": [card.to_json() for card in cards]})
        return 0
    rows = [
        (
            card.name,
            card.task,
            card.params / 1e6,
            card.macs_g,
            "x".join(map(str, card.macs_input)),
            card.licence,
        )
        for card in cards
    ]
    print(table(("model", "task", "params M", "MACs G", "at", "licence of weights"), rows))
    return 0


def _page(document: dict[str, Any]) -> str:
    lines = []
    for key, value in document.items():
        if isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{key}:")
            lines += ["  " + ", ".join(f"{k} {v}" for k, v in row.items()) for row in value]
        elif isinstance(value, list):
            lines.append(f"{key}: {', '.join(map(str, value))}")
        else:
            lines.append(f"{key}: {value}")
    return "\n".join(lines)
