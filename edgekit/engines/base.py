"""One protocol for every inference engine, and the choice of the artefact that one runs.

An engine is a module beside this one, or in somebody else's package, registered by the entry point
group `edgekit.engines`. The entry point names an `EngineType`: it tells whether its library is
installed without importing it, and opens an artefact of a verified bundle as an `Engine`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from edgekit.bundle import PRECISIONS, Artefact, Bundle
from edgekit.core import EngineError, UsageError, unknown_name

ENTRY_POINT_GROUP = "edgekit.engines"

#: What every graph gives: oriented boxes in input pixels (1, K, 5), scores (1, K), labels (1, K).
OUTPUT_NAMES = ("boxes", "scores", "labels")

Tensors = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """Name, NumPy dtype name and static shape of one input or output."""

    name: str
    dtype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class EngineInfo:
    """What really runs, as the engine itself reports it after compiling; never what was asked for.

    precision  one of "fp32", "fp16", "int8" where the engine does what the artefact asks; any other
               text where it does not ("bf16", "int8+bf16"), and then `open_engine` refuses it
    """

    name: str
    version: str
    device: str
    precision: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class Engine(Protocol):
    """A compiled graph. One thread owns it; `close` may be called twice.

    Inputs are arrays of exactly the dtype and shape of `info.inputs`, keyed by name. C-contiguous
    ones may be read in place, so they must not change before their result is there. Outputs are
    the caller's own copies, keyed by name. Wrong inputs and failures raise EngineError.
    """

    @property
    def info(self) -> EngineInfo: ...

    def infer(self, inputs: Tensors) -> dict[str, NDArray[Any]]:
        """Run once and wait."""
        ...

    def submit(self, inputs: Tensors, token: object) -> None:
        """Start a run; waits while `in_flight` runs are under way. Its result carries `token`."""
        ...

    def results(self, timeout_s: float) -> Iterator[tuple[Any, dict[str, NDArray[Any]]]]:
        """Results of submitted runs, in the order of submission.

        Waits up to `timeout_s` for the first, then gives what is ready. Ends at once when nothing
        is under way. A run that failed raises EngineError in its turn and is then forgotten.
        """
        ...

    def close(self) -> None:
        """Give up the graph and what is under way."""
        ...


class EngineType(Protocol):
    """What an entry point of the group `edgekit.engines` names."""

    #: The name that artefacts use.
    name: str
    #: The command that installs its library.
    install_command: str

    def installed_version(self) -> str | None:
        """Version of the library, or None where it is missing; without importing it."""
        ...

    def devices(self) -> tuple[str, ...]:
        """The devices that it sees here; imports the library."""
        ...

    def open(
        self,
        bundle: Bundle,
        artefact: Artefact,
        *,
        threads: int | None,
        in_flight: int,
        cache_dir: Path | None,
    ) -> Engine:
        """Compile an artefact."""
        ...


def open_engine(
    bundle: Bundle,
    *,
    artefact_id: str | None = None,
    precision: str | None = None,
    threads: int | None = None,
    in_flight: int = 1,
    cache_dir: Path | None = None,
) -> Engine:
    """Compile one artefact of a verified bundle.

    artefact_id, precision  narrow the choice, see `select_artefact`
    threads                 CPU threads; None leaves it to the engine
    in_flight               how many submitted runs are worked on at once
    cache_dir               where the engine may keep compiled graphs between starts
    raises                  UsageError for the request; EngineError if the engine is missing,
                            refuses the graph, or runs something else than the artefact promises
    """
    if threads is not None and threads < 1:
        raise UsageError(f"threads is {threads}", "use 1 or more, or leave it out")
    if in_flight < 1:
        raise UsageError(f"in_flight is {in_flight}", "use 1 or more")
    artefact = select_artefact(bundle, artefact_id=artefact_id, precision=precision)
    engine = find_engine(artefact.engine).open(
        bundle, artefact, threads=threads, in_flight=in_flight, cache_dir=cache_dir
    )
    try:
        check_promise(bundle, artefact, engine.info)
    except EngineError:
        engine.close()
        raise
    return engine


def select_artefact(
    bundle: Bundle, *, artefact_id: str | None = None, precision: str | None = None
) -> Artefact:
    """The artefact to run: the lowest `order` among those whose engine is installed.

    raises  UsageError if the bundle has no such artefact, EngineError if its engine is missing
    """
    manifest = bundle.manifest
    if artefact_id is not None:
        named = manifest.artefact(artefact_id)
        if named is None:
            raise unknown_name("artefact", artefact_id, [item.id for item in manifest.artefacts])
        if precision is not None and named.precision != precision:
            raise UsageError(
                f"artefact '{artefact_id}' is {named.precision}, not {precision}",
                "ask for the artefact or for the precision",
            )
    if precision is not None and precision not in PRECISIONS:
        raise unknown_name("precision", precision, PRECISIONS)
    fitting = [
        item
        for item in sorted(manifest.artefacts, key=lambda item: item.order)
        if artefact_id in (None, item.id) and precision in (None, item.precision)
    ]
    if not fitting:
        held = ", ".join(sorted({item.precision for item in manifest.artefacts}))
        raise UsageError(f"bundle '{manifest.name}' has no {precision} artefact", f"it has {held}")
    installed = installed_engines()
    for artefact in fitting:
        if artefact.engine in installed:
            return artefact
    # None is installed: say how to get the preferred one.
    find_engine(fitting[0].engine)
    raise _missing(fitting[0].engine)


def installed_engines() -> dict[str, str]:
    """Engines that can run here: name -> version of the library. Imports none of them."""
    found = {}
    for name, engine in registered_engines().items():
        version = engine.installed_version()
        if version is not None:
            found[name] = version
    return found


def registered_engines() -> dict[str, EngineType]:
    """Every engine that some installed package brings, whether its library is there or not."""
    found = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        try:
            found[point.name] = _load(point)
        except EngineError:
            # Somebody else's broken package must not keep the others from running; asking for it by
            # name (`find_engine`) tells.
            continue
    return found


def find_engine(name: str) -> EngineType:
    """The engine with that name, its library installed.

    raises  EngineError naming what to install
    """
    points = {point.name: point for point in entry_points(group=ENTRY_POINT_GROUP)}
    if name not in points:
        raise EngineError(
            f"no engine '{name}' is registered",
            f"install the package that brings it; known: {', '.join(sorted(points)) or 'none'}",
        )
    engine = _load(points[name])
    if engine.installed_version() is None:
        raise _missing(name, engine.install_command)
    return engine


def check_promise(bundle: Bundle, artefact: Artefact, info: EngineInfo) -> None:
    """Refuse an engine that runs something else than the artefact promises.

    raises  EngineError
    """
    again = "export the bundle again for this device"
    if info.name != artefact.engine:
        raise EngineError(f"'{artefact.id}' is for {artefact.engine}, {info.name} opened it", again)
    if info.precision != artefact.precision:
        raise EngineError(
            f"'{artefact.id}' is {artefact.precision}, but {info.name} runs it as {info.precision}",
            again,
        )
    spec = bundle.manifest.input
    wanted = (TensorSpec(spec.name, spec.dtype, spec.shape),)
    if info.inputs != wanted:
        raise EngineError(
            f"'{artefact.id}' takes {_shown(info.inputs)}, its manifest says {_shown(wanted)}",
            again,
        )
    _check_outputs(artefact, info.outputs, again)


def check_inputs(specs: tuple[TensorSpec, ...], inputs: Tensors) -> None:
    """Refuse inputs of another name, dtype or shape; nothing is cast or reshaped in silence.

    raises  EngineError
    """
    if set(inputs) != {spec.name for spec in specs}:
        raise EngineError(f"inputs are {sorted(inputs)}", f"give {_shown(specs)}")
    for spec in specs:
        array = inputs[spec.name]
        if array.dtype != np.dtype(spec.dtype) or array.shape != spec.shape:
            given = TensorSpec(spec.name, str(array.dtype), array.shape)
            raise EngineError(f"input is {_shown((given,))}", f"give {_shown((spec,))}")


def _check_outputs(artefact: Artefact, outputs: tuple[TensorSpec, ...], again: str) -> None:
    by_name = {spec.name: spec for spec in outputs}
    if set(by_name) != set(OUTPUT_NAMES):
        raise EngineError(
            f"'{artefact.id}' gives {', '.join(by_name) or 'nothing'}, not boxes, scores, labels",
            again,
        )
    boxes, scores, labels = (by_name[name] for name in OUTPUT_NAMES)
    candidates = scores.shape[-1] if scores.shape else 0
    fits = (
        boxes.shape == (1, candidates, 5)
        and scores.shape == labels.shape == (1, candidates)
        and boxes.dtype == scores.dtype == "float32"
        and labels.dtype in ("int32", "int64")
    )
    if not fits:
        raise EngineError(
            f"'{artefact.id}' gives {_shown(outputs)}",
            "graphs give boxes (1, K, 5) and scores (1, K) float32, labels (1, K) int32",
        )


def _load(point: EntryPoint) -> EngineType:
    try:
        return cast("EngineType", point.load()())
    except (ImportError, AttributeError) as error:
        raise EngineError(
            f"engine '{point.name}' cannot be loaded ({error})", "install its package again"
        ) from error


def _missing(name: str, command: str = "") -> EngineError:
    return EngineError(f"engine '{name}' is not installed", f"{command or 'install it'}")


def _shown(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(f"{spec.name} {spec.dtype} {list(spec.shape)}" for spec in specs)
