"""What the package offers, and that the examples in its documentation are true."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import edgekit.kernels


def test_every_public_name_exists_is_documented_and_listed_in_order():
    names = edgekit.kernels.__all__
    assert names == sorted(names)
    for name in names:
        value = getattr(edgekit.kernels, name)
        assert value.__doc__, name


def test_examples_in_docstrings_are_true():
    tried = 0
    for module in pkgutil.iter_modules(edgekit.kernels.__path__, "edgekit.kernels."):
        result = doctest.testmod(importlib.import_module(module.name))
        assert result.failed == 0, module.name
        tried += result.attempted
    assert tried > 0
