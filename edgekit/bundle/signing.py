"""Signatures: Ed25519 over the bytes of manifest.json, which in turn holds the hash of every file.

    manifest.sig       canonical JSON {"key_id": ..., "signature": base64}
    private key file   PEM, PKCS #8, not encrypted, mode 0600
    public key file    PEM, SubjectPublicKeyInfo

OpenSSL reads and writes the same key files, so a signature can be checked without edgekit:
`openssl pkeyutl -verify -pubin -inkey KEY.pub -rawin -in manifest.json -sigfile SIGNATURE`.

Source  RFC 8032 (Ed25519), RFC 8410 (its PEM form).
"""

from __future__ import annotations

import base64
import binascii
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.bundle.canonical_json import canonical_bytes
from edgekit.bundle.hashing import read_small, sha256_hex
from edgekit.bundle.layout import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    MAX_SIGNATURE_BYTES,
    SIGNATURE_NAME,
)
from edgekit.core import BundleError, UsageError, write_bytes_atomic

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

_MAX_KEY_FILE_BYTES = 16 * 1024


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that may be trusted: its 32 raw bytes."""

    raw: bytes

    @property
    def key_id(self) -> str:
        """The first 16 hexadecimal digits of the SHA-256 of the raw key."""
        return sha256_hex(self.raw)[:16]


def generate_key(private_path: Path, public_path: Path) -> PublicKey:
    """Make a key pair and write both files; an existing file is never overwritten.

    raises  UsageError
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    if public_path.exists():
        raise UsageError(f"{public_path} exists", "keys are never overwritten; name another file")
    _write_new(private_path, private, 0o600)
    _write_new(public_path, public, 0o644)
    return _public_key(key)


def load_public_key(path: Path) -> PublicKey:
    """Read a public key file.

    raises  UsageError if it cannot be read or is not an Ed25519 public key
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = serialization.load_pem_public_key(_read_key_file(path))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "public") from error
    if not isinstance(key, Ed25519PublicKey):
        raise _not_a_key(path, "public")
    return PublicKey(key.public_bytes_raw())


def load_private_key(path: Path) -> Ed25519PrivateKey:
    """Read a private key file.

    raises  UsageError if it cannot be read or is not an Ed25519 private key
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    try:
        key = serialization.load_pem_private_key(_read_key_file(path), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _not_a_key(path, "private") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise _not_a_key(path, "private")
    return key


def sign_bundle(root: Path, private_key: Path) -> PublicKey:
    """Sign a bundle's manifest: write `manifest.sig`. Returns the key that now vouches for it.

    raises  UsageError for the key, BundleError for the bundle. Verify the bundle first: a signature
            says that the manifest is yours, whatever it says.
    """
    key = load_private_key(private_key)
    try:
        manifest = read_small(root / MANIFEST_NAME, MAX_MANIFEST_BYTES)
    except OSError as error:
        raise BundleError(f"{root} has no readable {MANIFEST_NAME}", "name a bundle") from error
    if manifest is None:
        raise BundleError(f"{MANIFEST_NAME} is too large", f"the limit is {MAX_MANIFEST_BYTES}")
    public = _public_key(key)
    signature = base64.b64encode(key.sign(manifest)).decode("ascii")
    content = canonical_bytes({"key_id": public.key_id, "signature": signature})
    write_bytes_atomic(root / SIGNATURE_NAME, content)
    return public


def verify_signature(manifest: bytes, signature: bytes, trusted: Iterable[PublicKey]) -> str:
    """The id of the trusted key that signed these manifest bytes.

    manifest   the bytes of manifest.json
    signature  the bytes of manifest.sig
    raises     BundleError if the signature is malformed, by another key, or does not match
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    key_id, raw_signature = _parse_signature(signature)
    keys = {key.key_id: key for key in trusted}
    if key_id not in keys:
        raise BundleError(
            f"bundle is signed by key {key_id}, which is not trusted",
            f"trusted: {', '.join(keys) or 'none'}; add its public key only if you know the signer",
        )
    try:
        Ed25519PublicKey.from_public_bytes(keys[key_id].raw).verify(raw_signature, manifest)
    except (InvalidSignature, ValueError) as error:
        raise BundleError(
            f"{MANIFEST_NAME} does not match its signature by key {key_id}",
            "it was altered; fetch the bundle again",
        ) from error
    return key_id


def _parse_signature(content: bytes) -> tuple[str, bytes]:
    try:
        if len(content) > MAX_SIGNATURE_BYTES:
            raise ValueError("too large")
        found = json.loads(content.decode("utf-8"))
        if set(found) != {"key_id", "signature"} or canonical_bytes(found) != content:
            raise ValueError("wrong keys")
        key_id = str(found["key_id"])
        if not (len(key_id) == 16 and key_id.isascii() and key_id.isalnum()):
            raise ValueError("wrong key id")
        raw = base64.b64decode(found["signature"], validate=True)
        # Base64 has several spellings of one value; only the one that we write is accepted.
        if base64.b64encode(raw).decode("ascii") != found["signature"]:
            raise ValueError("not canonical base64")
    except (ValueError, TypeError, RecursionError, binascii.Error, BundleError) as error:
        raise BundleError(
            f"{SIGNATURE_NAME} is malformed", "sign the bundle again, or fetch it again"
        ) from error
    return key_id, raw


def _public_key(key: Ed25519PrivateKey) -> PublicKey:
    return PublicKey(key.public_key().public_bytes_raw())


def _read_key_file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(_MAX_KEY_FILE_BYTES)
    except OSError as error:
        reason = error.strerror or "unreadable"
        raise UsageError(f"key file {path}: {reason}", "name a readable key file") from error


def _write_new(path: Path, content: bytes, mode: int) -> None:
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError as error:
        raise UsageError(f"{path} exists", "keys are never overwritten; name another") from error
    except OSError as error:
        what = f"cannot write key file {path}: {error.strerror}"
        raise UsageError(what, "name another file") from error
    with os.fdopen(handle, "wb") as file:
        file.write(content)


def _not_a_key(path: Path, kind: str) -> UsageError:
    return UsageError(
        f"{path} is not an Ed25519 {kind} key", f"name the {kind} key's PEM file, not encrypted"
    )
