"""`edgekit targets`: the devices that models can be exported for."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import TYPE_CHECKING

from edgekit.cli.output import print_json, table
from edgekit.core import UsageError

if TYPE_CHECKING:
    from targets import TargetProfile

EXAMPLE = "edgekit targets show cpu-x86"
SCHEMA = "edgekit.targets/1"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("action", nargs="?", metavar="show", help="show one target in full")
    parser.add_argument("name", nargs="?", metavar="NAME", help="a target, or a profile's path")
    parser.add_argument("--json", action="store_true", help=f"one JSON document, {SCHEMA}")


def run(args: argparse.Namespace) -> int:
    from targets import list_targets, load_target

    if args.action is None:
        profiles = [load_target(name) for name in list_targets()]
        if args.json:
            print_json({"schema": SCHEMA, "targets": [asdict(profile) for profile in profiles]})
        else:
            print(_list(profiles))
        return 0
    if args.action != "show" or args.name is None:
        raise UsageError(
            f"'{args.action}' is not complete"
            if args.action == "show"
            else f"unknown action '{args.action}'",
            "use edgekit targets, or edgekit targets show NAME",
        )
    profile = load_target(args.name)
    if args.json:
        print_json({"schema": SCHEMA, "target": asdict(profile)})
    else:
        print(_show(profile))
    return 0


def _list(profiles: list[TargetProfile]) -> str:
    rows = [
        (
            profile.name,
            profile.device.arch,
            ", ".join(choice.name for choice in profile.engines),
            ", ".join(profile.engines[0].precisions),
            profile.title,
        )
        for profile in profiles
    ]
    return table(("target", "arch", "engine", "precisions", "what it is"), rows)


def _show(profile: TargetProfile) -> str:
    lines = [f"{profile.name}: {profile.title}"]
    for name in ("device", "software", "limits", "defaults", "gates"):
        lines += ["", f"{name}", *_lines(asdict(getattr(profile, name)))]
    for choice in profile.engines:
        lines += ["", f"engine {choice.name}", *_lines(asdict(choice) | {"name": None})]
    lines += ["", "sources"]
    for source in profile.sources:
        lines += [f"  {source.title}", f"    {source.url}", f"    for {', '.join(source.facts)}"]
    return "\n".join(lines)


def _lines(values: dict[str, object]) -> list[str]:
    """Indented `key  value` lines; what a profile leaves open is left out."""
    kept = {key: value for key, value in values.items() if value not in (None, (), {})}
    width = max((len(key) for key in kept), default=0)
    return [f"  {key.ljust(width)}  {_text(value)}" for key, value in kept.items()]


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, (tuple, list)):
        return ", ".join(map(_text, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
