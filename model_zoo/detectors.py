"""Detectors by name: `<backbone>-obb`."""

from __future__ import annotations

from edgekit.core import CheckpointError, unknown_name
from model_zoo.backbones import backbone_names
from model_zoo.checkpoint import Checkpoint, load_state
from model_zoo.tasks import ObbDetector, obb_config

_SUFFIX = "-obb"


def detector_names() -> list[str]:
    """Every detector that `create_detector` builds."""
    return [f"{name}{_SUFFIX}" for name in backbone_names()]


def create_detector(name: str, classes: int) -> ObbDetector:
    """A detector with fresh weights.

    raises  UsageError for an unknown name
    """
    if name not in detector_names():
        raise unknown_name("model", name, detector_names())
    return ObbDetector(obb_config(name.removesuffix(_SUFFIX), classes))


def detector_from_checkpoint(checkpoint: Checkpoint, origin: str = "checkpoint") -> ObbDetector:
    """The detector of a checkpoint, in evaluation mode.

    raises  CheckpointError where the model is unknown, or weights and model do not match
    """
    if checkpoint.model not in detector_names():
        error = unknown_name("model", checkpoint.model, detector_names())
        raise CheckpointError(f"{origin}: {error.what}", error.hint)
    model = create_detector(checkpoint.model, len(checkpoint.classes))
    load_state(model, checkpoint.state, origin)
    return model.eval()
