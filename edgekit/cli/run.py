"""`edgekit run`: stream frames through a bundle and publish detections."""

from __future__ import annotations

import argparse
import re
import signal
import socket
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from edgekit.cli.detection_options import add_model_options, add_source_options, parse_bands
from edgekit.cli.output import progress
from edgekit.core import EdgekitError

if TYPE_CHECKING:
    from edgekit.runtime.sinks import Sink

EXAMPLE = "edgekit run detector.bundle --source flight.mp4 --mqtt mqtt://localhost --device uav-7"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a bundle")
    parser.add_argument(
        "--source",
        required=True,
        metavar="S",
        help="folder of images, an image, a video file or a GeoTIFF",
    )
    out = parser.add_argument_group("output (JSON lines on stdout if nothing is chosen)")
    out.add_argument("--mqtt", metavar="URL", help="mqtt://[user@]host[:port], or mqtts://")
    out.add_argument("--jsonl", action="store_true", help="messages as JSON lines on stdout")
    out.add_argument("--save-vis", type=Path, metavar="DIR", help="annotated pictures")
    out.add_argument("--device", metavar="NAME", help="name in topics (default: the host's)")
    out.add_argument("--stream", default="main", metavar="NAME", help="name in topics")
    out.add_argument("--mqtt-prefix", default="edgekit", metavar="P", help="start of all topics")
    out.add_argument(
        "--mqtt-password-file",
        type=Path,
        metavar="FILE",
        help="password of the broker (or set EDGEKIT_MQTT_PASSWORD)",
    )
    out.add_argument(
        "--mqtt-version", metavar="V", help="5 or 3.1.1 (default: what the broker speaks)"
    )
    out.add_argument("--mqtt-ca", type=Path, metavar="FILE", help="authorities for mqtts://, PEM")
    add_source_options(parser)
    pace = parser.add_argument_group("pace")
    pace.add_argument("--fps", type=float, metavar="F", help="hand out F frames a second")
    pace.add_argument("--loop", action="store_true", help="begin again at the end")
    pace.add_argument(
        "--policy",
        default="every",
        metavar="P",
        help="every: look at every frame (default); latest: drop the oldest when behind",
    )
    add_model_options(parser)


def run(args: argparse.Namespace) -> int:
    from edgekit.bundle import open_bundle
    from edgekit.runtime.frame_queue import check_policy
    from edgekit.runtime.messages import Sender, check_name
    from edgekit.runtime.opening import choose_modality, open_detector
    from edgekit.runtime.pipeline import run_pipeline
    from edgekit.runtime.sources import open_source
    from edgekit.runtime.stop_signals import on_stop_signal

    device = args.device or _host_name()
    check_name("device", device)
    check_name("stream", args.stream)
    check_policy(args.policy)
    bundle = open_bundle(args.bundle)
    source = open_source(
        args.source,
        modality=choose_modality(bundle, args.modality),
        stream=args.stream,
        limit=args.limit,
        loop=args.loop,
        fps=args.fps,
        bands=parse_bands(args.bands),
        sar_scale=args.sar_scale,
    )
    with ExitStack() as stack:
        sinks = _open_sinks(args, device, tuple(bundle.manifest.classes), stack)
        detector = stack.enter_context(
            open_detector(
                bundle,
                precision=args.precision,
                threads=args.threads,
                score_threshold=args.threshold,
            )
        )
        info = detector.engine.info
        progress(
            f"{bundle.manifest.name} on {info.name} {info.version} ({info.device}, "
            f"{info.precision}); source {source.name}"
        )

        def stop() -> None:
            source.close()
            for sink in sinks:
                sink.hurry()

        sender = Sender.of(device, bundle, info)
        with on_stop_signal(stop) as received:
            summary = run_pipeline(source, detector, sinks, sender, policy=args.policy)
    progress(summary.line())
    for line in filter(None, (sink.report() for sink in sinks)):
        progress(line)
    failure = source.failure()
    _raise_all([*summary.errors, *([failure] if failure else [])])
    return 130 if signal.SIGINT in received else 0


def _open_sinks(
    args: argparse.Namespace, device: str, classes: tuple[str, ...], stack: ExitStack
) -> list[Sink]:
    """The chosen sinks; the stack closes them where the run does not get as far as that."""
    sinks: list[Sink] = []
    if args.jsonl or not (args.mqtt or args.save_vis):
        from edgekit.runtime.sinks.json_lines import JsonLinesSink

        sinks.append(JsonLinesSink(sys.stdout.buffer))
    if args.save_vis:
        from edgekit.runtime.sinks.pictures import PictureSink

        sinks.append(PictureSink(args.save_vis, classes))
    if args.mqtt:
        from edgekit.runtime.sinks.mqtt import MqttSink
        from edgekit.runtime.sinks.mqtt_connection import MqttAccess, read_password
        from edgekit.runtime.sinks.mqtt_url import parse_mqtt_url

        access = MqttAccess(
            parse_mqtt_url(args.mqtt),
            read_password(args.mqtt_password_file),
            args.mqtt_ca,
            args.mqtt_version,
        )
        sinks.append(MqttSink(access, device, prefix=args.mqtt_prefix, notify=progress))
    for sink in sinks:
        stack.callback(sink.close)
    return sinks


def _host_name() -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", socket.gethostname()).strip("-._")[:64] or "device"


def _raise_all(errors: list[EdgekitError]) -> None:
    """Show all but the last error as lines, and raise the last: the command shows it."""
    for error in errors[:-1]:
        progress(f"edgekit: {error}")
    if errors:
        raise errors[-1]
