"""OpenVINO IR, in float and in INT8.

INT8 goes where it pays and is harmless: dense convolutions. Measured on a CPU with
VNNI, quantising the rest too (sigmoid gates, attention, depthwise kernels, pooling selects) made
the detector slower, not faster; and what follows the last convolution, the decode, decides angles
and stays in float always.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.engines.base import OUTPUT_NAMES
from edgekit.reference.torch_engine import INPUT_NAME

#: Operator types of OpenVINO that stay in float.
FLOAT_OPERATORS = (
    "Add",
    "Gelu",
    "GroupConvolution",
    "MatMul",
    "Maximum",
    "MaxPool",
    "Multiply",
    "ReduceMax",
    "ReduceMean",
    "Sigmoid",
    "Softmax",
)
_CONVOLUTIONS = ("Convolution", "GroupConvolution")


@dataclass(frozen=True, slots=True)
class QuantiseSettings:
    """How a graph is quantised.

    float_operators  types that stay in float
    overflow_fix     keep weights to 7 bits: 8-bit products saturate on x86 CPUs without VNNI
    """

    float_operators: tuple[str, ...] = FLOAT_OPERATORS
    overflow_fix: bool = True


def write_ir(onnx_path: Path, xml_path: Path) -> None:
    """Convert an ONNX graph to float32 IR: `xml_path` and the .bin file beside it."""
    _save(_convert(onnx_path), xml_path)


def write_int8_ir(
    onnx_path: Path,
    xml_path: Path,
    inputs: Sequence[NDArray[np.float32]],
    settings: QuantiseSettings,
) -> list[str]:
    """Quantise by NNCF on real inputs, (1, 3, H, W) f32 each; returns what stayed in float.

    Weights are symmetric per channel, activations per tensor; 8 bits. Activations are asymmetric
    where they are not cut at zero: half of a symmetric range would be lost on what GELU gives.
    """
    import nncf
    from nncf.quantization.advanced_parameters import (
        AdvancedQuantizationParameters,
        OverflowFix,
    )

    nncf.set_log_level(logging.ERROR)
    model = _convert(onnx_path)
    decode = _last_operators(model)
    fix = OverflowFix.ENABLE if settings.overflow_fix else OverflowFix.DISABLE
    quantised = nncf.quantize(
        model,
        nncf.Dataset(list(inputs), lambda array: {INPUT_NAME: array}),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(inputs),
        ignored_scope=nncf.IgnoredScope(
            names=decode, types=list(settings.float_operators), validate=False
        ),
        advanced_parameters=AdvancedQuantizationParameters(overflow_fix=fix),
    )
    _save(quantised, xml_path)
    return [*settings.float_operators, "the predictors and the decode after them"]


def _convert(onnx_path: Path) -> Any:
    """The graph with exactly the agreed output names: a folded cast leaves two on one tensor."""
    import openvino as ov

    model = ov.convert_model(onnx_path)
    for port, name in zip(model.outputs, OUTPUT_NAMES, strict=True):
        assert name in port.get_names(), f"output {port.get_names()} where {name} is expected"
        port.get_tensor().set_names({name})
    return model


def _last_operators(model: Any) -> list[str]:
    """Names of the last convolutions, which predict scores, distances and angles, and of all after.

    They are 1x1 and cheap; in INT8 they would put distances and angles on 256 steps.
    """
    found: dict[str, None] = {}
    waiting = [result.get_node() for result in model.outputs]
    while waiting:
        node = waiting.pop()
        name, kind = node.get_friendly_name(), node.get_type_name()
        if name in found:
            continue
        found[name] = None
        if kind in _CONVOLUTIONS:
            continue
        waiting.extend(port.get_source_output().get_node() for port in node.inputs())
    kinds = {node.get_friendly_name(): node.get_type_name() for node in model.get_ops()}
    return [name for name in found if kinds[name] not in ("Constant", "Result", "Parameter")]


def _save(model: Any, xml_path: Path) -> None:
    import openvino as ov

    xml_path.parent.mkdir(parents=True, exist_ok=True)
    # fp16 storage is OpenVINO's default; the weights that were measured are the weights that ship.
    ov.save_model(model, xml_path, compress_to_fp16=False)


def iter_ir_files(xml_path: Path) -> Iterator[Path]:
    """The two files of an IR."""
    yield xml_path
    yield xml_path.with_suffix(".bin")
