"""The errors that a caller of edgekit can meet.

    EdgekitError                what is wrong, what to do about it
    |-- UsageError              the request itself is wrong           exit 2
    |-- BundleError             missing, altered or foreign bundle    exit 1
    |-- CheckpointError         weights that cannot be loaded         exit 1
    |-- EngineError             an inference engine refuses or fails  exit 1
    |-- SourceError             frames cannot be read                 exit 1
    `-- SinkError               detections cannot be handed on        exit 1

Each is shown to a user as one line: `edgekit: what is wrong; what to do`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class EdgekitError(Exception):
    """A failure that the user can understand and mend.

    what   what is wrong, one line, lower case, with the offending value in it
    hint   what to do about it, one line; may be empty
    """

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what, hint)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


class UsageError(EdgekitError):
    """The request is wrong: a bad option, an unknown name, a limit exceeded."""

    exit_code = 2


class BundleError(EdgekitError):
    """A bundle is missing, malformed, altered, or not for this device."""


class CheckpointError(EdgekitError):
    """Weights cannot be loaded into the model that was asked for."""


class EngineError(EdgekitError):
    """An inference engine is missing, refuses a model, or runs something else than asked."""


class SourceError(EdgekitError):
    """Frames cannot be read from a source."""


class SinkError(EdgekitError):
    """Detections cannot be handed on."""


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that is not in a menu: names the nearest one and the whole menu.

    >>> str(unknown_name("target", "cpu-x68", ["cpu-x86", "jetson-orin"]))
    "unknown target 'cpu-x68'; did you mean 'cpu-x86'? known: cpu-x86, jetson-orin"
    """
    menu = sorted(known)
    near = difflib.get_close_matches(name, menu, n=1)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return UsageError(f"unknown {kind} '{name}'", f"{hint}known: {', '.join(menu) or 'none'}")
