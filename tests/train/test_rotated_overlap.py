"""The trainer's IoU is the kernels' IoU, and it can be followed downhill."""

from __future__ import annotations

import numpy as np
import pytest

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
