"""Where a bundle came from, in words that mean the same on every machine."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from edgekit.bundle import Provenance

_PACKAGES = ("edgekit", "torch", "onnx", "onnxslim", "openvino", "nncf", "numpy")


def describe_provenance(
    checkpoint: Path, command: Sequence[str], inputs: dict[str, str]
) -> Provenance:
    """Source revision, package versions, command and hashes of what went in."""
    packages = {}
    for name in _PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    digest = f"sha256:{hashlib.sha256(checkpoint.read_bytes()).hexdigest()}"
    return Provenance(
        source_revision=_git("rev-parse", "HEAD")
        or f"edgekit {packages.get('edgekit', '')}".strip(),
        packages=packages,
        command=" ".join(command),
        inputs={"checkpoint": digest, **inputs},
    )


def source_date() -> str:
    """The date of the source, so that builds repeat: SOURCE_DATE_EPOCH, else the last commit's."""
    seconds = os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct") or "0"
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _git(*arguments: str) -> str:
    """One line from git about the source that runs; empty where it is not a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return ""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
