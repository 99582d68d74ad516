"""The models: backbones, necks, heads, task models, and their checkpoints."""

from model_zoo.backbones import backbone_names, create_backbone
from model_zoo.checkpoint import Checkpoint, load_checkpoint, load_state, save_checkpoint
from model_zoo.detectors import create_detector, detector_from_checkpoint, detector_names

__all__ = [
    "Checkpoint",
    "backbone_names",
    "create_backbone",
    "create_detector",
    "detector_from_checkpoint",
    "detector_names",
    "load_checkpoint",
    "load_state",
    "save_checkpoint",
]
