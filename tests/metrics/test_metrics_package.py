"""What the package offers."""

from __future__ import annotations

import edgekit.metrics


def test_every_public_name_exists_is_documented_and_listed_in_order():
    names = edgekit.metrics.__all__
    assert names == sorted(names)
    for name in names:
        value = getattr(edgekit.metrics, name)
        assert value.__doc__, name
