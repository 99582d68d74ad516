"""The manifest: what a bundle holds, for which device, and how its graphs are fed and read.

    Manifest
    |-- input      InputSpec -- TileSpec      how a frame becomes the network's input
    |-- decode     DecodeSpec                 what becomes of the candidates that a graph gives
    |-- artefacts  Artefact -- Budget         one graph for one engine at one precision
    |-- accuracy   AccuracyFigure             measured on the artefact itself, by its id
    |-- files      FileEntry                  every other file of the bundle
    `-- provenance Provenance                  where it came from

Every artefact's graph takes `input.name` and gives `boxes` (1, K, 5), `scores` (1, K) and `labels`
(1, K): candidates in input pixels, le90; rotated NMS is left to the caller.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

from edgekit.bundle.canonical_json import canonical_bytes
from edgekit.bundle.layout import (
    MANIFEST_NAME,
    MAX_MANIFEST_BYTES,
    check_paths,
    check_sizes,
)
from edgekit.core import MODALITIES, BundleError
from edgekit.core.strict_table import StrictTable

SCHEMA = "edgekit.bundle/1"
LAYOUTS = ("NCHW",)
INPUT_DTYPES = ("float32",)
COLOURS = ("RGB", "GRAY")
RESIZES = ("letterbox", "tile")
PRECISIONS = ("fp32", "fp16", "int8")
TASKS = ("obb",)

_MAX_SIDE_PX = 16384
_SHA256 = re.compile(r"[0-9a-f]{64}")
_ARTEFACT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


@dataclass(frozen=True, slots=True)
class TileSpec:
    """How a frame that is larger than the input is cut: size (height, width) and overlap, px."""

    size: tuple[int, int]
    overlap_px: int


@dataclass(frozen=True, slots=True)
class InputSpec:
    """How pixels become the network's input: (value - mean[c]) / std[c], on the 0..255 scale."""

    name: str
    layout: str
    dtype: str
    shape: tuple[int, int, int, int]
    colour: str
    modality: str
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    resize: str
    tile: TileSpec | None = None


@dataclass(frozen=True, slots=True)
class DecodeSpec:
    """What becomes of the candidates: threshold, rotated NMS, how many are kept."""

    score_threshold: float
    nms_iou: float
    max_detections: int
    class_agnostic: bool


@dataclass(frozen=True, slots=True)
class Budget:
    """How far an artefact may be from its float reference.

    min_cosine  cosine similarity of the outputs, at least
    max_abs     largest difference of any output, at most
    ap50_drop   AP50 lost, points in [0, 1], at most
    """

    min_cosine: float
    max_abs: float
    ap50_drop: float


@dataclass(frozen=True, slots=True)
class Artefact:
    """One graph for one engine; among several, the lowest `order` is preferred."""

    id: str
    engine: str
    engine_version: str
    precision: str
    files: tuple[str, ...]
    order: int
    budget: Budget


@dataclass(frozen=True, slots=True)
class AccuracyFigure:
    """One measured figure of one artefact, e.g. ("uav-thermal-obb val", "ap50", 0.71)."""

    data_set: str
    metric: str
    value: float


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One file of the bundle: relative path, bytes, SHA-256 in hex."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a bundle came from.

    packages  name -> version of what made it
    inputs    name -> sha256 of what went in: the checkpoint, the calibration set
    """

    source_revision: str
    packages: Mapping[str, str]
    command: str
    inputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that `manifest.json` says.

    created, expires  UTC, "2026-11-24T06:30:00Z"; created is the source's date, so builds repeat
    accuracy          artefact id -> figures measured on that artefact
    files             filled in by `write_bundle`; () before
    licence           terms of the weights, with the attribution that they ask for
    """

    name: str
    version: str
    created: str
    target: str
    task: str
    classes: tuple[str, ...]
    input: InputSpec
    decode: DecodeSpec
    artefacts: tuple[Artefact, ...]
    accuracy: Mapping[str, tuple[AccuracyFigure, ...]]
    files: tuple[FileEntry, ...]
    provenance: Provenance
    licence: str
    expires: str | None = None

    def artefact(self, artefact_id: str) -> Artefact | None:
        """The artefact with that id, or None."""
        return next((item for item in self.artefacts if item.id == artefact_id), None)


