"""Inference forms of the models: static graphs, norms folded, decoded candidates."""

from __future__ import annotations

import copy
from typing import overload

from torch import nn

from model_zoo.backbones import Backbone
from model_zoo.deploy.backbones import OUTPUT_NORMS, fold_backbone
from model_zoo.deploy.folding import ChannelAffine
from model_zoo.deploy.obb import DEFAULT_CANDIDATES, DeployObb, DeploySpec, fold_detector
from model_zoo.tasks.obb import ObbDetector

__all__ = ["DEFAULT_CANDIDATES", "DeployObb", "DeploySpec", "fold_detector", "reparameterize"]


@overload
def reparameterize(model: ObbDetector, image_size: tuple[int, int] | None = None) -> ObbDetector:
    pass


@overload
def reparameterize(model: Backbone, image_size: tuple[int, int] | None = None) -> nn.Module:
    pass


def reparameterize(
    model: ObbDetector | Backbone, image_size: tuple[int, int] | None = None
) -> nn.Module:
    """An inference-only copy with the same outputs, up to float32 rounding.

    image_size  (height, width) px for DynamicVis, whose graph is for one size; None: the size that
                the model was built for
    """
    if isinstance(model, ObbDetector):
        return fold_detector(model, image_size)
    device = next(model.parameters()).device
    copied = copy.deepcopy(model).eval().requires_grad_(False)
    folded = fold_backbone(copied, image_size)
    for name in OUTPUT_NORMS:
        norm = getattr(folded, name, None)
        if isinstance(norm, nn.BatchNorm2d):
            folded.add_module(name, ChannelAffine(norm))
    return folded.to(device)
