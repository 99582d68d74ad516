"""The inference form gives what the trained form gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from safetensors import safe_open  # noqa: E402

from model_zoo import create_detector  # noqa: E402
from model_zoo.deploy import DeployObb, DeploySpec, reparameterize  # noqa: E402
from model_zoo.deploy.obb import as_le90  # noqa: E402
from model_zoo.heads.distance_angle import (  # noqa: E402
    LevelOutputs,
    box_from_distances,
    decode_distance_angle,
    flatten_levels,
    grid_points,
)
from tests.model_zoo.filling import fill, golden_input  # noqa: E402

pytestmark = pytest.mark.workstation


@pytest.mark.parametrize("name", ["lwganet_l0-obb", "lwganet_l2-obb"])
def test_folded_detector_equals_the_trained_one(name):
    model = create_detector(name, 3).eval()
    fill(model)
    x = golden_input((1, 3, 96, 160), "fold")
    with torch.no_grad():
        expected, found = model(x), reparameterize(model)(x)
    for level, folded in zip(expected, found, strict=True):
        for a, b in zip(level, folded, strict=True):
            assert (a - b).abs().max() <= 1e-4 * a.abs().max()


def test_folding_leaves_one_norm_and_the_model_alone():
    model = create_detector("lwganet_l0-obb", 3).eval()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    folded = reparameterize(model)
    norms = [n for n, m in folded.named_modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert norms == ["backbone.norm0"]
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_candidates_are_the_best_points_by_falling_score():
    model = create_detector("lwganet_l0-obb", 3).eval()
    fill(model)
    x = golden_input((1, 3, 96, 128), "topk")
    with torch.no_grad():
        boxes, scores, labels = DeployObb(model, DeploySpec((96, 128), 50))(x)
        logits = torch.cat([level.logits.flatten(2) for level in model(x)], dim=2)
    assert boxes.shape == (1, 50, 5)
    assert labels.dtype == torch.int32
    expected = logits.amax(1).sigmoid().sort(descending=True).values[0, :50]
    assert torch.allclose(scores[0], expected, atol=1e-6)
    w, h, angle = boxes[0, :, 2], boxes[0, :, 3], boxes[0, :, 4]
    assert (w >= h).all()
    assert ((angle >= -np.pi / 2) & (angle < np.pi / 2)).all()


def test_only_the_best_points_are_decoded_and_each_as_the_head_decodes_it():
    model = create_detector("lwganet_l0-obb", 2).eval()
    fill(model)
    deployed = DeployObb(model, DeploySpec((96, 96), 20))
    generator = torch.Generator().manual_seed(4)
    outputs = [
        LevelOutputs(*(torch.randn(1, c, 96 // s, 96 // s, generator=generator) for c in (2, 4, 1)))
        for s in (8, 16, 32)
    ]
    boxes, scores, labels = deployed.decode(outputs)
    logits, log_distances, angle = flatten_levels(outputs)
    points, strides = grid_points((96, 96), (8, 16, 32))
    every = as_le90(decode_distance_angle(log_distances, angle, points, strides))[0]
    order = logits[0].amax(1).argsort(descending=True)[:20]
    assert torch.equal(boxes[0], every[order])
    assert torch.equal(labels[0].long(), logits[0].argmax(1)[order])
    assert torch.allclose(scores[0], logits[0].amax(1).sigmoid()[order])


def test_runaway_distances_stay_finite():
    """The exponent is limited: a box of half precision must not overflow."""
    distances = torch.full((1, 4), 80.0)
    box = decode_distance_angle(distances, torch.zeros(1), torch.zeros(1, 2), torch.tensor([32.0]))
    assert torch.isfinite(box).all()
    assert box.max() < torch.finfo(torch.float16).max


def test_fewer_points_than_candidates_is_met():
    model = create_detector("lwganet_l0-obb", 1).eval()
    boxes, _, _ = DeployObb(model, DeploySpec((96, 96), 1000))(torch.zeros(1, 3, 96, 96))
    assert boxes.shape == (1, 12 * 12 + 6 * 6 + 3 * 3, 5)


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((5, 6, 4, 2, 0.0), (5, 6, 4, 2, 0.0)),
        ((5, 6, 2, 4, 0.0), (5, 6, 4, 2, -np.pi / 2)),
        ((5, 6, 4, 2, np.pi / 2), (5, 6, 4, 2, -np.pi / 2)),
        ((5, 6, 4, 2, 7.0), (5, 6, 4, 2, 7.0 - 2 * np.pi)),
    ],
)
def test_le90_keeps_the_rectangle(box, expected):
    assert torch.allclose(as_le90(torch.tensor([box])), torch.tensor([expected]), atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    st.integers(-4, 4),
    st.integers(-300, 300),
    st.floats(0.5, 90, width=32),
    st.floats(0.5, 90, width=32),
)
def test_le90_holds_at_every_seam(half_turns, ulps, w, h):
    """The angle is half-open, also a few float32 steps beside a multiple of a quarter turn."""
    angle = np.float32(half_turns * np.pi / 2)
    angle += ulps * np.spacing(angle or np.float32(1e-30))
    box = torch.tensor([[0.0, 0.0, w, h, float(angle)]])
    found = as_le90(box)[0]
    limit = np.float32(np.pi / 2)
    assert found[2] >= found[3]
    assert -limit <= np.float32(found[4]) < limit
    turned = float(angle) + (np.pi / 2 if w < h else 0.0)
    assert abs(np.sin(float(found[4]) - turned)) < 2e-6


def test_inference_form_stays_on_the_device_of_the_model():
    """Folded layers and grid must lie where the rest lies, or training on a GPU cannot validate."""
    model = create_detector("lwganet_l0-obb", 2).eval().to("meta")
    deployed = DeployObb(model, DeploySpec((96, 96)))
    tensors = [*deployed.parameters(), *deployed.buffers()]
    assert {tensor.device.type for tensor in tensors} == {"meta"}


def test_decode_equals_the_golden(shared):
    path = shared / "models" / "golden" / "head_distance_angle_decode.safetensors"
    with safe_open(path, "np") as file:
        tensors = {key: torch.from_numpy(file.get_tensor(key)) for key in file.keys()}  # noqa: SIM118
    raw, points, expected = (tensors[key].double() for key in ("distances", "points", "boxes"))
    boxes = box_from_distances(raw[:, :4], raw[:, 4], points)
    assert torch.allclose(boxes[:, :4], expected[:, :4], atol=1e-9)
    turn = (boxes[:, 4] - expected[:, 4]).abs() % np.pi
    assert torch.minimum(turn, np.pi - turn).max() < 1e-9