def manifest_to_json(manifest: Manifest) -> bytes:
    """The canonical (RFC 8785) bytes of a manifest.

    raises  BundleError for numbers or texts that JSON cannot carry
    """
    document = {"schema": SCHEMA} | asdict(manifest)
    if manifest.expires is None:
        del document["expires"]
    return canonical_bytes(document)


def manifest_from_json(content: bytes) -> Manifest:
    """Read a manifest strictly: schema, keys, types, ranges, cross references, canonical form.

    raises  BundleError, one line that names the key
    """
    document = _parse(content)
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        raise BundleError(
            f"{MANIFEST_NAME}: schema is {ascii(schema)[:80]}, not '{SCHEMA}'",
            "use a bundle made for this version of edgekit",
        )
    table = StrictTable(document, MANIFEST_NAME, ("schema", *_names(Manifest)), BundleError)
    artefacts = tuple(map(_artefact, table.tables("artefacts", _names(Artefact), least=1)))
    manifest = Manifest(
        name=table.text("name"),
        version=table.text("version"),
        created=_time(table, "created"),
        target=table.text("target"),
        task=table.text("task", TASKS),
        classes=table.texts("classes", least=1),
        input=_input(table.table("input", _names(InputSpec))),
        decode=_decode(table.table("decode", _names(DecodeSpec))),
        artefacts=artefacts,
        accuracy=_accuracy(table.table("accuracy", [artefact.id for artefact in artefacts])),
        files=tuple(map(_file, table.tables("files", _names(FileEntry)))),
        provenance=_provenance(table.table("provenance", _names(Provenance))),
        licence=table.text("licence"),
        expires=_time(table, "expires") if "expires" in table else None,
    )
    check_sizes((entry.path, entry.size) for entry in manifest.files)
    check_paths(entry.path for entry in manifest.files)
    _check_references(manifest)
    if canonical_bytes(document) != content:
        raise BundleError(
            f"{MANIFEST_NAME} is not in canonical form (RFC 8785)",
            "do not edit it by hand; export the bundle again",
        )
    return manifest


