"""Broker URLs, and the password that never shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.core import UsageError
from edgekit.runtime.sinks.mqtt_connection import PASSWORD_VARIABLE, MqttAccess, read_password
from edgekit.runtime.sinks.mqtt_url import MqttUrl, parse_mqtt_url


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mqtt://broker", MqttUrl("broker", 1883, False)),
        ("mqtt://broker:18830/", MqttUrl("broker", 18830, False)),
        ("mqtts://broker", MqttUrl("broker", 8883, True)),
        ("mqtt://uav%407@10.0.0.1", MqttUrl("10.0.0.1", 1883, False, "uav@7")),
        ("mqtts://[::1]:9000", MqttUrl("::1", 9000, True)),
    ],
)
def test_url_is_read(text: str, expected: MqttUrl) -> None:
    assert parse_mqtt_url(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "broker", "broker:1883", "http://broker", "mqtt://", "mqtt://broker:99999", "mqtt://b:x",
     "mqtt://broker/prefix", "mqtt://broker?x=1", "mqtt://[::1"],
)  # fmt: skip
def test_anything_else_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match="mqtt"):
        parse_mqtt_url(text)


def test_password_in_a_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(UsageError, match="holds a password") as caught:
        parse_mqtt_url("mqtt://uav:s3cret@broker")
    assert "s3cret" not in str(caught.value)
    assert "mqtt-password-file" in str(caught.value)


def test_url_shows_neither_user_nor_password() -> None:
    access = MqttAccess(parse_mqtt_url("mqtts://uav@[::1]"), password="s3cret")
    assert str(access.url) == "mqtts://[::1]:8883"
    assert "s3cret" not in repr(access)


def test_password_comes_from_the_file_before_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    assert read_password(None) is None
    monkeypatch.setenv(PASSWORD_VARIABLE, "from the environment")
    assert read_password(None) == "from the environment"
    (tmp_path / "password").write_text("from the file\n")
    assert read_password(tmp_path / "password") == "from the file"
    with pytest.raises(UsageError, match="cannot be read"):
        read_password(tmp_path / "nowhere")


def test_password_without_a_user_is_refused() -> None:
    with pytest.raises(UsageError, match="no user name; use mqtt://user@host"):
        MqttAccess(parse_mqtt_url("mqtt://broker"), password="s3cret")
