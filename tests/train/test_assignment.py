"""Which points answer for which objects, and what teaches nothing."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.train.assignment import assign, candidates  # noqa: E402
from edgekit.train.loss import Targets, detection_loss  # noqa: E402
from model_zoo.heads.distance_angle import LevelOutputs, grid_points  # noqa: E402

pytestmark = pytest.mark.workstation

STRIDES = (8, 16, 32)
POINTS, STRIDE_OF = grid_points((96, 96), STRIDES)


def flat_boxes(width, height):
    size = torch.tensor([[width, height, 0.0]]).expand(len(POINTS), 3)
    return torch.cat([POINTS, size], dim=1)


def test_tiny_box_between_points_still_has_candidates():
    truth = torch.tensor([[32.0, 32.0, 3.0, 2.0, 0.0]])
    chosen = candidates(POINTS, STRIDE_OF, truth).nonzero()[:, 0]
    assert len(chosen) > 0
    assert (STRIDE_OF[chosen] == 8).all()


def test_points_outside_every_object_are_no_candidates():
    truth = torch.tensor([[30.0, 30.0, 40.0, 20.0, 0.7]])
    chosen = candidates(POINTS, STRIDE_OF, truth)
    assert not chosen[(POINTS - truth[0, :2]).norm(dim=1) > 23].any()


def test_point_goes_to_the_object_it_fits():
    truth = torch.tensor([[30.0, 30.0, 24.0, 16.0, 0.0], [40.0, 34.0, 60.0, 50.0, 0.0]])
    logits = torch.zeros(len(POINTS), 1)
    found = assign(logits, flat_boxes(24.0, 16.0), POINTS, STRIDE_OF, truth, torch.tensor([0, 0]))
    assert set(found.objects.tolist()) == {0, 1}
    assert len(set(found.points.tolist())) == len(found.points)
    best = found.overlap.argmax()
    assert int(found.objects[best]) == 0


def test_point_wanted_by_two_objects_goes_to_the_cheaper_one():
    """Two objects at one place: the logits make the second class the cheaper answer."""
    truth = torch.tensor([[40.0, 40.0, 30.0, 20.0, 0.0]]).repeat(2, 1)
    logits = torch.tensor([[-3.0, 3.0]]).expand(len(POINTS), 2)
    boxes = flat_boxes(6.0, 6.0)  # so little overlap that each object takes one point
    found = assign(logits, boxes, POINTS, STRIDE_OF, truth, torch.tensor([0, 1]))
    assert found.objects.tolist() == [1]
    swapped = assign(logits, boxes, POINTS, STRIDE_OF, truth, torch.tensor([1, 0]))
    assert swapped.objects.tolist() == [0]
    assert torch.equal(found.points, swapped.points)


def test_object_takes_as_many_points_as_its_best_overlaps_sum_to():
    """Every point predicts the object itself: 13 overlaps of one."""
    truth = torch.tensor([[48.0, 48.0, 60.0, 40.0, 0.0]])
    logits = torch.zeros(len(POINTS), 1)
    exact = truth.expand(len(POINTS), 5)
    found = assign(logits, exact, POINTS, STRIDE_OF, truth, torch.tensor([0]))
    assert len(found.points) in (12, 13)  # a sum just under 13 rounds down
    assert found.overlap.min() > 0.999


def test_object_that_no_point_fits_still_gets_the_cheapest():
    truth = torch.tensor([[48.0, 48.0, 60.0, 40.0, 0.0]])
    elsewhere = torch.tensor([[900.0, 900.0, 4.0, 4.0, 0.0]]).expand(len(POINTS), 5)
    logits = torch.zeros(len(POINTS), 1)
    found = assign(logits, elsewhere, POINTS, STRIDE_OF, truth, torch.tensor([0]))
    assert len(found.points) == 1
    assert float(found.overlap) == 0.0


def test_positive_point_inside_an_ignore_region_still_teaches():
    truth = torch.tensor([[48.0, 48.0, 60.0, 40.0, 0.0]])
    target = Targets(truth, torch.tensor([1]), torch.tensor([[48.0, 48.0, 200.0, 200.0, 0.0]]))
    outputs = raw_outputs()
    for level in outputs:
        level.logits.requires_grad_()
    sum(detection_loss(outputs, [target], (96, 96), STRIDES).values()).backward()
    taught = sum(int((level.logits.grad != 0).any(1).sum()) for level in outputs)
    assert 1 <= taught <= 13


def test_loss_is_smallest_at_the_objects_themselves():
    truth = torch.tensor([[44.0, 44.0, 32.0, 16.0, 0.0]])
    target = Targets(truth, torch.tensor([0]), torch.zeros(0, 5))
    wrong, right = raw_outputs(), raw_outputs()
    for level, stride in zip(right, STRIDES, strict=True):
        points, _ = grid_points((96, 96), (stride,))
        left_top = points - torch.tensor([28.0, 36.0])
        right_bottom = torch.tensor([60.0, 52.0]) - points
        distances = torch.cat([left_top, right_bottom], dim=1).clamp(min=0.01) / stride
        level.distances.copy_(distances.log().T.reshape(level.distances.shape))
    losses = [float(detection_loss(o, [target], (96, 96), STRIDES)["box"]) for o in (wrong, right)]
    assert losses[1] < 0.01 < losses[0]


def test_image_without_objects_gives_a_finite_loss():
    outputs = raw_outputs()
    none = Targets(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long), torch.zeros(0, 5))
    losses = detection_loss(outputs, [none], (96, 96), STRIDES)
    assert float(losses["box"]) == 0.0
    assert torch.isfinite(losses["cls"])


def test_ignore_regions_teach_nothing():
    """With the whole image ignored, nothing is pushed down."""
    outputs = raw_outputs()
    everything = torch.tensor([[48.0, 48.0, 200.0, 200.0, 0.0]])
    target = Targets(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long), everything)
    losses = detection_loss(outputs, [target], (96, 96), STRIDES)
    assert float(losses["cls"]) == 0.0


def raw_outputs():
    return [
        LevelOutputs(
            torch.zeros(1, 2, 96 // s, 96 // s),
            torch.zeros(1, 4, 96 // s, 96 // s),
            torch.zeros(1, 1, 96 // s, 96 // s),
        )
        for s in STRIDES
    ]
