"""A real Mosquitto for tests, and its own subscriber."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


def find(program: str) -> str | None:
    """Where a program is; Debian keeps brokers in a folder that users do not search."""
    return shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")


HAS_MOSQUITTO = all(find(program) for program in ("mosquitto", "mosquitto_sub"))

#: Marks a test that needs Mosquitto, and says why it is skipped without.
needs_mosquitto = pytest.mark.skipif(
    not HAS_MOSQUITTO, reason="mosquitto and mosquitto_sub (mosquitto-clients) are not installed"
)


@dataclass(frozen=True)
class Mosquitto:
    """A running broker."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        return f"mqtt://127.0.0.1:{self.port}"


@contextmanager
def running_mosquitto(
    folder: Path, config: str = "allow_anonymous true", port: int | None = None
) -> Iterator[Mosquitto]:
    """A broker on a port of this machine only, with more lines for its configuration."""
    port = port or free_port()
    user = "user root\n" if Path("/root").owner() == "root" else ""
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\n{user}{config}\n")
    program = find("mosquitto")
    assert program is not None
    process = subprocess.Popen(
        [program, "-c", str(folder / "mosquitto.conf")],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_for_port(port)
        yield Mosquitto(port, folder)
    finally:
        process.terminate()
        process.wait(10)


@contextmanager
def subscribed(broker: Mosquitto, topic: str, count: int) -> Iterator[subprocess.Popen[str]]:
    """A running mosquitto_sub that ends by itself after `count` messages, or after a minute."""
    program = find("mosquitto_sub")
    assert program is not None
    # -d tells when it is subscribed: at once only if its output is flushed line by line.
    command = ["stdbuf", "-oL", program, "-p", str(broker.port), "-t", topic]
    command += ["-q", "1", "-C", str(count)]
    process = subprocess.Popen(
        [*command, "-W", "60", "-d"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("Subscribed"):
            break
    try:
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def messages_of(subscriber: subprocess.Popen[str]) -> list[str]:
    """Its messages, once it has all."""
    output, _ = subscriber.communicate(timeout=70)
    return [line for line in output.splitlines() if line.startswith("{")]


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, timeout_s: float = 10.0) -> None:
    """Return when somebody listens on the port."""
    deadline = time.monotonic() + timeout_s
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert time.monotonic() < deadline, f"nobody listens on port {port}"
            time.sleep(0.02)
