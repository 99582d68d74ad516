"""A small real OpenVINO graph that gives boxes, scores and labels, and bundles that hold it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import Artefact, Bundle, write_bundle
from tests.bundle.examples import example_artefact, example_manifest

SIDE_PX = 32
CANDIDATES = 16


def detector_bundle(
    folder: Path,
    *precisions: str,
    engine: str = "openvino",
    half_weights: bool = False,
    **outputs: str,
) -> Bundle:
    """A bundle with one artefact a precision, preferred in the order given.

    The graphs are fp32 or INT8 (with FakeQuantize, as a quantiser leaves it) as their name says.
    half_weights  store weights in fp16, as OpenVINO does by default; arithmetic stays as it is
    outputs       renames outputs: scores="confidence"
    """
    artefacts: list[Artefact] = []
    files: dict[str, Path | bytes] = {}
    for order, precision in enumerate(precisions):
        artefact = example_artefact(precision, order, engine)
        artefacts.append(artefact)
        files |= zip(
            artefact.files,
            _saved_graph(folder, precision == "int8", half_weights, outputs),
            strict=True,
        )
    manifest = example_manifest(artefacts=tuple(artefacts), accuracy={})
    return write_bundle(folder / "detector.bundle", manifest, files)


def promised_as(bundle: Bundle, precision: str) -> Bundle:
    """The same bundle whose first artefact claims another precision."""
    artefact = replace(bundle.manifest.artefacts[0], precision=precision)
    return replace(bundle, manifest=replace(bundle.manifest, artefacts=(artefact,)))


def example_input(seed: int = 0) -> NDArray[np.float32]:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(1, 3, SIDE_PX, SIDE_PX)).astype(np.float32)


def expected_scores(
    image: NDArray[np.float32], weights_dtype: type[np.floating[Any]] = np.float32
) -> NDArray[np.float32]:
    """What the fp32 graph gives, computed without OpenVINO: a convolution by windows.

    weights_dtype  what the weights are rounded to where they are stored
    """
    padded = np.pad(image[0], ((0, 0), (1, 1), (1, 1)))
    weights = _weights().astype(weights_dtype).astype(np.float64)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    responses = np.einsum("cyxij,ocij->oyx", windows.astype(np.float64), weights)
    scores = (1 / (1 + np.exp(-responses.reshape(CANDIDATES, -1)))).mean(axis=1)
    return scores[None].astype(np.float32)


def _weights() -> NDArray[np.float32]:
    generator = np.random.default_rng(7)
    return generator.normal(size=(CANDIDATES, 3, 3, 3), scale=0.5).astype(np.float32)


def _saved_graph(
    folder: Path, is_int8: bool, half_weights: bool, renamed: dict[str, str]
) -> tuple[bytes, bytes]:
    import openvino as ov

    ov.save_model(_graph(is_int8, renamed), folder / "graph.xml", compress_to_fp16=half_weights)
    content = tuple((folder / f"graph.{end}").read_bytes() for end in ("xml", "bin"))
    for end in ("xml", "bin"):
        (folder / f"graph.{end}").unlink()
    return content[0], content[1]


def _graph(is_int8: bool, renamed: dict[str, str]) -> Any:
    import openvino as ov
    from openvino import opset13 as op

    def constant(value: Any, dtype: type = np.float32) -> Any:
        return op.constant(np.array(value, dtype))

    image = op.parameter([1, 3, SIDE_PX, SIDE_PX], np.float32, name="image")
    image.output(0).set_names({"image"})
    weights = op.constant(_weights())
    data: Any = image
    if is_int8:
        limits = [constant(limit) for limit in (-5, 5, -5, 5)]
        data = op.fake_quantize(image, *limits, 256)
        weights = op.fake_quantize(weights, *[constant(x) for x in (-2, 2, -2, 2)], 255)
    responses = op.sigmoid(op.convolution(data, weights, [1, 1], [1, 1], [1, 1], [1, 1]))
    flat = op.reshape(responses, constant([1, CANDIDATES, -1], np.int64), False)
    means = op.reduce_mean(flat, constant([2], np.int64))
    # A heavy layer that stays in float in the INT8 graph too, as quantisers leave some; it changes
    # no value in any precision that holds a mean well enough.
    scores = op.matmul(means, constant(np.eye(CANDIDATES)), False, False)
    column = op.unsqueeze(scores, constant([2], np.int64))
    outputs = {
        "boxes": op.multiply(constant(np.full((1, CANDIDATES, 5), 8.0)), column),
        "scores": scores,
        "labels": op.convert(op.greater(scores, constant(0.5)), "i32"),
    }
    for name, node in outputs.items():
        node.output(0).set_names({renamed.get(name, name)})
    return ov.Model([op.result(node) for node in outputs.values()], [image], "detector")
