"""Model cards: what each model is, in TOML beside the weights. Read without torch."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit.core import UsageError, unknown_name
from edgekit.core.strict_table import StrictTable

_FOLDER = Path(__file__).parent / "cards"
_TASKS = ("backbone", "oriented detection")
_NEEDED = ("name", "title", "task", "params", "macs_g", "macs_input", "licence")
#: One line each; a card has those that apply.
_TEXTS = ("input", "preprocessing", "checkpoint", "recipe", "attribution", "limits")
_FIGURE = ("data_set", "metric", "value", "source")
_MEASUREMENT = ("data_set", "metric", "value", "command")
_FIELDS = (*_NEEDED, *_TEXTS, "classes", "published", "measured")
_MAX_BYTES = 64 * 1024
_MAX_SIDE_PX = 16384


@dataclass(frozen=True, slots=True)
class ModelCard:
    """One model, or one trained checkpoint of it.

    params      number of trainable parameters; of a detector without a checkpoint: with 4 classes
    macs_g      multiply-accumulates of convolutions, linear layers and attention, in 1e9
    macs_input  (height, width) px that they are counted at
    licence     of its weights
    facts       input, preprocessing, checkpoint, recipe, attribution, limits: a text each;
                classes: names in the order of their indices;
                published: figures of its authors, rows of data_set, metric, value, source;
                measured: our own figures, rows of data_set, metric, value, command
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
    cards = (read_card(path) for path in _FOLDER.glob("*.toml"))
    return tuple(sorted(cards, key=lambda card: card.name))


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
    table = StrictTable(_document(path), f"card {path.name}", _FIELDS, UsageError)
    height, width = table.integers("macs_input", 32, _MAX_SIDE_PX, count=2)
    return ModelCard(
        name=table.text("name"),
        title=table.text("title"),
        task=table.text("task", _TASKS),
        params=table.integer("params", 1, 10**12),
        macs_g=table.number("macs_g", 1e-6, 1e6),
        macs_input=(height, width),
        licence=table.text("licence"),
        facts=_facts(table),
    )


def _document(path: Path) -> dict[str, Any]:
    try:
        content = path.read_bytes()
        if len(content) > _MAX_BYTES:
            raise UsageError(f"card {path.name} is larger than {_MAX_BYTES} bytes", "shorten it")
        return tomllib.loads(content.decode("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UsageError(f"card {path.name} cannot be read ({error})", "mend the file") from error


def _facts(table: StrictTable) -> dict[str, Any]:
    facts: dict[str, Any] = {key: table.text(key) for key in _TEXTS if key in table}
    if "classes" in table:
        facts["classes"] = list(table.texts("classes", least=1))
    for key, fields in (("published", _FIGURE), ("measured", _MEASUREMENT)):
        if key in table:
            facts[key] = [_row(row, fields) for row in table.tables(key, fields, least=1)]
    return facts


def _row(row: StrictTable, fields: tuple[str, ...]) -> dict[str, Any]:
    return {name: row.number(name) if name == "value" else row.text(name) for name in fields}
