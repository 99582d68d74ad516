"""A tiny real detector: it finds cells of the input that are bright.

The input is cut into cells of 16 px. Each is a candidate: its score is its mean brightness in 0..1,
its box 12 x 8 px around its centre at 0.5 rad, its class 1 where its column is odd, else 0. It is a
real OpenVINO graph in a real bundle, compiled in milliseconds.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import (
    Artefact,
    Budget,
    Bundle,
    DecodeSpec,
    InputSpec,
    Manifest,
    Provenance,
    TileSpec,
    write_bundle,
)

CELL_PX = 16
BOX = (12.0, 8.0, 0.5)
CLASSES = ("even", "odd")
SIZE = (64, 96)


def write_bright_cells(
    path: Path,
    *,
    size: tuple[int, int] = SIZE,
    modality: str = "thermal",
    colour: str = "GRAY",
    overlap_px: int | None = None,
    decode: DecodeSpec | None = None,
    extra_class: int = 0,
) -> Bundle:
    """Write the bundle at `path`; tiling if there is an overlap, else letterboxing.

    extra_class  added to every class the graph gives, to make it disagree with the manifest
    """
    folder = path.parent / f"{path.name}-model"
    folder.mkdir(parents=True)
    _save_graph(folder / "model.xml", size, extra_class)
    tile = None if overlap_px is None else TileSpec(size, overlap_px)
    names = ("model/openvino/fp32/model.xml", "model/openvino/fp32/model.bin")
    manifest = Manifest(
        name="bright-cells",
        version="1",
        created="2026-11-24T06:30:00Z",
        target="cpu-x86",
        task="obb",
        classes=CLASSES,
        input=InputSpec(
            name="image",
            layout="NCHW",
            dtype="float32",
            shape=(1, 3, *size),
            colour=colour,
            modality=modality,
            mean=(0.0, 0.0, 0.0),
            std=(255.0, 255.0, 255.0),
            resize="letterbox" if tile is None else "tile",
            tile=tile,
        ),
        decode=decode or DecodeSpec(0.5, 0.3, 100, False),
        artefacts=(
            Artefact("fp32", "openvino", "2026.4.1", "fp32", names, 0, Budget(0.99, 1.0, 0.01)),
        ),
        accuracy={},
        files=(),
        provenance=Provenance("0" * 40, {}, "made by a test"),
        licence="Apache-2.0",
    )
    return write_bundle(path, manifest, {name: folder / Path(name).name for name in names})


def dark_frame(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    """A black frame of (height, width)."""
    return np.zeros(size, np.uint8)


def light_cell(pixels: NDArray[Any], row: int, column: int, value: float = 255) -> None:
    """Make one cell of a frame bright, in place."""
    y, x = row * CELL_PX, column * CELL_PX
    pixels[y : y + CELL_PX, x : x + CELL_PX] = value


def centre_of(row: int, column: int) -> tuple[float, float]:
    """The centre of a cell, pixels."""
    return (column + 0.5) * CELL_PX, (row + 0.5) * CELL_PX


def _save_graph(path: Path, size: tuple[int, int], extra_class: int) -> None:
    import openvino
    from openvino import opset13 as ops

    rows, columns = size[0] // CELL_PX, size[1] // CELL_PX
    count = rows * columns
    y, x = np.divmod(np.arange(count), columns)
    boxes = np.empty((1, count, 5), np.float32)
    boxes[0, :, 0], boxes[0, :, 1] = (x + 0.5) * CELL_PX, (y + 0.5) * CELL_PX
    boxes[0, :, 2:] = BOX
    labels = (x % 2 + extra_class).astype(np.int32)[None]

    image = ops.parameter([1, 3, *size], np.float32, name="image")
    gray = ops.reduce_mean(image, np.array([1], np.int64), keep_dims=True)
    cells = [CELL_PX, CELL_PX]
    pooled = ops.avg_pool(gray, cells, [0, 0], [0, 0], cells, False, "floor", "explicit")
    scores = ops.reshape(pooled, np.array([1, count], np.int64), False)
    # Constants alone would be folded away from the outputs' names: tie them to the scores.
    nothing = ops.multiply(scores, np.float32(0.0))
    boxes_out = ops.add(ops.constant(boxes), ops.unsqueeze(nothing, np.array(2, np.int64)))
    labels_out = ops.add(ops.constant(labels), ops.convert(nothing, "i32"))
    for node, name in ((boxes_out, "boxes"), (scores, "scores"), (labels_out, "labels")):
        node.output(0).get_tensor().set_names({name})
    image.output(0).get_tensor().set_names({"image"})
    openvino.save_model(
        openvino.Model([boxes_out, scores, labels_out], [image]), path, compress_to_fp16=False
    )
