"""From a checkpoint to a verified bundle for a target: export, quantise, measure, decide, write."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import (
    Artefact,
    Budget,
    Bundle,
    Manifest,
    open_bundle,
    write_bundle,
)
from edgekit.core import UsageError
from edgekit.data.calibration import CalibrationSet, choose_calibration
from edgekit.data.dota import DotaSet, read_dota_folder
from edgekit.engines.base import open_engine
from edgekit.export.measure import Measured, Speed, measure_parity, measure_speed
from edgekit.export.onnx_graph import export_onnx
from edgekit.export.openvino_ir import (
    QuantiseSettings,
    iter_ir_files,
    write_int8_ir,
    write_ir,
)
from edgekit.export.provenance import describe_provenance, source_date
from edgekit.export.reports import ENGINE, accuracy_figures, artefact_id, report_files
from edgekit.reference import EVAL_SCORE_THRESHOLD, measure_accuracy
from edgekit.reference.checkpoint_bundle import checkpoint_detector, checkpoint_manifest
from edgekit.runtime.detector import Detector
from edgekit.runtime.sources.images import read_picture
from model_zoo import Checkpoint, detector_from_checkpoint, load_checkpoint
from model_zoo.deploy import DEFAULT_CANDIDATES, DeployObb, DeploySpec
from targets import Gates, TargetProfile

_PARITY_FRAMES = 16
#: fp32 differs from eager by summation order alone; INT8 is judged by accuracy first.
_BUDGETS = {
    "fp32": Budget(min_cosine=0.99999, max_abs=1e-3, ap50_drop=0.001),
    "int8": Budget(min_cosine=0.99, max_abs=0.25, ap50_drop=0.005),
}
Notify = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What to export.

    precisions  in the order asked for; `int8` needs `data`
    data        DOTA folder: calibration frames from its train split, figures on its val split
    size        (height, width) px; None: the checkpoint's
    max_ap50_drop  in place of the target's gate: a small validation set cannot resolve half a point
    """

    checkpoint: Path
    target: TargetProfile
    out: Path
    precisions: tuple[str, ...]
    data: Path | None = None
    size: tuple[int, int] | None = None
    candidates: int = DEFAULT_CANDIDATES
    calibration_frames: int = 64
    max_ap50_drop: float | None = None
    seed: int = 0
    force: bool = False


@dataclass(frozen=True, slots=True)
class ExportReport:
    """The bundle, what was measured, and what was refused: precision -> the gate it missed."""

    bundle: Bundle
    measured: dict[str, Measured]
    refused: dict[str, str]
    speed: Speed | None


def export_bundle(request: ExportRequest, notify: Notify = lambda _: None) -> ExportReport:
    """Export a checkpoint for a target.

    Every artefact is run through the path that flies and measured against eager PyTorch. INT8 that
    misses a gate of the target is left out, and fp32 ships in its place.

    raises  UsageError before any work where the request cannot be met; CheckpointError, EngineError
    """
    checkpoint = load_checkpoint(request.checkpoint)
    _check(request)
    model = detector_from_checkpoint(checkpoint, str(request.checkpoint))
    manifest = _manifest(checkpoint, request)
    data = request.data
    training = read_dota_folder(data, "train") if data and "int8" in request.precisions else None
    validation = read_dota_folder(data, "val") if data else None
    with tempfile.TemporaryDirectory(prefix="edgekit-export-") as folder:
        work = Path(folder)
        notify("exporting the graph")
        onnx_path = work / "model.onnx"
        size = (manifest.input.shape[2], manifest.input.shape[3])
        export_onnx(
            DeployObb(model, DeploySpec(size, request.candidates)),
            onnx_path,
            request.target.defaults.opset,
        )
        write_ir(onnx_path, _xml(work, "fp32"))
        calibration = None
        if training is not None:
            assert data is not None
            calibration = choose_calibration(
                training, data, request.calibration_frames, request.seed
            )
            notify(f"quantising on {len(calibration.frames)} frames")
            _quantise(request, checkpoint, calibration, onnx_path, _xml(work, "int8"))
        return _measure_and_write(
            request, checkpoint, manifest, work, validation, calibration, notify
        )


