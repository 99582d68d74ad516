"""Model cards: what each model is, in TOML beside the weights. Read without torch."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.core import UsageError, unknown_name

_FOLDER = Path(__file__).parent / "cards"
_FIELDS = {
    "name", "title", "task", "params", "macs_g", "macs_input", "input", "classes", "preprocessing",
    "checkpoint", "licence", "attribution", "limits", "published", "measured",
}  # fmt: skip
_NEEDED = ("name", "title", "task", "params", "macs_g", "macs_input", "licence")


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model, or one trained checkpoint of it.

    params      number of trainable parameters
    macs_g      multiply-accumulates of convolutions, linear layers and attention, in 1e9
    macs_input  (height, width) px that they are counted at
    published   figures of its authors, each with its source
    measured    our own figures, each with the command that made it
    """

    name: str
    title: str
    task: str
    params: int
    macs_g: float
    macs_input: tuple[int, int]
    licence: str
    facts: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """A document for programs."""
        return {
            "name": self.name,
            "title": self.title,
            "task": self.task,
            "params": self.params,
            "macs_g": self.macs_g,
            "macs_input": list(self.macs_input),
            "licence": self.licence,
            **self.facts,
        }


def list_cards() -> tuple[ModelCard, ...]:
    """All cards, sorted by name."""
    return tuple(read_card(path) for path in sorted(_FOLDER.glob("*.toml")))


def find_card(name: str) -> ModelCard:
    """The card of that name.

    raises  UsageError naming the nearest one
    """
    cards = {card.name: card for card in list_cards()}
    if name not in cards:
        raise unknown_name("model", name, cards)
    return cards[name]


def read_card(path: Path) -> ModelCard:
    """Read one card strictly.

    raises  UsageError naming the key that is wrong
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"card {path.name} cannot be read ({error})", "mend the file") from error
    for key in raw:
        if key not in _FIELDS:
            error_of_key = unknown_name("key", key, _FIELDS)
            raise UsageError(f"card {path.name}: {error_of_key.what}", error_of_key.hint)
    for key in _NEEDED:
        if key not in raw:
            raise UsageError(f"card {path.name}: {key} is missing", "add it")
    height, width = raw["macs_input"]
    return ModelCard(
        name=raw["name"],
        title=raw["title"],
        task=raw["task"],
        params=int(raw["params"]),
        macs_g=float(raw["macs_g"]),
        macs_input=(int(height), int(width)),
        licence=raw["licence"],
        facts={key: value for key, value in raw.items() if key not in _NEEDED},
    )
