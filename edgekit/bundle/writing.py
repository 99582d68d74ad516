"""Writing a bundle: whole, verified, or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from edgekit.bundle.hashing import hash_file, iter_chunks
from edgekit.bundle.layout import MANIFEST_NAME, MAX_FILE_BYTES, check_paths, check_sizes
from edgekit.bundle.manifest import FileEntry, Manifest, manifest_from_json, manifest_to_json
from edgekit.bundle.opening import Bundle, open_bundle
from edgekit.core import BundleError, UsageError


def write_bundle(
    out: str | Path,
    manifest: Manifest,
    files: Mapping[str, Path | bytes],
    *,
    force: bool = False,
) -> Bundle:
    """Write `manifest` and `files` as a bundle at `out`; it appears whole or not at all.

    manifest  with `files=()`: the entries are made here from what is really written
    files     relative path in the bundle -> its bytes, or the file to copy
    force     replace a bundle that is there; never any other folder that holds something
    raises    UsageError if `out` is taken or cannot be written, BundleError if the content breaks a
              rule of the bundle, or a file to copy cannot be read
    """
    target = Path(out)
    assert not manifest.files, "write_bundle makes the file entries itself"
    check_paths(files)
    _check_target(target, force)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        staging = _folder_beside(target, ".part")
    except OSError as error:
        raise _cannot_write(target, error) from error
    try:
        _fill(staging, manifest, files)
        bundle = open_bundle(staging)
        _move(staging, target)
    except OSError as error:
        raise _cannot_write(target, error) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return replace(bundle, root=target.resolve())


def _check_target(target: Path, force: bool) -> None:
    if not os.path.lexists(target):
        return
    if target.is_symlink() or not target.is_dir():
        raise UsageError(f"{target} exists and is not a bundle", "name another --out")
    if not any(target.iterdir()):
        return
    # --force must not be able to sweep away a home folder.
    if not (target / MANIFEST_NAME).is_file():
        raise UsageError(f"{target} holds something that is not a bundle", "name another --out")
    if not force:
        raise UsageError(f"bundle {target} exists", "use --force to replace it")


def _fill(staging: Path, manifest: Manifest, files: Mapping[str, Path | bytes]) -> None:
    entries = []
    for path, source in sorted(files.items()):
        place = staging / path
        place.parent.mkdir(parents=True, exist_ok=True)
        _write_file(place, source)
        size, sha256 = hash_file(place, MAX_FILE_BYTES)
        entries.append(FileEntry(path, size, sha256))
    check_sizes((entry.path, entry.size) for entry in entries)
    content = manifest_to_json(replace(manifest, files=tuple(entries)))
    manifest_from_json(content)  # what no device would accept is not written either
    _write_file(staging / MANIFEST_NAME, content)
    for folder, _, _ in os.walk(staging):
        Path(folder).chmod(0o755)
        _fsync_folder(Path(folder))


def _write_file(place: Path, source: Path | bytes) -> None:
    with place.open("xb") as file:
        if isinstance(source, bytes):
            file.write(source)
        else:
            _copy(source, file)
        file.flush()
        os.fsync(file.fileno())
    place.chmod(0o644)


def _copy(source: Path, target: BinaryIO) -> None:
    try:
        reading = source.open("rb")
    except OSError as error:
        raise BundleError(
            f"cannot read {source} for the bundle: {error.strerror}", "make that file again"
        ) from error
    with reading:
        for chunk in iter_chunks(reading):
            target.write(chunk)


def _move(staging: Path, target: Path) -> None:
    """Put the finished folder in its place; what was there comes back if that fails."""
    if not target.exists():
        staging.rename(target)
    else:
        # Linux has no portable exchange of two folders: between these two renames nothing is at
        # `target`, but never a part of a bundle.
        former = _folder_beside(target, ".old")
        target.rename(former)  # onto an empty folder, which POSIX allows
        try:
            staging.rename(target)
        except OSError:
            former.rename(target)
            raise
        shutil.rmtree(former, ignore_errors=True)
    _fsync_folder(target.parent)


def _folder_beside(target: Path, suffix: str) -> Path:
    return Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=suffix))


def _fsync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cannot_write(target: Path, error: OSError) -> UsageError:
    return UsageError(
        f"cannot write bundle {target}: {(error.strerror or str(error)).lower()}",
        "name another --out, or make room",
    )
