"""`<backbone>-obb`: a one-stage oriented-box detector."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from model_zoo.backbones import create_backbone
from model_zoo.heads.distance_angle import DistanceAngleHead, LevelOutputs
from model_zoo.necks.light_pan import LightPAN

#: Neck and head channels by backbone: enough for the classes of aerial sets, small enough to fly.
_WIDTHS = {
    "lwganet_l0": 64,
    "lwganet_l1": 96,
    "lwganet_l2": 128,
    "legnet_tiny": 64,
    "legnet_small": 128,
    "dynamicvis_b": 128,
    "dynamicvis_l": 192,
}


@dataclass(frozen=True, slots=True)
class ObbConfig:
    """Architecture of a one-stage oriented detector."""

    backbone: str
    classes: int
    width: int
    depth: int = 2


def obb_config(backbone: str, classes: int) -> ObbConfig:
    """The standard configuration for a backbone."""
    return ObbConfig(backbone, classes, _WIDTHS[backbone])


class ObbDetector(nn.Module):
    """Backbone, light neck, distance-and-angle head.

    forward  (B, 3, H, W) f32, normalised, H and W multiples of 32 -> `LevelOutputs` at strides 8,
             16, 32
    """

    def __init__(self, config: ObbConfig) -> None:
        super().__init__()
        self.config = config
        self.backbone = create_backbone(config.backbone)
        self.neck = LightPAN(self.backbone.widths, config.width)
        self.head = DistanceAngleHead(config.classes, config.width, config.depth, LightPAN.STRIDES)

    def forward(self, x: Tensor) -> list[LevelOutputs]:
        return self.head(self.neck(self.backbone(x)))
