"""`edgekit inspect`: what a bundle holds, for people and for programs."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from edgekit.cli.output import print_json, table

if TYPE_CHECKING:
    from edgekit.bundle import Bundle, InputSpec

EXAMPLE = "edgekit inspect detector.bundle"
SCHEMA = "edgekit.inspect/1"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a bundle")
    parser.add_argument("--json", action="store_true", help=f"one JSON document, {SCHEMA}")


def run(args: argparse.Namespace) -> int:
    from edgekit.bundle import open_bundle

    bundle = open_bundle(args.bundle)
    if args.json:
        print_json(
            {
                "schema": SCHEMA,
                "bundle": args.bundle,
                "digest": bundle.digest,
                "manifest": asdict(bundle.manifest),
            }
        )
    else:
        print(_report(bundle))
    return 0


def _report(bundle: Bundle) -> str:
    manifest, decode = bundle.manifest, bundle.manifest.decode
    provenance = manifest.provenance
    suppression = "all classes together" if decode.class_agnostic else "class by class"
    facts = [
        ("name", f"{manifest.name} {manifest.version}"),
        ("digest", bundle.digest),
        ("target", manifest.target),
        ("classes", f"{len(manifest.classes)}: {', '.join(manifest.classes)}"),
        ("input", _input(manifest.input)),
        (
            "output",
            f"oriented boxes, score >= {decode.score_threshold:g}, rotated NMS at IoU "
            f"{decode.nms_iou:g} {suppression}, at most {decode.max_detections}",
        ),
        ("created", manifest.created),
        ("expires", manifest.expires or "never"),
        ("licence", manifest.licence),
        ("source", provenance.source_revision),
        ("made by", provenance.command),
        ("made with", ", ".join(f"{k} {v}" for k, v in sorted(provenance.packages.items()))),
        *((f"from {name}", digest) for name, digest in sorted(provenance.inputs.items())),
    ]
    width = max(len(name) for name, _ in facts)
    lines = [f"{name.ljust(width)}  {value}" for name, value in facts]
    return "\n".join([*lines, "", _artefacts(bundle)])


def _input(spec: InputSpec) -> str:
    _, channels, height, width = spec.shape
    resize = spec.resize
    if spec.tile is not None:
        tile_height, tile_width = spec.tile.size
        resize = f"tiles of {tile_width}x{tile_height} overlapping by {spec.tile.overlap_px} px"
    return f"{spec.modality}, {width}x{height}, {channels} channels from {spec.colour}, {resize}"


def _artefacts(bundle: Bundle) -> str:
    """One row an artefact, preferred first; one column a metric that any was measured by."""
    manifest = bundle.manifest
    sizes = {entry.path: entry.size for entry in manifest.files}
    figures = {
        (name, figure.metric): f"{figure.value:.4f}"
        for name, measured in manifest.accuracy.items()
        for figure in measured
    }
    metrics = list(dict.fromkeys(metric for _, metric in figures))
    rows = [
        (
            artefact.id,
            f"{artefact.engine} {artefact.engine_version}",
            artefact.precision,
            f"{sum(sizes[path] for path in artefact.files) / 2**20:.2f}",
            *(figures.get((artefact.id, metric)) for metric in metrics),
        )
        for artefact in sorted(manifest.artefacts, key=lambda item: item.order)
    ]
    measured = sorted({f.data_set for rows in manifest.accuracy.values() for f in rows})
    lines = [table(("artefact", "engine", "precision", "MiB", *metrics), rows)]
    return "\n".join([*lines, *(f"measured on {name}" for name in measured)])
