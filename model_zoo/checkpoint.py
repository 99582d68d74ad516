"""Checkpoints: safetensors with a JSON header that says what the weights are.

Nothing in a checkpoint is executed: safetensors holds plain arrays.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from edgekit.core import MODALITIES, CheckpointError, replacing
from edgekit.core.strict_table import StrictTable

SCHEMA = "edgekit.checkpoint/1"
_FIELDS = ("model", "classes", "input", "licence", "attribution", "training")
_INPUT_FIELDS = ("size", "modality", "mean", "std", "resize", "tile_overlap_px")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights, and what a user of them must know.

    model        name in the zoo, `lwganet_l0-obb`
    classes      names in the order of their indices
    input        size (height, width), modality, mean, std, resize, tile_overlap_px
    licence      of the weights: that of the data they were trained on
    attribution  to repeat wherever the weights are passed on
    training     configuration and validation report
    """

    model: str
    classes: tuple[str, ...]
    input: dict[str, Any]
    licence: str
    attribution: str
    training: dict[str, Any]
    state: dict[str, Tensor]


def save_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint; it appears whole or not at all."""
    from safetensors.torch import save_file

    header = {name: getattr(checkpoint, name) for name in _FIELDS}
    metadata = {"schema": SCHEMA, "edgekit": json.dumps(header, sort_keys=True)}
    # Copies: LEGNet names some tensors twice, and the format refuses shared memory.
    tensors = {key: value.clone().contiguous() for key, value in checkpoint.state.items()}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata)


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint.

    raises  CheckpointError where the file is missing, truncated, or not one of ours, or where its
            header does not say what a user of the weights must know
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise CheckpointError(f"no checkpoint at {path}", "check the path")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path} is not a readable safetensors file ({error})", "copy or export it again"
        ) from error
    if metadata.get("schema") != SCHEMA:
        raise CheckpointError(
            f"{path} carries no {SCHEMA} header", "use a checkpoint written by `edgekit train`"
        )
    header = _checked_header(metadata.get("edgekit", ""), str(path))
    header["classes"] = tuple(header["classes"])
    return Checkpoint(**header, state=state)


def load_state(model: nn.Module, state: dict[str, Tensor], origin: str) -> None:
    """Load weights strictly by name and shape.

    raises  CheckpointError naming the first entry that does not match
    """
    own = model.state_dict()
    for name, tensor in own.items():
        if name not in state:
            raise CheckpointError(f"{origin}: no weights for {name}", "it is of another model")
        if state[name].shape != tensor.shape:
            raise CheckpointError(
                f"{origin}: {name} is {tuple(state[name].shape)}, not {tuple(tensor.shape)}",
                "it is of another variant or class count",
            )
    for name in state:
        if name not in own:
            raise CheckpointError(f"{origin}: {name} is not in the model", "it is of another model")
    model.load_state_dict(state)


def _checked_header(text: str, where: str) -> dict[str, Any]:
    """The fields of `Checkpoint` but its weights, each of the type that it must have."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CheckpointError(
            f"{where}: the header is not JSON", "copy or export it again"
        ) from error
    table = StrictTable(document, where, _FIELDS, CheckpointError)
    table.text("model")
    table.texts("classes", least=1)
    for name, kind in (("licence", str), ("attribution", str), ("training", dict)):
        if not isinstance(document.get(name), kind):
            raise table.refuse(name, "is missing or of the wrong type", "export it again")
    network = table.table("input", _INPUT_FIELDS)
    network.integers("size", 32, 65536, count=2)
    network.text("modality", MODALITIES)
    network.numbers("mean", count=3)
    network.numbers("std", 1e-6, count=3)
    network.text("resize", ("letterbox", "tile"))
    network.integer("tile_overlap_px", 0, 65536)
    return dict(document)
