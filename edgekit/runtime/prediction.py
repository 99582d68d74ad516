"""Detections of files for people: an annotated picture a frame, and one JSON document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.core import SinkError, write_text_atomic
from edgekit.runtime.clock import SYSTEM_CLOCK, Clock
from edgekit.runtime.detector import Detector
from edgekit.runtime.messages import Sender, detections_message, encode_message, locate
from edgekit.runtime.sinks.pictures import PictureSink, picture_name
from edgekit.runtime.sinks.sink import Result
from edgekit.runtime.sources import Source

SCHEMA = "edgekit.predictions/1"


def predict_to_folder(
    detector: Detector, source: Source, out: Path, *, clock: Clock = SYSTEM_CLOCK
) -> dict[str, Any]:
    """Run a detector over a source; write `out/*.jpg` and `out/detections.json`.

    returns  the document that detections.json holds: schema, model, source, frames [{label,
             picture, width, height, modality, timing_ms, detections}], failed
    raises   SinkError where `out` cannot be written, SourceError where nothing can be read
    """
    classes = tuple(detector.bundle.manifest.classes)
    sender = Sender.of("predict", detector.bundle, detector.engine.info)
    pictures = PictureSink(out, classes)
    frames = []
    for frame in source:
        found, spent_ms = detector.detect(frame.pixels, frame.modality)
        detections = locate(found, frame)
        timing_ms = {"queue": 0.0, **spent_ms, "total": sum(spent_ms.values())}
        message = detections_message(sender, frame, detections, timing_ms, clock.utc_ns())
        pictures.write(Result(frame, detections, message, encode_message(message)))
        frames.append(
            {
                "label": frame.label,
                "picture": picture_name(frame),
                **message["frame"],
                "timing_ms": {stage: round(value, 3) for stage, value in spent_ms.items()},
                "detections": message["detections"],
            }
        )
    document = {
        "schema": SCHEMA,
        "model": dict(sender.model),
        "classes": list(classes),
        "source": source.name,
        "frames": frames,
        "failed": source.failed,
    }
    path = out / "detections.json"
    try:
        write_text_atomic(path, json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SinkError(f"cannot write {path}: {reason}", "name another --out") from error
    return document
