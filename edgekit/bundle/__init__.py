"""The bundle: a verified folder that holds everything a device needs.

    NAME.bundle/
      manifest.json        canonical JSON, schema edgekit.bundle/1: `Manifest`
      manifest.sig         optional: Ed25519 over the bytes of manifest.json
      model/ENGINE/...     one graph an artefact
      card.md, reports/    for people

`write_bundle` makes one, `open_bundle` verifies one; nothing else reads files out of it.
"""

from edgekit.bundle.canonical_json import canonical_bytes
from edgekit.bundle.manifest import (
    PRECISIONS,
    SCHEMA,
    AccuracyFigure,
    Artefact,
    Budget,
    DecodeSpec,
    FileEntry,
    InputSpec,
    Manifest,
    Provenance,
    TileSpec,
    manifest_from_json,
    manifest_to_json,
)
from edgekit.bundle.opening import Bundle, open_bundle
from edgekit.bundle.signing import (
    PublicKey,
    generate_key,
    load_public_key,
    sign_bundle,
    verify_signature,
)
from edgekit.bundle.writing import write_bundle

__all__ = [
    "PRECISIONS",
    "SCHEMA",
    "AccuracyFigure",
    "Artefact",
    "Budget",
    "Bundle",
    "DecodeSpec",
    "FileEntry",
    "InputSpec",
    "Manifest",
    "Provenance",
    "PublicKey",
    "TileSpec",
    "canonical_bytes",
    "generate_key",
    "load_public_key",
    "manifest_from_json",
    "manifest_to_json",
    "open_bundle",
    "sign_bundle",
    "verify_signature",
    "write_bundle",
]
