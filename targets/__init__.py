"""Target devices: what each can run, and what a model must reach to be worth running there.

One TOML file a device, read strictly by `load_target`; `schema.json` describes the same form for
editors and other programs.
"""

from targets.profile import (
    SCHEMA,
    Defaults,
    Device,
    EngineChoice,
    Gates,
    Limits,
    Software,
    Source,
    TargetProfile,
    list_targets,
    load_target,
)

__all__ = [
    "SCHEMA",
    "Defaults",
    "Device",
    "EngineChoice",
    "Gates",
    "Limits",
    "Software",
    "Source",
    "TargetProfile",
    "list_targets",
    "load_target",
]
