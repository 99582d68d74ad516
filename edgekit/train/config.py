"""What a training run is: read from TOML, checked at once, recorded in the checkpoint."""

from __future__ import annotations

import dataclasses
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.core import MODALITIES, UsageError, unknown_name
from edgekit.data.augment import AugmentConfig

#: The longest side whose map at stride 32, pooled by 3, is a single cell.
_ONE_CELL_PX = 96


@dataclass(frozen=True, slots=True)
class InputConfig:
    """What the network is given.

    size      (height, width) px of the full-size input, multiples of 32
    modality  one of MODALITIES
    mean, std of the three channels, on the 0..255 scale
    resize    `letterbox`: frames are scaled to fit; `tile`: frames are cut at native resolution
    """

    size: tuple[int, int] = (640, 640)
    modality: str = "optical"
    mean: tuple[float, float, float] = (123.675, 116.28, 103.53)
    std: tuple[float, float, float] = (58.395, 57.12, 57.375)
    resize: str = "letterbox"
    tile_overlap_px: int = 128


@dataclass(frozen=True, slots=True)
class ScheduleConfig:
    """How long and how fast.

    crop, batch, steps               the main phase: native-resolution crops (height, width)
    full_size_batch, full_size_steps the last phase, at the input's own size
    """

    crop: tuple[int, int] = (320, 320)
    batch: int = 16
    steps: int = 6000
    full_size_batch: int = 4
    full_size_steps: int = 600
    learning_rate: float = 2e-3
    final_learning_rate: float = 2e-5
    warmup_steps: int = 300
    weight_decay: float = 0.05
    gradient_clip: float = 20.0
    ema_decay: float = 0.999


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """A whole run."""

    model: str = "lwganet_l0-obb"
    data: str = ""
    init: str = ""
    seed: int = 0
    licence: str = ""
    attribution: str = ""
    headline_classes: tuple[str, ...] = ()
    input: InputConfig = field(default_factory=InputConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)

    @property
    def total_steps(self) -> int:
        """Both phases."""
        return self.schedule.steps + self.schedule.full_size_steps


def read_config(path: Path) -> TrainConfig:
    """Read and check a training configuration.

    raises  UsageError naming the key that is wrong, and the nearest known one
    """
    try:
        raw = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}", "check the path") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", "mend the line that it names") from error
    return check_config(_build(TrainConfig, raw, str(path)))


def check_config(config: TrainConfig) -> TrainConfig:
    """The configuration, if its values make sense together; else UsageError."""
    if config.input.modality not in MODALITIES:
        raise unknown_name("modality", config.input.modality, MODALITIES)
    if config.input.resize not in ("letterbox", "tile"):
        raise unknown_name("resize mode", config.input.resize, ("letterbox", "tile"))
    for name, size in (("input.size", config.input.size), ("schedule.crop", config.schedule.crop)):
        if any(side % 32 or side < 96 for side in size):
            raise UsageError(f"{name} {size} must be multiples of 32, at least 96", "round it")
    if config.schedule.steps < 0 or config.schedule.batch < 1 or config.total_steps < 1:
        raise UsageError("schedule has no steps", "set schedule.steps and schedule.batch")
    _check_ranges(config)
    return config


def _check_ranges(config: TrainConfig) -> None:
    schedule, (low, high) = config.schedule, config.augment.scale
    # A single image of this size leaves batch norms of the coarsest maps one value to learn from.
    least = 2 if max(schedule.crop) <= _ONE_CELL_PX else 1
    least_full = 2 if max(config.input.size) <= _ONE_CELL_PX else 1
    rules = (
        ("seed", config.seed, config.seed >= 0, "at least 0"),
        ("input.std", config.input.std, all(item > 0 for item in config.input.std), "above 0"),
        ("schedule.batch", schedule.batch, schedule.batch >= least, f"{least} or more"),
        (
            "schedule.full_size_steps",
            schedule.full_size_steps,
            schedule.full_size_steps >= 0,
            "0 or more",
        ),
        (
            "schedule.full_size_batch",
            schedule.full_size_batch,
            schedule.full_size_batch >= least_full,
            f"{least_full} or more",
        ),
        ("schedule.learning_rate", schedule.learning_rate, schedule.learning_rate > 0, "above 0"),
        ("augment.scale", config.augment.scale, 0 < low <= high, "two rising numbers above 0"),
    )
    for key, value, is_right, rule in rules:
        if not is_right:
            raise UsageError(f"{key} is {value}", f"it must be {rule}")


def config_from_dict(raw: dict[str, Any], where: str = "config") -> TrainConfig:
    """The inverse of `dataclasses.asdict`, strict about keys and types."""
    return check_config(_build(TrainConfig, raw, where))


def _build(kind: type[Any], raw: dict[str, Any], where: str) -> Any:
    hints = typing.get_type_hints(kind)
    for key in raw:
        if key not in hints:
            error = unknown_name("key", key, hints)
            raise UsageError(f"{where}: {error.what}", error.hint)
    return kind(
        **{key: _convert(hints[key], value, f"{where}: {key}") for key, value in raw.items()}
    )


def _convert(hint: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise UsageError(f"{where} must be a table", "write it as [name]")
        return _build(typing.cast("type[Any]", hint), value, where)
    if isinstance(hint, types.GenericAlias):
        items = typing.get_args(hint)
        if not isinstance(value, (list, tuple)) or (
            items[-1] is not ... and len(value) != len(items)
        ):
            raise UsageError(f"{where} must be a list of {len(items)}", f"got {value!r}")
        return tuple(_convert(items[0], item, where) for item in value)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (isinstance(value, bool) and hint is not bool):
        raise UsageError(f"{where} must be {hint.__name__}", f"got {value!r}")
    return value
