"""The profiles that ship, and the reader's refusals."""

import json
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import targets
from edgekit.bundle import PRECISIONS
from edgekit.core import EdgekitError, UsageError
from targets import TargetProfile, list_targets, load_target, profile

FOLDER = Path(targets.__file__).parent


def document(name: str) -> dict[str, Any]:
    return tomllib.loads((FOLDER / f"{name}.toml").read_text())


def edited(folder: Path, old: str, new: str) -> Path:
    text = (FOLDER / "cpu-x86.toml").read_text()
    assert old in text
    path = folder / "edited.toml"
    path.write_text(text.replace(old, new))
    return path


def test_the_four_devices_are_listed() -> None:
    assert list_targets() == ("cpu-arm64", "cpu-x86", "jetson-orin", "raspberry-pi-5")


@pytest.mark.parametrize("name", list_targets())
def test_a_shipped_profile_reads_and_fits_the_json_schema(name: str) -> None:
    found = load_target(name)
    assert isinstance(found, TargetProfile)
    assert found.name == name
    jsonschema.validate(document(name), json.loads((FOLDER / "schema.json").read_text()))


@pytest.mark.parametrize("name", list_targets())
def test_every_fact_about_a_device_has_a_public_source(name: str) -> None:
    content = document(name)
    facts = {f"device.{key}" for key in content["device"]}
    facts |= {f"software.{key}" for key in content["software"] if key != "versions"}
    for engine in content["engine"]:
        facts.add(f"engine.{engine['name']}.precisions")
        facts |= {f"engine.{engine['name']}.options.{key}" for key in engine.get("options", {})}
        if engine["build"] == "on-device":
            facts.add(f"engine.{engine['name']}.build")
    facts |= {
        f"limits.{key}" for key in ("topk_max", "max_workspace_mib") if key in content["limits"]
    }
    assert set().union(*(source["facts"] for source in content["sources"])) == facts
    assert all(source["url"].startswith("https://") for source in content["sources"])


def test_the_json_schema_knows_the_same_keys_and_names_as_the_reader() -> None:
    schema = json.loads((FOLDER / "schema.json").read_text())["properties"]
    kinds = {
        "device": profile.Device,
        "software": profile.Software,
        "limits": profile.Limits,
        "defaults": profile.Defaults,
        "gates": profile.Gates,
    }
    for key, kind in kinds.items():
        assert set(schema[key]["properties"]) == {item.name for item in fields(kind)}
    engine = schema["engine"]["items"]["properties"]
    assert set(engine) == {item.name for item in fields(profile.EngineChoice)}
    assert tuple(engine["name"]["enum"]) == profile.ENGINES
    assert tuple(engine["precisions"]["items"]["enum"]) == profile.PRECISIONS == PRECISIONS


def test_the_x86_profile_keeps_int8_safe_where_the_cpu_is_not_known() -> None:
    found = load_target("cpu-x86")
    engine = found.engine("openvino")
    assert engine.precisions == ("fp32", "int8")
    assert engine.options == {"overflow_fix": True, "inference_precision": "f32"}
    assert (found.gates.max_ap50_drop, found.gates.min_speedup) == (0.005, 1.3)


def test_an_engine_that_a_target_lacks_is_refused_with_the_menu() -> None:
    with pytest.raises(UsageError, match="unknown engine of target 'cpu-x86' 'openvno'; did you"):
        load_target("cpu-x86").engine("openvno")


def test_a_profile_reads_from_a_path_too(tmp_path: Path) -> None:
    path = edited(tmp_path, 'name = "cpu-x86"', 'name = "my-board"')
    assert load_target(path).name == load_target(str(path)).name == "my-board"


def test_a_profile_that_changes_on_disk_is_read_again(tmp_path: Path) -> None:
    path = edited(tmp_path, 'name = "cpu-x86"', 'name = "first"')
    assert load_target(path).name == "first"
    path.write_text(path.read_text().replace("first", "second"))
    assert load_target(path).name == "second"


def test_an_unknown_target_is_refused_with_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown target 'cpu-x68'; did you mean 'cpu-x86'\?"):
        load_target("cpu-x68")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("edgekit.target/1", "edgekit.target/2", r"'schema' is 'edgekit.target/2'"),
        ("[gates]", "[gate]", r"unknown key 'gate'; did you mean 'gates'\?"),
        ("max_ap50_drop", "max_ap50_drops", r"'gates': unknown key.*did you mean 'max_ap50_drop'"),
        ("min_speedup = 1.3", 'min_speedup = "1.3"', r"'min_speedup' must be a number"),
        ("min_speedup = 1.3", "", r"'gates': key 'min_speedup' is missing"),
        ("max_ap50_drop = 0.005", "max_ap50_drop = nan", r"'max_ap50_drop' is out of range"),
        ('name = "openvino"', 'name = "openvno"', r"'engine'\[0\]: 'name' is 'openvno'; use one"),
        ('["fp32", "int8"]', '["fp32", "int4"]', r"'precisions' holds 'int4'; use some of fp32"),
        ('["fp32", "int8"]', '["fp32"]', r"does not compute int8; choose one of fp32"),
        ('["letterbox", "tile"]', '["stretch"]', r"'resize' is unknown; use some of letterbox"),
        ("[512, 640]", "[512]", r"'input_size' has 1 items, not exactly 2"),
        ("overflow_fix = true", "overflow_fix = []", r"'options' must hold texts, numbers"),
        ("overflow_fix = true", "overflow_fix = tru", r"is not TOML"),
        ("order = 0", "order = false", r"'order' must be a whole number"),
    ],
)
def test_a_profile_that_breaks_the_schema_is_refused_by_name(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        load_target(edited(tmp_path, old, new))


def test_one_engine_twice_is_refused(tmp_path: Path) -> None:
    text = (FOLDER / "cpu-x86.toml").read_text()
    start, end = text.index("[[engine]]"), text.index("[limits]")
    path = tmp_path / "twice.toml"
    path.write_text(text[:end] + text[start:end] + text[end:])
    with pytest.raises(UsageError, match="'engine' names one engine twice"):
        load_target(path)


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere.toml", tmp_path):
        with pytest.raises(UsageError, match="name a readable file"):
            load_target(path)


@settings(max_examples=50, deadline=None)
@given(place=st.integers(0), extra=st.binary(max_size=6))
def test_a_damaged_profile_gives_a_profile_or_one_line(place: int, extra: bytes) -> None:
    content = (FOLDER / "cpu-x86.toml").read_bytes()
    place %= len(content)
    damaged = content[:place] + extra + content[place + len(extra) :]
    try:
        found = profile.parse_profile(damaged, "damaged.toml")
    except EdgekitError as error:
        message = str(error)
        assert "damaged.toml" in message
    else:
        assert isinstance(found, TargetProfile)
