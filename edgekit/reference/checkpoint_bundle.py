"""A checkpoint seen as the bundle that it could become."""

from __future__ import annotations

import hashlib
from pathlib import Path

from edgekit.bundle import (
    Artefact,
    Budget,
    Bundle,
    DecodeSpec,
    InputSpec,
    Manifest,
    Provenance,
    TileSpec,
)
from edgekit.reference.torch_engine import INPUT_NAME, TorchEngine
from edgekit.runtime.detector import Detector
from model_zoo import Checkpoint, detector_from_checkpoint
from model_zoo.deploy import DeployObb, DeploySpec
from model_zoo.tasks import ObbDetector

#: What flies unless a user says otherwise; IoU as RTMDet-R's would keep double boxes of small cars.
DEFAULT_DECODE = DecodeSpec(
    score_threshold=0.3, nms_iou=0.3, max_detections=300, class_agnostic=False
)


def checkpoint_manifest(checkpoint: Checkpoint, size: tuple[int, int] | None = None) -> Manifest:
    """A manifest without artefacts' files: input, classes, decode and licence of a checkpoint.

    size  (height, width) of the network input; None takes the checkpoint's own
    """
    height, width = size or (int(checkpoint.input["size"][0]), int(checkpoint.input["size"][1]))
    modality = str(checkpoint.input["modality"])
    tile = TileSpec((height, width), int(checkpoint.input["tile_overlap_px"]))
    is_tiled = checkpoint.input["resize"] == "tile"
    return Manifest(
        name=checkpoint.model,
        version="1",
        created="1970-01-01T00:00:00Z",
        target="reference",
        task="obb",
        classes=checkpoint.classes,
        input=InputSpec(
            name=INPUT_NAME,
            layout="NCHW",
            dtype="float32",
            shape=(1, 3, height, width),
            colour="RGB" if modality == "optical" else "GRAY",
            modality=modality,
            mean=_triple(checkpoint.input["mean"]),
            std=_triple(checkpoint.input["std"]),
            resize="tile" if is_tiled else "letterbox",
            tile=tile if is_tiled else None,
        ),
        decode=DEFAULT_DECODE,
        artefacts=(
            Artefact("torch-fp32", "torch", "", "fp32", ("checkpoint",), 0, Budget(1.0, 0.0, 0.0)),
        ),
        accuracy={},
        files=(),
        provenance=Provenance("", {}, ""),
        licence=checkpoint.licence,
    )


def checkpoint_detector(
    checkpoint: Checkpoint,
    origin: Path,
    *,
    size: tuple[int, int] | None = None,
    score_threshold: float | None = None,
    model: ObbDetector | None = None,
) -> Detector:
    """A checkpoint behind the flying path.

    model   an already built model with those weights, e.g. one that is being trained
    raises  CheckpointError where weights and model do not match
    """
    manifest = checkpoint_manifest(checkpoint, size)
    built = model if model is not None else detector_from_checkpoint(checkpoint, str(origin))
    shape = manifest.input.shape
    engine = TorchEngine(DeployObb(built, DeploySpec((shape[2], shape[3]))))
    digest = "sha256:" + (
        hashlib.sha256(origin.read_bytes()).hexdigest() if origin.is_file() else ""
    )
    bundle = Bundle(root=origin, manifest=manifest, digest=digest)
    return Detector(bundle, engine, score_threshold=score_threshold)


def _triple(values: list[float]) -> tuple[float, float, float]:
    first, second, third = (float(value) for value in values)
    return first, second, third
