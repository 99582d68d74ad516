"""Task models built on the backbones."""

from model_zoo.tasks.obb import ObbConfig, ObbDetector, obb_config

__all__ = ["ObbConfig", "ObbDetector", "obb_config"]
