"""`edgekit demo` as a user meets it, and the device half without the workstation's libraries."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from edgekit.bundle import DecodeSpec
from edgekit.cli.main import COMMANDS, main
from edgekit.core import BundleError
from edgekit.runtime.demo import SAMPLES, STREAMS, run_demo
from edgekit.runtime.messages import SCHEMA_PATH
from tests.runtime.bright_cells import write_bright_cells
from tests.runtime.mosquitto import needs_mosquitto, running_mosquitto

FRAMES = {"thermal": 8, "sar-ships": 4, "sentinel1": 1}

#: Names that the device half must never import.
BLOCKED = (
    "torch",
    "torchvision",
    "nncf",
    "onnx",
    "onnxruntime",
    "model_zoo",
    "edgekit.train",
    "edgekit.compress",
    "edgekit.export",
    "edgekit.data",
)
#: Runs the command in a process where those names cannot be imported. Python warns, too.
WITHOUT_THEM = f"""
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        blocked = {BLOCKED!r}
        if name in blocked or name.startswith(tuple(item + "." for item in blocked)):
            raise ImportError(f"{{name}} is blocked: the device half must do without it")
        return None

sys.meta_path.insert(0, Blocked())
from edgekit.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two tiny bundles in the place of the shipped ones."""
    folder = tmp_path_factory.mktemp("bundles")
    decode = DecodeSpec(0.75, 0.3, 40, False)
    write_bright_cells(folder / "thermal.bundle", size=(512, 640), decode=decode)
    write_bright_cells(
        folder / "sar.bundle", size=(256, 256), modality="sar", overlap_px=32, decode=decode
    )
    return folder


def device_command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", WITHOUT_THEM, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_demo_shows_what_arrived_and_writes_a_contact_sheet(
    bundles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "demo"
    assert main(["demo", "--bundles", str(bundles), "--out", str(out)]) == 0
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert lines[0].split()[:3] == ["stream", "frame", "objects"]
    for stream, count in FRAMES.items():
        assert sum(line.startswith(stream) for line in lines) == count
    assert "13 messages arrived over MQTT from mqtt://127.0.0.1:" in captured.out
    assert f"contact sheet: {out / 'contact-sheet.png'}" in lines
    with Image.open(out / "contact-sheet.png") as sheet:
        assert sheet.width > 2000
    messages = [json.loads(line) for line in (out / "messages.jsonl").read_text().splitlines()]
    assert len(messages) == 13
    scene = next(message for message in messages if message["stream"] == "sentinel1")
    assert all("geo" in item for item in scene["detections"])


@pytest.mark.mosquitto
@needs_mosquitto
def test_demo_uses_the_broker_it_is_given(
    bundles: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_mosquitto(tmp_path) as broker:
        arguments = ["--mqtt", broker.url, "--out", str(tmp_path / "demo"), "--json"]
        assert main(["demo", "--bundles", str(bundles), *arguments]) == 0
        document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "edgekit.demo/1"
    assert document["broker"] == broker.url
    assert document["published"] == len(document["frames"]) == 13


def test_missing_bundles_are_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="detectors of the demo are missing: no bundle in"):
        run_demo(tmp_path / "out", bundles=tmp_path)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stream", STREAMS, ids=lambda stream: stream.name)
def test_samples_ship_with_their_licence_and_attribution(stream: object) -> None:
    folder = SAMPLES / stream.name  # type: ignore[attr-defined]
    pictures = [path for path in folder.iterdir() if path.suffix in (".jpg", ".tif")]
    assert len(pictures) == FRAMES[folder.name]
    assert sum(path.stat().st_size for path in pictures) < 500_000
    assert (folder / "LICENSE").stat().st_size > 500
    readme = (folder / "README.md").read_text("utf-8")
    for word in ("**Attribution.**", "**Licence.**", *(path.name for path in pictures)):
        assert word in readme


def test_schema_ships_inside_the_package() -> None:
    assert json.loads(SCHEMA_PATH.read_text("utf-8"))["title"] == "edgekit.detections/1"


def test_device_half_streams_and_predicts_without_the_workstations_libraries(
    bundles: Path, tmp_path: Path
) -> None:
    thermal, frames = str(bundles / "thermal.bundle"), str(SAMPLES / "thermal")
    done = device_command("run", thermal, "--source", frames, "--limit", "2")
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == 2
    scene = str(SAMPLES / "sentinel1")
    done = device_command("predict", str(bundles / "sar.bundle"), scene, "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    done = device_command("demo", "--bundles", str(bundles), "--out", str(tmp_path / "demo"))
    assert done.returncode == 0, done.stderr
    assert "13 messages arrived" in done.stdout


@pytest.mark.parametrize(
    "command", ["verify", "inspect", "run", "predict", "demo", "targets", "doctor"]
)
def test_device_command_answers_without_the_workstations_libraries(command: str) -> None:
    assert command in COMMANDS
    done = device_command(command, "--help")
    assert done.returncode == 0, done.stderr
    assert "example: edgekit" in done.stdout


@pytest.mark.parametrize("command", ["verify", "inspect"])
def test_bundle_is_checked_without_the_workstations_libraries(bundles: Path, command: str) -> None:
    done = device_command(command, str(bundles / "sar.bundle"))
    assert done.returncode == 0, done.stderr
