"""Objects from JSON or TOML, read strictly: every key is known, every value has its type.

    table = StrictTable(document, "manifest.json", ("name", "input"), BundleError)
    name = table.text("name")
    shape = table.table("input", ("shape",)).integers("shape", count=4)

Every refusal is one line that names the file, the key, and what was expected.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.core.errors import EdgekitError


class StrictTable:
    """One object of a document; refuses unknown keys at once, and wrong types when asked.

    content  what the parser returned for this object
    where    the file, and the path of keys that leads here, for messages
    known    the keys that may stand in it
    refusal  the error type to raise
    """

    def __init__(
        self, content: object, where: str, known: Sequence[str], refusal: type[EdgekitError]
    ) -> None:
        self._where, self._refusal = where, refusal
        if not isinstance(content, dict):
            raise refusal(f"{where} must be an object, not {_kind(content)}", "correct it")
        self._content: dict[str, Any] = content
        unknown = [key for key in content if key not in known]
        if unknown:
            near = difflib.get_close_matches(unknown[0], known, n=1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise refusal(
                f"{where}: unknown key {ascii(unknown[0])[:80]}", f"{hint}known: {', '.join(known)}"
            )

    def __contains__(self, key: str) -> bool:
        return self._content.get(key) is not None

    def names(self) -> tuple[str, ...]:
        """The keys that stand in it, in the document's order."""
        return tuple(self._content)

    def refuse(self, key: str, problem: str, hint: str = "correct it") -> EdgekitError:
        """The error for a value of the right type that is still wrong; the caller raises it."""
        return self._refusal(f"{self._where}: '{key}' {problem}", hint)

    def text(self, key: str, choices: Sequence[str] = (), *, empty: bool = False) -> str:
        """One line, not empty unless that is allowed; one of `choices` where they are given."""
        value = self._text(key, self._value(key))
        if choices and value not in choices:
            raise self.refuse(key, f"is {ascii(value)[:80]}", f"use one of {', '.join(choices)}")
        if not value and not empty:
            raise self.refuse(key, "is empty")
        return value

    def flag(self, key: str) -> bool:
        """true or false."""
        return bool(self._typed(key, bool, "true or false"))

    def integer(self, key: str, low: int, high: int) -> int:
        """A whole number in [low, high]; 3.0 is not one."""
        return self._integer(key, self._value(key), low, high)

    def number(self, key: str, low: float = -math.inf, high: float = math.inf) -> float:
        """A finite number in [low, high]; JSON and TOML may write a float without its point."""
        return self._number(key, self._value(key), low, high)

    def texts(self, key: str, *, least: int = 0) -> tuple[str, ...]:
        """A list of non-empty strings."""
        items = tuple(self._text(key, item) for item in self._items(key, least, None))
        if not all(items):
            raise self.refuse(key, "holds an empty text")
        return items

    def integer_list(self, key: str, low: int, high: int) -> tuple[int, ...]:
        """A list of any length of whole numbers in [low, high]."""
        return tuple(self._integer(key, v, low, high) for v in self._items(key, 0, None))

    def integers(self, key: str, low: int, high: int, *, count: int) -> tuple[int, ...]:
        """A list of exactly `count` whole numbers in [low, high]."""
        return tuple(self._integer(key, v, low, high) for v in self._items(key, count, count))

    def numbers(
        self, key: str, low: float = -math.inf, high: float = math.inf, *, count: int
    ) -> tuple[float, ...]:
        """A list of exactly `count` finite numbers in [low, high]."""
        return tuple(self._number(key, v, low, high) for v in self._items(key, count, count))

    def table(self, key: str, known: Sequence[str]) -> StrictTable:
        """The object under `key`."""
        return StrictTable(self._value(key), f"{self._where}: '{key}'", known, self._refusal)

    def tables(self, key: str, known: Sequence[str], *, least: int = 0) -> tuple[StrictTable, ...]:
        """The list of objects under `key`."""
        where = f"{self._where}: '{key}'"
        return tuple(
            StrictTable(item, f"{where}[{index}]", known, self._refusal)
            for index, item in enumerate(self._items(key, least, None))
        )

    def text_mapping(self, key: str) -> Mapping[str, str]:
        """An object whose keys are data, not names of a schema, and whose values are texts."""
        found = self._typed(key, dict, "an object")
        return {self._text(key, name): self._text(key, value) for name, value in found.items()}

    def scalars(self, key: str) -> Mapping[str, str | int | float | bool]:
        """An object whose keys are data and whose values are texts, numbers or flags."""
        found = self._typed(key, dict, "an object")
        if not all(isinstance(value, (str, int, float)) for value in found.values()):
            raise self.refuse(key, "must hold texts, numbers and flags only")
        return dict(found)

    def _text(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            raise self.refuse(key, f"must be a text, not {_kind(value)}")
        # Control characters could drive the terminal that a value is printed on.
        if not value.isprintable():
            raise self.refuse(key, "holds a line break or a character that does not print")
        return value

    def _value(self, key: str) -> Any:
        if key not in self._content:
            raise self._refusal(f"{self._where}: key '{key}' is missing", "add it")
        return self._content[key]

    def _typed(self, key: str, kind: type, name: str) -> Any:
        value = self._value(key)
        if not isinstance(value, kind):
            raise self.refuse(key, f"must be {name}, not {_kind(value)}")
        return value

    def _items(self, key: str, least: int, most: int | None) -> list[Any]:
        items = self._typed(key, list, "a list")
        if len(items) < least or (most is not None and len(items) > most):
            wanted = f"exactly {least}" if most == least else f"at least {least}"
            raise self.refuse(key, f"has {len(items)} items, not {wanted}")
        return list(items)

    def _integer(self, key: str, value: object, low: int, high: int) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.refuse(key, f"must be a whole number, not {_kind(value)}")
        if not low <= value <= high:
            raise self.refuse(key, "is out of range", f"use {low} to {high}")
        return value

    def _number(self, key: str, value: object, low: float, high: float) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self.refuse(key, f"must be a number, not {_kind(value)}")
        if not low <= value <= high or math.isinf(value):
            raise self.refuse(key, "is out of range", f"use a finite number, {low:g} to {high:g}")
        return float(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a text", bool: "a flag", type(None): "null"}
    return names.get(type(value), "a number" if isinstance(value, (int, float)) else "a value")
