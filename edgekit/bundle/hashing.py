"""Hashes of files, read in pieces: a 512 MiB model must not need 512 MiB of memory."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

CHUNK_BYTES = 1024 * 1024


def sha256_hex(content: bytes) -> str:
    """SHA-256 of bytes, lower-case hex."""
    return hashlib.sha256(content).hexdigest()


def hash_file(path: Path, limit_bytes: int) -> tuple[int, str]:
    """(size in bytes, SHA-256 hex) of a regular file, reading at most `limit_bytes + 1`.

    The size is what was read, so a file that grows meanwhile cannot pass for a small one.
    raises  OSError if it is a link, not a regular file, or cannot be read
    """
    digest, size = hashlib.sha256(), 0
    with open_regular(path) as file:
        for chunk in iter_chunks(file):
            size += len(chunk)
            digest.update(chunk)
            if size > limit_bytes:
                break
    return size, digest.hexdigest()


def read_small(path: Path, limit_bytes: int) -> bytes | None:
    """The bytes of a regular file, or None if it has more than `limit_bytes`.

    raises  OSError if it is a link, not a regular file, or cannot be read
    """
    with open_regular(path) as file:
        content = file.read(limit_bytes + 1)
    return None if len(content) > limit_bytes else content


def open_regular(path: Path) -> BinaryIO:
    """A regular file opened for reading; never through a link, never waiting on a pipe.

    raises  OSError
    """
    handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(f"{path.name} is not a regular file")
        return os.fdopen(handle, "rb")
    except OSError:
        os.close(handle)
        raise


def iter_chunks(file: BinaryIO) -> Iterator[bytes]:
    """The rest of an open file in pieces of CHUNK_BYTES."""
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
