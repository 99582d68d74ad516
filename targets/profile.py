"""A target profile: the typed form of one TOML file, and its strict reader.

TargetProfile
|-- sources   Source         where each fact about the device comes from
|-- device    Device         facts: the hardware
|-- software  Software       facts: what must be installed there
|-- engines   EngineChoice   facts: what each engine computes on it; preferred first
|-- limits    Limits         facts: what an engine refuses there
|-- defaults  Defaults       choices: how a model is exported unless asked otherwise
`-- gates     Gates          choices: what a compressed artefact must reach
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

from edgekit.core import UsageError, unknown_name
from edgekit.core.strict_table import StrictTable

SCHEMA = "edgekit.target/1"
ENGINES = ("openvino", "onnxruntime", "litert", "tensorrt")
PRECISIONS = ("fp32", "fp16", "int8")
BUILDS = ("ahead", "on-device")
LAYOUTS = ("NCHW", "NHWC")
RESIZES = ("letterbox", "tile")

_FOLDER = Path(__file__).parent
_MAX_FILE_BYTES = 256 * 1024
_MAX_SIDE_PX = 16384


@dataclass(frozen=True, slots=True)
class Source:
    """A public source, and the facts that it supports, as paths of keys: "device.memory_mib"."""

    title: str
    url: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Device:
    """The hardware.

    memory_mib          sizes that it is sold with, shared with the GPU where there is one
    compute_capability  of its CUDA GPU, "8.7"
    dla_cores           deep-learning accelerators, at most
    """

    arch: str
    soc: str | None = None
    memory_mib: tuple[int, ...] = ()
    accelerators: tuple[str, ...] = ()
    compute_capability: str | None = None
    dla_cores: int | None = None
    power_modes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Software:
    """What must be installed: the system, its SDK, and version ranges by package."""

    os: str
    sdk: str | None = None
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EngineChoice:
    """One engine on this device; the lowest `order` is preferred.

    build    "ahead": its file is made at export; "on-device": the device makes it
    options  settings that the exporter of this engine knows
    """

    name: str
    precisions: tuple[str, ...]
    order: int
    build: str
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """What cannot be exported for this device: ONNX operators, a larger TopK, other resizing."""

    refused_operators: tuple[str, ...] = ()
    topk_max: int | None = None
    resize: tuple[str, ...] = RESIZES
    max_workspace_mib: int | None = None


@dataclass(frozen=True, slots=True)
class Defaults:
    """How a model is exported and run unless asked otherwise.

    input_size  (height, width), px
    threads     None leaves it to the engine
    opset       of the ONNX graph on the way to the engine
    """

    precision: str
    input_size: tuple[int, int]
    layout: str
    opset: int
    streams: int
    threads: int | None = None


@dataclass(frozen=True, slots=True)
class Gates:
    """What a compressed artefact must reach against fp32 on the same engine, else fp32 ships.

    max_ap50_drop        AP50 lost, in [0, 1]
    max_angle_error_deg  mean angle error added, degrees
    min_speedup          ratio of median latencies, at least
    """

    max_ap50_drop: float
    max_angle_error_deg: float
    min_speedup: float


@dataclass(frozen=True, slots=True)
class TargetProfile:
    """Everything that a profile says."""

    name: str
    title: str
    sources: tuple[Source, ...]
    device: Device
    software: Software
    engines: tuple[EngineChoice, ...]
    limits: Limits
    defaults: Defaults
    gates: Gates

    def engine(self, name: str) -> EngineChoice:
        """The engine of that name.

        raises  UsageError naming those that the target has
        """
        for choice in self.engines:
            if choice.name == name:
                return choice
        raise unknown_name(f"engine of target '{self.name}'", name, [e.name for e in self.engines])


def list_targets() -> tuple[str, ...]:
    """Names of the profiles that ship with edgekit, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def load_target(name_or_path: str | Path) -> TargetProfile:
    """Read a profile that ships with edgekit by its name, or any other by the path of its file.

    raises  UsageError for an unknown name, an unreadable file, or a profile that breaks the schema
    """
    text = str(name_or_path)
    if text in list_targets():
        return _read(_FOLDER / f"{text}.toml")
    if isinstance(name_or_path, Path) or "/" in text or text.endswith(".toml"):
        return _read(Path(text))
    raise unknown_name("target", text, list_targets())


