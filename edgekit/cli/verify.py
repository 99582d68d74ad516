"""`edgekit verify`: is this bundle whole, unaltered, and from somebody trusted?"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.output import print_json, table
from edgekit.core import BundleError

if TYPE_CHECKING:
    from edgekit.bundle import Bundle

EXAMPLE = "edgekit verify detector.bundle --trusted-key fleet.pub"
SCHEMA = "edgekit.verify/1"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a bundle")
    parser.add_argument(
        "--trusted-key",
        action="append",
        type=Path,
        metavar="FILE",
        help="public key (PEM) that must have signed it; may be given more than once",
    )
    parser.add_argument("--json", action="store_true", help=f"one JSON document, {SCHEMA}")


def run(args: argparse.Namespace) -> int:
    from edgekit.bundle import load_public_key, open_bundle

    keys = None if args.trusted_key is None else [load_public_key(p) for p in args.trusted_key]
    try:
        bundle = open_bundle(args.bundle, trusted_keys=keys)
    except BundleError as error:
        if args.json:
            print_json(_failure(args.bundle, error))
        raise
    if args.json:
        print_json(_document(args.bundle, bundle))
    else:
        print(_report(bundle))
    return 0


def _document(path: str, bundle: Bundle) -> dict[str, Any]:
    manifest = bundle.manifest
    return {
        "schema": SCHEMA,
        "bundle": path,
        "ok": True,
        "name": manifest.name,
        "version": manifest.version,
        "digest": bundle.digest,
        "signature": _signature(bundle),
        "signed_by": bundle.signed_by,
        "expires": manifest.expires,
        "files": [
            {"path": entry.path, "size": entry.size, "sha256": entry.sha256}
            for entry in manifest.files
        ],
    }


def _failure(path: str, error: BundleError) -> dict[str, Any]:
    document = {"schema": SCHEMA, "bundle": path, "ok": False}
    return document | {"error": {"what": error.what, "hint": error.hint}}


def _report(bundle: Bundle) -> str:
    manifest = bundle.manifest
    rows = [(entry.path, entry.size, entry.sha256[:16]) for entry in manifest.files]
    total = sum(entry.size for entry in manifest.files)
    signature = {
        "trusted": f"by {bundle.signed_by}, trusted",
        "unchecked": "present, not checked: give --trusted-key",
        "none": "none",
    }[_signature(bundle)]
    return "\n".join(
        [
            table(("file", "bytes", "sha256"), rows),
            "",
            f"{manifest.name} {manifest.version}: {len(rows)} files, {total} bytes, all as listed",
            f"digest     {bundle.digest}",
            f"signature  {signature}",
            f"expires    {manifest.expires or 'never'}",
        ]
    )


def _signature(bundle: Bundle) -> str:
    if bundle.signed_by is not None:
        return "trusted"
    return "unchecked" if bundle.is_signed else "none"
