"""`edgekit demo`: watch the shipped detectors at work, over MQTT."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.output import print_json, progress, table

if TYPE_CHECKING:
    from edgekit.runtime.demo import DemoReport

EXAMPLE = "edgekit demo --out edgekit-demo"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--mqtt", metavar="URL", help="a broker to use (default: one inside this process)"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("edgekit-demo"),
        metavar="DIR",
        help="contact-sheet.png and messages.jsonl go here (default: edgekit-demo)",
    )
    parser.add_argument(
        "--bundles",
        type=Path,
        metavar="DIR",
        help="show the bundles of this folder instead of the shipped ones",
    )
    parser.add_argument("--json", action="store_true", help="the table as one JSON document")


def run(args: argparse.Namespace) -> int:
    from edgekit.runtime.demo import BUNDLES, run_demo

    bundles = args.bundles or BUNDLES
    report = run_demo(args.out, mqtt=args.mqtt, bundles=bundles, notify=progress)
    if args.json:
        print_json(_as_document(report))
    else:
        print(_as_table(report))
        print(f"\n{len(report.rows)} messages arrived over MQTT from {report.broker}")
        print(f"contact sheet: {report.sheet}")
        print(f"messages:      {report.messages}")
    return 0


def _as_table(report: DemoReport) -> str:
    rows = [
        [
            row.stream,
            row.frame,
            ", ".join(f"{count} {name}" for name, count in row.counts.items()) or "-",
            round(row.infer_ms, 1),
            round(row.latency_ms, 1),
        ]
        for row in report.rows
    ]
    return table(["stream", "frame", "objects", "infer ms", "latency ms"], rows)


def _as_document(report: DemoReport) -> dict[str, object]:
    frames = [
        {
            "stream": row.stream,
            "frame": row.frame,
            "objects": row.counts,
            "infer_ms": row.infer_ms,
            "latency_ms": round(row.latency_ms, 3),
        }
        for row in report.rows
    ]
    return {
        "schema": "edgekit.demo/1",
        "broker": report.broker,
        "published": report.published,
        "contact_sheet": str(report.sheet),
        "messages": str(report.messages),
        "frames": frames,
    }
