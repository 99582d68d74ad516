"""The message of one processed frame, `edgekit.detections/1`; `schemas/detections-1.schema.json`.

One message a frame, also when nothing was found. (device, stream, epoch, seq) names it: a consumer
drops repeats by that. `geo` is there where the frame is georeferenced; `track` is null where
nothing tracks.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.bundle import Bundle
from edgekit.core import Detections, Frame, UsageError
from edgekit.engines.base import EngineInfo
from edgekit.runtime.clock import iso8601_utc

SCHEMA = "edgekit.detections/1"
SCHEMA_PATH = Path(__file__).parent / "schemas" / "detections-1.schema.json"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class Sender:
    """What all messages of a process share.

    raises  UsageError for a device name that could not stand in a topic
    """

    device: str
    classes: tuple[str, ...]
    model: Mapping[str, str]

    def __post_init__(self) -> None:
        check_name("device", self.device)

    @staticmethod
    def of(device: str, bundle: Bundle, info: EngineInfo) -> Sender:
        """The sender that runs `bundle` on the engine that `info` says really runs."""
        model = {
            "name": bundle.manifest.name,
            "bundle": bundle.digest,
            "engine": info.name,
            "precision": info.precision,
        }
        return Sender(device, tuple(bundle.manifest.classes), model)


def check_name(kind: str, name: str) -> None:
    """Refuse a device or stream name that could not stand in a topic.

    raises  UsageError
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{kind} name {name[:80]!r} cannot stand in a topic",
            "use up to 64 letters, digits, '.', '_' and '-'",
        )


def locate(detections: Detections, frame: Frame) -> Detections:
    """The detections with the ground position of their centres, if the frame is georeferenced."""
    if frame.georef is None or not len(detections):
        return detections
    positions = frame.georef.to_lat_lon(detections.boxes[:, :2].astype(np.float64))
    sigma = np.full((len(detections), 1), frame.georef.sigma_m)
    return replace(detections, geo=np.hstack([positions, sigma]))


def detections_message(
    sender: Sender,
    frame: Frame,
    detections: Detections,
    timing_ms: Mapping[str, float],
    published_utc_ns: int,
) -> dict[str, Any]:
    """The message as a JSON object; numbers are rounded far below what they mean.

    timing_ms  queue, preprocess, infer, postprocess and total
    """
    height, width = frame.size_px
    return {
        "schema": SCHEMA,
        "device": sender.device,
        "stream": frame.stream,
        "epoch": frame.epoch,
        "seq": frame.seq,
        "captured_at": iso8601_utc(frame.captured_utc_ns),
        "published_at": iso8601_utc(published_utc_ns),
        "replayed": False,
        "frame": {"width": width, "height": height, "modality": frame.modality},
        "model": dict(sender.model),
        "timing_ms": {stage: round(value, 3) for stage, value in timing_ms.items()},
        "detections": detection_items(detections, sender.classes),
    }


def detection_items(detections: Detections, classes: tuple[str, ...]) -> list[dict[str, Any]]:
    """Each detection as the JSON object that messages hold."""
    items = []
    for row, (box, score, label) in enumerate(
        zip(
            detections.boxes.tolist(),
            detections.scores.tolist(),
            detections.labels.tolist(),
            strict=True,
        )
    ):
        item: dict[str, Any] = {
            "class": classes[label],
            "class_id": label,
            "score": round(score, 4),
            "obb": [*(round(value, 2) for value in box[:4]), round(box[4], 5)],
            "track": None if detections.track_ids is None else int(detections.track_ids[row]),
        }
        if detections.geo is not None:
            lat, lon, sigma_m = detections.geo[row].tolist()
            # Seven decimals of a degree are a centimetre.
            item["geo"] = {
                "lat": round(lat, 7),
                "lon": round(lon, 7),
                "sigma_m": round(sigma_m, 2),
            }
        items.append(item)
    return items


def detections_from_items(items: list[dict[str, Any]]) -> Detections:
    """Detections from the `detections` of a message: what a consumer does first."""
    if not items:
        return Detections.empty()
    return Detections(
        boxes=np.array([item["obb"] for item in items], np.float32),
        scores=np.array([item["score"] for item in items], np.float32),
        labels=np.array([item["class_id"] for item in items], np.int32),
    )


def encode_message(message: Mapping[str, Any]) -> bytes:
    """One line of UTF-8 JSON without spaces; never NaN or infinity, which are not JSON."""
    text = json.dumps(message, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.encode("utf-8")
