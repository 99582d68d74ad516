"""LEGNet's inference form gives what the trained form gives, and fits half precision."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from model_zoo import create_backbone, create_detector  # noqa: E402
from model_zoo.backbones.legnet import Scharr  # noqa: E402
from model_zoo.deploy import DeployObb, DeploySpec, reparameterize  # noqa: E402
from model_zoo.deploy.legnet import ScaledScharr, edge_scale  # noqa: E402
from tests.model_zoo.filling import golden_input  # noqa: E402
from tests.model_zoo.scaled_filling import (  # noqa: E402
    COMPACT,
    fill_from_spec,
    read_golden,
    read_spec,
    spec_of,
)
from tests.model_zoo.static_graph import differences, run_exported  # noqa: E402
from tests.model_zoo.tensor_watch import FP16_MAX, TensorWatch  # noqa: E402
from tests.model_zoo.test_legnet import KEPT  # noqa: E402

pytestmark = pytest.mark.workstation

SAMPLES = Path(__file__).parents[2] / "edgekit" / "assets" / "samples"
MEAN = torch.tensor([123.675, 116.28, 103.53]).view(3, 1, 1)
STD = torch.tensor([58.395, 57.12, 57.375]).view(3, 1, 1)


@pytest.fixture(scope="module")
def tiny():
    golden = json.loads((COMPACT / "legnet_tiny_128x128.json").read_text())
    model = create_backbone("legnet_tiny").eval()
    fill_from_spec(model, spec_of(model, golden["fill_scales"], KEPT))
    return model


def settled(model, x):
    """Batch statistics of a few frames, so that folding has something to fold."""
    with torch.no_grad():
        for _ in range(3):
            model.train()(x)
    return model.eval()


def frames():
    """Samples as the network sees them, and as far apart as [-4, 4] allows."""
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for path in sorted(SAMPLES.glob("*/*.jpg"))[::3]:
        with image.open(path) as file:
            pixels = np.asarray(file.convert("RGB").resize((256, 224)))
        x = torch.from_numpy(pixels.copy()).permute(2, 0, 1).float()
        yield ((x - MEAN) / STD).unsqueeze(0)
        yield ((x - x.min()) / (x.max() - x.min()) * 8 - 4).unsqueeze(0)


def noise():
    generator = torch.Generator().manual_seed(0)
    yield torch.randn(1, 3, 192, 256, generator=generator).clamp(-4, 4)
    yield torch.rand(1, 3, 192, 256, generator=generator) * 8 - 4
    yield torch.full((1, 3, 96, 96), 4.0)


@pytest.mark.parametrize("size", [(128, 128), (96, 160), (75, 101)])
def test_folded_features_equal_the_trained_ones(tiny, size):
    x = golden_input((1, 3, *size), "fold")
    with torch.no_grad():
        assert max(differences(tiny(x), reparameterize(tiny)(x))) <= 1e-5


def test_folded_features_equal_the_trained_ones_in_every_variant(shared):
    for name in ("legnet_small_96x160", "legnet_tiny-allfilled_64x96"):
        metadata, _ = read_golden(shared / "models" / "golden" / f"{name}.safetensors")
        model = create_backbone(metadata["model"]).eval()
        fill_from_spec(model, read_spec(shared, metadata))
        x = golden_input((1, 3, 96, 128), "fold")
        with torch.no_grad():
            assert max(differences(model(x), reparameterize(model)(x))) <= 1e-5, name


def test_no_norm_is_left_and_the_model_is_not_touched(tiny):
    before = {key: value.clone() for key, value in tiny.state_dict().items()}
    folded = reparameterize(tiny)
    assert not [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert all(torch.equal(value, before[key]) for key, value in tiny.state_dict().items())


@pytest.mark.parametrize("inputs", [frames, noise], ids=["frames", "noise"])
def test_no_intermediate_leaves_half_precision(tiny, inputs):
    """Weights and every operator's output; the trained form reaches 4e7."""
    folded = reparameterize(tiny)
    assert max(v.abs().max().item() for v in folded.state_dict().values()) <= FP16_MAX
    for x in inputs():
        with torch.no_grad(), TensorWatch() as trained:
            expected = tiny(x)
        with torch.no_grad(), TensorWatch() as deployed:
            folded(x)
        with torch.no_grad(), TensorWatch(half=True):
            rounded = folded(x)
        assert trained.largest > FP16_MAX
        assert deployed.largest <= FP16_MAX
        assert max(differences(expected, rounded)) <= 2e-2


@pytest.mark.parametrize(
    ("reach", "scale"),
    [(1.0, 1.0), (6.7, 1.0), (6.9, 1 / 2), (16.0, 1 / 4), (48.0, 1 / 8), (433.0, 1 / 64)],
)
def test_edges_are_scaled_by_the_largest_power_of_two_that_fits(reach, scale):
    """The corners give 1424 reach^2 for the initial kernels."""
    assert edge_scale(Scharr(3), reach).tolist() == [scale] * 3


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**31), reach=st.floats(0.1, 1000), gain=st.floats(0.01, 100))
def test_trained_edge_kernels_stay_in_range_and_give_the_same(seed, reach, gain):
    generator = torch.Generator().manual_seed(seed)
    module = Scharr(4).eval().requires_grad_(False)
    for conv in (module.conv_x, module.conv_y):
        conv.weight.copy_(torch.randn(conv.weight.shape, generator=generator) * gain)
    x = (torch.rand(1, 4, 12, 12, generator=generator) * 2 - 1).sign() * reach
    expected = module(x)
    scaled = ScaledScharr(module, reach)
    ex, ey = scaled.conv_x(x), scaled.conv_y(x)
    assert (ex * ex + ey * ey).max() <= FP16_MAX * (1 + 1e-5)
    assert torch.allclose(scaled(x), expected, rtol=1e-4, atol=1e-4 * expected.abs().max().item())


def test_folded_detector_equals_the_trained_one():
    torch.manual_seed(0)
    x = golden_input((2, 3, 96, 128), "fold")
    model = settled(create_detector("legnet_tiny-obb", 3), x)
    with torch.no_grad():
        expected, found = model(x), reparameterize(model)(x)
    for level, folded in zip(expected, found, strict=True):
        assert max(differences(level, folded)) <= 1e-4
    norms = [
        n for n, m in reparameterize(model).named_modules() if isinstance(m, torch.nn.BatchNorm2d)
    ]
    assert norms == ["backbone.norm0"]


def test_the_detector_gives_candidates():
    model = create_detector("legnet_tiny-obb", 3).eval()
    with torch.no_grad():
        boxes, scores, labels = DeployObb(model, DeploySpec((64, 96), 20))(
            torch.zeros(1, 3, 64, 96)
        )
    assert (boxes.shape, scores.shape, labels.shape) == ((1, 20, 5), (1, 20), (1, 20))


@pytest.mark.parametrize("size", [(64, 96), (96, 64)])
def test_the_exported_graph_is_plain_and_gives_the_same(tiny, size):
    x = golden_input((1, 3, *size), "export")
    with torch.no_grad():
        expected = tiny(x)
    assert max(differences(expected, run_exported(reparameterize(tiny), x))) <= 1e-3
