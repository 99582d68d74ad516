"""The average follows the model, and does not remember the random start."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.train.ema import ModelEma  # noqa: E402

pytestmark = pytest.mark.workstation


def test_first_update_all_but_copies_the_model():
    model = torch.nn.Linear(3, 2)
    ema = ModelEma(model, decay=0.999)
    with torch.no_grad():
        model.weight.fill_(5.0)
    ema.update(model)
    assert (ema.average.weight - 5.0).abs().max() < 0.02


def test_late_updates_move_by_one_part_in_a_thousand():
    model = torch.nn.Linear(1, 1)
    ema = ModelEma(model, decay=0.999)
    ema.updates = 100_000
    with torch.no_grad():
        ema.average.weight.fill_(0.0)
        model.weight.fill_(1.0)
    ema.update(model)
    assert float(ema.average.weight) == pytest.approx(0.001, rel=1e-3)


def test_counters_are_copied_and_the_average_stays_in_evaluation_mode():
    model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4)).train()
    ema = ModelEma(model, decay=0.9)
    for _ in range(3):
        model(torch.randn(5, 3))
        ema.update(model)
    assert int(ema.average[1].num_batches_tracked) == 3
    assert not ema.average.training
    assert not any(parameter.requires_grad for parameter in ema.average.parameters())
