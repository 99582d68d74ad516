"""Backbones by name."""

from __future__ import annotations

from edgekit.core.errors import UsageError, unknown_name
from model_zoo.backbones import dynamicvis, legnet, lwganet
from model_zoo.backbones.dynamicvis import DynamicVis
from model_zoo.backbones.legnet import LEGNet
from model_zoo.backbones.lwganet import LWGANet

__all__ = ["Backbone", "backbone_names", "create_backbone"]

Backbone = LWGANet | LEGNet | DynamicVis


def backbone_names() -> list[str]:
    """Every backbone that `create_backbone` builds."""
    return sorted([*lwganet.CONFIGS, *legnet.CONFIGS, *dynamicvis.CONFIGS])


def create_backbone(
    name: str,
    *,
    classes: int | None = None,
    image_size: int | tuple[int, int] | None = None,
    token_selection: bool = True,
) -> Backbone:
    """A backbone with fresh weights.

    classes          None: dense form, four feature maps at strides 4, 8, 16, 32; else a classifier
    image_size       px, a side or (height, width): DynamicVis' positional embedding is stored for
                     it (512 unless told); the others have no such thing and refuse it
    token_selection  False: DynamicVis' published variant that mixes all tokens
    raises           UsageError for an unknown name or an option that the backbone does not have
    """
    if name in dynamicvis.CONFIGS:
        size = image_size or dynamicvis.PRETRAINED_SIZE
        size = (size, size) if isinstance(size, int) else size
        config = dynamicvis.CONFIGS[name]
        if not token_selection:
            config = dynamicvis.without_selection(config)
        return DynamicVis(config, classes, size)
    if name not in legnet.CONFIGS and name not in lwganet.CONFIGS:
        raise unknown_name("backbone", name, backbone_names())
    if image_size is not None:
        raise UsageError(f"{name} is not built for one image size", "leave image_size out")
    if not token_selection:
        raise UsageError(f"{name} selects no tokens", "leave token_selection out")
    if name in legnet.CONFIGS:
        return LEGNet(legnet.CONFIGS[name], classes)
    return LWGANet(lwganet.CONFIGS[name], classes)
