"""The MQTT sink against real brokers: the embedded one (3.1.1), and Mosquitto (5)."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgekit.core import Detections, SinkError, UsageError
from edgekit.runtime.broker import MQTT_VERSION, EmbeddedBroker
from edgekit.runtime.messages import detections_message, encode_message
from edgekit.runtime.sinks import Result
from edgekit.runtime.sinks.mqtt import MqttSink, detections_topic
from edgekit.runtime.sinks.mqtt_connection import MqttAccess
from edgekit.runtime.sinks.mqtt_url import parse_mqtt_url
from edgekit.runtime.subscriber import Arrival, DetectionsSubscriber
from tests.runtime.frames import a_frame
from tests.runtime.mosquitto import (
    HAS_MOSQUITTO,
    find,
    free_port,
    needs_mosquitto,
    running_mosquitto,
)
from tests.runtime.test_messages import SENDER, TIMING, validate


def result(seq: int) -> Result:
    frame = a_frame(seq=seq, captured_mono_ns=time.monotonic_ns())
    message = detections_message(SENDER, frame, Detections.empty(), TIMING, 0)
    return Result(frame, Detections.empty(), message, encode_message(message))


def access(url: str, **options: Any) -> MqttAccess:
    return MqttAccess(parse_mqtt_url(url), **options)


def write_all(sink: MqttSink, numbers: Iterable[int]) -> None:
    for seq in numbers:
        sink.write(result(seq))


def come_back_late(sink: MqttSink) -> None:
    """Leave a subscriber the time to be there first: a broker keeps nothing for later ones."""
    sink._client.reconnect_delay_set(2, 2)


def seqs(arrivals: list[Arrival]) -> list[int]:
    return [arrival.message["seq"] for arrival in arrivals]


@pytest.fixture(params=["embedded", pytest.param("mosquitto", marks=pytest.mark.mosquitto)])
def reach(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MqttAccess]:
    """A running broker of each kind."""
    if request.param == "embedded":
        with EmbeddedBroker() as broker:
            yield access(broker.url, version=MQTT_VERSION)
        return
    if not HAS_MOSQUITTO:
        pytest.skip("mosquitto is not installed")
    with running_mosquitto(tmp_path) as running:
        yield access(running.url)


def test_messages_arrive_in_order_and_each_is_acknowledged(reach: MqttAccess) -> None:
    with DetectionsSubscriber(reach, "edgekit/uav-7/main/detections") as subscriber:
        sink = MqttSink(reach, "uav-7")
        for seq in range(60):
            sink.write(result(seq))
        sink.close()
        arrivals = subscriber.wait_for(60, 10)
    assert seqs(arrivals) == list(range(60))
    assert (sink.delivered, sink.unacknowledged) == (60, 0)
    assert len(sink.latencies_ms) == 60
    assert "has acknowledged 60 messages, capture to acknowledgement p50" in sink.report()
    for arrival in arrivals:
        validate(dict(arrival.message))


def status_changes(reach: MqttAccess, prefix: str, wanted: list[bytes]) -> threading.Thread:
    """A thread that ends when these payloads have come to the status topic, in this order."""
    import paho.mqtt.client as mqtt
    from paho.mqtt.enums import CallbackAPIVersion

    seen: list[bytes] = []
    done, ready = threading.Event(), threading.Event()
    client = mqtt.Client(CallbackAPIVersion.VERSION2)

    def on_message(_client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        seen.append(bytes(message.payload))
        if seen[-len(wanted) :] == wanted:
            done.set()

    client.on_message = on_message
    client.on_subscribe = lambda *_args: ready.set()
    client.connect(reach.url.host, reach.url.port)
    client.subscribe(f"{prefix}/uav-7/status", 1)
    client.loop_start()
    assert ready.wait(5)

    def watch() -> None:
        done.wait(10)
        client.disconnect()
        client.loop_stop()
        seen.append(b"done" if done.is_set() else b"too late")

    thread = threading.Thread(target=watch)
    thread.seen = seen  # type: ignore[attr-defined]
    thread.start()
    return thread


def test_status_is_online_while_connected_and_offline_after(reach: MqttAccess) -> None:
    watch = status_changes(reach, "fleet/a", [b"online", b"offline"])
    MqttSink(reach, "uav-7", prefix="fleet/a").close()
    watch.join(15)
    assert watch.seen == [b"online", b"offline", b"done"]  # type: ignore[attr-defined]


HANGS_ON = """
import sys
from edgekit.runtime.sinks.mqtt import MqttSink
from edgekit.runtime.sinks.mqtt_connection import MqttAccess
from edgekit.runtime.sinks.mqtt_url import parse_mqtt_url

