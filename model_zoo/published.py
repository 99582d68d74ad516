"""Weights that the authors of a backbone published, in the forms that they come in.

Bare, or under `state_dict` or `model`; with `module.` before every name; alone, or as `backbone.`
among a detector's parts; with a classifier on top. Nothing in a file is executed.
"""

from __future__ import annotations

import pickle
import struct
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from edgekit.core import CheckpointError
from model_zoo.backbones import Backbone
from model_zoo.backbones.dynamicvis import DynamicVis, fit_positions
from model_zoo.backbones.legnet import LEGNet, complete_aliases
from model_zoo.backbones.lwganet import LWGANet

_WRAPPERS = ("state_dict", "model")
_BACKBONES = ("backbone.", "net.backbone.")
#: What classifiers carry above the backbone.
_CLASSIFIER = ("head.", "avgpool_pre_head.", "post_meanpool_norm.")
#: Left in weights by a counter of operations.
_COUNTERS = (".total_ops", ".total_params", "total_ops", "total_params")
#: What reading a damaged file ends in, besides a refusal to unpickle.
_DAMAGED = (
    RuntimeError, EOFError, OSError, ValueError, LookupError, TypeError, AttributeError,
    AssertionError, ArithmeticError, MemoryError, struct.error,
)  # fmt: skip
#: Published LWGANet classifiers have none of them: they start as identities.
_OUTPUT_NORMS = ("norm0.", "norm2.", "norm4.", "norm6.")


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What did not match one to one, and was right not to.

    kept     entries of the model that the file does not have: output norms, step counters
    ignored  entries of the file that are no part of this model: classifier, neck, heads
    """

    kept: tuple[str, ...]
    ignored: tuple[str, ...]


def load_published(model: Backbone, path: Path) -> LoadReport:
    """Load published weights into a backbone.

    raises  CheckpointError for a file that cannot be read or holds more than arrays, or naming the
            first entry that is missing, unknown or of another shape; the model is then unchanged
    """
    state, ignored = backbone_entries(read_published(path), model)
    own = model.state_dict()
    kept = tuple(name for name in own if name not in state)
    for name in kept:
        if not _may_be_missing(name, model, state):
            raise CheckpointError(f"{path.name}: no weights for {name}", "it is of another model")
    for name, tensor in state.items():
        if name not in own:
            raise CheckpointError(
                f"{path.name}: {name} is not in the model", "it is of another model or variant"
            )
        if tensor.shape != own[name].shape:
            raise CheckpointError(
                f"{path.name}: {name} is {tuple(tensor.shape)}, not {tuple(own[name].shape)}",
                "it is of another variant or class count",
            )
    model.load_state_dict(state, strict=False)
    return LoadReport(kept, ignored)


def backbone_entries(
    state: Mapping[str, Tensor], model: Backbone
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The entries for `model` under its own names, and the names of those that are not for it."""
    bare = {name.removeprefix("module."): tensor for name, tensor in state.items()}
    prefix = next((p for p in _BACKBONES if any(name.startswith(p) for name in bare)), "")
    entries: dict[str, Tensor] = {}
    ignored: list[str] = []
    for name, tensor in bare.items():
        own = name.removeprefix(prefix)
        above = own.startswith(_CLASSIFIER) and model.classes is None
        if not name.startswith(prefix) or above or own.endswith(_COUNTERS):
            ignored.append(name)
        else:
            entries[own] = tensor
    if isinstance(model, LEGNet):
        entries = complete_aliases(entries)
    if isinstance(model, DynamicVis) and "pos_embed" in entries:
        entries["pos_embed"] = fit_positions(model, entries["pos_embed"])
    return entries, tuple(ignored)


def read_published(path: Path) -> dict[str, Tensor]:
    """Names and arrays of a safetensors or PyTorch file, unwrapped.

    raises  CheckpointError where the file is missing, damaged, or holds anything but data
    """
    if not path.is_file():
        raise CheckpointError(f"no weights at {path}", "check the path")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_torch(path)
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
            break
    if not isinstance(content, Mapping) or not content:
        raise CheckpointError(f"{path.name} holds no weights by name", "give a state dict")
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise CheckpointError(
                f"{path.name}: {name!r} is a {type(value).__name__}, not an array",
                "give a state dict, bare or under 'state_dict' or 'model'",
            )
    return dict(content)


def _read_safetensors(path: Path) -> Any:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path.name} is not a readable safetensors file ({error})", "copy it again"
        ) from error


def _read_torch(path: Path) -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of protocols that it reads, or refuses below
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        first = str(error).strip().splitlines()[0]
        raise CheckpointError(
            f"{path.name} holds more than arrays and was not executed ({first})",
            "where you trust it, save its state_dict as safetensors and load that",
        ) from error
    except _DAMAGED as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise CheckpointError(
            f"{path.name} is not a readable PyTorch file ({first})", "copy it again"
        ) from error


def _may_be_missing(name: str, model: Backbone, state: Mapping[str, Tensor]) -> bool:
    if name.endswith("num_batches_tracked"):
        return True
    without_norms = not any(entry.startswith(_OUTPUT_NORMS) for entry in state)
    return isinstance(model, LWGANet) and without_norms and name.startswith(_OUTPUT_NORMS)
