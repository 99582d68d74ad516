"""Values and geometry that every part of edgekit shares. NumPy and the standard library only."""

from edgekit.core.atomic import replacing, write_bytes_atomic, write_text_atomic
from edgekit.core.boxes import (
    corners_from_le90,
    enclosing_aabb,
    le90_from_corners,
    normalise_le90,
    wrap_half_turn,
)
from edgekit.core.detections import Detections
from edgekit.core.errors import (
    BundleError,
    CheckpointError,
    EdgekitError,
    EngineError,
    SinkError,
    SourceError,
    UsageError,
    unknown_name,
)
from edgekit.core.frame import MODALITIES, Camera, Frame, GeoReference, Pose
from edgekit.core.ground_truth import GroundTruth
from edgekit.core.transform import Transform

__all__ = [
    "MODALITIES",
    "BundleError",
    "Camera",
    "CheckpointError",
    "Detections",
    "EdgekitError",
    "EngineError",
    "Frame",
    "GeoReference",
    "GroundTruth",
    "Pose",
    "SinkError",
    "SourceError",
    "Transform",
    "UsageError",
    "corners_from_le90",
    "enclosing_aabb",
    "le90_from_corners",
    "normalise_le90",
    "replacing",
    "unknown_name",
    "wrap_half_turn",
    "write_bytes_atomic",
    "write_text_atomic",
]
