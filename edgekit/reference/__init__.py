"""The float model itself, behind the engine protocol: what every artefact is held against.

It runs a checkpoint through the very preprocessing, thresholds and NMS that fly, so that an
accuracy of a checkpoint and one of a bundle differ by the artefact alone. Measuring a bundle needs
no torch; `checkpoint_bundle` and `torch_engine` do, and are imported from there.
"""

from edgekit.reference.accuracy import EVAL_SCORE_THRESHOLD, detect_frames, measure_accuracy

__all__ = ["EVAL_SCORE_THRESHOLD", "detect_frames", "measure_accuracy"]
