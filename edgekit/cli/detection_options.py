"""Options that `run` and `predict` share, spelled the same in both."""

from __future__ import annotations

import argparse

from edgekit.core import UsageError


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """How the bundle is run."""
    group = parser.add_argument_group("model")
    group.add_argument(
        "--threshold", type=float, metavar="X", help="least score (default: the bundle's)"
    )
    group.add_argument(
        "--precision", metavar="P", help="int8, fp16 or fp32 (default: the one the bundle prefers)"
    )
    group.add_argument("--threads", type=int, metavar="N", help="CPU threads of the engine")


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """How frames are read."""
    group = parser.add_argument_group("frames")
    group.add_argument("--limit", type=int, metavar="N", help="end after N frames")
    group.add_argument(
        "--modality", metavar="M", help="optical, thermal or sar (default: the bundle's)"
    )
    group.add_argument(
        "--bands", metavar="1,2,3", help="bands of a raster (default: the first, or first three)"
    )
    group.add_argument(
        "--sar-scale",
        default="auto",
        metavar="S",
        help="what a SAR raster holds: db, amplitude or power (default: told from its values)",
    )


def parse_bands(text: str | None) -> tuple[int, ...] | None:
    """Band numbers from "1" or "3,2,1".

    raises  UsageError
    """
    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(f"bands {text!r} are not numbers", "use --bands 1 or 3,2,1") from error
