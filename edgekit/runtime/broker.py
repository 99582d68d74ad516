"""A small MQTT broker inside this process, for the demo and for tests: MQTT 3.1.1, 127.0.0.1 only.

It keeps nothing on disk and asks for no password. In the field use Mosquitto or another broker.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from edgekit.core import EdgekitError
from edgekit.runtime.extras import import_extra

#: What the broker speaks: a client that knows it need not try version 5 first.
MQTT_VERSION = "3.1.1"

_START_TIMEOUT_S = 10.0


class EmbeddedBroker:
    """`with EmbeddedBroker() as broker: ... broker.url`; runs in a thread of its own.

    port    0: a free one
    raises  EdgekitError without the `demo` extra, or where the port is taken
    """

    def __init__(self, port: int = 0) -> None:
        self._amqtt = import_extra("amqtt.broker", "demo", "the embedded broker")
        self._contexts = import_extra("amqtt.contexts", "demo", "the embedded broker")
        self._wanted_port = port
        self._started = threading.Event()
        self._error: Exception | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread: threading.Thread | None = None
        self.port = port

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Returns when the broker listens."""
        # amqtt logs every packet and every client that leaves; a demo's user wants neither.
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._started.clear()
        self._error, self._loop, self._stop = None, None, None
        self.port = self._wanted_port or _free_port()
        self._thread = threading.Thread(target=self._serve, name="mqtt-broker", daemon=True)
        self._thread.start()
        self._started.wait(_START_TIMEOUT_S)
        if self._error is not None or not self._started.is_set():
            self.close()
            raise EdgekitError(
                f"the embedded broker cannot listen on port {self.port}: "
                f"{self._error or 'it did not start in time'}",
                "give the URL of a running broker with --mqtt",
            )

    def close(self) -> None:
        """Ends all connections. Twice is fine."""
        if self._thread is None:
            return
        if self._loop is not None and self._stop is not None:
            # A broker that failed has closed its loop already.
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(_START_TIMEOUT_S)
        self._thread = None

    def _serve(self) -> None:
        try:
            asyncio.run(self._run())
        except Exception as error:  # noqa: BLE001  the border of a thread: recorded for start()
            self._error = error
        finally:
            self._started.set()

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        broker = self._amqtt.Broker(self._config())
        await broker.start()
        self._started.set()
        await self._stop.wait()
        await broker.shutdown()

    def _config(self) -> Any:
        listener = self._contexts.ListenerConfig(bind=f"127.0.0.1:{self.port}")
        anonymous = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
        return self._contexts.BrokerConfig(listeners={"default": listener}, plugins=anonymous)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
