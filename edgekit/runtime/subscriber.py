"""A consumer of detections: what a ground station does with the topics."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt

from edgekit.core import SinkError
from edgekit.runtime.clock import SYSTEM_CLOCK, Clock
from edgekit.runtime.sinks.mqtt_connection import Callbacks, MqttAccess, connect

_SUBSCRIBE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Arrival:
    """A message that came in, and when."""

    message: Mapping[str, Any]
    arrived_utc_ns: int


class DetectionsSubscriber:
    """Collects the detections of a device, each once, in the order of arrival.

    `with DetectionsSubscriber(access, topic) as subscriber:` is subscribed when the block begins.
    raises  SinkError where the broker is not there or does not let it subscribe
    """

    def __init__(self, access: MqttAccess, topic: str, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._topic = topic
        self._arrivals: list[Arrival] = []
        self._seen: set[tuple[str, str, str, int]] = set()
        self._changed = threading.Condition()
        self._is_subscribed = False
        callbacks = Callbacks(
            prepare=self._prepare,
            on_up=self._on_up,
            on_down=lambda _reason: None,
            on_settled=lambda _mid, _refusal: None,
        )
        self._client = connect(access, f"edgekit-subscriber-{uuid.uuid4().hex[:8]}", callbacks)
        with self._changed:
            self._changed.wait_for(lambda: self._is_subscribed, _SUBSCRIBE_TIMEOUT_S)
        if not self._is_subscribed:
            self.close()
            raise SinkError(
                f"broker {access.url} does not let us subscribe to {topic}", "check its rules"
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave the broker. Twice is fine."""
        self._client.disconnect()
        self._client.loop_stop()

    def wait_for(self, count: int, timeout_s: float) -> list[Arrival]:
        """What has arrived, as soon as it is `count` messages or the time is over."""
        with self._changed:
            self._changed.wait_for(lambda: len(self._arrivals) >= count, timeout_s)
            return list(self._arrivals)

    def _prepare(self, client: mqtt.Client) -> None:
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe

    def _on_up(self, client: mqtt.Client, _receive_maximum: int | None) -> None:
        client.subscribe(self._topic, qos=1)

    def _on_subscribe(
        self, _client: mqtt.Client, _data: Any, _mid: int, codes: Any, _props: Any
    ) -> None:
        with self._changed:
            self._is_subscribed = not any(code.is_failure for code in codes)
            self._changed.notify_all()

    def _on_message(self, _client: mqtt.Client, _data: Any, received: mqtt.MQTTMessage) -> None:
        arrived_utc_ns = self._clock.utc_ns()
        message = json.loads(received.payload)
        key = (message["device"], message["stream"], message["epoch"], message["seq"])
        with self._changed:
            # QoS 1 may bring a message twice.
            if key not in self._seen:
                self._seen.add(key)
                self._arrivals.append(Arrival(message, arrived_utc_ns))
                self._changed.notify_all()
