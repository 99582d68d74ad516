"""The training loop: deterministic, resumable, observable.

Every file in the run folder appears whole or not at all:

    last.pt            all that a resumed run needs
    best.safetensors   the averaged weights with the best validation score (highest AP50)
    last.safetensors   the averaged weights of the last step
    log.csv            one row a logged step; validation.jsonl one document a validation
    curves.png         loss and mAP

A run that is broken off goes on from the last `last.pt`, at most `save_every_s` old: nothing is
written on the way out, because the middle of a step is no state of an unbroken run.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pickle
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgekit.core import CheckpointError, EdgekitError, UsageError, replacing
from edgekit.data.dota import DotaSet
from edgekit.train.config import TrainConfig
from edgekit.train.ema import ModelEma
from edgekit.train.frames import load_pixels, training_batch
from edgekit.train.loss import detection_loss
from edgekit.train.run_log import RunLog
from model_zoo import Checkpoint, create_detector, load_checkpoint, load_state, save_checkpoint

#: Called with the averaged model; returns a document with `ap50` in it.
Validator = Callable[[nn.Module], dict[str, Any]]


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """How a run is carried out; none of it changes the result.

    validate_every, log_every  steps; save_every_s  seconds between resumable states
    say  told what happens, a line at a time
    """

    out: Path
    validate_every: int = 500
    log_every: int = 10
    save_every_s: float = 120.0
    stop_after_steps: int | None = None
    say: Callable[[str], None] = lambda text: None


def train(
    config: TrainConfig, data: DotaSet, options: TrainOptions, validator: Validator | None
) -> Path:
    """Train, or go on where the run folder stands. Returns the path of the best checkpoint.

    raises  UsageError where the folder holds a run with another configuration, CheckpointError
            where its state does not load, EdgekitError where the loss is no longer finite
    """
    run = _Run(config, data, options)
    run.resume()
    frames = [load_pixels(frame, config.input.modality) for frame in data.frames]
    saved_at = time.monotonic()
    first = run.step
    for step in _progress(range(first, config.total_steps), first, config.total_steps):
        started = time.monotonic()
        terms = run.train_step(*training_batch(data.frames, frames, config, step))
        run.log.add(step, terms | {"seconds_per_step": time.monotonic() - started})
        done = step + 1
        is_scored = done % options.validate_every == 0 or done == config.total_steps
        if validator and is_scored:
            run.validate(validator)
        # A state follows each score, or a resumed run could put a worse model in its best's place.
        if (validator and is_scored) or time.monotonic() - saved_at > options.save_every_s:
            run.save()
            saved_at = time.monotonic()
        if options.stop_after_steps and done - first >= options.stop_after_steps:
            break
    run.save()
    run.log.draw(options.out / "curves.png")
    best = options.out / "best.safetensors"
    return best if best.exists() else options.out / "last.safetensors"


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then a cosine from the full to the final rate."""
    schedule = config.schedule
    if step < schedule.warmup_steps:
        return schedule.learning_rate * (step + 1) / schedule.warmup_steps
    done = (step - schedule.warmup_steps) / max(1, config.total_steps - schedule.warmup_steps)
    span = schedule.learning_rate - schedule.final_learning_rate
    return schedule.final_learning_rate + span * 0.5 * (1 + math.cos(math.pi * done))


