"""The static scan computes the recurrence."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from model_zoo.backbones.dynamicvis_scan import (  # noqa: E402
    ScanInputs,
    sequential_scan,
    two_level_scan,
)

pytestmark = pytest.mark.workstation


def operands(length, *, largest_step=2.0, batch=2, width=6, states=16, dtype=torch.float32):
    generator = torch.Generator().manual_seed(length)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype)

    dt = torch.rand(batch, length, width, generator=generator, dtype=dtype) * largest_step
    rates = -1 - 15 * torch.rand(width, states, generator=generator, dtype=dtype)
    sequence = batch, length
    return ScanInputs(
        dt, normal(*sequence, width), rates, normal(*sequence, states), normal(*sequence, states)
    )


@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 32, 33, 80, 127, 144])
@pytest.mark.parametrize("states", [None, 4])
def test_two_levels_equal_the_loop(length, states):
    inputs = operands(length)
    expected = sequential_scan(inputs)
    found = two_level_scan(inputs, states=states)
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


@pytest.mark.parametrize("chunk", [1, 2, 5, 64, 1000])
def test_any_chunk_gives_the_same(chunk):
    inputs = operands(65, dtype=torch.float64)
    found = two_level_scan(inputs, chunk=chunk)
    assert torch.allclose(found, sequential_scan(inputs), rtol=0, atol=1e-12)


@pytest.mark.parametrize("largest_step", [0.0, 1e-6, 1e4])
def test_no_step_size_overflows(largest_step):
    inputs = operands(50, largest_step=largest_step)
    expected = sequential_scan(inputs)
    found = two_level_scan(inputs)
    assert torch.isfinite(found).all()
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_slow_decay_carries_over_many_chunks():
    """Tiny steps sum everything before them: nothing may be lost between chunks."""
    inputs = operands(200, states=1, dtype=torch.float64)
    ones = torch.ones_like(inputs.b)
    inputs = ScanInputs(torch.full_like(inputs.dt, 1e-12), inputs.x * 1e12, inputs.a, ones, ones)
    expected = inputs.x.cumsum(1) * 1e-12
    assert torch.allclose(two_level_scan(inputs), expected, rtol=1e-5, atol=1e-5)
