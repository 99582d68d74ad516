"""Inference engines behind one protocol; a library is imported only when an artefact is opened."""

from edgekit.engines.base import (
    OUTPUT_NAMES,
    Engine,
    EngineInfo,
    EngineType,
    TensorSpec,
    find_engine,
    installed_engines,
    open_engine,
    registered_engines,
    select_artefact,
)

__all__ = [
    "OUTPUT_NAMES",
    "Engine",
    "EngineInfo",
    "EngineType",
    "TensorSpec",
    "find_engine",
    "installed_engines",
    "open_engine",
    "registered_engines",
    "select_artefact",
]
