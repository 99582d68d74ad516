"""From the path of a bundle to a detector that is ready."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.bundle import Bundle
from edgekit.core import MODALITIES, UsageError, unknown_name
from edgekit.engines.base import open_engine
from edgekit.runtime.detector import Detector


@contextmanager
def open_detector(
    bundle: Bundle,
    *,
    precision: str | None = None,
    threads: int | None = None,
    score_threshold: float | None = None,
) -> Iterator[Detector]:
    """A warm detector for a verified bundle; its engine is closed at the end of the block.

    raises  UsageError for a bad request, EngineError where no engine can run the bundle
    """
    if score_threshold is not None and not 0.0 <= score_threshold <= 1.0:
        raise UsageError(f"score threshold {score_threshold} is not in 0..1", "try 0.3")
    engine = open_engine(bundle, precision=precision, threads=threads)
    try:
        detector = Detector(bundle, engine, score_threshold=score_threshold)
        detector.warm_up()
        yield detector
    finally:
        engine.close()


def choose_modality(bundle: Bundle, asked: str | None) -> str:
    """What the frames are taken for: as asked, else what the bundle was made for.

    raises  UsageError for an unknown one
    """
    if asked is not None and asked not in MODALITIES:
        raise unknown_name("modality", asked, MODALITIES)
    return asked or bundle.manifest.input.modality


def existing_bundle_paths(folder: Path) -> list[Path]:
    """The bundles directly in a folder, by name."""
    return sorted(path for path in folder.glob("*.bundle") if path.is_dir())
