"""Small bundles to test with."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgekit.bundle import (
    AccuracyFigure,
    Artefact,
    Budget,
    Bundle,
    DecodeSpec,
    InputSpec,
    Manifest,
    Provenance,
    canonical_bytes,
    write_bundle,
)

FILES: dict[str, Path | bytes] = {
    "model/openvino/fp32/model.xml": b"<net/>",
    "model/openvino/fp32/model.bin": bytes(range(64)),
    "card.md": b"# A detector of cars\n",
}

BUDGET = Budget(min_cosine=0.999, max_abs=1.5, ap50_drop=0.01)


def example_artefact(precision: str = "fp32", order: int = 0, engine: str = "openvino") -> Artefact:
    """An artefact whose files lie where DESIGN says."""
    folder = f"model/{engine}/{precision}"
    files = (f"{folder}/model.xml", f"{folder}/model.bin")
    return Artefact(f"{engine}-{precision}", engine, "2026.4.1", precision, files, order, BUDGET)


def example_manifest(**changes: Any) -> Manifest:
    """A manifest of one fp32 artefact, with fields changed as wished."""
    manifest = Manifest(
        name="lwganet_l0-obb",
        version="1",
        created="2026-11-24T06:30:00Z",
        target="cpu-x86",
        task="obb",
        classes=("Person", "Car"),
        input=InputSpec(
            name="image",
            layout="NCHW",
            dtype="float32",
            shape=(1, 3, 32, 32),
            colour="RGB",
            modality="optical",
            mean=(123.675, 116.28, 103.53),
            std=(58.395, 57.12, 57.375),
            resize="letterbox",
        ),
        decode=DecodeSpec(0.05, 0.5, 300, False),
        artefacts=(example_artefact(),),
        accuracy={"openvino-fp32": (AccuracyFigure("cars val", "ap50", 0.71),)},
        files=(),
        provenance=Provenance("0" * 40, {"edgekit": "0.1.0"}, "edgekit export car.safetensors"),
        licence="CC-BY-4.0",
    )
    return replace(manifest, **changes)


def example_bundle(folder: Path, **changes: Any) -> Bundle:
    """A written bundle."""
    return write_bundle(folder / "cars.bundle", example_manifest(**changes), FILES)


def edit_manifest(root: Path, *keys: str | int, value: Any) -> None:
    """Set one value of a written manifest, deep inside it, in canonical form."""
    path = root / "manifest.json"
    document = json.loads(path.read_bytes())
    place = document
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    path.write_bytes(canonical_bytes(document))
