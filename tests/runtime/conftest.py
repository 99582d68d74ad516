"""Parts that many runtime tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from tests.runtime.bright_cells import write_bright_cells


@pytest.fixture(scope="session")
def bright_cells(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A letterboxing thermal bundle of the tiny detector. Read only."""
    return write_bright_cells(tmp_path_factory.mktemp("bundle") / "bright-cells.bundle")


@pytest.fixture
def empty_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    return folder
