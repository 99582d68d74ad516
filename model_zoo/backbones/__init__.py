"""Backbones by name."""

from __future__ import annotations

from edgekit.core.errors import unknown_name
from model_zoo.backbones import lwganet

__all__ = ["backbone_names", "create_backbone"]


def backbone_names() -> list[str]:
    """Every backbone that `create_backbone` builds."""
    return sorted(lwganet.CONFIGS)


def create_backbone(name: str, *, classes: int | None = None) -> lwganet.LWGANet:
    """A backbone with fresh weights.

    classes  None: dense form, four feature maps at strides 4, 8, 16, 32; else a classifier
    raises   UsageError for an unknown name
    """
    if name not in lwganet.CONFIGS:
        raise unknown_name("backbone", name, backbone_names())
    return lwganet.LWGANet(lwganet.CONFIGS[name], classes)