def parse_profile(content: bytes, where: str) -> TargetProfile:
    """Read the bytes of a profile strictly; `where` names the file in messages.

    raises  UsageError
    """
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        reason = ascii(str(error))[1:-1]
        raise UsageError(f"target profile {where} is not TOML ({reason})", "correct it") from error
    known = ("schema", *_names(TargetProfile, engines="engine"))
    table = StrictTable(document, where, known, UsageError)
    table.text("schema", (SCHEMA,))
    profile = TargetProfile(
        name=table.text("name"),
        title=table.text("title"),
        sources=tuple(map(_source, table.tables("sources", _names(Source), least=1))),
        device=_device(table.table("device", _names(Device))),
        software=_software(table.table("software", _names(Software))),
        engines=_engines(table),
        limits=_limits(table.table("limits", _names(Limits))),
        defaults=_defaults(table.table("defaults", _names(Defaults))),
        gates=_gates(table.table("gates", _names(Gates))),
    )
    if profile.defaults.precision not in profile.engines[0].precisions:
        raise UsageError(
            f"{where}: the preferred engine does not compute {profile.defaults.precision}",
            f"choose one of {', '.join(profile.engines[0].precisions)} as defaults.precision",
        )
    return profile


def _read(path: Path) -> TargetProfile:
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_FILE_BYTES)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(f"target profile {path}: {reason}", "name a readable file") from error
    return parse_profile(content, path.name)


def _source(table: StrictTable) -> Source:
    return Source(table.text("title"), table.text("url"), table.texts("facts", least=1))


def _device(table: StrictTable) -> Device:
    return Device(
        arch=table.text("arch"),
        soc=table.text("soc") if "soc" in table else None,
        memory_mib=table.integer_list("memory_mib", 1, 2**24) if "memory_mib" in table else (),
        accelerators=table.texts("accelerators") if "accelerators" in table else (),
        compute_capability=(
            table.text("compute_capability") if "compute_capability" in table else None
        ),
        dla_cores=table.integer("dla_cores", 0, 64) if "dla_cores" in table else None,
        power_modes=table.texts("power_modes") if "power_modes" in table else (),
    )


def _software(table: StrictTable) -> Software:
    return Software(
        os=table.text("os"),
        sdk=table.text("sdk") if "sdk" in table else None,
        versions=table.text_mapping("versions") if "versions" in table else {},
    )


def _engines(table: StrictTable) -> tuple[EngineChoice, ...]:
    rows = table.tables("engine", _names(EngineChoice), least=1)
    choices = tuple(
        EngineChoice(
            name=row.text("name", ENGINES),
            precisions=tuple(_precision(row, name) for name in row.texts("precisions", least=1)),
            order=row.integer("order", 0, 1000),
            build=row.text("build", BUILDS),
            options=row.scalars("options") if "options" in row else {},
        )
        for row in rows
    )
    if len({choice.name for choice in choices}) != len(choices):
        raise table.refuse("engine", "names one engine twice", "give each one table")
    return tuple(sorted(choices, key=lambda choice: choice.order))


def _precision(row: StrictTable, name: str) -> str:
    if name not in PRECISIONS:
        raise row.refuse("precisions", f"holds {name!a}", f"use some of {', '.join(PRECISIONS)}")
    return name


def _limits(table: StrictTable) -> Limits:
    resize = table.texts("resize", least=1) if "resize" in table else RESIZES
    if not set(resize) <= set(RESIZES):
        raise table.refuse("resize", "is unknown", f"use some of {', '.join(RESIZES)}")
    return Limits(
        refused_operators=(
            table.texts("refused_operators") if "refused_operators" in table else ()
        ),
        topk_max=table.integer("topk_max", 1, 2**31) if "topk_max" in table else None,
        resize=resize,
        max_workspace_mib=(
            table.integer("max_workspace_mib", 1, 2**24) if "max_workspace_mib" in table else None
        ),
    )


def _defaults(table: StrictTable) -> Defaults:
    h, w = table.integers("input_size", 32, _MAX_SIDE_PX, count=2)
    return Defaults(
        precision=table.text("precision", PRECISIONS),
        input_size=(h, w),
        layout=table.text("layout", LAYOUTS),
        opset=table.integer("opset", 13, 30),
        streams=table.integer("streams", 1, 64),
        threads=table.integer("threads", 1, 1024) if "threads" in table else None,
    )


def _gates(table: StrictTable) -> Gates:
    return Gates(
        max_ap50_drop=table.number("max_ap50_drop", 0, 1),
        max_angle_error_deg=table.number("max_angle_error_deg", 0, 90),
        min_speedup=table.number("min_speedup", 0, 1000),
    )


def _names(kind: type, **renamed: str) -> tuple[str, ...]:
    return tuple(renamed.get(item.name, item.name) for item in fields(kind))
