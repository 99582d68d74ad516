"""What a bundle says about its artefacts: card, parity, accuracy, calibration."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit.bundle import AccuracyFigure
from edgekit.data.calibration import CalibrationSet
from edgekit.export.card import render_card
from edgekit.export.measure import Measured
from edgekit.export.openvino_ir import QuantiseSettings
from edgekit.reference import EVAL_SCORE_THRESHOLD
from model_zoo import Checkpoint
from targets import Gates

ENGINE = "openvino"


def artefact_id(precision: str) -> str:
    """The id of an artefact: engine and precision."""
    return f"{ENGINE}-{precision}"


def accuracy_figures(measured: Measured, data: Path | None) -> tuple[AccuracyFigure, ...]:
    """The rows that the manifest carries for an artefact; none where nothing was measured."""
    accuracy = measured.accuracy
    if accuracy is None or data is None:
        return ()
    rows = [("ap50", accuracy.ap50), ("ap75", accuracy.ap75), ("map50_95", accuracy.map50_95)]
    rows += [(f"ap50 {row.name}", row.ap50) for row in accuracy.per_class]
    rows.append(("mean_angle_error_deg", accuracy.mean_angle_error_deg))
    return tuple(
        AccuracyFigure(_data_set(data), name, round(value, 6))
        for name, value in rows
        if math.isfinite(value)
    )


def report_files(
    checkpoint: Checkpoint,
    measured: Mapping[str, Measured],
    kept: tuple[str, ...],
    refused: Mapping[str, str],
    gates: Gates,
    calibration: CalibrationSet | None,
    data: Path | None,
) -> dict[str, Path | bytes]:
    """Files by their place in the bundle. Refused precisions are reported with those that ship."""
    data_set = _data_set(data) if data else ""
    shipped = {artefact_id(p): a for p in kept if (a := measured[p].accuracy) is not None}
    files: dict[str, Path | bytes] = {"card.md": render_card(checkpoint, shipped, data_set)}
    if data and (data / "LICENSE").is_file():
        files["LICENSE"] = data / "LICENSE"  # weights carry the terms of their data
    parity = {artefact_id(p): asdict(m.parity) for p, m in measured.items() if m.parity}
    if parity:
        files["reports/parity.json"] = _json(
            {"schema": "edgekit.parity/1", "reference": "torch fp32 eager", "artefacts": parity}
        )
    accuracy = {artefact_id(p): m.accuracy.to_json() for p, m in measured.items() if m.accuracy}
    if accuracy:
        files["reports/accuracy.json"] = _json(
            {
                "schema": "edgekit.accuracy/1",
                "data_set": data_set,
                "score_threshold": EVAL_SCORE_THRESHOLD,
                "refused": dict(refused),
                "gates": asdict(gates),
                "artefacts": accuracy,
            }
        )
    if calibration is not None:
        files["reports/calibration.json"] = _json(
            {
                "schema": "edgekit.calibration/1",
                "seed": calibration.seed,
                "digest": calibration.digest,
                "frames": [frame.name for frame in calibration.frames],
                "kept_in_float": [*QuantiseSettings().float_operators, "predictors", "decode"],
            }
        )
    return files


def _data_set(data: Path) -> str:
    return f"{data.name} val"


def _json(document: dict[str, Any]) -> bytes:
    return (json.dumps(document, indent=1, sort_keys=True) + "\n").encode()
