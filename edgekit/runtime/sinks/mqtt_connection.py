"""A connection to an MQTT broker: version 5 where the broker speaks it, else 3.1.1."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from edgekit.core import SinkError, UsageError, unknown_name
from edgekit.runtime.sinks.mqtt_url import MqttUrl

PASSWORD_VARIABLE = "EDGEKIT_MQTT_PASSWORD"

#: Reason codes of MQTT 5, section 2.4; paho maps the return codes of 3.1.1 to them.
_FIRST_FAILURE_CODE = 128
_UNSUPPORTED_VERSION = 132
_CREDENTIALS_REFUSED = (134, 135)
#: What a broker can do instead of answering.
_SILENT, _HUNG_UP = -1, -2
_ANOTHER_VERSION_MAY_DO = (_UNSUPPORTED_VERSION, _HUNG_UP, _SILENT)

_VERSIONS = {"5": MQTTProtocolVersion.MQTTv5, "3.1.1": MQTTProtocolVersion.MQTTv311}
#: How long an answer to version 5 is waited for, where 3.1.1 may still be tried.
_ANSWER_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class MqttAccess:
    """How to reach a broker and who to be there. The password never shows in a repr.

    ca_file             authorities to trust for mqtts://; None: those of the system
    version             "5" or "3.1.1"; None: 5, and 3.1.1 where the broker does not answer to that
    connect_timeout_s   for the whole first connection, both protocol versions together
    """

    url: MqttUrl
    password: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    version: str | None = None
    connect_timeout_s: float = 4.0
    keepalive_s: int = 30

    def __post_init__(self) -> None:
        if self.password is not None and self.url.username is None:
            raise UsageError("there is a password but no user name", "use mqtt://user@host")
        if self.version is not None and self.version not in _VERSIONS:
            raise unknown_name("MQTT version", self.version, _VERSIONS)


def read_password(file: Path | None) -> str | None:
    """The broker's password from a file, else from EDGEKIT_MQTT_PASSWORD, else None.

    raises  UsageError for a file that cannot be read
    """
    if file is None:
        return os.environ.get(PASSWORD_VARIABLE) or None
    try:
        return file.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"password file {file} cannot be read", "check its path and permissions"
        ) from error


@dataclass(frozen=True, slots=True)
class Callbacks:
    """What a connection tells its owner; all but `prepare` are called from the network thread.

    prepare     before a client connects: the place for its will
    on_up       at every successful connection; with the broker's Receive Maximum (MQTT 5), if any
    on_down     at every loss of an accepted connection, with the reason
    on_settled  the broker answered a message: its id, and the reason if it did not take it, else ""
    """

    prepare: Callable[[mqtt.Client], None]
    on_up: Callable[[mqtt.Client, int | None], None]
    on_down: Callable[[str], None]
    on_settled: Callable[[int, str], None]


def connect(access: MqttAccess, client_id: str, callbacks: Callbacks) -> mqtt.Client:
    """A connected client whose network thread runs, and which reconnects by itself.

    raises  SinkError within about `connect_timeout_s` if the broker is not there or refuses
    """
    deadline = time.monotonic() + access.connect_timeout_s
    versions = ["5", "3.1.1"] if access.version is None else [access.version]
    while True:
        client = _new_client(access, client_id, _VERSIONS[versions.pop(0)])
        outcome = _first_connection(client, access, callbacks, deadline, is_last=not versions)
        if outcome.code == 0:
            return client
        # A broker of 3.1.1 answers a connection of version 5 with that code, or hangs up, or waits
        # for more because it reads the will wrong.
        if not versions or outcome.code not in _ANOTHER_VERSION_MAY_DO:
            break
    if outcome.code in _CREDENTIALS_REFUSED:
        user = access.url.username or "(none)"
        raise SinkError(
            f"broker {access.url} refuses user {user}: {outcome.reason}",
            f"check the user name, and the password in {PASSWORD_VARIABLE} or its file",
        )
    raise SinkError(
        f"broker {access.url} does not accept the connection: {outcome.reason}",
        "check that it is an MQTT broker, and its log",
    )


def _new_client(access: MqttAccess, client_id: str, version: MQTTProtocolVersion) -> mqtt.Client:
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id, protocol=version)
    client.reconnect_delay_set(min_delay=1, max_delay=8)
    # The owner's own limit holds messages back; paho's would hide them in a second queue.
    client.max_inflight_messages_set(0)
    if access.url.username is not None:
        client.username_pw_set(access.url.username, access.password)
    if access.url.tls:
        try:
            client.tls_set(ca_certs=None if access.ca_file is None else str(access.ca_file))
        except OSError as error:
            raise UsageError(
                f"authorities file {access.ca_file} cannot be read", "give a PEM file"
            ) from error
    return client


@dataclass(slots=True)
class _Outcome:
    """The broker's first word: 0 accepted, a reason code of MQTT 5, or one of ours below 0."""

    code: int = _SILENT
    reason: str = "no answer in time"


def _first_connection(
    client: mqtt.Client,
    access: MqttAccess,
    callbacks: Callbacks,
    deadline: float,
    *,
    is_last: bool,
) -> _Outcome:
    """Connect once. Accepted: the client's thread runs on; else it has ended."""
    outcome, answered = _Outcome(), threading.Event()

    def on_connect(client: mqtt.Client, _data: Any, _flags: Any, code: Any, props: Any) -> None:
        if not code.is_failure:
            callbacks.on_up(client, getattr(props, "ReceiveMaximum", None))
        if not answered.is_set():
            outcome.code = code.value if code.is_failure else 0
            outcome.reason = str(code).lower()
            answered.set()

    def on_disconnect(_client: Any, _data: Any, _flags: Any, code: Any, _props: Any) -> None:
        if answered.is_set():
            callbacks.on_down(str(code).lower())
        else:
            outcome.code, outcome.reason = _HUNG_UP, "it hangs up"
            answered.set()

    def on_publish(_client: Any, _data: Any, mid: int, code: Any, _props: Any) -> None:
        # A denied publish is answered too (MQTT 5): that answer is no acknowledgement.
        is_failure = code.value >= _FIRST_FAILURE_CODE
        callbacks.on_settled(mid, str(code).lower() if is_failure else "")

    client.on_connect, client.on_disconnect = on_connect, on_disconnect
    client.on_publish = on_publish
    callbacks.prepare(client)
    client.connect_timeout = max(0.1, deadline - time.monotonic())
    try:
        client.connect(access.url.host, access.url.port, access.keepalive_s)
    except (OSError, ValueError) as error:
        raise SinkError(
            f"broker {access.url} cannot be reached: {_reason(error)}",
            "start it, or check host, port and network",
        ) from error
    client.loop_start()
    patience_s = max(0.1, deadline - time.monotonic())
    answered.wait(patience_s if is_last else min(patience_s, _ANSWER_TIMEOUT_S))
    if outcome.code != 0:
        client.on_connect = client.on_disconnect = None
        client.disconnect()
        client.loop_stop()
    return outcome


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text[:1].lower() + text[1:]
