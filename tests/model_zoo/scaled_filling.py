"""Fill a model the way the goldens of LEGNet and DynamicVis were made: streams of NumPy's legacy
RandomState seeded by the CRC-32 of each name, some multiplied by a power of two."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from torch import nn

from tests.model_zoo import filling

COMPACT = Path(__file__).parents[1] / "golden" / "models"
TOLERANCE = 2e-4  # relative to the largest stored magnitude; float32 summation order gives 1e-5


def fill_from_spec(model: nn.Module, spec: Mapping[str, Mapping[str, Any]]) -> None:
    """Load what `spec` says; its constants keep the values that the model was built with."""
    filled, kept = {}, set()
    for name, entry in spec.items():
        if entry.get("constant") or "alias_of" in entry:
            kept.add(name)
            continue
        value = fill_value(name, tuple(entry["shape"])) * np.float32(entry.get("fill_scale", 1))
        filled[name] = torch.from_numpy(np.asarray(value, value_type(name)))
    missing, unexpected = model.load_state_dict(filled, strict=False)
    assert not unexpected
    assert set(missing) <= kept


def spec_of(model: nn.Module, scales: Mapping[str, float], constants: str) -> dict[str, Any]:
    """The specification of a model's own state dict.

    constants  pattern of the names that are not filled
    """
    return {
        name: {
            "shape": tensor.shape,
            "fill_scale": scales.get(name, 1),
            "constant": re.search(constants, name) is not None,
        }
        for name, tensor in model.state_dict().items()
    }


def fill_value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Unscaled value of one entry."""
    leaf = name.rsplit(".", 1)[-1]
    stream = filling._stream(name)
    if leaf == "A_log":
        return np.log(stream.uniform(1.0, 16.0, shape)).astype(np.float32)
    if leaf == "D":
        return stream.uniform(0.5, 1.5, shape).astype(np.float32)
    if name.endswith("dt_proj.bias"):
        return stream.uniform(-4.0, -2.0, shape).astype(np.float32)
    return filling._value(name, shape)


def value_type(name: str) -> type:
    """Counters are integers, all else is float32."""
    return np.int64 if name.endswith("num_batches_tracked") else np.float32


def read_golden(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """Metadata and tensors of one full golden."""
    with safe_open(path, "np") as file:
        return file.metadata(), {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118


def read_spec(shared: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """The published names, shapes and fill scales that a golden was made with."""
    return json.loads((shared / "models" / "state_dict" / metadata["state_dict"]).read_text())


def compact_difference(stored: Mapping[str, Any], sample: np.ndarray) -> float:
    """The same over the part of the sample that a compact golden keeps."""
    assert sample.size == stored["size"]
    difference = np.abs(sample[stored["rows"]] - np.array(stored["values"])).max()
    return float(difference / stored["largest"])


def relative_difference(stored: np.ndarray, values: np.ndarray) -> float:
    """Largest difference divided by the largest stored magnitude, of arrays of one shape."""
    assert stored.shape == values.shape
    return float(np.abs(stored.astype(np.float64) - values).max() / np.abs(stored).max())
