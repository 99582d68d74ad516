"""What is imported when, and what a user is told where it is missing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from edgekit.core import EdgekitError
from edgekit.runtime.broker import EmbeddedBroker
from edgekit.runtime.sinks.pictures import PictureSink
from edgekit.runtime.sources import open_source

MODULES = (
    "broker",
    "contact_sheet",
    "demo",
    "detector",
    "drawing",
    "messages",
    "opening",
    "pipeline",
    "prediction",
    "sinks.mqtt",
    "sinks.pictures",
    "sources",
    "stop_signals",
    "subscriber",
)
HEAVY = ("PIL", "av", "rasterio", "openvino", "amqtt", "torch")


def test_importing_the_runtime_loads_nothing_heavy_and_opens_nothing() -> None:
    imports = "; ".join(f"import edgekit.runtime.{name}" for name in MODULES)
    show = f"print([name for name in {HEAVY} if name in sys.modules], threading.active_count())"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys, threading; {imports}; {show}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "[] 1", done.stderr


@pytest.mark.parametrize(
    ("missing", "name", "extra"),
    [
        ("PIL.Image", "frame.png", "images"),
        ("av", "clip.mp4", "video"),
        ("rasterio", "scene.tif", "raster"),
    ],
)
def test_missing_reader_is_told_with_the_extra_that_brings_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str, name: str, extra: str
) -> None:
    (tmp_path / name).write_bytes(b"")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(EdgekitError) as caught:
        open_source(str(tmp_path / name), modality="thermal")
    assert str(caught.value).endswith(f"; pip install 'edgekit[{extra}]'")


def test_missing_pillow_is_told_before_a_frame_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "PIL.ImageDraw", None)
    with pytest.raises(EdgekitError, match=r"edgekit\[images\]"):
        PictureSink(tmp_path / "vis", ("a",))


def test_missing_broker_is_told_with_the_extra_that_brings_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "amqtt.broker", None)
    with pytest.raises(EdgekitError, match=r"embedded broker needs .* pip install 'edgekit\[demo"):
        EmbeddedBroker()


def test_port_that_is_taken_is_told() -> None:
    with EmbeddedBroker() as first, pytest.raises(EdgekitError, match="cannot listen on port"):
        EmbeddedBroker(first.port).start()


def test_broker_closes_twice_and_starts_again() -> None:
    broker = EmbeddedBroker()
    broker.start()
    broker.close()
    broker.close()
    broker.start()
    broker.close()


def test_folder_of_pictures_needs_no_raster_library(
    empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("L", (4, 4)).save(empty_folder / "a.png")
    monkeypatch.setitem(sys.modules, "rasterio", None)
    assert len(list(open_source(str(empty_folder), modality="thermal"))) == 1
