"""`edgekit train`: a detector from a DOTA-format folder."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgekit.cli.output import progress
from edgekit.core import UsageError
from edgekit.runtime.extras import import_extra

if TYPE_CHECKING:
    from edgekit.train.config import TrainConfig

EXAMPLE = "edgekit train --model lwganet_l0-obb --data my-frames --out runs/mine --steps 2000"


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("config", nargs="?", type=Path, help="TOML file with the whole run")
    parser.add_argument("--model", help="name of a detector (see `edgekit models`)")
    parser.add_argument("--data", type=Path, help="folder with images/, labels/, classes.txt")
    parser.add_argument("--out", type=Path, required=True, help="run folder; resumed if it exists")
    parser.add_argument("--modality", help="optical, thermal or sar")
    parser.add_argument("--init", type=Path, help="checkpoint to start from")
    parser.add_argument("--size", type=int, nargs=2, metavar=("H", "W"), help="input size in px")
    parser.add_argument("--steps", type=int, help="steps on crops")
    parser.add_argument("--full-size-steps", type=int, help="last steps, at the input's size")
    parser.add_argument("--batch", type=int, help="crops a step")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--validate-every", type=int, default=500, help="steps (default 500)")
    parser.add_argument("--threads", type=int, help="CPU threads")


def run(args: argparse.Namespace) -> int:
    torch = import_extra("torch", "train", "training")
    for name in ("threads", "validate_every"):
        if (value := getattr(args, name)) is not None and value < 1:
            raise UsageError(f"--{name.replace('_', '-')} is {value}", "it must be 1 or more")

    from edgekit.data.dota import read_dota_folder
    from edgekit.train.trainer import TrainOptions, train
    from edgekit.train.validate import validator_for

    config = _config(args)
    if not config.data:
        raise UsageError("no data set", "give --data DIR or set data in the configuration")
    if args.threads:
        torch.set_num_threads(args.threads)
    folder = Path(config.data)
    training, validation = read_dota_folder(folder, "train"), read_dota_folder(folder, "val")
    options = TrainOptions(out=args.out, validate_every=args.validate_every, say=progress)
    best = train(config, training, options, validator_for(config, validation))
    print(best)
    return 0


def _config(args: argparse.Namespace) -> TrainConfig:
    """The file, with what the command line says laid over it."""
    from edgekit.train.config import TrainConfig, check_config, read_config

    config = read_config(args.config) if args.config else TrainConfig()
    top = {"model": args.model, "seed": args.seed}
    top |= {name: str(value) for name in ("data", "init") if (value := getattr(args, name))}
    inputs = {"size": tuple(args.size) if args.size else None, "modality": args.modality}
    schedule = {name: getattr(args, name) for name in ("steps", "full_size_steps", "batch")}
    given = {key: value for key, value in top.items() if value is not None}
    return check_config(
        dataclasses.replace(
            config,
            **given,
            input=_overlay(config.input, inputs),
            schedule=_overlay(config.schedule, schedule),
        )
    )


def _overlay(value: Any, changes: dict[str, object]) -> Any:
    given = {key: item for key, item in changes.items() if item is not None}
    return dataclasses.replace(value, **given)
