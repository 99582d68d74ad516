"""The log of a run: CSV and JSON lines for programs, curves for people."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edgekit.core import replacing, write_text_atomic

_FIELDS = ("step", "cls", "box", "gradient_norm", "learning_rate", "seconds_per_step")


class RunLog:
    """Rows are means over `every` steps; they reach the disk with `flush`, whole or not at all."""

    def __init__(self, folder: Path, every: int, say: Callable[[str], None]) -> None:
        self.folder, self.every, self.say = folder, every, say
        self.rows = _read_rows(folder / "log.csv")
        self.validations = _read_lines(folder / "validation.jsonl")
        self._window: list[dict[str, float]] = []

    def add(self, step: int, terms: dict[str, float]) -> None:
        """Record one step; `terms` has a value for each column but `step`."""
        self._window.append(terms)
        if (step + 1) % self.every:
            return
        count = len(self._window)
        row = {key: sum(item[key] for item in self._window) / count for key in self._window[0]}
        self.rows.append({"step": step + 1, **row})
        self._window = []
        if not sys.stderr.isatty() and (step + 1) % (10 * self.every) == 0:
            shown = "  ".join(f"{key} {row[key]:.4g}" for key in ("cls", "box", "learning_rate"))
            self.say(f"step {step + 1}  {shown}  {row['seconds_per_step']:.2f} s/step")

    def add_validation(self, report: dict[str, Any]) -> None:
        """Record one validation, and say it."""
        self.validations.append(report)
        self.flush()
        scores = f"AP50 {report['ap50']:.4f}  mAP50:95 {report['map50_95']:.4f}"
        self.say(f"step {report['step']}  {scores}")

    def truncate(self, step: int) -> None:
        """Forget rows beyond the step that a resumed run starts from."""
        self.rows = [row for row in self.rows if int(row["step"]) <= step]
        self.validations = [item for item in self.validations if item["step"] <= step]

    def flush(self) -> None:
        """Write both logs."""
        text = io.StringIO()
        writer = csv.DictWriter(text, _FIELDS, lineterminator="\n")
        writer.writeheader()
        writer.writerows({k: _short(row[k]) for k in _FIELDS} for row in self.rows)
        write_text_atomic(self.folder / "log.csv", text.getvalue())
        lines = "".join(json.dumps(item) + "\n" for item in self.validations)
        write_text_atomic(self.folder / "validation.jsonl", lines)

    def draw(self, path: Path) -> None:
        """Loss and mAP over the steps, as one picture."""
        # Not pyplot: it would choose a back end for the whole process.
        from matplotlib.figure import Figure

        figure = Figure(figsize=(11, 4), layout="constrained")
        left, right = figure.subplots(1, 2)
        steps = [int(row["step"]) for row in self.rows]
        for key, label in (("cls", "classification"), ("box", "box (1 - IoU)")):
            left.plot(steps, [float(row[key]) for row in self.rows], label=label, linewidth=1)
        left.set(xlabel="step", ylabel="loss", title="Training loss")
        left.legend()
        at = [item["step"] for item in self.validations]
        for key, label in (("ap50", "AP50"), ("map50_95", "mAP50:95")):
            right.plot(at, [item[key] for item in self.validations], marker="o", label=label)
        right.set(xlabel="step", ylabel="rotated mAP", title="Validation", ylim=(0, 1))
        right.grid(alpha=0.3)
        if at:
            right.legend()
        with replacing(path) as temporary:
            figure.savefig(temporary, dpi=110, format="png")


def _short(value: Any) -> Any:
    return f"{value:.6g}" if isinstance(value, float) else value


def _read_rows(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return [
            {k: float(v) if k != "step" else int(v) for k, v in row.items()}
            for row in csv.DictReader(file)
        ]


def _read_lines(path: Path) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
