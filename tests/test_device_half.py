"""The import contracts hold, and the device half runs where the workstation half is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.cli.main import COMMANDS

ROOT = Path(__file__).parents[1]
WORKSTATION = ("torch", "torchvision", "nncf", "onnx", "onnxscript", "onnxslim", "onnxruntime")
ENGINES_AND_READERS = ("openvino", "PIL", "av", "rasterio", "paho", "amqtt", "matplotlib", "scipy")
#: Parts of the project that a device's commands never reach.
TRAINING = ("edgekit.train", "edgekit.compress", "edgekit.export", "model_zoo")
DEVICE_COMMANDS = ("run", "predict", "demo", "verify", "inspect", "targets", "doctor")


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def loaded_by(statement: str, names: tuple[str, ...]) -> list[str]:
    """Which of the named modules a fresh interpreter has loaded after a statement."""
    done = run_python(
        f"import sys; {statement}; print(*(n for n in {names} if n in sys.modules), sep=',')"
    )
    assert done.returncode == 0, done.stderr
    return [name for name in done.stdout.splitlines()[-1].split(",") if name]


@pytest.mark.workstation
def test_import_contracts_hold():
    tool = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if tool is None:
        pytest.skip("import-linter is not installed; it is in the dev extra")
    done = subprocess.run(
        [tool, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout


def test_help_loads_neither_numpy_nor_anything_heavier():
    heavy = ("numpy", *WORKSTATION, *ENGINES_AND_READERS)
    assert loaded_by("from edgekit.cli.main import main; main(['--help'])", heavy) == []


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_command_module_loads_no_heavy_library(name):
    statement = f"import {COMMANDS[name][0]}"
    assert loaded_by(statement, (*WORKSTATION, *ENGINES_AND_READERS)) == []


@pytest.mark.parametrize("name", DEVICE_COMMANDS)
def test_device_command_loads_no_training_code(name):
    statement = f"import {COMMANDS[name][0]}"
    assert loaded_by(statement, TRAINING) == []


@pytest.mark.parametrize("arguments", [["models", "--json"], ["targets"], ["doctor", "--json"]])
def test_command_runs_where_the_workstation_half_is_missing(arguments):
    done = run_python(
        f"import sys\nfor name in {WORKSTATION}: sys.modules[name] = None\n"
        f"from edgekit.cli.main import main\nraise SystemExit(main({arguments}))\n"
    )
    assert done.returncode == 0, done.stderr


def test_accuracy_code_imports_where_the_workstation_half_is_missing():
    done = run_python(
        f"import sys\nfor name in {WORKSTATION}: sys.modules[name] = None\n"
        "import edgekit.reference, edgekit.cli.eval, edgekit.cli.export\n"
    )
    assert done.returncode == 0, done.stderr
