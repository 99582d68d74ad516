"""The `edgekit` command: finds the command's module, parses, calls, turns errors into one line.

A command is a module with `configure(parser)` and `run(args) -> int`. Modules are imported only
when their command is asked for, so that `edgekit --help` answers at once and the device half never
meets torch.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import traceback
from collections.abc import Sequence

import edgekit

#: command -> (module, what it does)
COMMANDS = {
    "train": ("edgekit.cli.train", "train a detector on a DOTA-format folder"),
    "eval": ("edgekit.cli.eval", "measure rotated mAP of a checkpoint or a bundle"),
    "export": ("edgekit.cli.export", "turn a checkpoint into a bundle for a target"),
    "verify": ("edgekit.cli.verify", "check a bundle: hashes, sizes, layout"),
    "inspect": ("edgekit.cli.inspect", "show what a bundle holds"),
    "run": ("edgekit.cli.run", "stream frames through a bundle and publish detections"),
    "predict": ("edgekit.cli.predict", "run a bundle over files and write annotated images"),
    "demo": ("edgekit.cli.demo", "watch the shipped detectors at work, over MQTT"),
    "models": ("edgekit.cli.models", "list the models of the zoo, or show one"),
    "targets": ("edgekit.cli.targets", "list the target devices, or show one"),
    "doctor": ("edgekit.cli.doctor", "say what this machine has, and what is missing for what"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 done, 1 failed, 2 misused, 130 interrupted)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_overview())
        return 0 if arguments else 2
    if arguments[0] in ("-V", "--version"):
        print(f"edgekit {edgekit.__version__}")
        return 0
    return _guarded(arguments)


def _guarded(arguments: list[str]) -> int:
    """Run a command; what goes wrong becomes one line and an exit code."""
    # Not at the top: these bring NumPy, and `edgekit --help` must not wait for it.
    from edgekit.core.errors import EdgekitError

    debug = "--debug" in arguments
    try:
        return _dispatch([item for item in arguments if item != "--debug"])
    except EdgekitError as error:
        if debug:
            traceback.print_exc()
        print(f"edgekit: {_one_line(str(error))}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("edgekit: interrupted", file=sys.stderr)
        return 130
    except BrokenPipeError:
        # The reader of our stdout went away (`| head`): nothing is left to tell it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _dispatch(arguments: list[str]) -> int:
    from edgekit.core.errors import unknown_name

    name, *rest = arguments
    if name not in COMMANDS:
        raise unknown_name("command", name, COMMANDS)
    module_name, summary = COMMANDS[name]
    module = importlib.import_module(module_name)
    parser = argparse.ArgumentParser(
        prog=f"edgekit {name}",
        description=summary[0].upper() + summary[1:] + ".",
        epilog=f"example: {module.EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    module.configure(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return int(module.run(parser.parse_args(rest)))


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [
        f"edgekit {edgekit.__version__}: from a detector's checkpoint to a device that flies",
        "",
        "usage: edgekit COMMAND [options]        edgekit COMMAND --help",
        "",
    ]
    lines += [f"  {name.ljust(width)}  {summary}" for name, (_, summary) in COMMANDS.items()]
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split())


if __name__ == "__main__":
    raise SystemExit(main())
