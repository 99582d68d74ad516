"""The message of a frame against the schema that ships."""

from __future__ import annotations

import json
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgekit.core import Detections, GeoReference, UsageError, normalise_le90
from edgekit.runtime.messages import (
    SCHEMA_PATH,
    Sender,
    check_name,
    detections_from_items,
    detections_message,
    encode_message,
    locate,
)
from tests.runtime.frames import EPOCH, a_frame

SENDER = Sender(
    "uav-7",
    ("Person", "Car"),
    {
        "name": "lwganet_l0-obb",
        "bundle": "sha256:" + "ab" * 32,
        "engine": "openvino",
        "precision": "int8",
    },
)
TIMING = {"queue": 0.4, "preprocess": 0.9, "infer": 24.1234567, "postprocess": 0.3, "total": 26.0}
SCHEMA = json.loads(SCHEMA_PATH.read_text("utf-8"))


def validate(message: Any) -> None:
    jsonschema.Draft202012Validator(SCHEMA).validate(message)


def some_detections() -> Detections:
    return Detections(
        np.array([[10.126, 20, 30, 15, -0.123456], [1, 2, 3, 2, 0]], np.float32),
        np.array([0.91249, 0.5], np.float32),
        np.array([1, 0], np.int32),
    )


def test_schema_itself_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_message_says_everything_about_a_frame() -> None:
    frame = a_frame(seq=1234, stream="belly")
    message = detections_message(SENDER, frame, some_detections(), TIMING, 1_795_501_801 * 10**9)
    validate(message)
    assert message == {
        "schema": "edgekit.detections/1",
        "device": "uav-7",
        "stream": "belly",
        "epoch": EPOCH,
        "seq": 1234,
        "captured_at": "2026-11-24T06:30:00.123456Z",
        "published_at": "2026-11-24T06:30:01.000000Z",
        "replayed": False,
        "frame": {"width": 96, "height": 64, "modality": "thermal"},
        "model": dict(SENDER.model),
        "timing_ms": {**TIMING, "infer": 24.123},
        "detections": [
            {
                "class": "Car",
                "class_id": 1,
                "score": 0.9125,
                "obb": [10.13, 20.0, 30.0, 15.0, -0.12346],
                "track": None,
            },
            {
                "class": "Person",
                "class_id": 0,
                "score": 0.5,
                "obb": [1.0, 2.0, 3.0, 2.0, 0.0],
                "track": None,
            },
        ],
    }


def test_frame_without_detections_has_its_message_too() -> None:
    message = detections_message(SENDER, a_frame(), Detections.empty(), TIMING, 0)
    validate(message)
    assert message["detections"] == []


def test_georeferenced_frame_gives_positions_and_tracks_give_numbers() -> None:
    georef = GeoReference(lambda xy: xy / 100 + np.array([43.0, 4.0]), sigma_m=20.0)
    frame = a_frame(georef=georef)
    found = some_detections()
    found = Detections(found.boxes, found.scores, found.labels, np.array([17, 18], np.int64))
    message = detections_message(SENDER, frame, locate(found, frame), TIMING, 0)
    validate(message)
    first = message["detections"][0]
    assert first["track"] == 17
    assert first["geo"] == {"lat": 43.10126, "lon": 4.2, "sigma_m": 20.0}


def test_message_is_one_line_and_reads_back() -> None:
    message = detections_message(SENDER, a_frame(), some_detections(), TIMING, 0)
    payload = encode_message(message)
    assert b"\n" not in payload
    assert b'": ' not in payload
    assert json.loads(payload) == message


def test_number_that_json_does_not_have_is_never_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        encode_message({"score": float("nan")})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("schema", "edgekit.detections/2"),
        ("seq", -1),
        ("captured_at", "2026-11-24 06:30:00"),
        ("epoch", "1"),
        ("more", 1),
        ("device", "a/b"),
    ],
)
def test_schema_refuses_other_messages(key: str, value: Any) -> None:
    message = detections_message(SENDER, a_frame(), some_detections(), TIMING, 0)
    with pytest.raises(jsonschema.ValidationError):
        validate({**message, key: value})


@pytest.mark.parametrize("name", ["", "a/b", "+", "#", "a b", "-a", "ä", "x" * 65, "a\n"])
def test_name_that_cannot_stand_in_a_topic_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a topic"):
        check_name("device", name)


BOXES = hnp.arrays(
    np.float32, st.tuples(st.integers(0, 8), st.just(5)), elements=st.floats(-1e4, 1e4, width=32)
)


@settings(max_examples=50, deadline=None)
@given(raw=BOXES)
def test_any_detections_are_valid_and_survive_the_way_through_json(raw: np.ndarray) -> None:
    raw[:, 2:4] = np.abs(raw[:, 2:4])
    boxes = normalise_le90(raw)
    count = len(boxes)
    found = Detections(
        boxes, np.linspace(0, 1, count, dtype=np.float32), np.arange(count, dtype=np.int32) % 2
    )
    message = json.loads(encode_message(detections_message(SENDER, a_frame(), found, TIMING, 0)))
    validate(message)
    back = detections_from_items(message["detections"])
    np.testing.assert_allclose(back.boxes[:, :4], boxes[:, :4], atol=0.006)
    np.testing.assert_allclose(back.boxes[:, 4], boxes[:, 4], atol=1e-5)
    np.testing.assert_allclose(back.scores, found.scores, atol=1e-4)
    np.testing.assert_array_equal(back.labels, found.labels)
