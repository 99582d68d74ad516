"""The trainer's IoU is the kernels' IoU, and it can be followed downhill."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.kernels import rotated_iou_pairs  # noqa: E402
from edgekit.train.rotated_overlap import paired_rotated_iou  # noqa: E402

pytestmark = pytest.mark.workstation


def random_boxes(seed, count=500):
    rng = np.random.default_rng(seed)
    low, high = [0, 0, 3, 3, -1.57], [30, 30, 60, 25, 1.57]
    return rng.uniform(low, high, (count, 5)).astype(np.float32)


def test_iou_equals_the_kernels():
    a, b = random_boxes(0), random_boxes(1)
    found = paired_rotated_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    assert np.abs(found - rotated_iou_pairs(a, b)).max() < 1e-4


def test_box_with_itself_has_iou_one():
    boxes = torch.from_numpy(random_boxes(2))
    assert paired_rotated_iou(boxes, boxes).min() > 0.999


def moved_along(boxes, part):
    """The boxes, moved by a part of their length along themselves."""
    moved = boxes.copy()
    moved[:, 0] += part * boxes[:, 2] * np.cos(boxes[:, 4])
    moved[:, 1] += part * boxes[:, 2] * np.sin(boxes[:, 4])
    return moved


@pytest.mark.parametrize(("part", "iou"), [(0.25, 0.6), (0.5, 1 / 3), (1.0, 0.0), (2.0, 0.0)])
def test_boxes_on_the_same_edge_lines_have_the_iou_of_their_lengths(part, iou):
    """Parallel edges do not cross: their crossing, computed all the same, is noise on that line."""
    a = random_boxes(3, 2000)
    found = paired_rotated_iou(torch.from_numpy(a), torch.from_numpy(moved_along(a, part)))
    assert (found - iou).abs().max() < 1e-3


@pytest.mark.parametrize("axis", [2, 3])
def test_nested_box_has_the_iou_of_the_areas(axis):
    a = random_boxes(4, 2000)
    half = a.copy()
    half[:, axis] /= 2
    found = paired_rotated_iou(torch.from_numpy(half), torch.from_numpy(a))
    assert (found - 0.5).abs().max() < 1e-3


@pytest.mark.parametrize("turn", [np.pi / 2, np.pi, -np.pi / 2])
def test_same_rectangle_written_otherwise_has_iou_one(turn):
    a = random_boxes(5)
    other = a.copy()
    other[:, 4] += turn
    if abs(turn) < 3:
        other[:, [2, 3]] = a[:, [3, 2]]
    assert paired_rotated_iou(torch.from_numpy(a), torch.from_numpy(other)).min() > 0.999


def test_boxes_far_from_the_origin_keep_their_iou():
    a, b = random_boxes(6), random_boxes(7)
    a[:, :2], b[:, :2] = a[:, :2].round(), b[:, :2].round()
    near = paired_rotated_iou(torch.from_numpy(a), torch.from_numpy(b))
    a[:, :2] += 100_000
    b[:, :2] += 100_000
    far = paired_rotated_iou(torch.from_numpy(a), torch.from_numpy(b))
    assert (far - near).abs().max() < 1e-6


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 3))
def test_near_boxes_have_the_kernels_iou(seed, spread):
    """Predictions near the end of a training are all but equal to their objects."""
    a = random_boxes(seed, 20)
    b = a + np.random.default_rng(seed).normal(0, spread, a.shape) * [1, 1, 0.3, 0.3, 0.05]
    b = b.astype(np.float32)
    b[:, 2:4] = np.maximum(b[:, 2:4], 1)
    found = paired_rotated_iou(torch.from_numpy(a), torch.from_numpy(b)).numpy()
    assert np.abs(found - rotated_iou_pairs(a, b)).max() < 2e-3


def test_no_pairs_give_no_overlaps():
    none = torch.zeros(0, 5)
    assert paired_rotated_iou(none, none).shape == (0,)


def test_boxes_without_area_have_iou_zero_and_finite_gradients():
    flat = torch.tensor([[5.0, 5.0, 0.0, 0.0, 0.3], [5.0, 5.0, 8.0, 0.0, 0.3]], requires_grad=True)
    found = paired_rotated_iou(flat, torch.tensor([[5.0, 5.0, 8.0, 4.0, 0.3]] * 2))
    found.sum().backward()
    assert found.detach().tolist() == pytest.approx([0.0, 0.0], abs=1e-6)
    assert torch.isfinite(flat.grad).all()


def test_gradients_are_finite_and_lead_to_the_target():
    target = torch.tensor([[20.0, 20.0, 30.0, 10.0, 0.5]])
    box = torch.tensor([[24.0, 17.0, 22.0, 14.0, 0.1]], requires_grad=True)
    optimiser = torch.optim.Adam([box], lr=0.1)
    before = float(paired_rotated_iou(box, target).detach())
    for _ in range(150):
        optimiser.zero_grad()
        (1 - paired_rotated_iou(box, target)).sum().backward()
        assert torch.isfinite(box.grad).all()
        optimiser.step()
    assert before < 0.5
    assert float(paired_rotated_iou(box, target).detach()) > 0.9
