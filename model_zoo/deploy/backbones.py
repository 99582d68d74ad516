"""The inference form of a backbone, whichever family it is of."""

from __future__ import annotations

from torch import nn

from model_zoo.backbones import Backbone
from model_zoo.backbones.dynamicvis import DynamicVis
from model_zoo.backbones.legnet import LEGNet
from model_zoo.deploy.dynamicvis import DeployDynamicVis
from model_zoo.deploy.legnet import fold_legnet
from model_zoo.deploy.lwganet import fold_lwganet

#: A batch norm each on the four maps of the convolutional families.
OUTPUT_NORMS = ("norm0", "norm2", "norm4", "norm6")


def fold_backbone(
    backbone: Backbone, image_size: tuple[int, int] | None, top_k_limit: int | None = None
) -> nn.Module:
    """Fold a backbone, in place where its form allows, and return what runs.

    Output norms stay: what follows decides what becomes of them.

    image_size   (height, width) px of DynamicVis' graph; None: the size it was built for
    top_k_limit  largest K that the target's TopK takes
    """
    if isinstance(backbone, DynamicVis):
        return DeployDynamicVis(backbone, image_size, top_k_limit=top_k_limit)
    if isinstance(backbone, LEGNet):
        fold_legnet(backbone)
    else:
        fold_lwganet(backbone)
    return backbone