def utc_time(text: str) -> datetime:
    """The instant that "2026-11-24T06:30:00Z" names. Raises ValueError for anything else."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def _parse(content: bytes) -> Any:
    if len(content) > MAX_MANIFEST_BYTES:
        raise BundleError(f"{MANIFEST_NAME} is too large", f"the limit is {MAX_MANIFEST_BYTES}")
    try:
        # RecursionError: brackets nested by the thousand. ValueError: not JSON, not UTF-8.
        return json.loads(content.decode("utf-8"), object_pairs_hook=_unique)
    except (ValueError, RecursionError) as error:
        raise BundleError(
            f"{MANIFEST_NAME} is not valid JSON ({ascii(str(error))[:80]})",
            "fetch the bundle again",
        ) from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; two values under one key would let two readers see two different bundles."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _names(kind: type) -> tuple[str, ...]:
    return tuple(item.name for item in fields(kind))


def _time(table: StrictTable, key: str) -> str:
    text = table.text(key)
    try:
        utc_time(text)
    except ValueError as error:
        raise table.refuse(key, "is not a UTC time", "write it as 2026-11-24T06:30:00Z") from error
    return text


def _input(table: StrictTable) -> InputSpec:
    n, c, h, w = table.integers("shape", 1, _MAX_SIDE_PX, count=4)
    if (n, c) != (1, 3):
        raise table.refuse("shape", f"starts with {n}, {c}", "inputs are (1, 3, height, width)")
    mean = table.numbers("mean", count=3)
    std = table.numbers("std", 1e-6, 1e6, count=3)
    resize = table.text("resize", RESIZES)
    tile = None
    if "tile" in table:
        tile = _tile(table.table("tile", _names(TileSpec)), (h, w))
    elif resize == "tile":
        raise table.refuse("tile", "is missing", "say its size and overlap_px")
    return InputSpec(
        name=table.text("name"),
        layout=table.text("layout", LAYOUTS),
        dtype=table.text("dtype", INPUT_DTYPES),
        shape=(n, c, h, w),
        colour=table.text("colour", COLOURS),
        modality=table.text("modality", MODALITIES),
        mean=(mean[0], mean[1], mean[2]),
        std=(std[0], std[1], std[2]),
        resize=resize,
        tile=tile,
    )


def _tile(table: StrictTable, input_size: tuple[int, int]) -> TileSpec:
    h, w = table.integers("size", 1, _MAX_SIDE_PX, count=2)
    if h > input_size[0] or w > input_size[1]:
        raise table.refuse("size", f"{h} x {w} is larger than the input", "make it fit")
    return TileSpec((h, w), table.integer("overlap_px", 0, min(h, w) - 1))


def _decode(table: StrictTable) -> DecodeSpec:
    return DecodeSpec(
        score_threshold=table.number("score_threshold", 0, 1),
        nms_iou=table.number("nms_iou", 0, 1),
        max_detections=table.integer("max_detections", 1, 100_000),
        class_agnostic=table.flag("class_agnostic"),
    )


def _artefact(table: StrictTable) -> Artefact:
    artefact_id = table.text("id")
    if not _ARTEFACT_ID.fullmatch(artefact_id):
        raise table.refuse("id", "is not a plain name", "use letters, digits, '.', '_' and '-'")
    budget = table.table("budget", _names(Budget))
    return Artefact(
        id=artefact_id,
        engine=table.text("engine"),
        engine_version=table.text("engine_version"),
        precision=table.text("precision", PRECISIONS),
        files=table.texts("files", least=1),
        order=table.integer("order", 0, 1000),
        budget=Budget(
            min_cosine=budget.number("min_cosine", -1, 1),
            max_abs=budget.number("max_abs", 0),
            ap50_drop=budget.number("ap50_drop", 0, 1),
        ),
    )


def _accuracy(table: StrictTable) -> dict[str, tuple[AccuracyFigure, ...]]:
    return {
        name: tuple(
            AccuracyFigure(row.text("data_set"), row.text("metric"), row.number("value"))
            for row in table.tables(name, _names(AccuracyFigure))
        )
        for name in table.names()
    }


def _file(table: StrictTable) -> FileEntry:
    sha256 = table.text("sha256")
    if not _SHA256.fullmatch(sha256):
        raise table.refuse("sha256", "is not 64 lower-case hexadecimal digits")
    # The limit on a single file is checked with the others, where its message names the file.
    return FileEntry(table.text("path"), table.integer("size", 0, 2**53 - 1), sha256)


def _provenance(table: StrictTable) -> Provenance:
    return Provenance(
        source_revision=table.text("source_revision"),
        packages=table.text_mapping("packages"),
        command=table.text("command"),
        inputs=table.text_mapping("inputs"),
    )


def _check_references(manifest: Manifest) -> None:
    """What names something else in the manifest must find it there."""
    if len(set(manifest.classes)) != len(manifest.classes):
        raise BundleError(f"{MANIFEST_NAME}: 'classes' names one class twice", "name each once")
    ids = [artefact.id for artefact in manifest.artefacts]
    if len(set(ids)) != len(ids):
        raise BundleError(f"{MANIFEST_NAME}: two artefacts have one id", "give each its own")
    listed = {entry.path for entry in manifest.files}
    for artefact in manifest.artefacts:
        for path in artefact.files:
            if path not in listed:
                raise BundleError(
                    f"{MANIFEST_NAME}: artefact '{artefact.id}' needs {ascii(path)[:80]}",
                    "list that file under 'files' too",
                )
