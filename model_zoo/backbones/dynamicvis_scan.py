"""The selective scan of DynamicVis: a loop for eager use, and a static form of plain operators.

h[t] = exp(dt[t] A) h[t-1] + dt[t] B[t] x[t],  y[t] = sum over states of C[t] h[t],  h[-1] = 0

Source: Gu and Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces" (2023).
The decay depends on channel and state, so the scan is not one matrix product a head.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

#: Steps taken one after the other inside every chunk; across chunks the steps double.
CHUNK = 16


class ScanInputs(NamedTuple):
    """Operands of the scan, float32.

    dt   (B, L, D) step sizes, >= 0
    x    (B, L, D)
    a    (D, S) decay rates, < 0
    b    (B, L, S) input weights
    c    (B, L, S) output weights
    """

    dt: Tensor
    x: Tensor
    a: Tensor
    b: Tensor
    c: Tensor


def sequential_scan(inputs: ScanInputs) -> Tensor:
    """The recurrence as written. Returns (B, L, D). Cost: L small steps, one state in memory."""
    dt, x, a, b, c = inputs
    driven = dt * x
    state = x.new_zeros(x.shape[0], *a.shape)
    outputs = []
    for t in range(x.shape[1]):
        decay = torch.exp(dt[:, t, :, None] * a)
        state = decay * state + driven[:, t, :, None] * b[:, t, None, :]
        outputs.append(torch.matmul(state, c[:, t, :, None]))
    return torch.cat(outputs, dim=2).transpose(1, 2)


def two_level_scan(inputs: ScanInputs, *, chunk: int = CHUNK, states: int | None = None) -> Tensor:
    """The same values from plain operators on constant shapes. Returns (B, L, D).

    The sequence is cut into chunks that advance together, then the states at their ends are joined
    by doubling. Nothing divides and every factor is <= 1, so no step size overflows.

    chunk   steps inside a chunk; shorter sequences take one chunk
    states  how many of the S states go at a time: fewer need less memory and a larger graph
    """
    dt, x, a, b, c = inputs
    batch, length, width = x.shape
    chunk = min(chunk, length)
    chunks = -(-length // chunk)
    # Steps of size zero at the end: decay 1, nothing added, cut off below.
    dt, x, b, c = (_chunked(value, chunk, chunks) for value in (dt, x, b, c))
    lower = torch.ones(chunk, chunk, dtype=x.dtype, device=x.device).tril()
    elapsed = torch.matmul(lower, dt.reshape(chunk, -1)).reshape(dt.shape)
    step, elapsed, driven = (value.unsqueeze(3) for value in (dt, elapsed, dt * x))
    rates = a.transpose(0, 1)
    total: Tensor | None = None
    for first in range(0, rates.shape[0], states or rates.shape[0]):
        group = slice(first, first + (states or rates.shape[0]))
        rate = rates[group]
        added = driven * b[..., group].unsqueeze(4)
        inside = _advance(torch.exp(step * rate), added)
        if chunks > 1:
            carried = torch.exp(elapsed * rate)
            inside = inside + carried * _entering(carried[-1:], inside[-1:])
        part = torch.matmul(c[..., group].unsqueeze(3), inside)
        total = part if total is None else total + part
    assert total is not None
    # (Q, B, K, 1, D) back to (B, K Q, D)
    return total.squeeze(3).permute(1, 2, 0, 3).reshape(batch, chunks * chunk, width)[:, :length]


def _chunked(value: Tensor, chunk: int, chunks: int) -> Tensor:
    """(B, L, C) -> (Q, B, K, C), zeros after the end."""
    batch, length, width = value.shape
    missing = chunk * chunks - length
    if missing:
        value = torch.cat([value, value.new_zeros(batch, missing, width)], dim=1)
    return value.reshape(batch, chunks, chunk, width).permute(2, 0, 1, 3)


def _advance(decay: Tensor, added: Tensor) -> Tensor:
    """States inside all chunks at once, each chunk starting from zero. (Q, B, K, S, D)."""
    decays, inputs = decay.split(1), added.split(1)
    states = [inputs[0]]
    for q in range(1, len(inputs)):
        states.append(decays[q] * states[-1] + inputs[q])
    return torch.cat(states)


def _entering(decay: Tensor, state: Tensor) -> Tensor:
    """The state that every chunk starts from, by doubling over chunks. (1, B, K, S, D).

    decay, state  over a whole chunk, and at its end when started from zero
    """
    chunks = state.shape[2]
    decay, state = decay[:, :, : chunks - 1], state[:, :, : chunks - 1]
    reach = 1
    while reach < chunks - 1:
        # Where less than `reach` chunks lie before, zeros stand for them: nothing more to add.
        state = state + decay * _later(state, reach)
        decay = decay * _later(decay, reach)
        reach *= 2
    return torch.cat([torch.zeros_like(state[:, :, :1]), state], dim=2)


def _later(value: Tensor, places: int) -> Tensor:
    """Moved along the chunk axis, zeros entering."""
    kept = value.shape[2] - places
    return torch.cat([torch.zeros_like(value[:, :, :places]), value[:, :, :kept]], dim=2)
