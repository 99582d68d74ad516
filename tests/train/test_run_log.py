"""The log is what a user reads: means over steps, one row for each, whole files."""

from __future__ import annotations

import csv

import pytest

from edgekit.train.run_log import RunLog

TERMS = {"cls": 1.0, "box": 2.0, "gradient_norm": 3.0, "learning_rate": 0.1}
REPORT = {"step": 4, "ap50": 0.5, "map50_95": 0.25}


def log_of(folder, every=2):
    said: list[str] = []
    return RunLog(folder, every, said.append), said


def rows_of(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_row_is_the_mean_over_its_steps(tmp_path):
    log, _ = log_of(tmp_path)
    for step, cls in enumerate((1.0, 2.0, 5.0, 9.0)):
        log.add(step, TERMS | {"cls": cls, "seconds_per_step": 0.5 * step})
    log.flush()
    assert [(row["step"], row["cls"]) for row in rows_of(tmp_path)] == [("2", "1.5"), ("4", "7")]
    assert [float(row["seconds_per_step"]) for row in rows_of(tmp_path)] == [0.25, 1.25]


def test_log_is_taken_up_and_cut_at_the_step_of_the_state(tmp_path):
    log, _ = log_of(tmp_path, every=1)
    for step in range(4):
        log.add(step, TERMS | {"seconds_per_step": 0.1})
    log.add_validation(REPORT)
    again, _ = log_of(tmp_path, every=1)
    assert len(again.rows) == 4
    again.truncate(3)
    again.flush()
    assert [row["step"] for row in rows_of(tmp_path)] == ["1", "2", "3"]
    assert (tmp_path / "validation.jsonl").read_text() == ""


def test_validation_is_said_and_written_at_once(tmp_path):
    log, said = log_of(tmp_path)
    log.add_validation(REPORT)
    assert said == ["step 4  AP50 0.5000  mAP50:95 0.2500"]
    assert log_of(tmp_path)[0].validations == [REPORT]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("validations", [0, 1])
def test_curves_are_one_picture(tmp_path, validations):
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    log, _ = log_of(tmp_path, every=1)
    log.add(0, TERMS | {"seconds_per_step": 0.1})
    for _ in range(validations):
        log.add_validation(REPORT)
    log.draw(tmp_path / "curves.png")
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not list(tmp_path.glob(".*"))
