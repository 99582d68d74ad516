"""The demo: the shipped detectors over the shipped frames, through a real broker and back.

    sample frames -> pipeline -> MQTT broker -> subscriber -> table and contact sheet

What is shown is what arrived over MQTT, not what the detector returned.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import edgekit.assets
from edgekit.bundle import Bundle, open_bundle
from edgekit.core import BundleError, Frame, SinkError, replacing, write_text_atomic
from edgekit.runtime.broker import MQTT_VERSION, EmbeddedBroker
from edgekit.runtime.contact_sheet import Panel, Section, contact_sheet
from edgekit.runtime.drawing import counts_by_class, require_pillow
from edgekit.runtime.messages import Sender, detections_from_items
from edgekit.runtime.opening import existing_bundle_paths, open_detector
from edgekit.runtime.pipeline import run_pipeline
from edgekit.runtime.sinks.mqtt import MqttSink, detections_topic
from edgekit.runtime.sinks.mqtt_connection import MqttAccess, read_password
from edgekit.runtime.sinks.mqtt_url import parse_mqtt_url
from edgekit.runtime.sinks.sink import Result
from edgekit.runtime.sources import open_source
from edgekit.runtime.subscriber import Arrival, DetectionsSubscriber

DEVICE = "demo"
ASSETS = Path(edgekit.assets.__file__).parent
BUNDLES = ASSETS / "bundles"
SAMPLES = ASSETS / "samples"

#: Frames are handed out as a slow camera would, so that latency is not that of a full queue.
_FRAMES_PER_SECOND = 6.0
_ARRIVAL_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class SampleStream:
    """Sample frames that ship with edgekit: name of stream and folder, and what to say of them."""

    name: str
    modality: str
    title: str
    notes: tuple[str, ...] = ()


STREAMS = (
    SampleStream("thermal", "thermal", "Thermal frames from a UAV, day and night"),
    SampleStream("sar-ships", "sar", "Ships in SAR amplitude images"),
    SampleStream(
        "sentinel1",
        "sar",
        "A Sentinel-1 scene, read as GeoTIFF",
        (
            "Why it is here",
            "It shows the way of a georeferenced raster: dB values become amplitude,",
            "and each detection carries latitude and longitude.",
            "The scene holds no ships, and its 20 m pixels are far coarser than what",
            "the detector was trained on: boxes here are false alarms.",
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Row:
    """One message as it arrived: what it says, and how long after the capture it was there."""

    stream: str
    frame: str
    counts: dict[str, int]
    infer_ms: float
    latency_ms: float


@dataclass(frozen=True, slots=True)
class DemoReport:
    """What the demo did."""

    broker: str
    rows: tuple[Row, ...]
    published: int
    sheet: Path
    messages: Path


def run_demo(
    out: Path,
    *,
    mqtt: str | None = None,
    bundles: Path = BUNDLES,
    samples: Path = SAMPLES,
    notify: Callable[[str], None] = lambda _line: None,
) -> DemoReport:
    """Stream the samples through every shipped bundle; write a contact sheet and the messages.

    mqtt    URL of a broker; None starts one inside this process
    raises  BundleError where no bundle ships; SinkError where the broker fails or messages do not
            come back; EdgekitError naming an extra that is missing
    """
    require_pillow()
    opened = [open_bundle(path) for path in existing_bundle_paths(bundles)]
    if not opened:
        raise BundleError(
            f"the detectors of the demo are missing: no bundle in {bundles}",
            "rebuild them with `make bundles`, or install a released edgekit",
        )
    with ExitStack() as stack:
        if mqtt is None:
            broker = stack.enter_context(EmbeddedBroker())
            access = MqttAccess(parse_mqtt_url(broker.url), version=MQTT_VERSION)
        else:
            access = MqttAccess(parse_mqtt_url(mqtt), read_password(None))
        topic = detections_topic("edgekit", DEVICE, "+")
        subscriber = stack.enter_context(DetectionsSubscriber(access, topic))
        notify(f"subscribed to {topic} at {access.url}")
        frames: dict[tuple[str, int], Frame] = {}
        published = 0
        for bundle in opened:
            published += _stream(bundle, access, samples, frames, notify)
        arrivals = subscriber.wait_for(published, _ARRIVAL_TIMEOUT_S)
    ours = [item for item in arrivals if _key(item) in frames]
    if len(ours) < published:
        raise SinkError(
            f"{published - len(ours)} of {published} messages did not come back from the broker",
            "check its log",
        )
    rows = tuple(_row(item, frames[_key(item)]) for item in ours)
    sheet, messages = out / "contact-sheet.png", out / "messages.jsonl"
    _write(out, sheet, messages, _sections(opened, ours, frames), rows, ours)
    return DemoReport(str(access.url), rows, published, sheet, messages)


class _KeepFrames:
    """A sink that keeps the few frames of the demo, to draw on when their messages are back."""

    def __init__(self, frames: dict[tuple[str, int], Frame]) -> None:
        self._frames = frames
        self.delivered = 0

    def write(self, result: Result) -> None:
        self._frames[result.frame.stream, result.frame.seq] = result.frame
        self.delivered += 1

    def hurry(self) -> None:
        """Nothing to do: memory does not wait."""

    def report(self) -> str:
        return ""

    def close(self) -> None:
        """Nothing to do: the frames are in memory."""


def _stream(
    bundle: Bundle,
    access: MqttAccess,
    samples: Path,
    frames: dict[tuple[str, int], Frame],
    notify: Callable[[str], None],
) -> int:
    """Run the bundle over the samples of its modality; how many messages went out."""
    published = 0
    with open_detector(bundle) as detector:
        info = detector.engine.info
        sender = Sender.of(DEVICE, bundle, info)
        for stream in _streams_of(bundle):
            notify(f"{bundle.manifest.name} on {info.name} {info.precision}: {stream.name}")
            source = open_source(
                str(samples / stream.name),
                modality=stream.modality,
                stream=stream.name,
                fps=_FRAMES_PER_SECOND,
            )
            sinks = (MqttSink(access, DEVICE), _KeepFrames(frames))
            summary = run_pipeline(source, detector, sinks, sender)
            failure = source.failure()
            for error in (*summary.errors, *([failure] if failure else [])):
                raise error
            published += summary.published
    return published


def _streams_of(bundle: Bundle) -> list[SampleStream]:
    return [stream for stream in STREAMS if stream.modality == bundle.manifest.input.modality]


def _key(arrival: Arrival) -> tuple[str, int]:
    return arrival.message["stream"], arrival.message["seq"]


def _row(arrival: Arrival, frame: Frame) -> Row:
    message = arrival.message
    counts: dict[str, int] = {}
    for item in sorted(message["detections"], key=lambda item: item["class_id"]):
        counts[item["class"]] = counts.get(item["class"], 0) + 1
    captured_s = datetime.fromisoformat(message["captured_at"]).timestamp()
    return Row(
        stream=message["stream"],
        frame=frame.label,
        counts=counts,
        infer_ms=message["timing_ms"]["infer"],
        latency_ms=arrival.arrived_utc_ns / 1e6 - captured_s * 1e3,
    )


def _sections(
    bundles: Sequence[Bundle], arrivals: Sequence[Arrival], frames: dict[tuple[str, int], Frame]
) -> list[Section]:
    sections = []
    for bundle in bundles:
        classes = tuple(bundle.manifest.classes)
        for stream in _streams_of(bundle):
            ours = [item for item in arrivals if item.message["stream"] == stream.name]
            if not ours:
                continue
            model = ours[0].message["model"]
            subtitle = f"{model['name']}, {model['engine']} {model['precision']}"
            panels = tuple(_panel(item, frames[_key(item)], classes) for item in ours)
            sections.append(Section(stream.title, subtitle, classes, panels, stream.notes))
    return sections


def _panel(arrival: Arrival, frame: Frame, classes: tuple[str, ...]) -> Panel:
    detections = detections_from_items(arrival.message["detections"])
    counts = counts_by_class(detections, classes)
    found = ", ".join(f"{count} {name}" for name, count in counts.items()) or "nothing found"
    row = _row(arrival, frame)
    return Panel(
        frame.pixels,
        detections,
        caption=f"{found}  -  {row.latency_ms:.0f} ms",
        detail=frame.label,
    )


def _write(
    out: Path,
    sheet: Path,
    messages: Path,
    sections: Sequence[Section],
    rows: Sequence[Row],
    arrivals: Sequence[Arrival],
) -> None:
    objects = sum(sum(row.counts.values()) for row in rows)
    page: Any = contact_sheet(
        "edgekit demo",
        f"{objects} objects in {len(rows)} frames, as they arrived over MQTT; "
        "milliseconds are from capture to arrival",
        sections,
    )
    lines = [json.dumps(item.message, separators=(",", ":")) for item in arrivals]
    try:
        out.mkdir(parents=True, exist_ok=True)
        with replacing(sheet) as temporary:
            page.save(temporary, "PNG")
        write_text_atomic(messages, "\n".join(lines) + "\n")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise SinkError(f"cannot write into {out}: {reason}", "name another --out") from error
