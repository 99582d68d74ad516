"""The search for pairs that can overlap finds every one, in bounded memory."""

from __future__ import annotations

import tracemalloc

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.core import enclosing_aabb
from edgekit.kernels import rotated_nms
from edgekit.kernels.enclosing_pairs import iter_enclosing_pairs


def scene(seed, count, side_px):
    rng = np.random.default_rng(seed)
    return rng.uniform([0, 0, 4, 2, -1.5], [side_px, side_px, 50, 20, 1.5], (count, 5))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 40), st.integers(0, 40), st.integers(1, 400))
def test_pairs_are_those_whose_enclosing_boxes_overlap(seed, rows, columns, side_px):
    a, b = scene(seed, rows, side_px), scene(seed + 1, columns, side_px)
    outer_a, outer_b = enclosing_aabb(a)[:, None], enclosing_aabb(b)[None]
    overlap = (outer_a[..., :2] < outer_b[..., 2:]) & (outer_b[..., :2] < outer_a[..., 2:])
    found = [pair for step in iter_enclosing_pairs(a, b) for pair in zip(*step, strict=True)]
    assert len(found) == len(set(found))
    assert sorted(found) == list(zip(*np.nonzero(overlap.all(axis=2)), strict=True))


def test_heap_of_boxes_comes_in_steps_of_bounded_memory():
    boxes = scene(0, 3000, 10)
    scores = np.linspace(1, 0, 3000)
    tracemalloc.start()
    steps = [len(rows) for rows, _ in iter_enclosing_pairs(boxes, boxes)]
    rotated_nms(boxes, scores, 0.95)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(steps) > 1
    assert sum(steps) > 8_000_000
    assert peak < 64 << 20
