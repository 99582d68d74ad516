"""`edgekit export`: a checkpoint becomes a bundle for a target."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.output import print_json, progress, table
from targets import load_target

if TYPE_CHECKING:
    from edgekit.export.bundling import ExportReport

EXAMPLE = (
    "edgekit export runs/mine/best.safetensors --target cpu-x86 --data my-frames --out mine.bundle"
)


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("checkpoint", type=Path, help="a .safetensors checkpoint")
    parser.add_argument("--target", required=True, help="name of a target, or a profile's path")
    parser.add_argument(
        "--precision", help="fp32, int8 or both with a comma; default: all that the target computes"
    )
    parser.add_argument("--data", type=Path, help="DOTA folder: calibration and accuracy")
    parser.add_argument("--out", type=Path, required=True, help="the bundle to write")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="input size, px")
    parser.add_argument("--calibration-frames", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--max-ap50-drop",
        type=float,
        metavar="X",
        help="AP50 that INT8 may lose, in 0..1 (default: the target's gate)",
    )
    parser.add_argument("--force", action="store_true", help="replace a bundle that is there")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    target = load_target(args.target)
    from edgekit.export.bundling import ExportRequest, export_bundle

    asked = tuple(args.precision.split(",")) if args.precision else target.engines[0].precisions
    request = ExportRequest(
        checkpoint=args.checkpoint,
        target=target,
        out=args.out,
        precisions=asked,
        data=args.data,
        size=tuple(args.size) if args.size else None,
        calibration_frames=args.calibration_frames,
        seed=args.seed,
        max_ap50_drop=args.max_ap50_drop,
        force=args.force,
    )
    report = export_bundle(request, notify=progress)
    for precision, reason in report.refused.items():
        progress(f"edgekit: {precision} is left out: {reason}; fp32 ships instead")
    if args.json:
        print_json(_document(report))
    else:
        print(_table(report))
        print(f"\n{args.out}  {report.bundle.digest}")
    return 0


def _document(report: ExportReport) -> dict[str, Any]:
    speed = report.speed
    return {
        "schema": "edgekit.export/1",
        "bundle": str(report.bundle.root),
        "digest": report.bundle.digest,
        "artefacts": [item.id for item in report.bundle.manifest.artefacts],
        "refused": report.refused,
        "median_ms": speed.median_ms if speed else {},
        "accuracy": {
            precision: item.accuracy.to_json()
            for precision, item in report.measured.items()
            if item.accuracy
        },
    }


def _table(report: ExportReport) -> str:
    rows = []
    for precision, item in report.measured.items():
        accuracy, parity, speed = item.accuracy, item.parity, report.speed
        rows.append(
            (
                precision,
                "refused" if precision in report.refused else "passed",
                accuracy.ap50 if accuracy else None,
                accuracy.map50_95 if accuracy else None,
                parity.score_cosine if parity else None,
                parity.detections["matched_fraction"] if parity else None,
                speed.median_ms[precision] if speed else None,
            )
        )
    header = ("precision", "gates", "AP50", "mAP50:95", "score cosine", "matched", "median ms")
    return table(header, rows)
