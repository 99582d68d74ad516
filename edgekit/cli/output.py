"""How commands print: JSON for programs, aligned tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any


def print_json(document: Mapping[str, Any]) -> None:
    """One JSON document on stdout. The document carries a `schema` name."""
    assert "schema" in document, "programs rely on the schema name"
    print(json.dumps(document, indent=2, ensure_ascii=False))


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Rows under a header, columns aligned: numbers to the right, text to the left."""
    cells = [[_cell(value) for value in row] for row in rows]
    columns = range(len(header))
    widths = [max([len(header[c]), *(len(row[c]) for row in cells)]) for c in columns]
    right = [bool(rows) and all(_is_number(row[c]) for row in rows) for c in columns]

    def line(row: Sequence[str]) -> str:
        parts = [row[c].rjust(widths[c]) if right[c] else row[c].ljust(widths[c]) for c in columns]
        return "  ".join(parts).rstrip()

    return "\n".join([line(header), line(["-" * width for width in widths]), *map(line, cells)])


def progress(text: str) -> None:
    """A line about what happens now, on stderr."""
    print(text, file=sys.stderr, flush=True)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))