sink = MqttSink(MqttAccess(parse_mqtt_url(sys.argv[1]), version=sys.argv[2] or None), "uav-7")
assert sink._outbox.wait_until_empty(10)
print("online", flush=True)
sys.stdin.read()
"""


def test_killed_process_is_declared_offline_by_its_will(reach: MqttAccess) -> None:
    watch = status_changes(reach, "edgekit", [b"online", b"offline"])
    command = [sys.executable, "-c", HANGS_ON, str(reach.url), reach.version or ""]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"online\n"
        process.kill()
    watch.join(15)
    assert watch.seen == [b"online", b"offline", b"done"]  # type: ignore[attr-defined]


def test_broker_of_the_old_version_is_spoken_to_in_that() -> None:
    with EmbeddedBroker() as broker:
        sink = MqttSink(access(broker.url), "uav-7")
        sink.write(result(0))
        sink.close()
    assert sink.delivered == 1


def test_unreachable_broker_is_one_clear_line_in_time() -> None:
    start = time.monotonic()
    with pytest.raises(SinkError) as caught:
        MqttSink(access(f"mqtt://127.0.0.1:{free_port()}"), "uav-7")
    assert "cannot be reached: connection refused; start it" in str(caught.value)
    assert time.monotonic() - start < 5


@pytest.mark.parametrize("behaviour", ["silent", "hangs up", "talks of something else"])
def test_server_that_is_no_broker_is_one_clear_line_in_time(behaviour: str) -> None:
    held = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            for _ in range(2):
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                if behaviour == "hangs up":
                    connection.close()
                    continue
                if behaviour == "talks of something else":
                    connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                held.append(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        start = time.monotonic()
        with pytest.raises(SinkError, match="does not accept the connection"):
            MqttSink(
                access(f"mqtt://127.0.0.1:{server.getsockname()[1]}", connect_timeout_s=1.0),
                "uav-7",
            )
        assert time.monotonic() - start < 5
    for connection in held:
        connection.close()


@pytest.mark.parametrize(("device", "prefix"), [("a/b", "edgekit"), ("a", "x/#"), ("a", "")])
def test_names_that_cannot_stand_in_a_topic_are_refused(device: str, prefix: str) -> None:
    with pytest.raises(UsageError, match="cannot stand in a topic"):
        MqttSink(access("mqtt://127.0.0.1:1"), device, prefix=prefix)


def test_close_twice_is_fine(reach: MqttAccess) -> None:
    sink = MqttSink(reach, "uav-7")
    sink.close()
    sink.close()


def test_lost_broker_is_waited_for_and_nothing_is_lost() -> None:
    notes: list[str] = []
    port = free_port()
    broker = EmbeddedBroker(port)
    broker.start()
    reach = access(broker.url, version=MQTT_VERSION)
    sink = MqttSink(reach, "uav-7", notify=notes.append)
    for seq in range(5):
        sink.write(result(seq))
    assert sink._outbox.wait_until_empty(5)
    come_back_late(sink)
    broker.close()
    writer = threading.Thread(target=write_all, args=(sink, range(5, 15)))
    writer.start()
    with (
        EmbeddedBroker(port),
        DetectionsSubscriber(reach, detections_topic("edgekit", "uav-7", "+")) as other,
    ):
        arrivals = other.wait_for(10, 20)
        writer.join(20)
        sink.close()
    assert seqs(arrivals) == list(range(5, 15))
    assert sink.delivered == 15
    assert "is lost" in notes[0]
    assert "is back" in notes[-1]


def test_broker_that_stays_away_is_given_up_and_the_missing_are_counted() -> None:
    broker = EmbeddedBroker()
    broker.start()
    sink = MqttSink(access(broker.url, version=MQTT_VERSION), "uav-7", drain_timeout_s=0.5)
    sink.write(result(0))
    assert sink._outbox.wait_until_empty(5)
    broker.close()
    sink.hurry()
    start = time.monotonic()
    for seq in range(1, 6):
        sink.write(result(seq))
    with pytest.raises(SinkError, match=r"^5 of 6 messages have no acknowledgement"):
        sink.close()
    assert time.monotonic() - start < 8
    assert sink.unacknowledged == 5


@pytest.mark.mosquitto
@needs_mosquitto
def test_publish_that_the_broker_denies_is_no_acknowledgement(tmp_path: Path) -> None:
    (tmp_path / "acl").write_text("topic readwrite edgekit/uav-7/status\n")
    config = f"allow_anonymous true\nacl_file {tmp_path / 'acl'}"
    with running_mosquitto(tmp_path, config) as broker:
        sink = MqttSink(access(broker.url), "uav-7")
        for seq in range(3):
            sink.write(result(seq))
        with pytest.raises(SinkError, match=r"refused 3 messages: not authorized; allow this user"):
            sink.close()
    assert sink.delivered == 0


@pytest.mark.mosquitto
@needs_mosquitto
def test_user_and_password_open_the_broker_and_wrong_ones_are_told(tmp_path: Path) -> None:
    program = find("mosquitto_passwd")
    assert program is not None
    passwords = tmp_path / "passwords"
    subprocess.run([program, "-b", "-c", str(passwords), "uav", "s3cret"], check=True)
    config = f"allow_anonymous false\npassword_file {passwords}"
    with running_mosquitto(tmp_path, config) as broker:
        url = f"mqtt://uav@127.0.0.1:{broker.port}"
        sink = MqttSink(access(url, password="s3cret"), "uav-7")
        sink.write(result(0))
        sink.close()
        assert sink.delivered == 1
        for wrong in ("other", None):
            with pytest.raises(SinkError, match="refuses user uav") as caught:
                MqttSink(access(url, password=wrong), "uav-7")
            assert "other" not in str(caught.value)


@pytest.mark.mosquitto
@needs_mosquitto
def test_killed_mosquitto_that_comes_back_gets_the_rest_in_order(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "data").mkdir()
    with running_mosquitto(tmp_path, port=port):
        sink = MqttSink(access(f"mqtt://127.0.0.1:{port}"), "uav-7")
        sink.write(result(0))
        assert sink._outbox.wait_until_empty(5)
        come_back_late(sink)
    writer = threading.Thread(target=write_all, args=(sink, range(1, 31)))
    writer.start()
    with (
        running_mosquitto(tmp_path, port=port) as broker,
        DetectionsSubscriber(access(broker.url), "edgekit/uav-7/+/detections") as subscriber,
    ):
        arrivals = subscriber.wait_for(30, 20)
        writer.join(20)
        sink.close()
    assert seqs(arrivals) == list(range(1, 31))
