"""Deterministic weights and inputs, as the goldens' metadata describes them: streams of NumPy's
legacy RandomState seeded by the CRC-32 of each name."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import nn


def fill(model: nn.Module, constants: tuple[str, ...] = ("filt",)) -> None:
    """Fill every parameter and buffer except the constants that the architecture fixes."""
    state = model.state_dict()
    filled = {
        name: torch.from_numpy(_value(name, tuple(tensor.shape)))
        for name, tensor in state.items()
        if name.rsplit(".", 1)[-1] not in constants
    }
    missing, unexpected = model.load_state_dict(filled, strict=False)
    assert not unexpected
    assert all(name.rsplit(".", 1)[-1] in constants for name in missing)


def golden_input(shape: tuple[int, ...], key: str) -> torch.Tensor:
    """A standard-normal input."""
    stream = _stream(f"{key}:{'x'.join(map(str, shape))}")
    return torch.from_numpy(stream.standard_normal(shape).astype(np.float32))


def golden_sample(values: torch.Tensor, limit: int = 8192) -> np.ndarray:
    """The part of an output that a golden stores."""
    flat = values.detach().contiguous().numpy().reshape(-1)
    return flat[:: max(1, flat.size // limit)]


def _stream(key: str) -> np.random.RandomState:
    return np.random.RandomState(zlib.crc32(key.encode()))


def _value(name: str, shape: tuple[int, ...]) -> np.ndarray:
    leaf = name.rsplit(".", 1)[-1]
    if leaf == "num_batches_tracked":
        return np.zeros(shape, np.int64)
    stream = _stream(name)
    if leaf == "running_mean":
        value = 0.1 * stream.standard_normal(shape)
    elif leaf == "running_var":
        value = stream.uniform(0.5, 1.5, shape)
    elif leaf == "bias":
        value = 0.05 * stream.standard_normal(shape)
    elif len(shape) <= 1:
        value = stream.uniform(0.8, 1.2, shape)
    else:
        value = stream.standard_normal(shape) / np.sqrt(int(np.prod(shape[1:])))
    return np.asarray(value, np.float32)