class _Run:
    """The state of a run: model, average, optimiser, step, log."""

    def __init__(self, config: TrainConfig, data: DotaSet, options: TrainOptions) -> None:
        torch.manual_seed(config.seed)
        self.config, self.options, self.classes = config, options, data.classes
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        model = create_detector(config.model, len(data.classes))
        if config.init:
            options.say(_initialise_from(model, Path(config.init)))
        self.model = model.to(self.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.ema = ModelEma(self.model, config.schedule.ema_decay)
        self.optimizer = _optimizer(self.model, config)
        self.scaler = torch.amp.GradScaler(enabled=self.device.type == "cuda")
        self.log = RunLog(options.out, options.log_every, options.say)
        self.step = 0
        self.best_ap50 = -1.0

    def train_step(
        self, images: torch.Tensor, targets: list[Any], size: tuple[int, int]
    ) -> dict[str, float]:
        """One optimiser step; returns the loss terms."""
        # What drop path drops depends on the seed and the step alone, as the batch does.
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)
        rate = learning_rate(self.config, self.step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        on_gpu = self.device.type == "cuda"
        moved = [
            dataclasses.replace(
                t,
                boxes=t.boxes.to(self.device),
                labels=t.labels.to(self.device),
                ignore=t.ignore.to(self.device),
            )
            for t in targets
        ]
        with torch.autocast("cuda") if on_gpu else nullcontext():
            outputs = self.model(images.to(self.device))
        losses = detection_loss(outputs, moved, size, self.model.head.strides)
        total = torch.stack(list(losses.values())).sum()
        if not torch.isfinite(total):
            raise EdgekitError(
                f"the loss is not finite at step {self.step}",
                "lower schedule.learning_rate and start again with another --out",
            )
        self.optimizer.zero_grad(set_to_none=True)
        self.scaler.scale(total).backward()
        self.scaler.unscale_(self.optimizer)
        clip = self.config.schedule.gradient_clip
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        self.scaler.step(self.optimizer)
        self.scaler.update()
        self.ema.update(self.model)
        self.step += 1
        terms = {name: float(value.detach()) for name, value in losses.items()}
        return terms | {"gradient_norm": float(norm), "learning_rate": rate}

    def validate(self, validator: Validator) -> None:
        """Score the averaged weights; keep them if they are the best so far."""
        report = {"step": self.step, **validator(self.ema.average)}
        self.log.add_validation(report)
        if report["ap50"] > self.best_ap50:
            self.best_ap50 = report["ap50"]
            self._write_weights("best.safetensors", report)

    def save(self) -> None:
        """Write the resumable state and the averaged weights."""
        state = {
            "config": json.dumps(dataclasses.asdict(self.config)),
            "model": self.model.state_dict(),
            "ema": self.ema.average.state_dict(),
            "ema_updates": self.ema.updates,
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "best_ap50": self.best_ap50,
        }
        with replacing(self.options.out / "last.pt") as temporary:
            torch.save(state, temporary)
        self._write_weights("last.safetensors", {"step": self.step})
        self.log.flush()

    def resume(self) -> None:
        """Take up the state in the run folder, if there is one."""
        path = self.options.out / "last.pt"
        if not path.exists():
            self.log.truncate(0)
            return
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
        except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise CheckpointError(
                f"{path} is not a readable state of a run", "remove it to start anew"
            ) from error
        if json.loads(state["config"]) != json.loads(json.dumps(dataclasses.asdict(self.config))):
            raise UsageError(
                f"{self.options.out} holds a run with another configuration",
                "use another --out, or the configuration that it was started with",
            )
        load_state(self.model, state["model"], str(path))
        self.ema.average.load_state_dict(state["ema"])
        self.ema.updates = state["ema_updates"]
        self.optimizer.load_state_dict(state["optimizer"])
        self.scaler.load_state_dict(state["scaler"])
        self.step, self.best_ap50 = state["step"], state["best_ap50"]
        self.log.truncate(self.step)
        self.options.say(f"resuming {self.options.out} at step {self.step}")

    def _write_weights(self, name: str, report: dict[str, Any]) -> None:
        checkpoint = as_checkpoint(self.config, self.classes, self.ema.average, report)
        save_checkpoint(self.options.out / name, checkpoint)


def as_checkpoint(
    config: TrainConfig, classes: tuple[str, ...], model: nn.Module, report: dict[str, Any]
) -> Checkpoint:
    """A model in training, with all that a checkpoint says about it."""
    return Checkpoint(
        model=config.model,
        classes=classes,
        input={
            "size": list(config.input.size),
            "modality": config.input.modality,
            "mean": list(config.input.mean),
            "std": list(config.input.std),
            "resize": config.input.resize,
            "tile_overlap_px": config.input.tile_overlap_px,
        },
        licence=config.licence,
        attribution=config.attribution,
        training={"config": _portable(config), "report": report},
        state={key: value.cpu() for key, value in model.state_dict().items()},
    )


def _portable(config: TrainConfig) -> dict[str, Any]:
    """The configuration without the folders of the machine it ran on."""
    named = dataclasses.replace(config, data=Path(config.data).name, init=Path(config.init).name)
    document: dict[str, Any] = json.loads(json.dumps(dataclasses.asdict(named)))
    return document


def _optimizer(model: nn.Module, config: TrainConfig) -> torch.optim.Optimizer:
    """AdamW; biases and norm weights are not decayed."""
    decayed = [p for p in model.parameters() if p.ndim > 1]
    plain = [p for p in model.parameters() if p.ndim <= 1]
    groups = [
        {"params": decayed, "weight_decay": config.schedule.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.schedule.learning_rate)


def _initialise_from(model: nn.Module, path: Path) -> str:
    """Take over from another checkpoint what fits by name and shape; says how much that is."""
    state = load_checkpoint(path).state
    own = model.state_dict()
    fitting = {k: v for k, v in state.items() if k in own and own[k].shape == v.shape}
    if not any(key.startswith("backbone.") for key in fitting):
        raise CheckpointError(f"{path} shares no backbone weights with the model", "check --init")
    model.load_state_dict(fitting, strict=False)
    return f"{len(fitting)} of {len(own)} entries start from {path}"


def _progress(steps: range, first: int, total: int) -> Iterator[int]:
    if not sys.stderr.isatty():
        yield from steps
        return
    from tqdm import tqdm

    yield from tqdm(
        steps, initial=first, total=total, unit="step", desc="train", dynamic_ncols=True
    )
