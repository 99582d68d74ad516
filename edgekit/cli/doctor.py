"""`edgekit doctor`: what this machine has, and what is missing for what."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

import edgekit
from edgekit.cli.machine import (
    Cpu,
    Package,
    find_mosquitto,
    read_cpu,
    read_disk_mib,
    read_extras,
    read_memory_mib,
    read_system,
)
from edgekit.cli.output import print_json, table
from edgekit.core import EngineError

EXAMPLE = "edgekit doctor --json"
SCHEMA = "edgekit.doctor/1"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help=f"one JSON document, {SCHEMA}")


def run(args: argparse.Namespace) -> int:
    """1 where an engine is installed and does not load; a missing extra is no failure."""
    document = _examine()
    if args.json:
        print_json(document)
    else:
        print(_report(document))
    return 1 if any(engine["problem"] for engine in document["engines"]) else 0


def _examine() -> dict[str, Any]:
    total_mib, available_mib = read_memory_mib()
    folder = Path.cwd()
    disk_mib, free_mib = read_disk_mib(folder)
    mosquitto = find_mosquitto()
    return {
        "schema": SCHEMA,
        "edgekit": edgekit.__version__,
        "system": read_system(),
        "cpu": asdict(read_cpu()),
        "memory_mib": {"total": total_mib, "available": available_mib},
        "disk_mib": {"path": str(folder), "total": disk_mib, "free": free_mib},
        "engines": _engines(),
        "extras": [
            {
                "name": extra.name,
                "state": extra.state,
                "purpose": extra.purpose,
                "packages": [asdict(package) for package in extra.packages],
                "fix": extra.fix,
            }
            for extra in read_extras()
        ],
        "mosquitto": {
            "path": mosquitto,
            "purpose": "a broker for MQTT on this machine",
            "fix": None if mosquitto else "apt install mosquitto",
        },
    }


def _engines() -> list[dict[str, Any]]:
    from edgekit.engines import registered_engines

    found = []
    for name, engine in sorted(registered_engines().items()):
        version, problem = engine.installed_version(), ""
        devices: tuple[str, ...] = ()
        if version is not None:
            try:
                devices = engine.devices()
            except (EngineError, ImportError, OSError, RuntimeError) as error:
                problem = " ".join(str(error).split())
        found.append(
            {
                "name": name,
                "version": version,
                "devices": list(devices),
                "problem": problem or None,
                "fix": engine.install_command if version is None or problem else None,
            }
        )
    return found


def _report(document: dict[str, Any]) -> str:
    system, cpu, disk = document["system"], Cpu(**document["cpu"]), document["disk_mib"]
    memory, mosquitto = document["memory_mib"], document["mosquitto"]
    is_x86 = system["arch"] in ("x86_64", "AMD64")
    flags = [
        f"{'+' if has else '-'}{name}"
        for name, has in cpu.flags.items()
        if has or name.startswith("neon") != is_x86
    ]
    facts = [
        ("edgekit", f"{document['edgekit']}, Python {system['python']} ({system['executable']})"),
        (
            "system",
            f"{system['os']}, kernel {system['kernel']}, {system['arch']}, {system['libc']}",
        ),
        ("cpu", f"{cpu.model}, {cpu.usable_cores} of {cpu.cores} cores usable"),
        ("cpu flags", " ".join(flags)),
        ("memory", f"{_gib(memory['total'])}, {_gib(memory['available'])} available"),
        ("disk", f"{_gib(disk['free'])} of {_gib(disk['total'])} free at {disk['path']}"),
        ("mosquitto", mosquitto["path"] or f"not here; {mosquitto['fix']}"),
    ]
    engines = [
        (
            engine["name"],
            engine["version"],
            engine["problem"] or ", ".join(engine["devices"]) or "-",
            engine["fix"],
        )
        for engine in document["engines"]
    ]
    extras = [
        (extra["name"], extra["state"], extra["purpose"], _lacking(extra), extra["fix"])
        for extra in document["extras"]
    ]
    return "\n".join(
        [
            *(f"{name.ljust(9)}  {value}" for name, value in facts),
            "",
            table(("engine", "version", "devices", "to mend"), engines),
            "",
            table(("extra", "state", "for", "lacking", "to mend"), extras),
        ]
    )


def _lacking(extra: dict[str, Any]) -> str:
    packages = [Package(**package) for package in extra["packages"]]
    return ", ".join(package.name for package in packages if not package.is_fit) or "-"


def _gib(mib: int) -> str:
    return f"{mib / 1024:.1f} GiB"
