"""From a deploy module to a checked, simplified ONNX graph."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from pathlib import Path
from typing import Any

import torch

from edgekit.core import EngineError, replacing
from edgekit.engines.base import OUTPUT_NAMES
from edgekit.reference.torch_engine import INPUT_NAME
from model_zoo.deploy import DeployObb

#: Operators that need control flow or a shape known only at run time: no small engine takes them.
_REFUSED = frozenset({"Loop", "Scan", "If", "NonMaxSuppression", "NonZero"})


def export_onnx(module: DeployObb, path: Path, opset: int) -> None:
    """Write `module` as one static ONNX graph with named inputs and outputs.

    The graph is checked, shape-inferred and simplified, and carries no trace of the machine that
    made it.

    raises  EngineError where the graph that came out is not what was asked for
    """
    import onnx
    import onnxslim

    height, width = module.spec.size
    example = torch.zeros(1, 3, height, width)
    with _quiet():
        program = torch.onnx.export(
            module,
            (example,),
            dynamo=True,
            opset_version=opset,
            input_names=[INPUT_NAME],
            output_names=list(OUTPUT_NAMES),
            verbose=False,
        )
        assert program is not None
        graph = onnxslim.slim(program.model_proto)
    _strip(graph)
    try:
        graph = onnx.shape_inference.infer_shapes(graph, check_type=True, strict_mode=True)
        onnx.checker.check_model(graph, full_check=True)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
        raise EngineError(f"the exported graph is not valid ONNX ({error})", "report it") from error
    _require_static(graph, opset)
    with replacing(path) as temporary:
        onnx.save(graph, temporary)


def _require_static(graph: Any, opset: int) -> None:
    """The opset that was asked for, the default domain alone, no control flow, no free shape."""
    versions = {entry.domain: entry.version for entry in graph.opset_import}
    if versions != {"": opset}:
        raise EngineError(f"the exported graph has opsets {versions}", f"asked for {opset}")
    found = sorted({node.op_type for node in graph.graph.node} & _REFUSED)
    if found:
        raise EngineError(f"the exported graph uses {', '.join(found)}", "use the deploy form")
    for value in (*graph.graph.input, *graph.graph.output):
        if any(dim.dim_value < 1 for dim in value.type.tensor_type.shape.dim):
            raise EngineError(f"the exported graph's {value.name} has a free shape", "fix the size")


def _strip(graph: Any) -> None:
    """Remove stack traces and paths that the exporter leaves in the metadata."""
    del graph.metadata_props[:]
    graph.doc_string = ""
    for item in (*graph.graph.node, *graph.graph.value_info, *graph.graph.initializer):
        del item.metadata_props[:]
        item.doc_string = ""


@contextlib.contextmanager
def _quiet() -> Any:
    """The exporter reports steps and missing optional packages on every channel it finds."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
