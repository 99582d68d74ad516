"""The float model itself, behind the engine protocol: what every artefact is held against.

It runs a checkpoint through the very preprocessing, thresholds and NMS that fly, so that an
accuracy of a checkpoint and one of a bundle differ by the artefact alone.
"""

from edgekit.reference.accuracy import EVAL_SCORE_THRESHOLD, detect_frames, measure_accuracy
from edgekit.reference.checkpoint_bundle import checkpoint_detector, checkpoint_manifest
from edgekit.reference.torch_engine import TorchEngine

__all__ = [
    "EVAL_SCORE_THRESHOLD",
    "TorchEngine",
    "checkpoint_detector",
    "checkpoint_manifest",
    "detect_frames",
    "measure_accuracy",
]