def _check(request: ExportRequest) -> None:
    choice = request.target.engine(ENGINE)
    for precision in request.precisions:
        if precision not in choice.precisions:
            raise UsageError(
                f"target '{request.target.name}' does not compute {precision} in {ENGINE}",
                f"choose from {', '.join(choice.precisions)}",
            )
    if "int8" in request.precisions and request.data is None:
        raise UsageError("INT8 needs calibration frames", "give --data DIR, or --precision fp32")
    if request.out.exists() and not request.force:
        raise UsageError(f"bundle {request.out} exists", "use --force to replace it")
    if request.size and any(side % 32 or side < 96 for side in request.size):
        raise UsageError(f"input size {request.size} is not allowed", "use multiples of 32 from 96")


def _manifest(checkpoint: Checkpoint, request: ExportRequest) -> Manifest:
    base = checkpoint_manifest(checkpoint, request.size)
    return replace(
        base,
        name=f"{checkpoint.model}-{request.out.stem.removeprefix(checkpoint.model).strip('-')}".rstrip(
            "-"
        ),
        created=source_date(),
        target=request.target.name,
        licence=f"{checkpoint.licence}. {checkpoint.attribution}".strip(),
        artefacts=(),
    )


def _quantise(
    request: ExportRequest,
    checkpoint: Checkpoint,
    calibration: CalibrationSet,
    onnx_path: Path,
    xml_path: Path,
) -> None:
    reference = checkpoint_detector(checkpoint, request.checkpoint, size=request.size)
    modality = reference.bundle.manifest.input.modality
    inputs: list[NDArray[np.float32]] = [
        array.copy()
        for frame in calibration.frames
        for array, _ in reference.network_inputs(read_picture(frame.image_path), modality)
    ]
    options = request.target.engine(ENGINE).options
    settings = QuantiseSettings(overflow_fix=bool(options.get("overflow_fix", True)))
    write_int8_ir(onnx_path, xml_path, inputs, settings)


def _measure_and_write(
    request: ExportRequest,
    checkpoint: Checkpoint,
    manifest: Manifest,
    work: Path,
    validation: DotaSet | None,
    calibration: CalibrationSet | None,
    notify: Notify,
) -> ExportReport:
    """Measure every precision in a trial bundle, then write those that passed."""
    tried = tuple(dict.fromkeys(("fp32", *request.precisions)))
    trial = write_bundle(
        work / "trial.bundle",
        replace(
            manifest,
            artefacts=_artefacts(tried, request),
            provenance=describe_provenance(request.checkpoint, _command(request), {}),
        ),
        _model_files(work, tried),
    )
    measured, speed = _measure(request, checkpoint, trial, tried, validation, notify)
    refused = _refusals(_gates(request), measured, speed) if "int8" in tried else {}
    kept = tuple(p for p in request.precisions if p not in refused) or ("fp32",)
    if refused and "fp32" not in kept:
        kept = (*kept, "fp32")
    reports = report_files(
        checkpoint, measured, kept, refused, _gates(request), calibration, request.data
    )
    files = _model_files(work, kept) | reports
    inputs = {"calibration": calibration.digest} if calibration else {}
    final = replace(
        manifest,
        artefacts=_artefacts(kept, request),
        accuracy={artefact_id(p): accuracy_figures(measured[p], request.data) for p in kept},
        provenance=describe_provenance(request.checkpoint, _command(request), inputs),
    )
    write_bundle(request.out, final, files, force=request.force)
    return ExportReport(open_bundle(request.out), measured, refused, speed)


def _command(request: ExportRequest) -> tuple[str, ...]:
    """The command, without the folders of the machine that it ran on."""
    precisions = ",".join(request.precisions)
    data = ("--data", request.data.name) if request.data else ()
    return (
        "edgekit",
        "export",
        request.checkpoint.name,
        "--target",
        request.target.name,
        "--precision",
        precisions,
        *data,
    )


