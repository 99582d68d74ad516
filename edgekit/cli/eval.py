"""`edgekit eval`: rotated mAP of a checkpoint or of one artefact of a bundle."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.output import print_json, table
from edgekit.core import UsageError
from edgekit.runtime.extras import import_extra

if TYPE_CHECKING:
    from edgekit.data.dota import LabelledFrame
    from edgekit.metrics import DetectionMetrics
    from edgekit.runtime.detector import Detector

EXAMPLE = "edgekit eval mine.bundle --data my-frames"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", type=Path, metavar="CHECKPOINT|BUNDLE")
    parser.add_argument("--data", type=Path, required=True, help="DOTA folder")
    parser.add_argument("--split", default="val", help="which split (default val)")
    parser.add_argument(
        "--classes", help="measure these, with commas (default: those that its card states)"
    )
    parser.add_argument("--precision", help="of a bundle: fp32 or int8 (default: the preferred)")
    parser.add_argument("--artefact", help="of a bundle: the artefact's id")
    parser.add_argument("--threads", type=int, help="CPU threads")
    parser.add_argument(
        "--score-threshold", type=float, help="least score that counts (default 0.05)"
    )
    parser.add_argument("--limit", type=int, help="only the first N frames")
    parser.add_argument("--json", action="store_true", help="print one JSON document")


def run(args: argparse.Namespace) -> int:
    from edgekit.data.dota import read_dota_folder
    from edgekit.reference.accuracy import EVAL_SCORE_THRESHOLD, measure_accuracy

    _check(args)
    threshold = EVAL_SCORE_THRESHOLD if args.score_threshold is None else args.score_threshold
    data = read_dota_folder(args.data, args.split)
    if args.limit is not None:
        data = replace(data, frames=data.frames[: args.limit])
    detector, stated = _open(args, threshold)
    classes = tuple(args.classes.split(",")) if args.classes else stated
    try:
        metrics = measure_accuracy(detector, data, classes=classes, progress=_progress)
    finally:
        detector.engine.close()
    if args.json:
        print_json(_document(detector, metrics, args.data.name, args.split, threshold))
    else:
        print(_table(metrics))
        info = detector.engine.info
        where = f"{metrics.frames} frames of {args.data.name} {args.split}"
        print(f"\n{where}, {info.name} {info.precision}")
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what cannot be meant before anything is loaded."""
    if not args.model.exists():
        raise UsageError(f"no checkpoint or bundle at {args.model}", "check the path")
    for name in ("limit", "threads"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UsageError(f"--{name} is {value}", "it must be 1 or more")
    if args.score_threshold is not None and not 0 <= args.score_threshold < 1:
        raise UsageError(f"--score-threshold is {args.score_threshold:g}", "use 0 up to below 1")
    if not args.model.is_dir() and (args.artefact or args.precision not in (None, "fp32")):
        raise UsageError("a checkpoint has no artefacts, it is fp32", "name a bundle")


def _open(args: argparse.Namespace, threshold: float) -> tuple[Detector, tuple[str, ...]]:
    """The detector, and the classes that its own figures are over; empty: all."""
    return _open_bundle(args, threshold) if args.model.is_dir() else _load(args, threshold)


def _open_bundle(args: argparse.Namespace, threshold: float) -> tuple[Detector, tuple[str, ...]]:
    from edgekit.bundle import open_bundle
    from edgekit.engines.base import open_engine
    from edgekit.runtime.detector import Detector

    bundle = open_bundle(args.model)
    engine = open_engine(
        bundle, artefact_id=args.artefact, precision=args.precision, threads=args.threads
    )
    figures = [row.metric for rows in bundle.manifest.accuracy.values() for row in rows]
    stated = tuple(name for name in bundle.manifest.classes if f"ap50 {name}" in figures)
    return Detector(bundle, engine, score_threshold=threshold), stated


def _load(args: argparse.Namespace, threshold: float) -> tuple[Detector, tuple[str, ...]]:
    torch = import_extra("torch", "train", "measuring a checkpoint")
    from edgekit.reference.checkpoint_bundle import checkpoint_detector
    from model_zoo import load_checkpoint

    if args.threads:
        torch.set_num_threads(args.threads)
    checkpoint = load_checkpoint(args.model)
    stated = tuple(checkpoint.training.get("config", {}).get("headline_classes", ()))
    return checkpoint_detector(checkpoint, args.model, score_threshold=threshold), stated


def _document(
    detector: Detector, metrics: DetectionMetrics, data_set: str, split: str, threshold: float
) -> dict[str, Any]:
    info = detector.engine.info
    return {
        **metrics.to_json(),
        "schema": "edgekit.eval/1",
        "model": detector.bundle.manifest.name,
        "digest": detector.bundle.digest,
        "engine": {"name": info.name, "version": info.version, "precision": info.precision},
        "data_set": data_set,
        "split": split,
        "score_threshold": threshold,
    }


def _table(metrics: DetectionMetrics) -> str:
    header = ("class", "AP50", "AP75", "AP50:95", "objects", "found", "angle error deg")
    rows: list[tuple[Any, ...]] = [
        (
            row.name,
            _number(row.ap50),
            _number(row.ap75),
            _number(row.ap50_95),
            row.truths,
            row.found,
            _number(row.mean_angle_error_deg),
        )
        for row in metrics.per_class
    ]
    found = sum(row.found for row in metrics.per_class)
    means = (metrics.ap50, metrics.ap75, metrics.map50_95)
    angle = _number(metrics.mean_angle_error_deg)
    rows.append(("mean", *map(_number, means), metrics.truths, found, angle))
    return table(header, rows)


def _number(value: float) -> float | None:
    return None if value != value else value


def _progress(frames: Iterable[LabelledFrame]) -> Iterator[LabelledFrame]:
    """A counter on stderr, on a terminal only."""
    if not sys.stderr.isatty():
        yield from frames
        return
    for number, frame in enumerate(frames, start=1):
        yield frame
        sys.stderr.write(f"\r{number} frames")
    sys.stderr.write("\r\033[K")
