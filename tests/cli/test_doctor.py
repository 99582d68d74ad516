import json
import os
import subprocess
import sys
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from edgekit.cli import machine
from edgekit.cli.machine import EXTRA_PURPOSES, is_at_least, read_cpu, read_extras
from edgekit.cli.main import main

RASPBERRY_PI_5 = """processor\t: 0
BogoMIPS\t: 108.00
Features\t: fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimddp
CPU implementer\t: 0x41
Model\t\t: Raspberry Pi 5 Model B Rev 1.0
"""
OLD_X86 = "model name\t: Intel(R) Atom(TM)\nflags\t\t: fpu sse sse2 sse4_2\n"


def examine(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    assert main(["doctor", "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def test_people_see_the_machine_the_engines_and_the_extras(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    for text in ("cpu", "memory", "disk", "mosquitto", "openvino", "CPU: ", "read GeoTIFF scenes"):
        assert text in out


def test_programs_get_one_document(capsys: pytest.CaptureFixture[str]) -> None:
    document = examine(capsys)
    assert document["schema"] == "edgekit.doctor/1"
    assert set(document) == {
        "schema", "edgekit", "system", "cpu", "memory_mib", "disk_mib", "engines", "extras",
        "mosquitto",
    }  # fmt: skip
    assert document["cpu"]["usable_cores"] == len(os.sched_getaffinity(0))
    assert set(document["cpu"]["flags"]) >= {  # type: ignore[call-overload]
        "avx2", "avx512f", "avx512_vnni", "avx512_bf16", "neon",
    }  # fmt: skip
    total, available = (document["memory_mib"][key] for key in ("total", "available"))
    assert 0 < available <= total  # type: ignore[operator]
    assert document["disk_mib"]["free"] > 0  # type: ignore[operator]


def test_every_extra_says_what_it_is_for() -> None:
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    extras = tomllib.loads(pyproject.read_text())["project"]["optional-dependencies"]
    assert list(EXTRA_PURPOSES) == list(extras)


def test_an_extra_counts_the_packages_of_the_extras_in_it() -> None:
    extras = {extra.name: extra for extra in read_extras()}
    onboard = {package.name for package in extras["onboard"].packages}
    parts = ("openvino", "images", "video", "raster")
    assert onboard == {package.name for part in parts for package in extras[part].packages}


@pytest.mark.parametrize(
    ("installed", "state", "fix"),
    [
        ({"av": "18.1.0"}, "installed", None),
        ({"av": "14"}, "installed", None),
        ({"av": "13.9"}, "too old", "pip install --upgrade 'edgekit[video]'"),
        ({}, "missing", "pip install 'edgekit[video]'"),
    ],
)
def test_a_missing_or_old_package_names_the_command_that_mends_it(
    monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], state: str, fix: str | None
) -> None:
    def version(name: str) -> str:
        if name not in installed:
            raise metadata.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(machine.metadata, "version", version)
    video = next(extra for extra in read_extras() if extra.name == "video")
    assert (video.state, video.fix) == (state, fix)


def test_an_uninstalled_checkout_has_no_extras(monkeypatch: pytest.MonkeyPatch) -> None:
    def requires(name: str) -> list[str]:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(machine.metadata, "requires", requires)
    assert read_extras() == ()


@pytest.mark.parametrize(
    ("version", "needed", "fits"),
    [
        ("2026.4.1", ">=2025.2", True),
        ("2025.2.0", ">=2025.2", True),
        ("2.1", ">=2.1.0", True),
        ("2.9.0", ">=2.10", False),
        ("1.0rc1", ">=1", True),
        ("1", "", True),
        ("unknown", ">=1", False),
    ],
)
def test_versions_compare_by_their_numbers(version: str, needed: str, fits: bool) -> None:
    assert is_at_least(version, needed) is fits


def test_an_arm_processor_shows_its_board_and_neon() -> None:
    cpu = read_cpu(RASPBERRY_PI_5)
    assert cpu.model == "Raspberry Pi 5 Model B Rev 1.0"
    assert {name for name, has in cpu.flags.items() if has} == {
        "neon", "neon_fp16", "neon_dotprod",
    }  # fmt: skip


def test_an_old_x86_processor_has_none_of_the_flags() -> None:
    cpu = read_cpu(OLD_X86)
    assert cpu.model == "Intel(R) Atom(TM)"
    assert not any(cpu.flags.values())


def test_an_empty_cpuinfo_still_names_the_machine() -> None:
    assert read_cpu("").model


_BLOCKED = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {names!r}:
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
from edgekit.cli.main import main
code = main(["doctor", "--json"])
assert not {{"torch", "nncf", "onnx"}} & set(sys.modules)
sys.exit(code)
"""


def test_it_never_imports_the_workstation_half() -> None:
    names = {"torch", "torchvision", "nncf", "onnx", "model_zoo"}
    subprocess.run(
        [sys.executable, "-c", _BLOCKED.format(names=names)], check=True, capture_output=True
    )


def test_a_missing_engine_names_the_command_that_installs_it() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _BLOCKED.format(names={"openvino"})],
        check=True,
        capture_output=True,
        text=True,
    )
    engine = next(e for e in json.loads(done.stdout)["engines"] if e["name"] == "openvino")
    assert engine["version"] is None
    assert engine["fix"] == "pip install 'edgekit[openvino]'"


def test_an_engine_that_is_installed_and_does_not_load_is_a_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Broken:
        install_command = "pip install broken"

        def installed_version(self) -> str:
            return "1.0"

        def devices(self) -> tuple[str, ...]:
            raise ImportError("libbroken.so:\nno such file")

    monkeypatch.setattr("edgekit.engines.registered_engines", lambda: {"broken": Broken()})
    assert main(["doctor", "--json"]) == 1
    (engine,) = json.loads(capsys.readouterr().out)["engines"]
    assert engine["problem"] == "libbroken.so: no such file"
    assert engine["fix"] == "pip install broken"
    assert main(["doctor"]) == 1
    assert "libbroken.so: no such file" in capsys.readouterr().out