def _measure(
    request: ExportRequest,
    checkpoint: Checkpoint,
    trial: Bundle,
    precisions: tuple[str, ...],
    validation: DotaSet | None,
    notify: Notify,
) -> tuple[dict[str, Measured], Speed | None]:
    headline = tuple(checkpoint.training.get("config", {}).get("headline_classes", ()))
    threads = request.target.defaults.threads
    engines = {p: open_engine(trial, precision=p, threads=threads) for p in precisions}
    try:
        measured = {}
        for precision, engine in engines.items():
            parity = accuracy = None
            if validation is not None:
                notify(f"measuring {precision} on {len(validation.frames)} frames")
                reference = checkpoint_detector(checkpoint, request.checkpoint, size=request.size)
                step = max(1, len(validation.frames) // _PARITY_FRAMES)
                probes = validation.frames[::step][:_PARITY_FRAMES]
                parity = measure_parity(reference, Detector(trial, engine), probes)
                detector = Detector(trial, engine, score_threshold=EVAL_SCORE_THRESHOLD)
                accuracy = measure_accuracy(detector, validation, classes=headline)
            measured[precision] = Measured(parity, accuracy)
        speed = None
        if len(engines) > 1:
            example = np.zeros(trial.manifest.input.shape, np.float32)
            speed = measure_speed(engines, {trial.manifest.input.name: example}, threads=threads)
        return measured, speed
    finally:
        for engine in engines.values():
            engine.close()


def _refusals(gates: Gates, measured: dict[str, Measured], speed: Speed | None) -> dict[str, str]:
    """The first gate that INT8 misses against fp32, if any."""
    float_accuracy, accuracy = measured["fp32"].accuracy, measured["int8"].accuracy
    if float_accuracy is not None and accuracy is not None:
        drop = float_accuracy.ap50 - accuracy.ap50
        if drop > gates.max_ap50_drop or math.isnan(drop):
            return {"int8": f"AP50 falls by {drop:.4f}, the gate is {gates.max_ap50_drop}"}
        added = accuracy.mean_angle_error_deg - float_accuracy.mean_angle_error_deg
        if added > gates.max_angle_error_deg:
            gate = gates.max_angle_error_deg
            return {"int8": f"the angle error grows by {added:.2f} deg, the gate is {gate}"}
    if speed is not None and (ratio := speed.ratio("fp32", "int8")) < gates.min_speedup:
        return {
            "int8": f"it runs {ratio:.2f} times as fast as fp32, the gate is {gates.min_speedup}"
        }
    return {}


def _artefacts(precisions: tuple[str, ...], request: ExportRequest) -> tuple[Artefact, ...]:
    """INT8 first where it is there: it passed its gates."""
    ranked = sorted(precisions, key=lambda precision: precision != "int8")
    return tuple(
        Artefact(
            id=artefact_id(precision),
            engine=ENGINE,
            engine_version=version("openvino"),
            precision=precision,
            files=tuple(path.as_posix() for path in iter_ir_files(_place(precision))),
            order=order,
            budget=_budget(precision, request),
        )
        for order, precision in enumerate(ranked)
    )


def _budget(precision: str, request: ExportRequest) -> Budget:
    budget = _BUDGETS[precision]
    if precision != "int8":
        return budget
    return replace(budget, ap50_drop=_gates(request).max_ap50_drop)


def _gates(request: ExportRequest) -> Gates:
    if request.max_ap50_drop is None:
        return request.target.gates
    return replace(request.target.gates, max_ap50_drop=request.max_ap50_drop)


def _place(precision: str) -> Path:
    return Path("model") / ENGINE / precision / "model.xml"


def _xml(work: Path, precision: str) -> Path:
    return work / _place(precision)


def _model_files(work: Path, precisions: tuple[str, ...]) -> dict[str, Path | bytes]:
    return {
        path.as_posix(): work / path
        for precision in precisions
        for path in iter_ir_files(_place(precision))
    }
