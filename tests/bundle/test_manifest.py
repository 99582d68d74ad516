import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.bundle import (
    FileEntry,
    TileSpec,
    canonical_bytes,
    manifest_from_json,
    manifest_to_json,
)
from edgekit.bundle.layout import MAX_FILE_BYTES, MAX_MANIFEST_BYTES
from edgekit.core import BundleError
from tests.bundle.examples import example_artefact, example_manifest

XML, BIN = example_artefact().files
ENTRIES = tuple(FileEntry(path, 3, "a" * 64) for path in (XML, BIN))


def document(**changes: Any) -> dict[str, Any]:
    return dict(json.loads(manifest_to_json(example_manifest(files=ENTRIES)))) | changes


def with_value(*keys: str | int, value: Any) -> bytes:
    found: Any = document()
    place = found
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return canonical_bytes(found)


def test_a_manifest_reads_back_as_it_was_written() -> None:
    manifest = example_manifest(files=ENTRIES, expires="2030-01-01T00:00:00Z")
    assert manifest_from_json(manifest_to_json(manifest)) == manifest


def test_a_tile_specification_reads_back() -> None:
    content = with_value("input", "tile", value={"size": [32, 16], "overlap_px": 8})
    assert manifest_from_json(content).input.tile == TileSpec((32, 16), 8)


def test_an_artefact_is_found_by_its_id() -> None:
    manifest = example_manifest()
    assert manifest.artefact("openvino-fp32") == manifest.artefacts[0]
    assert manifest.artefact("openvino-int8") is None


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        (("schema",), "edgekit.bundle/2", r"schema is 'edgekit.bundle/2'.*this version"),
        (("nmae",), "x", r"unknown key 'nmae'; did you mean 'name'\?"),
        (("input", "color"), "RGB", r"'input': unknown key 'color'; did you mean 'colour'\?"),
        (("files", 0, "sha265"), "", r"'files'\[0\]: unknown key 'sha265'.*'sha256'"),
        (("input", "colour"), "BGR", r"'colour' is 'BGR'; use one of RGB, GRAY"),
        (("input", "shape"), [1, 3, 32], r"'shape' has 3 items, not exactly 4"),
        (("input", "shape"), [2, 3, 32, 32], r"'shape' starts with 2, 3"),
        (("input", "shape"), [1, 3, 32.5, 32], r"'shape' must be a whole number"),
        (("input", "std"), [1, 0, 1], r"'std' is out of range"),
        (("input", "resize"), "tile", r"'tile' is missing"),
        (("input", "tile"), {"size": [64, 64], "overlap_px": 0}, r"larger than the input"),
        (("input", "tile"), {"size": [16, 16], "overlap_px": 16}, r"'overlap_px' is out of range"),
        (("decode", "class_agnostic"), 1, r"'class_agnostic' must be true or false"),
        (("decode", "max_detections"), 0, r"'max_detections' is out of range"),
        (("decode", "max_detections"), True, r"'max_detections' must be a whole number"),
        (("classes",), [], r"'classes' has 0 items"),
        (("classes",), ["Car", "Car"], r"names one class twice"),
        (("classes",), ["Car", 3], r"'classes' must be a text, not a number"),
        (("name",), "two\nlines", r"'name' holds a line break"),
        (("name",), "", r"'name' is empty"),
        (("name",), None, r"'name' must be a text, not null"),
        (("created",), "yesterday", r"'created' is not a UTC time"),
        (("artefacts", 0, "precision"), "int4", r"'precision' is 'int4'; use one of fp32"),
        (("artefacts", 0, "id"), "../x", r"'id' is not a plain name"),
        (("artefacts", 0, "files"), ["card.md"], r"needs 'card.md'; list that file"),
        (("accuracy",), {"openvino-int8": []}, r"unknown key 'openvino-int8'.*'openvino-fp32'"),
        (("provenance",), [], r"'provenance' must be an object, not a list"),
        (("files", 0, "sha256"), "A" * 64, r"'sha256' is not 64 lower-case"),
        (("files", 0, "size"), -1, r"'size' is out of range"),
        (("files", 0, "size"), MAX_FILE_BYTES + 1, r"has 536870913 bytes; the limit is"),
        (("files", 0, "path"), "/etc/passwd", r"path '/etc/passwd' is not allowed"),
        (("files", 0, "path"), "model/../../x", r"is not allowed"),
        (("files", 0, "path"), "model\\x", r"is not allowed"),
        (("files", 0, "path"), "C:/x", r"is not allowed"),
        (("files", 0, "path"), ".hidden", r"is not allowed"),
        (("files", 0, "path"), "a//b", r"is not allowed"),
        (("files", 0, "path"), "a/", r"is not allowed"),
        (("files", 0, "path"), "modèle.xml", r"is not allowed"),
        (("files", 0, "path"), "manifest.json", r"is reserved"),
        (("files", 0, "path"), "/".join("abcdefghi"), r"too deep"),
        (("files", 0, "path"), "a" * 201, r"too long"),
        (("files", 0, "path"), BIN, r"stands twice"),
        (("files", 0, "path"), BIN.upper(), r"stands twice"),
        (("files", 0, "path"), "model", r"is a file and a folder"),
    ],
)
def test_a_wrong_value_is_refused_by_name(
    keys: tuple[str | int, ...], value: Any, message: str
) -> None:
    with pytest.raises(BundleError, match=message):
        manifest_from_json(with_value(*keys, value=value))


@pytest.mark.parametrize("key", sorted(set(document()) - {"schema"}))
def test_a_missing_key_is_refused_by_name(key: str) -> None:
    found = document()
    del found[key]
    with pytest.raises(BundleError, match=f"key '{key}' is missing"):
        manifest_from_json(canonical_bytes(found))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not valid JSON"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"schema":' + b"9" * 5000 + b"}", "not valid JSON"),
        (b'{"name":"a","name":"b"}', "a key stands twice"),
        (b"[]", "schema is None"),
        (b" " * (MAX_MANIFEST_BYTES + 1), "too large"),
        (json.dumps(document(), indent=2).encode(), "not in canonical form"),
        (b'\xef\xbb\xbf{"schema":1}', "not valid JSON"),
    ],
)
def test_bytes_that_are_no_manifest_are_refused(content: bytes, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        manifest_from_json(content)


def test_too_many_files_are_refused() -> None:
    rows = [{"path": f"f{index}", "size": 1, "sha256": "a" * 64} for index in range(257)]
    with pytest.raises(BundleError, match="lists 257 files; the limit is 256"):
        manifest_from_json(with_value("files", value=rows))


def test_too_many_bytes_in_all_are_refused() -> None:
    rows = [{"path": f"f{n}", "size": MAX_FILE_BYTES, "sha256": "a" * 64} for n in range(5)]
    with pytest.raises(BundleError, match="bundle holds 2684354560 bytes"):
        manifest_from_json(with_value("files", value=rows))


@settings(max_examples=50, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_give_a_manifest_or_one_line(content: bytes) -> None:
    with pytest.raises(BundleError) as caught:
        manifest_from_json(content)
    assert "\n" not in str(caught.value)
