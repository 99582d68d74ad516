"""What may stand where in a bundle, and how much of it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from edgekit.core import BundleError

MANIFEST_NAME = "manifest.json"
SIGNATURE_NAME = "manifest.sig"

MIB = 1024 * 1024
MAX_MANIFEST_BYTES = 1 * MIB
MAX_SIGNATURE_BYTES = 4096
MAX_FILES = 256
MAX_FILE_BYTES = 512 * MIB
MAX_TOTAL_BYTES = 2048 * MIB
MAX_PATH_LENGTH = 200
MAX_PATH_PARTS = 8

# ASCII only: Unicode has several spellings of one name, and file systems disagree about them. A
# part starts with a letter, a digit or an underscore: neither '..' nor a hidden file can be
# written.
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")


def check_path(path: str) -> None:
    """Refuse a path that is not plain, relative and inside the bundle.

    raises  BundleError: absolute, '..', '.', backslash, hidden, control or non-ASCII characters,
            too long, too deep, or one of the manifest's own names
    """
    shown = ascii(path[:80])
    if len(path) > MAX_PATH_LENGTH or path.count("/") >= MAX_PATH_PARTS:
        raise BundleError(
            f"bundle path {shown} is too long or too deep",
            f"keep paths within {MAX_PATH_LENGTH} characters and {MAX_PATH_PARTS} parts",
        )
    if path in (MANIFEST_NAME, SIGNATURE_NAME):
        raise BundleError(f"bundle path {shown} is reserved", "the manifest does not list itself")
    if not all(_PART.fullmatch(part) for part in path.split("/")):
        raise BundleError(
            f"bundle path {shown} is not allowed",
            "use relative paths of letters, digits, '.', '_', '+' and '-' joined by '/'",
        )


def check_paths(paths: Iterable[str]) -> None:
    """`check_path` for each, and no two that could be the same file on some device.

    raises  BundleError: twice the same path, also when only its case differs; a path that is a file
            and the folder of another
    """
    seen: set[str] = set()
    for path in paths:
        check_path(path)
        folded = path.casefold()
        if folded in seen:
            raise BundleError(f"bundle path '{path}' stands twice", "list every file once")
        seen.add(folded)
    for path in seen:
        for folder in folders_of(path):
            if folder in seen:
                raise BundleError(f"bundle path '{folder}' is a file and a folder", "rename one")


def folders_of(path: str) -> list[str]:
    """The folders that lead to a relative path, outermost first.

    >>> folders_of("model/openvino/int8/model.xml")
    ['model', 'model/openvino', 'model/openvino/int8']
    """
    parts = path.split("/")[:-1]
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]


def check_sizes(sizes: Iterable[tuple[str, int]]) -> None:
    """Refuse too many files, one that is too large, or too much in all.

    raises  BundleError
    """
    count = total = 0
    for path, size in sizes:
        count, total = count + 1, total + size
        if size > MAX_FILE_BYTES:
            raise BundleError(
                f"bundle file '{path}' has {size} bytes", f"the limit is {MAX_FILE_BYTES} a file"
            )
    if count > MAX_FILES:
        raise BundleError(f"bundle lists {count} files", f"the limit is {MAX_FILES}")
    if total > MAX_TOTAL_BYTES:
        raise BundleError(f"bundle holds {total} bytes", f"the limit is {MAX_TOTAL_BYTES}")
