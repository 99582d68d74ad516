"""Export to ONNX, what the graph is made of, and what ONNX Runtime makes of it."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings

import numpy as np
import torch
from torch import Tensor, nn

#: Control flow, and shapes known only at run time.
_DYNAMIC = {"Loop", "Scan", "If", "NonZero", "SequenceAt", "SplitToSequence"}


def run_exported(module: nn.Module, x: Tensor) -> list[np.ndarray]:
    """Outputs of the exported graph in ONNX Runtime; asserts that the graph is plain and static."""
    import onnx
    import onnxruntime

    graph = export(module, x)
    onnx.checker.check_model(graph, full_check=True)
    onnx.shape_inference.infer_shapes(graph, check_type=True, strict_mode=True)
    assert {entry.domain for entry in graph.opset_import} == {""}
    assert not {node.domain for node in graph.graph.node} - {""}
    assert not {node.op_type for node in graph.graph.node} & _DYNAMIC
    for value in (*graph.graph.input, *graph.graph.output):
        assert all(dim.dim_value > 0 for dim in value.type.tensor_type.shape.dim)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    return session.run(None, {graph.graph.input[0].name: x.numpy()})


def export(module: nn.Module, x: Tensor):
    """The ONNX model of `module` for inputs like `x`."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(module, (x,), dynamo=True, opset_version=18, verbose=False)
    logger.setLevel(level)
    assert program is not None
    return program.model_proto


def differences(expected, found) -> list[float]:
    """Largest difference of each pair, divided by the largest expected magnitude."""
    return [
        float(np.abs(np.asarray(a) - np.asarray(b)).max() / np.abs(np.asarray(a)).max())
        for a, b in zip(expected, found, strict=True)
    ]
