"""Opening a bundle: everything is verified before anybody reads a model out of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from edgekit.bundle.hashing import hash_file, read_small, sha256_hex
from edgekit.bundle.layout import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    MAX_SIGNATURE_BYTES,
    SIGNATURE_NAME,
    folders_of,
)
from edgekit.bundle.manifest import Artefact, FileEntry, Manifest, manifest_from_json, utc_time
from edgekit.bundle.signing import PublicKey, verify_signature
from edgekit.core import BundleError

_FETCH_AGAIN = "fetch the bundle again"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A verified bundle.

    root       its folder, links resolved
    digest     "sha256:..." of manifest.json: names this very content
    signed_by  id of the trusted key that signed it; None where no trusted keys were given
    """

    root: Path
    manifest: Manifest
    digest: str
    signed_by: str | None = None

    @property
    def is_signed(self) -> bool:
        """Whether a signature lies beside the manifest; `signed_by` says if it was checked."""
        return (self.root / SIGNATURE_NAME).is_file()

    def files_of(self, artefact: Artefact) -> tuple[Path, ...]:
        """Where an artefact's files are."""
        return tuple(self.root / path for path in artefact.files)


def open_bundle(
    path: str | Path,
    *,
    trusted_keys: Iterable[PublicKey] | None = None,
    now: datetime | None = None,
) -> Bundle:
    """Verify a bundle whole, and return what it says.

    Checked in this order: the manifest's size, its signature (where `trusted_keys` are given: an
    unsigned bundle and an empty list are refused), its content and limits, expiry, the names on
    disk, the sizes, the hashes. A file changed after this call is not noticed: keep bundles where
    only their owner writes.

    trusted_keys  None: signatures are not looked at
    now           the clock for expiry; the system's by default
    raises        BundleError, one line, always
    cost          reads every file once, in pieces of 1 MiB
    """
    try:
        root = _resolve(Path(path))
        return _open(root, trusted_keys, now or datetime.now(UTC))
    except OSError as error:
        name = f" ({Path(str(error.filename)).name})" if error.filename else ""
        raise _unreadable(path, f"{(error.strerror or str(error)).lower()}{name}") from error
    except ValueError as error:  # a path with a NUL byte
        raise _unreadable(path, str(error)) from error


def _open(root: Path, trusted_keys: Iterable[PublicKey] | None, now: datetime) -> Bundle:
    content = read_small(root / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    if content is None:
        raise BundleError(
            f"{MANIFEST_NAME} is larger than {MAX_MANIFEST_BYTES} bytes", _FETCH_AGAIN
        )
    signed_by = None
    if trusted_keys is not None:
        signed_by = _check_signature(root, content, trusted_keys)
    manifest = manifest_from_json(content)
    if manifest.expires is not None and now >= utc_time(manifest.expires):
        raise BundleError(
            f"bundle '{manifest.name}' expired on {manifest.expires}",
            "export a new one, or check this device's clock",
        )
    _check_names(root, {entry.path for entry in manifest.files})
    for entry in manifest.files:
        _check_size(root, entry)
    for entry in manifest.files:
        _check_content(root, entry)
    return Bundle(root, manifest, f"sha256:{sha256_hex(content)}", signed_by)


def _resolve(path: Path) -> Path:
    """The real folder, so that a link swapped later cannot mix two bundles."""
    shown = ascii(str(path))
    if not path.exists():
        raise BundleError(f"no bundle at {shown}", "name a folder that edgekit export wrote")
    if not path.is_dir():
        raise BundleError(f"{shown} is not a bundle", "a bundle is a folder, not a file")
    if not os.path.lexists(path / MANIFEST_NAME):
        raise BundleError(
            f"{shown} is not a bundle: it has no {MANIFEST_NAME}",
            "name a folder that edgekit export wrote",
        )
    return path.resolve(strict=True)


def _check_signature(root: Path, content: bytes, trusted_keys: Iterable[PublicKey]) -> str:
    if not os.path.lexists(root / SIGNATURE_NAME):
        raise BundleError(
            "bundle is not signed, and trusted keys are asked for",
            "sign it, or open it without trusted keys",
        )
    signature = read_small(root / SIGNATURE_NAME, MAX_SIGNATURE_BYTES)
    return verify_signature(content, signature or b"", trusted_keys)


def _check_names(root: Path, listed: set[str]) -> None:
    """Every name on disk is listed and every listed name is on disk; no links, no other kinds.

    Stops at the first stranger, so a folder with a million files costs no more than a small one.
    """
    folders = {folder for path in listed for folder in folders_of(path)}
    allowed = listed | {MANIFEST_NAME, SIGNATURE_NAME}
    missing, waiting = set(listed), [""]
    while waiting:
        folder = waiting.pop()
        with os.scandir(root / folder) as entries:
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                _check_entry(entry, path, allowed, folders)
                missing.discard(path)
                if path in folders:
                    waiting.append(path)
    if missing:
        raise BundleError(f"bundle file '{min(missing)}' is missing", _FETCH_AGAIN)


def _check_entry(entry: os.DirEntry[str], path: str, allowed: set[str], folders: set[str]) -> None:
    shown = ascii(path)[:120]
    if entry.is_symlink():
        raise BundleError(f"bundle holds a link, {shown}", "replace it by the file itself")
    if entry.is_dir(follow_symlinks=False):
        known = path in folders
    elif entry.is_file(follow_symlinks=False):
        known = path in allowed
    else:
        raise BundleError(f"bundle holds {shown}, which is no plain file", "remove it")
    if not known:
        raise BundleError(
            f"bundle holds {shown}, which its manifest does not list",
            "remove it, or fetch the bundle again",
        )


def _check_size(root: Path, entry: FileEntry) -> None:
    size = (root / entry.path).lstat().st_size
    if size != entry.size:
        raise BundleError(
            f"bundle file '{entry.path}' has {size} bytes, not {entry.size}", _FETCH_AGAIN
        )


def _check_content(root: Path, entry: FileEntry) -> None:
    size, sha256 = hash_file(root / entry.path, entry.size)
    if (size, sha256) != (entry.size, entry.sha256):
        raise BundleError(f"bundle file '{entry.path}' is altered: its hash differs", _FETCH_AGAIN)


def _unreadable(path: str | Path, reason: str) -> BundleError:
    return BundleError(
        f"bundle {str(path)!a} cannot be read: {reason}",
        "check the disk and the permissions, or fetch it again",
    )
