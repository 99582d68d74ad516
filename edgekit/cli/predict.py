"""`edgekit predict`: run a bundle over files and write annotated images."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.cli.detection_options import add_model_options, add_source_options, parse_bands
from edgekit.cli.output import print_json, progress, table

EXAMPLE = "edgekit predict detector.bundle frames/ --out annotated/"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a bundle")
    parser.add_argument(
        "source", metavar="SOURCE", help="folder of images, an image, a video file or a GeoTIFF"
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="annotated pictures and detections.json go here",
    )
    parser.add_argument("--json", action="store_true", help="the document on stdout")
    add_source_options(parser)
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    from edgekit.bundle import open_bundle
    from edgekit.runtime.opening import choose_modality, open_detector
    from edgekit.runtime.prediction import predict_to_folder
    from edgekit.runtime.sources import open_source

    bundle = open_bundle(args.bundle)
    source = open_source(
        args.source,
        modality=choose_modality(bundle, args.modality),
        limit=args.limit,
        bands=parse_bands(args.bands),
        sar_scale=args.sar_scale,
    )
    with open_detector(
        bundle, precision=args.precision, threads=args.threads, score_threshold=args.threshold
    ) as detector:
        document = predict_to_folder(detector, source, args.out)
    if args.json:
        print_json(document)
    else:
        print(_as_table(document))
    progress(f"{len(document['frames'])} pictures and detections.json in {args.out}")
    failure = source.failure()
    if failure is not None:
        raise failure
    return 0


def _as_table(document: Mapping[str, Any]) -> str:
    classes = document["classes"]
    rows = []
    for frame in document["frames"]:
        found = [item["class"] for item in frame["detections"]]
        milliseconds = round(sum(frame["timing_ms"].values()), 1)
        rows.append([frame["label"], *(found.count(name) for name in classes), milliseconds])
    return table(["frame", *classes, "ms"], rows)
