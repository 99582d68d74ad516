"""OpenVINO on the CPU.

OpenVINO picks bf16 by itself on CPUs that have it, and fp16 on Arm: the same file then gives other
numbers on another machine. So the floating-point precision is always asked for, and read back from
the compiled graph, layer by layer.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import Artefact, Bundle
from edgekit.core import EngineError
from edgekit.engines.base import OUTPUT_NAMES, EngineInfo, Tensors, TensorSpec, check_inputs

NAME = "openvino"
DEVICE = "CPU"

#: A single run that takes longer has hung: even a Raspberry Pi needs seconds, not minutes.
STALL_S = 120.0

#: Layers where the arithmetic is: their precision is what "runs in INT8" means.
_HEAVY_LAYERS = frozenset({"Convolution", "Deconvolution", "FullyConnected", "MatMul"})
_FLOAT_HINTS = {"fp32": "f32", "int8": "f32", "fp16": "f16"}
_FLOAT_NAMES = {"f32": "fp32", "f16": "fp16", "bf16": "bf16"}
_INT8_NAMES = frozenset({"i8", "u8"})


class OpenVinoEngine:
    """The engine type that artefacts call "openvino"."""

    name = NAME
    install_command = "pip install 'edgekit[openvino]'"

    def installed_version(self) -> str | None:
        """Version of the openvino package, or None; without importing it."""
        try:
            if find_spec("openvino") is None:
                return None
            return version("openvino")
        except PackageNotFoundError:
            return "unknown"  # importable, but not installed by pip: Intel's archive, for one
        except ImportError:
            return None

    def devices(self) -> tuple[str, ...]:
        """Devices that OpenVINO sees, e.g. ("CPU: AMD EPYC",). edgekit runs on the CPU only."""
        core = _import_openvino().Core()
        names = core.available_devices
        return tuple(f"{name}: {core.get_property(name, 'FULL_DEVICE_NAME')}" for name in names)

    def open(
        self,
        bundle: Bundle,
        artefact: Artefact,
        *,
        threads: int | None = None,
        in_flight: int = 1,
        cache_dir: Path | None = None,
    ) -> OpenVinoGraph:
        """Compile an artefact for the CPU.

        raises  EngineError if openvino is missing or refuses the graph
        """
        ov = _import_openvino()
        model = next((path for path in bundle.files_of(artefact) if path.suffix == ".xml"), None)
        if model is None:
            raise EngineError(
                f"artefact '{artefact.id}' has no .xml file", "export the bundle again"
            )
        options: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": _FLOAT_HINTS[artefact.precision],
            "NUM_STREAMS": in_flight,
        }
        if threads is not None:
            options["INFERENCE_NUM_THREADS"] = threads
        if cache_dir is not None:
            options["CACHE_DIR"] = str(cache_dir)
        try:
            core = ov.Core()
            compiled = core.compile_model(core.read_model(model), DEVICE, options)
            info = _describe(compiled, self.installed_version() or "unknown")
            requests = [compiled.create_infer_request() for _ in range(in_flight)]
        except RuntimeError as error:
            raise EngineError(
                f"openvino cannot compile artefact '{artefact.id}' ({_reason(error)})",
                "export the bundle again, or install the openvino version it was made with",
            ) from error
        return OpenVinoGraph(info, requests, ov.Tensor)


class OpenVinoGraph:
    """A compiled graph with its infer requests; satisfies `Engine`. One thread owns it."""

    def __init__(self, info: EngineInfo, requests: list[Any], tensor_type: Any) -> None:
        self.info = info
        self._tensor_type = tensor_type
        self._idle = requests
        # (token, request, its input tensors: OpenVINO reads them in place until it is done)
        self._running: deque[tuple[object, Any, list[Any]]] = deque()
        self._done: deque[tuple[object, dict[str, NDArray[Any]] | EngineError]] = deque()
        self._is_closed = False

    def infer(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Run once and wait. Outputs by name, copies."""
        request = self._take_request()
        try:
            kept = self._bind(request, inputs)
            request.infer()
            outputs = self._outputs(request)
        except RuntimeError as error:
            raise _failed(error) from error
        finally:
            self._idle.append(request)
        del kept
        return outputs

    def submit(self, inputs: Tensors, token: object) -> None:
        """Start a run; waits for the oldest where all requests are under way.

        The arrays must not change before the result with this token is there.
        """
        request = self._take_request()
        try:
            kept = self._bind(request, inputs)
            request.start_async()
        except RuntimeError as error:
            self._idle.append(request)
            raise _failed(error) from error
        except EngineError:
            self._idle.append(request)
            raise
        self._running.append((token, request, kept))

    def results(self, timeout_s: float) -> Iterator[tuple[Any, dict[str, NDArray[Any]]]]:
        """Results in the order of submission; see `Engine.results`."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        while self._done or self._finish_oldest(max(0.0, deadline - time.monotonic())):
            deadline = 0.0  # only the first one is waited for
            token, outcome = self._done.popleft()
            if isinstance(outcome, EngineError):
                raise outcome
            yield token, outcome

    def close(self) -> None:
        """Wait for what is under way, then give up the graph."""
        if self._is_closed:
            return
        while self._running and self._finish_oldest(STALL_S):
            pass
        self._is_closed = True
        self._idle.clear()
        self._done.clear()

    def _take_request(self) -> Any:
        self._check_open()
        if not self._idle and not self._finish_oldest(STALL_S):
            raise EngineError(f"no run ended within {STALL_S:g} s", "check the machine's load")
        return self._idle.pop()

    def _finish_oldest(self, timeout_s: float) -> bool:
        """Move the oldest run under way to the done ones, if it ends in time."""
        if not self._running:
            return False
        token, request, _ = self._running[0]
        outcome: dict[str, NDArray[Any]] | EngineError
        try:
            if not request.wait_for(round(timeout_s * 1000)):
                return False
            outcome = self._outputs(request)
        except RuntimeError as error:
            outcome = _failed(error)
        self._running.popleft()
        self._idle.append(request)
        self._done.append((token, outcome))
        return True

    def _bind(self, request: Any, inputs: Tensors) -> list[Any]:
        """Give arrays to a request: in place where they are writeable, which OpenVINO demands."""
        check_inputs(self.info.inputs, inputs)
        kept = []
        for name, array in inputs.items():
            contiguous = np.ascontiguousarray(array)
            tensor = self._tensor_type(contiguous, shared_memory=contiguous.flags.writeable)
            request.set_tensor(name, tensor)
            kept.append(tensor)
        return kept

    def _outputs(self, request: Any) -> dict[str, NDArray[Any]]:
        return {
            spec.name: np.array(request.get_tensor(spec.name).data, copy=True)
            for spec in self.info.outputs
        }

    def _check_open(self) -> None:
        if self._is_closed:
            raise EngineError("engine is closed", "open it again")


def _describe(compiled: Any, installed: str) -> EngineInfo:
    devices = compiled.get_property("EXECUTION_DEVICES")
    return EngineInfo(
        name=NAME,
        version=installed,
        device=",".join(devices),
        precision=_precision(compiled),
        inputs=tuple(map(_spec, compiled.inputs)),
        outputs=tuple(map(_spec, compiled.outputs)),
    )


def _precision(compiled: Any) -> str:
    """What the compiled graph computes in, read from the kernels of its heavy layers.

    "int8" is a graph whose heavy layers are partly INT8 and else fp32: layers kept in float by the
    quantiser are part of what was asked. Any other float beside them is named: "int8+bf16".
    """
    layers = [layer.get_rt_info() for layer in compiled.get_runtime_model().get_ops()]
    ran = {_kernel_precision(i) for i in layers if _text(i["layerType"]) in _HEAVY_LAYERS}
    hint = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
    floats = {_FLOAT_NAMES.get(name, name) for name in ({hint} | ran) - _INT8_NAMES}
    # fp32 layers may stand in a graph of lower precision, but not the other way round.
    lower = sorted(floats - {"fp32"})
    if ran & _INT8_NAMES:
        lower.insert(0, "int8")
    return "+".join(lower) or "fp32"


def _kernel_precision(info: Any) -> str:
    """The precision that a layer's kernel works in: the end of its name, "brgconv_avx512_f32".

    Not `runtimePrecision`: for weights that are stored in fp16, as OpenVINO saves them by default,
    it says f16 although the kernel and its results are fp32.
    """
    return _text(info["primitiveType"]).rpartition("_")[2].lower()


def _spec(port: Any) -> TensorSpec:
    # Compiling removes casts and leaves the names of both their sides on one tensor.
    names = sorted(port.get_names(), key=lambda name: (name not in OUTPUT_NAMES, name))
    shape = port.get_partial_shape()
    if not names or shape.is_dynamic:
        raise EngineError("graph has an unnamed or dynamic tensor", "export the bundle again")
    dtype = np.dtype(port.get_element_type().to_dtype()).name
    return TensorSpec(names[0], dtype, tuple(shape.to_shape()))


def _text(value: Any) -> str:
    """Runtime information comes as OpenVINO's any-type or as a text, by version."""
    return str(value.astype(str)) if hasattr(value, "astype") else str(value)


def _import_openvino() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise EngineError(
            "engine 'openvino' is not installed", OpenVinoEngine.install_command
        ) from (error)
    return openvino


def _failed(error: RuntimeError) -> EngineError:
    return EngineError(f"openvino failed ({_reason(error)})", "check the model on this machine")


def _reason(error: RuntimeError) -> str:
    """The line of OpenVINO's message that says what is wrong; the others name its source files."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    telling = [line for line in lines if not line.startswith("Exception from")]
    return (telling or lines or ["no reason given"])[0][:200]
