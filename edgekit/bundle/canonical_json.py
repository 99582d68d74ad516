"""Canonical JSON: one value, one sequence of bytes, so that it can be hashed and signed.

Source       RFC 8785 (JSON Canonicalization Scheme): keys sorted by UTF-16 code units, no spaces,
             strings escaped only where JSON demands it, numbers as ECMAScript writes them.
Restriction  whole numbers beyond +-(2^53 - 1) that would be written without an exponent are
             refused: readers disagree whether such a text is an integer or a double.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

from edgekit.core import BundleError

#: The largest integer that an IEEE 754 double holds without its neighbours.
MAX_SAFE_INTEGER = 2**53 - 1

_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n"}
_ESCAPES |= {"\f": "\\f", "\r": "\\r"}
_ESCAPES |= {chr(code): f"\\u{code:04x}" for code in range(0x20) if chr(code) not in _ESCAPES}
_ESCAPE_TABLE = str.maketrans(_ESCAPES)


def canonical_bytes(value: Any) -> bytes:
    """The RFC 8785 bytes of a JSON value made of dict, list, tuple, str, int, float, bool, None.

    raises  BundleError for what JSON cannot carry: NaN, infinity, lone surrogates, too large
            integers, keys that are not strings, other types
    """
    try:
        return _encode(value).encode("utf-8")
    except UnicodeEncodeError as error:
        raise _refuse("a text with a lone surrogate") from error


def _encode(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value.translate(_ESCAPE_TABLE)}"'
    if isinstance(value, (int, float)):
        is_whole = isinstance(value, int) or abs(value) < 1e21
        if is_whole and abs(value) > MAX_SAFE_INTEGER:
            raise _refuse("a whole number beyond 2^53 - 1")
        return str(value) if isinstance(value, int) else number_text(value)
    if isinstance(value, (list, tuple)):
        return f"[{','.join(map(_encode, value))}]"
    if isinstance(value, dict):
        if not all(isinstance(key, str) for key in value):
            raise _refuse("a key that is not a text")
        ordered = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return f"{{{','.join(f'{_encode(key)}:{_encode(value[key])}' for key in ordered)}}}"
    raise _refuse(f"a {type(value).__name__}")


def number_text(value: float) -> str:
    """A double as ECMAScript's Number::toString writes it.

    Source  ECMA-262, Number::toString. Python's repr gives the same shortest digits; only the
            places of the point and of the exponent differ.

    >>> [number_text(x) for x in (3.0, -0.0, 1e21, 1e-7, 0.000001, 123.456)]
    ['3', '0', '1e+21', '1e-7', '0.000001', '123.456']
    """
    if not math.isfinite(value):
        raise _refuse("a number that is not finite")
    if value == 0:
        return "0"
    sign, digit_tuple, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int), "finite numbers have a numeric exponent"
    digits = "".join(map(str, digit_tuple))
    count, point = len(digits), len(digits) + exponent
    if count <= point <= 21:
        text = digits + "0" * (point - count)
    elif 0 < point <= 21:
        text = f"{digits[:point]}.{digits[point:]}"
    elif -6 < point <= 0:
        text = f"0.{'0' * -point}{digits}"
    else:
        mantissa = digits if count == 1 else f"{digits[0]}.{digits[1:]}"
        text = f"{mantissa}e{point - 1:+d}"
    return f"-{text}" if sign else text


def _refuse(what: str) -> BundleError:
    return BundleError(f"{what} cannot stand in canonical JSON", "correct the value")
