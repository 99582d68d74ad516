"""Messages to an MQTT broker, QoS 1: none is dropped, each is counted until it is acknowledged."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable

import numpy as np
import paho.mqtt.client as mqtt

from edgekit.core import SinkError
from edgekit.runtime.clock import SYSTEM_CLOCK, Clock
from edgekit.runtime.messages import check_name
from edgekit.runtime.sinks.mqtt_connection import Callbacks, MqttAccess, connect
from edgekit.runtime.sinks.outbox import Outbox
from edgekit.runtime.sinks.sink import Result

DEFAULT_PREFIX = "edgekit"
#: Messages that may be out without an answer; more hold the pipeline back. Mosquitto allows 20.
IN_FLIGHT = 20
DRAIN_TIMEOUT_S = 10.0

_ONLINE, _OFFLINE = b"online", b"offline"
_STATUS_TIMEOUT_S = 2.0


def detections_topic(prefix: str, device: str, stream: str) -> str:
    """Where the messages of a stream go."""
    return f"{prefix}/{device}/{stream}/detections"


def status_topic(prefix: str, device: str) -> str:
    """Where `online` or `offline` of a device stands, retained."""
    return f"{prefix}/{device}/status"


class MqttSink:
    """Publishes results of one device; connects when made.

    notify            told in one line when the broker is lost and when it is back
    drain_timeout_s   how long `close()` (and, after `hurry()`, everything) waits for the broker
    raises            SinkError if the broker cannot be reached, UsageError for names that cannot
                      stand in a topic

    While the broker is away `write` waits for it: back-pressure, nothing is dropped.
    """

    def __init__(
        self,
        access: MqttAccess,
        device: str,
        *,
        prefix: str = DEFAULT_PREFIX,
        in_flight: int = IN_FLIGHT,
        drain_timeout_s: float = DRAIN_TIMEOUT_S,
        notify: Callable[[str], None] = lambda _line: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        check_name("device", device)
        check_prefix(prefix)
        self._access = access
        self._prefix = prefix
        self._device = device
        self._outbox = Outbox(in_flight, clock)
        self._drain_timeout_s = drain_timeout_s
        self._notify = notify
        self._unsent = 0
        self._give_up_at: float | None = None
        self._is_closing = False
        self._is_closed = False
        self._was_lost = False
        callbacks = Callbacks(self._prepare, self._on_up, self._on_down, self._outbox.settle)
        self._client = connect(access, f"edgekit-{device}-{uuid.uuid4().hex[:8]}", callbacks)

    @property
    def delivered(self) -> int:
        return self._outbox.acknowledged

    @property
    def unacknowledged(self) -> int:
        """Results that the broker has not taken: without an answer, refused, or never sent."""
        return self._outbox.open_count + self._outbox.refused + self._unsent

    @property
    def latencies_ms(self) -> list[float]:
        """Capture to acknowledgement of the last messages."""
        return self._outbox.latencies_ms

    def write(self, result: Result) -> None:
        while not self._outbox.wait_for_turn(timeout_s=0.2):
            if self._give_up_at is not None and time.monotonic() >= self._give_up_at:
                self._unsent += 1
                return
        topic = detections_topic(self._prefix, self._device, result.frame.stream)
        info = self._client.publish(topic, result.payload, qos=1)
        # "No connection" is no loss: paho keeps the message and sends it when the link is back.
        if info.rc not in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN):
            raise SinkError(
                f"message {result.frame.seq} cannot be sent: {mqtt.error_string(info.rc)}",
                "check the broker's limits",
            )
        self._outbox.add(info.mid, result.frame.captured_mono_ns)

    def hurry(self) -> None:
        if self._give_up_at is None:
            self._give_up_at = time.monotonic() + self._drain_timeout_s

    def report(self) -> str:
        text = f"broker {self._access.url} has acknowledged {self.delivered} messages"
        if not self.latencies_ms:
            return text
        p50, p90 = np.percentile(self.latencies_ms, (50, 90))
        return f"{text}, capture to acknowledgement p50 {p50:.1f} ms, p90 {p90:.1f} ms"

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        self.hurry()
        assert self._give_up_at is not None, "hurry sets it"
        self._outbox.wait_until_empty(max(0.0, self._give_up_at - time.monotonic()))
        self._say_goodbye()
        self._client.loop_stop()
        if self._outbox.refused:
            raise SinkError(
                f"broker {self._access.url} refused {self._outbox.refused} messages: "
                f"{self._outbox.refusal}",
                f"allow this user to publish to {self._prefix}/{self._device}/#",
            )
        if self.unacknowledged:
            total = self.unacknowledged + self.delivered
            raise SinkError(
                f"{self.unacknowledged} of {total} messages have no acknowledgement from broker "
                f"{self._access.url} after {self._drain_timeout_s:g} s",
                "check the broker and the link, and send those frames again",
            )

    def _say_goodbye(self) -> None:
        """A retained `offline`, then a clean end, after which the broker forgets the will."""
        self._is_closing = True
        if self._client.is_connected():
            topic = status_topic(self._prefix, self._device)
            info = self._client.publish(topic, _OFFLINE, qos=1, retain=True)
            self._outbox.add(info.mid, None)
            self._outbox.wait_until_empty(_STATUS_TIMEOUT_S)
        self._client.disconnect()

    def _prepare(self, client: mqtt.Client) -> None:
        client.will_set(status_topic(self._prefix, self._device), _OFFLINE, qos=1, retain=True)

    def _on_up(self, client: mqtt.Client, receive_maximum: int | None) -> None:
        # At every connection, not only the first: the broker has published our will meanwhile.
        topic = status_topic(self._prefix, self._device)
        info = client.publish(topic, _ONLINE, qos=1, retain=True)
        self._outbox.add(info.mid, None)
        self._outbox.link_up(receive_maximum)
        if self._was_lost:
            self._was_lost = False
            self._notify(f"broker {self._access.url} is back")

    def _on_down(self, reason: str) -> None:
        self._outbox.link_down()
        if not self._is_closing and not self._was_lost:
            self._was_lost = True
            self._notify(f"broker {self._access.url} is lost ({reason}); waiting for it")


def check_prefix(prefix: str) -> None:
    """Refuse a topic prefix that MQTT or our topics cannot have.

    raises  UsageError
    """
    for level in prefix.split("/"):
        check_name("topic prefix level", level)
