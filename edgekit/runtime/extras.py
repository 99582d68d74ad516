"""Late import of what an extra brings: a missing library is one clear line to the user."""

from __future__ import annotations

import importlib
from typing import Any

from edgekit.core import EdgekitError


def import_extra(module: str, extra: str, purpose: str) -> Any:
    """The module `module`, which `pip install 'edgekit[extra]'` brings.

    purpose  what needs it, as the subject of a sentence: "reading images"
    raises   EdgekitError where it cannot be imported, naming the extra
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise EdgekitError(
            f"{purpose} needs the Python package {module.split('.')[0]}, which cannot be imported "
            f"({error})",
            f"pip install 'edgekit[{extra}]'",
        ) from error
