"""What a public package says it exports is there."""

from __future__ import annotations

import importlib

import pytest

PACKAGES = (
    "edgekit.bundle",
    "edgekit.core",
    "edgekit.engines",
    "edgekit.kernels",
    "edgekit.metrics",
    "edgekit.reference",
    "model_zoo",
    "targets",
)


@pytest.mark.parametrize("name", PACKAGES)
def test_every_exported_name_exists(name):
    if name == "model_zoo":
        pytest.importorskip("torch", reason="the workstation half is not installed")
    package = importlib.import_module(name)
    assert len(set(package.__all__)) == len(package.__all__)
    for exported in package.__all__:
        assert hasattr(package, exported), exported
