"""Where a broker is, from `mqtt://host:port`."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from edgekit.core import UsageError

_DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


@dataclass(frozen=True, slots=True)
class MqttUrl:
    """Host, port, TLS or not, and the user name if the URL has one. It never holds a password."""

    host: str
    port: int
    tls: bool
    username: str | None = None

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"


def parse_mqtt_url(text: str) -> MqttUrl:
    """`mqtt://[user@]host[:port]` or `mqtts://...`.

    raises  UsageError for anything else, also for a password: command lines are not secret
    """
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise UsageError("the broker's URL cannot be read", "use mqtt://host:1883") from error
    if parts.password is not None:
        raise UsageError(
            "the broker's URL holds a password, which every user of this machine can see",
            "use mqtt://user@host with --mqtt-password-file or EDGEKIT_MQTT_PASSWORD",
        )
    if parts.scheme not in _DEFAULT_PORTS:
        raise UsageError(
            f"broker URL {text!r} is neither mqtt:// nor mqtts://", "use mqtt://host:1883"
        )
    if not parts.hostname:
        raise UsageError(f"broker URL {text!r} names no host", "use mqtt://host:1883")
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise UsageError(
            f"broker URL {text!r} has something after the port", "use --mqtt-prefix for topics"
        )
    return MqttUrl(
        host=parts.hostname,
        port=_DEFAULT_PORTS[parts.scheme] if port is None else port,
        tls=parts.scheme == "mqtts",
        username=unquote(parts.username) if parts.username else None,
    )
