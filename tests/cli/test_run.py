"""`edgekit run` as a user meets it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import jsonschema
import numpy as np
import pytest
from PIL import Image

from edgekit.bundle import Bundle
from edgekit.cli.main import main
from edgekit.runtime.broker import EmbeddedBroker
from edgekit.runtime.messages import SCHEMA_PATH
from edgekit.runtime.sinks.mqtt_connection import MqttAccess
from edgekit.runtime.sinks.mqtt_url import parse_mqtt_url
from edgekit.runtime.subscriber import DetectionsSubscriber
from tests.runtime.bright_cells import centre_of, dark_frame, light_cell, write_bright_cells
from tests.runtime.mosquitto import (
    free_port,
    messages_of,
    needs_mosquitto,
    running_mosquitto,
    subscribed,
)

VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text("utf-8")))


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return write_bright_cells(tmp_path_factory.mktemp("bundle") / "bright-cells.bundle")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Five frames; frame n has n bright cells."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(5):
        pixels = dark_frame()
        for column in range(number):
            light_cell(pixels, 1, column)
        Image.fromarray(pixels).save(folder / f"{number}.png")
    return folder


def run_edgekit(*arguments: str, timeout: float = 60) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "edgekit.cli.main", *arguments],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def assert_one_clear_line(stderr: str) -> str:
    """The last line is the error; there is only one, and no traceback."""
    lines = stderr.strip().splitlines()
    errors = [line for line in lines if line.startswith("edgekit: ")]
    assert len(errors) == 1, stderr
    assert lines[-1] == errors[0]
    assert "Traceback" not in stderr
    assert "; " in errors[0], "an error says what to do"
    return errors[0]


def test_json_lines_are_the_default_output(
    bundle: Bundle, frames: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    code = main(["run", str(bundle.root), "--source", str(frames), "--threads", "1"])
    out, err = capfdbinary.readouterr()
    messages = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert [message["seq"] for message in messages] == [0, 1, 2, 3, 4]
    assert [len(message["detections"]) for message in messages] == [0, 1, 2, 3, 4]
    for message in messages:
        VALIDATOR.validate(message)
    first = messages[1]["detections"][0]
    assert first["obb"][:2] == list(centre_of(1, 0))
    assert first["class"] == "even"
    assert messages[0]["model"] == {
        "name": "bright-cells",
        "bundle": bundle.digest,
        "engine": "openvino",
        "precision": "fp32",
    }
    assert b"5 frames read, 0 failed, 5 processed, 5 published" in err


def test_messages_go_to_the_broker_and_pictures_to_the_folder(
    bundle: Bundle, frames: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with EmbeddedBroker() as broker:
        access = MqttAccess(parse_mqtt_url(broker.url), version="3.1.1")
        with DetectionsSubscriber(access, "edgekit/uav-7/belly/detections") as subscriber:
            arguments = ["run", str(bundle.root), "--source", str(frames), "--threads", "1"]
            arguments += ["--mqtt", broker.url, "--mqtt-version", "3.1.1", "--device", "uav-7"]
            arguments += ["--stream", "belly", "--save-vis", str(tmp_path / "vis")]
            code = main(arguments)
            arrivals = subscriber.wait_for(5, 10)
    assert code == 0
    assert [arrival.message["seq"] for arrival in arrivals] == [0, 1, 2, 3, 4]
    assert len(list((tmp_path / "vis").glob("*.jpg"))) == 5
    assert capfd.readouterr().out == ""


def test_unreadable_image_is_reported_and_the_rest_is_processed(
    bundle: Bundle, frames: Path
) -> None:
    (frames / "2.png").write_bytes((frames / "2.png").read_bytes()[:60])
    done = run_edgekit("run", str(bundle.root), "--source", str(frames))
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 4
    line = assert_one_clear_line(done.stderr)
    assert line.startswith("edgekit: 1 of 5 frames of frames could not be read: 2.png (")
    assert "4 frames read, 1 failed, 4 processed, 4 published" in done.stderr


def test_truncated_video_is_reported_and_what_could_be_read_is_processed(
    bundle: Bundle, tmp_path: Path
) -> None:
    path = tmp_path / "clip.mkv"
    write_video(path, 40)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    done = run_edgekit("run", str(bundle.root), "--source", str(path))
    assert done.returncode == 1
    count = len(done.stdout.splitlines())
    assert 5 < count < 40
    line = assert_one_clear_line(done.stderr)
    assert f"{40 - count} of 40 frames of clip.mkv could not be read" in line
    assert f"{count} frames read, {40 - count} failed, {count} processed" in done.stderr


def test_missing_bundle_is_one_clear_line(frames: Path, tmp_path: Path) -> None:
    done = run_edgekit("run", str(tmp_path / "no.bundle"), "--source", str(frames))
    assert done.returncode == 1
    assert "no.bundle" in assert_one_clear_line(done.stderr)


def test_tampered_bundle_is_one_clear_line(frames: Path, tmp_path: Path) -> None:
    bundle = write_bright_cells(tmp_path / "bright.bundle")
    weights = bundle.root / "model/openvino/fp32/model.bin"
    content = bytearray(weights.read_bytes())
    content[0] ^= 1
    weights.write_bytes(content)
    done = run_edgekit("run", str(bundle.root), "--source", str(frames))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "is altered" in assert_one_clear_line(done.stderr)


def test_unreachable_broker_is_one_clear_line(bundle: Bundle, frames: Path) -> None:
    url = f"mqtt://127.0.0.1:{free_port()}"
    done = run_edgekit("run", str(bundle.root), "--source", str(frames), "--mqtt", url)
    assert done.returncode == 1
    assert f"broker {url} cannot be reached" in assert_one_clear_line(done.stderr)


@pytest.mark.parametrize(
    ("options", "code", "text"),
    [
        (["--source", "nowhere.mp4"], 1, "source nowhere.mp4 does not exist; check the path"),
        (["--source", "rtsp://camera"], 2, "is of no known kind; give a folder of images"),
        (["--modality", "termal"], 2, "did you mean 'thermal'?"),
        (["--policy", "newest"], 2, "unknown policy 'newest'; known: every, latest"),
        (["--device", "uav/7"], 2, "device name 'uav/7' cannot stand in a topic"),
        (["--threshold", "7"], 2, "score threshold 7.0 is not in 0..1"),
        (["--limit", "0"], 2, "limit 0 leaves no frame"),
        (["--bands", "red"], 2, "bands 'red' are not numbers"),
        (["--precision", "int4"], 2, "unknown precision 'int4'"),
        (["--precision", "int8"], 2, "has no int8 artefact; it has fp32"),
        (["--mqtt", "localhost:1883"], 2, "is neither mqtt:// nor mqtts://"),
        (["--mqtt", "mqtt://a:secret@b"], 2, "holds a password"),
        (["--mqtt", "mqtt://b", "--mqtt-version", "4"], 2, "unknown MQTT version '4'"),
        (["--mqtt", "mqtt://b", "--mqtt-password-file", "nowhere"], 2, "cannot be read"),
    ],
)
def test_wrong_request_is_one_clear_line(
    bundle: Bundle,
    frames: Path,
    capfd: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    text: str,
) -> None:
    source = [] if "--source" in options else ["--source", str(frames)]
    assert main(["run", str(bundle.root), *source, *options]) == code
    line = assert_one_clear_line(capfd.readouterr().err)
    assert text in line
    assert "secret" not in line


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_stop_signal_drains_and_ends_in_order(
    bundle: Bundle, frames: Path, number: signal.Signals, code: int
) -> None:
    command = [sys.executable, "-m", "edgekit.cli.main", "run", str(bundle.root)]
    command += ["--source", str(frames), "--loop", "--fps", "200"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(20)]
        process.send_signal(number)
        rest, stderr = process.communicate(timeout=30)
    assert process.returncode == code, stderr
    messages = [json.loads(line) for line in [*lines, *rest.splitlines()]]
    assert [message["seq"] for message in messages] == list(range(len(messages)))
    count = len(messages)
    assert f"{count} frames read, 0 failed, {count} processed, {count} published" in stderr
    assert "Traceback" not in stderr


def test_reader_that_goes_away_ends_the_run_quietly(bundle: Bundle, frames: Path) -> None:
    command = f"{sys.executable} -m edgekit.cli.main run {bundle.root} --source {frames} --loop"
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -n 3"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert len(done.stdout.splitlines()) == 3
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


@pytest.mark.mosquitto
@needs_mosquitto
def test_real_broker_gets_every_message_of_150_frames_in_order(
    bundle: Bundle, tmp_path: Path
) -> None:
    write_video(tmp_path / "flight.mp4", 150)
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    topic = "edgekit/uav-7/belly/detections"
    with running_mosquitto(tmp_path) as broker, subscribed(broker, topic, 150) as subscriber:
        command = [sys.executable, "-m", "edgekit.cli.main", "run", str(bundle.root)]
        command += ["--source", str(tmp_path / "flight.mp4"), "--mqtt", broker.url]
        command += ["--device", "uav-7", "--stream", "belly"]
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        messages = [json.loads(line) for line in messages_of(subscriber)]
    assert done.returncode == 0, done.stderr
    assert "150 frames read, 0 failed, 150 processed, 150 published" in done.stderr
    assert [message["seq"] for message in messages] == list(range(150))
    assert len({message["epoch"] for message in messages}) == 1
    for message in messages:
        VALIDATOR.validate(message)
    # The bright cell of the video moves: what arrives is what is in each frame.
    found = [[item["obb"][0] for item in message["detections"]] for message in messages]
    assert found == [[centre_of(1, number % 6)[0]] for number in range(150)]


def write_video(path: Path, frames: int) -> None:
    """One bright cell that moves by a column a frame."""
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.bit_rate = 4_000_000
        for number in range(frames):
            pixels = np.zeros((64, 96, 3), np.uint8)
            light_cell(pixels, 1, number % 6)
            picture = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            for packet in stream.encode(picture):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
