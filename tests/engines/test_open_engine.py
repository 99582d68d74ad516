"""Choosing an artefact and finding its engine."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from edgekit.bundle import Bundle
from edgekit.core import EngineError, UsageError
from edgekit.engines import (
    base,
    find_engine,
    installed_engines,
    open_engine,
    registered_engines,
    select_artefact,
)
from tests.engines.models import detector_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return detector_bundle(tmp_path, "int8", "fp32")


def test_the_preferred_artefact_is_taken(bundle: Bundle) -> None:
    assert select_artefact(bundle).id == "openvino-int8"
    engine = open_engine(bundle, threads=1)
    assert engine.info.precision == "int8"
    engine.close()


def test_an_artefact_is_taken_by_id_or_by_precision(bundle: Bundle) -> None:
    assert select_artefact(bundle, artefact_id="openvino-fp32").precision == "fp32"
    assert select_artefact(bundle, precision="fp32").id == "openvino-fp32"
    both = select_artefact(bundle, artefact_id="openvino-int8", precision="int8")
    assert both.id == "openvino-int8"


@pytest.mark.parametrize(
    ("artefact_id", "precision", "message"),
    [
        ("openvino-int4", None, r"unknown artefact 'openvino-int4'; did you mean 'openvino-int8'"),
        (None, "int9", r"unknown precision 'int9'; did you mean 'int8'\?"),
        (None, "fp16", r"has no fp16 artefact; it has fp32, int8"),
        ("openvino-int8", "fp32", r"artefact 'openvino-int8' is int8, not fp32"),
    ],
)
def test_an_artefact_that_is_not_there_is_refused_with_the_menu(
    bundle: Bundle, artefact_id: str | None, precision: str | None, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        select_artefact(bundle, artefact_id=artefact_id, precision=precision)


@pytest.mark.parametrize(("option", "message"), [("threads", "threads is 0"), ("in_flight", "in_")])
def test_counts_below_one_are_refused(bundle: Bundle, option: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        open_engine(bundle, **{option: 0})  # type: ignore[arg-type]


def test_openvino_is_registered_and_installed_here() -> None:
    assert "openvino" in registered_engines()
    assert installed_engines()["openvino"]


def test_an_engine_that_nobody_brings_is_named(tmp_path: Path) -> None:
    bundle = detector_bundle(tmp_path, "fp32", engine="tensorrt")
    with pytest.raises(EngineError, match=r"no engine 'tensorrt' is registered; .*openvino"):
        open_engine(bundle)


def test_a_broken_foreign_engine_does_not_hide_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    points = (
        EntryPoint("broken", "edgekit.no_such_module:Engine", base.ENTRY_POINT_GROUP),
        EntryPoint("openvino", "edgekit.engines.openvino:OpenVinoEngine", base.ENTRY_POINT_GROUP),
    )
    monkeypatch.setattr(base, "entry_points", lambda group: points)
    assert set(installed_engines()) == {"openvino"}
    with pytest.raises(EngineError, match="engine 'broken' cannot be loaded"):
        find_engine("broken")


_WITHOUT_OPENVINO = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "openvino":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Block())
from edgekit.bundle import open_bundle
from edgekit.core import EngineError
from edgekit.engines import installed_engines, open_engine
assert "openvino" not in installed_engines()
try:
    open_engine(open_bundle(sys.argv[1]))
except EngineError as error:
    print(error)
"""


def test_a_missing_library_names_the_command_that_installs_it(bundle: Bundle) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _WITHOUT_OPENVINO, str(bundle.root)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == (
        "engine 'openvino' is not installed; pip install 'edgekit[openvino]'"
    )


def test_choosing_an_artefact_does_not_import_the_library(bundle: Bundle) -> None:
    code = (
        "import sys; from edgekit.bundle import open_bundle; from edgekit.engines import *;"
        "select_artefact(open_bundle(sys.argv[1])); assert 'openvino' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(bundle.root)], check=True)
