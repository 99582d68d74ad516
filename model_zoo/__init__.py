"""The models: backbones, necks, heads, task models, and their checkpoints.

Names are resolved at first use: reading the cards (`model_zoo.cards`) must not cost an import of
torch, which a device does not have.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_zoo.backbones import backbone_names, create_backbone
    from model_zoo.checkpoint import Checkpoint, load_checkpoint, load_state, save_checkpoint
    from model_zoo.deploy import reparameterize
    from model_zoo.detectors import create_detector, detector_from_checkpoint, detector_names
    from model_zoo.published import LoadReport, load_published

__all__ = [
    "Checkpoint",
    "LoadReport",
    "backbone_names",
    "create_backbone",
    "create_detector",
    "detector_from_checkpoint",
    "detector_names",
    "load_checkpoint",
    "load_published",
    "load_state",
    "reparameterize",
    "save_checkpoint",
]

_HOMES = {
    "Checkpoint": "checkpoint",
    "load_checkpoint": "checkpoint",
    "load_state": "checkpoint",
    "save_checkpoint": "checkpoint",
    "LoadReport": "published",
    "load_published": "published",
    "backbone_names": "backbones",
    "create_backbone": "backbones",
    "reparameterize": "deploy",
    "create_detector": "detectors",
    "detector_from_checkpoint": "detectors",
    "detector_names": "detectors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
