"""Where shared reference data lies, for tests that use it when it is there."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_DEFAULT = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with reference models and data sets; the test is skipped where it is absent."""
    folder = Path(os.environ.get("EDGEKIT_SHARED", _DEFAULT))
    if not (folder / "models").is_dir():
        pytest.skip("the shared reference data is not here; set EDGEKIT_SHARED to its folder")
    return folder
