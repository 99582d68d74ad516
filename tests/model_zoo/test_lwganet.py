"""LWGANet is the published network: names, shapes, values."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

import torch.nn.functional as F  # noqa: E402
from safetensors import safe_open  # noqa: E402

from model_zoo import create_backbone  # noqa: E402
from model_zoo.backbones.lwganet import (  # noqa: E402
    DropPath,
    MediumRangeAttention,
    pool_phases,
    unpool_phases,
)
from tests.model_zoo.filling import fill, golden_input, golden_sample  # noqa: E402

pytestmark = pytest.mark.workstation

COMPACT = Path(__file__).parents[1] / "golden" / "models"
TOLERANCE = 2e-4  # relative to the largest stored magnitude; float32 summation order gives 1e-5
MAPS = ("c2", "c3", "c4", "c5")


def outputs_of(metadata: dict[str, str]) -> dict[str, torch.Tensor]:
    name = metadata["model"].removesuffix("-cls")
    classes = 1000 if metadata["state_dict"].removesuffix(".json").endswith("-cls") else None
    model = create_backbone(name, classes=classes).eval()
    fill(model)
    shape = tuple(json.loads(metadata["input_shape"]))
    with torch.no_grad():
        result = model(golden_input(shape, metadata["input_key"]))
    return {"logits": result} if classes else dict(zip(MAPS, result, strict=True))


@pytest.mark.parametrize("name", ["lwganet_l0_128x128", "lwganet_l0_96x160"])
def test_features_equal_the_compact_golden(name):
    golden = json.loads((COMPACT / f"{name}.json").read_text())
    outputs = outputs_of(golden["metadata"])
    for key, stored in golden["outputs"].items():
        sample = golden_sample(outputs[key])
        assert sample.size == stored["size"]
        difference = np.abs(sample[stored["rows"]] - np.array(stored["values"])).max()
        assert difference <= TOLERANCE * stored["largest"], key


@pytest.mark.parametrize(
    "name",
    ["lwganet_l0_128x128", "lwganet_l0_96x160", "lwganet_l1_96x96", "lwganet_l0-cls_224x224"],
)
def test_outputs_equal_the_full_golden(shared, name):
    with safe_open(shared / "models" / "golden" / f"{name}.safetensors", "np") as file:
        metadata = file.metadata()
        golden = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    outputs = outputs_of(metadata)
    shapes = json.loads(metadata["output_shapes"])
    for key, stored in golden.items():
        assert list(outputs[key].shape) == shapes[key]
        difference = np.abs(golden_sample(outputs[key]) - stored).max()
        assert difference <= TOLERANCE * np.abs(stored).max(), key


@pytest.mark.parametrize(
    ("file", "name", "classes"),
    [
        ("lwganet_l0", "lwganet_l0", None),
        ("lwganet_l1", "lwganet_l1", None),
        ("lwganet_l2", "lwganet_l2", None),
        ("lwganet_l0-cls", "lwganet_l0", 1000),
        ("lwganet_l1-cls", "lwganet_l1", 1000),
        ("lwganet_l2-cls", "lwganet_l2", 1000),
    ],
)
def test_state_dict_has_the_published_names_order_and_shapes(shared, file, name, classes):
    published = json.loads((shared / "models" / "state_dict" / f"{file}.json").read_text())
    state = create_backbone(name, classes=classes).state_dict()
    assert list(state) == list(published)
    assert {k: list(v.shape) for k, v in state.items()} == {
        k: v["shape"] for k, v in published.items()
    }


@pytest.mark.parametrize("size", [(11, 11), (17, 29), (6, 3), (3, 6)])
def test_strips_equal_convolutions_on_sheared_maps(size):
    """Row r is moved right by r (or column c down by c), convolved, and moved back."""
    torch.manual_seed(0)
    module = MediumRangeAttention(2).double()
    p = torch.randn(1, 2, *size, dtype=torch.float64)
    height, width = size
    right = torch.zeros(1, 2, height, width + height - 1, dtype=torch.float64)
    down = torch.zeros(1, 2, height + width - 1, width, dtype=torch.float64)
    for r in range(height):
        right[..., r, r : r + width] = p[..., r, :]
    for c in range(width):
        down[..., c : c + height, c] = p[..., :, c]
    sheared_h, sheared_v = module.H_att2(right), module.V_att2(down)
    back_h = torch.stack([sheared_h[..., r, r : r + width] for r in range(height)], dim=-2)
    back_v = torch.stack([sheared_v[..., c : c + height, c] for c in range(width)], dim=-1)
    expected = module.H_att1(p) + module.V_att1(p) + back_h + back_v
    kernel = module.fused_kernel()
    assert torch.allclose(F.conv2d(p, kernel, padding=6, groups=2), expected, atol=1e-12)


@pytest.mark.parametrize("levels", [3, 1000])
def test_phases_equal_max_unpooling_with_ties(levels):
    generator = torch.Generator().manual_seed(1)
    x = torch.randint(0, levels, (2, 5, 12, 18), generator=generator).float()
    pooled, index = F.max_pool2d(x, 2, return_indices=True)
    phases = pool_phases(x)
    assert torch.equal(phases.maximum, pooled)
    y = pooled * 2 + 1
    assert torch.equal(unpool_phases(y, phases), F.max_unpool2d(y, index, 2))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_constant_regions_keep_the_first_position(memory_format):
    """Padding and no-data borders tie everywhere: the top left one wins."""
    x = torch.full((1, 3, 4, 6), -2.0).contiguous(memory_format=memory_format)
    back = unpool_phases(torch.ones(1, 3, 2, 3), pool_phases(x))
    assert back[0, 0].tolist() == [[1.0, 0.0] * 3, [0.0] * 6] * 2


def test_unpooling_selects_and_does_not_multiply():
    """Infinity times zero would be NaN at the three other positions."""
    phases = pool_phases(torch.arange(4.0).view(1, 1, 2, 2))
    back = unpool_phases(torch.full((1, 1, 1, 1), torch.inf), phases)
    assert back.flatten().tolist() == [0.0, 0.0, 0.0, torch.inf]


def test_surplus_rows_and_columns_are_dropped():
    model = create_backbone("lwganet_l0").eval()
    fill(model)
    x = golden_input((1, 3, 99, 130), "surplus")
    with torch.no_grad():
        expected, found = model(x[..., :96, :128]), model(x)
    assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))


def test_drop_path_drops_whole_samples_in_training_alone():
    torch.manual_seed(0)
    drop = DropPath(0.25)
    x = torch.ones(400, 2, 3, 3)
    found = drop.train()(x)
    per_sample = found.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    values = per_sample[:, 0]
    assert set(values.tolist()) == {0.0, float(torch.tensor(1.0) / 0.75)}
    assert 0.15 < (values == 0).float().mean() < 0.35
    assert torch.equal(drop.eval()(x), x)


@pytest.mark.parametrize(
    ("name", "last", "activation"),
    [
        ("lwganet_l0", 0.0, torch.nn.GELU),
        ("lwganet_l1", 0.1, torch.nn.GELU),
        ("lwganet_l2", 0.1, torch.nn.ReLU),
    ],
)
def test_drop_rates_rise_over_all_blocks_and_the_activation_follows_the_width(
    name, last, activation
):
    model = create_backbone(name)
    rates = [m.rate for m in model.modules() if isinstance(m, DropPath)]
    assert rates == pytest.approx(np.linspace(0, last, sum(model.config.depths)).tolist())
    kinds = {type(m) for m in model.modules() if isinstance(m, (torch.nn.GELU, torch.nn.ReLU))}
    assert kinds == {activation}


def test_unknown_backbone_names_the_nearest():
    from edgekit.core import UsageError

    with pytest.raises(UsageError, match="did you mean 'lwganet_l"):
        create_backbone("lwganet_lo")
