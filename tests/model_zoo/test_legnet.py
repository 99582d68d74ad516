"""LEGNet is the published network: names, shapes, values."""

from __future__ import annotations

import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from model_zoo import (  # noqa: E402
    Checkpoint,
    create_backbone,
    create_detector,
    detector_from_checkpoint,
    load_checkpoint,
    save_checkpoint,
)
from model_zoo.backbones.legnet import (  # noqa: E402
    Scharr,
    gaussian_kernel,
    mean_free_log_kernel,
    scharr_kernels,
    starting_log_kernel,
)
from tests.model_zoo.filling import golden_input, golden_sample  # noqa: E402
from tests.model_zoo.scaled_filling import (  # noqa: E402
    COMPACT,
    TOLERANCE,
    compact_difference,
    fill_from_spec,
    read_golden,
    read_spec,
    relative_difference,
    spec_of,
)

pytestmark = pytest.mark.workstation

MAPS = ("c2", "c3", "c4", "c5")
#: In goldens these keep the values that they are built with; aliases follow their tensor.
KEPT = r"conv_[xy]\.weight|\.gaussian\.weight|LFEA\.block\."


def run(model, metadata):
    x = golden_input(tuple(json.loads(metadata["input_shape"])), metadata["input_key"])
    with torch.no_grad():
        return dict(zip(MAPS, model(x), strict=True))


def test_features_equal_the_compact_golden():
    golden = json.loads((COMPACT / "legnet_tiny_128x128.json").read_text())
    model = create_backbone("legnet_tiny").eval()
    fill_from_spec(model, spec_of(model, golden["fill_scales"], KEPT))
    outputs = run(model, golden["metadata"])
    for key, stored in golden["outputs"].items():
        assert compact_difference(stored, golden_sample(outputs[key])) <= TOLERANCE, key


@pytest.mark.parametrize(
    "name", ["legnet_tiny_128x128", "legnet_small_96x160", "legnet_tiny-allfilled_64x96"]
)
def test_features_equal_the_full_golden(shared, name):
    metadata, golden = read_golden(shared / "models" / "golden" / f"{name}.safetensors")
    model = create_backbone(metadata["model"]).eval()
    fill_from_spec(model, read_spec(shared, metadata))
    outputs = run(model, metadata)
    shapes = json.loads(metadata["output_shapes"])
    for key, stored in golden.items():
        assert list(outputs[key].shape) == shapes[key]
        assert relative_difference(stored, golden_sample(outputs[key])) <= TOLERANCE, key


@pytest.mark.parametrize("name", ["legnet_tiny", "legnet_small"])
def test_state_dict_has_the_published_names_order_and_shapes(shared, name):
    published = read_spec(shared, {"state_dict": f"{name}.json"})
    state = create_backbone(name).state_dict()
    assert list(state) == list(published)
    assert {k: list(v.shape) for k, v in state.items()} == {
        k: v["shape"] for k, v in published.items()
    }
    for key, entry in published.items():
        if "alias_of" in entry:
            assert state[key].data_ptr() == state[entry["alias_of"]].data_ptr()


@pytest.mark.parametrize(("name", "count"), [("legnet_tiny", 3655029), ("legnet_small", 12776389)])
def test_parameters_count_as_published(name, count):
    assert sum(p.numel() for p in create_backbone(name).parameters()) == count


def test_initial_kernels_equal_the_golden(shared):
    _, golden = read_golden(shared / "models" / "golden" / "legnet-init_kernels.safetensors")
    across, down = scharr_kernels()
    built = {
        "gaussian_5_sigma05": gaussian_kernel(5, 0.5),
        "gaussian_5_sigma1": gaussian_kernel(5, 1.0),
        "gaussian_9_sigma05": gaussian_kernel(9, 0.5),
        "log_7_sigma1_mean_free": mean_free_log_kernel(7, 1.0),
        "scharr_x": across,
        "scharr_y": down,
    }
    for key, kernel in built.items():
        assert np.abs(golden[key] - kernel.numpy()).max() <= 1e-7, key


def test_log_starts_with_the_published_sign_and_unit_magnitude():
    """The published kernel divides by a negative residue, which turns its centre positive."""
    kernel = starting_log_kernel(7, 1.0)
    assert kernel[3, 3] > 0
    assert kernel.abs().sum().item() == pytest.approx(1.0)


@pytest.mark.parametrize("dropped", ["conv2d", "block"])
def test_a_state_with_one_name_of_the_shared_convolution_loads(dropped):
    torch.manual_seed(0)
    source, target = create_backbone("legnet_tiny"), create_backbone("legnet_tiny")
    state = {k: v for k, v in source.state_dict().items() if f"LFEA.{dropped}." not in k}
    target.load_state_dict(state)
    assert all(torch.equal(v, source.state_dict()[k]) for k, v in target.state_dict().items())


def test_the_later_name_of_the_shared_convolution_wins():
    model = create_backbone("legnet_tiny")
    state = {k: v.clone() for k, v in model.state_dict().items()}
    state["stages.0.blocks.0.LFEA.block.0.weight"].fill_(7.0)
    model.load_state_dict(state)
    assert (model.state_dict()["stages.0.blocks.0.LFEA.conv2d.0.weight"] == 7.0).all()


def test_loading_inside_a_detector_completes_names_too():
    source = torch.nn.ModuleDict({"backbone": create_backbone("legnet_tiny")})
    state = {k: v for k, v in source.state_dict().items() if ".LFEA.block." not in k}
    missing, unexpected = source.load_state_dict(state, strict=False)
    assert not missing
    assert not unexpected


@pytest.mark.parametrize("size", [(33, 47), (64, 32), (1, 1)])
def test_any_size_halves_rounding_up(size):
    model = create_backbone("legnet_tiny").eval()
    with torch.no_grad():
        maps = model(torch.zeros(1, 3, *size))
    for stage, found in enumerate(maps):
        expected = [-(-side // 2 ** (stage + 2)) for side in size]
        assert list(found.shape[2:]) == expected


def test_a_flat_image_trains_without_nan():
    """Edges are exactly zero there, where the square root has no finite gradient."""
    module = Scharr(4).train()
    x = torch.ones(2, 4, 8, 8, requires_grad=True)
    module(x).square().sum().backward()
    assert torch.isfinite(x.grad).all()
    assert all(torch.isfinite(p.grad).all() for p in module.parameters())


def test_the_classifier_gives_logits():
    model = create_backbone("legnet_tiny", classes=7).eval()
    with torch.no_grad():
        assert model(torch.zeros(2, 3, 64, 64)).shape == (2, 7)


def test_mixed_precision_holds_kernels_as_large_as_the_published_ones():
    torch.manual_seed(0)
    model = create_backbone("legnet_tiny").eval()
    with torch.no_grad():
        model.Stem.LoG.LoG.weight.mul_(3.8e7)
        model.Stem.LoG.norm1.running_var.mul_(1e13)
        x = torch.randn(1, 3, 64, 64)
        expected = model(x)
        with torch.autocast("cpu", torch.float16):
            found = model(x)
    for a, b in zip(expected, found, strict=True):
        assert (a - b).abs().max() <= 0.02 * a.abs().max()


def test_a_detector_with_doubly_named_tensors_can_be_saved_and_loaded(tmp_path):
    model = create_detector("legnet_tiny-obb", 1)
    network = {
        "size": [96, 128],
        "modality": "sar",
        "mean": [50.0] * 3,
        "std": [40.0] * 3,
        "resize": "tile",
        "tile_overlap_px": 32,
    }
    saved = Checkpoint("legnet_tiny-obb", ("ship",), network, "-", "-", {}, model.state_dict())
    save_checkpoint(tmp_path / "model.safetensors", saved)
    loaded = detector_from_checkpoint(load_checkpoint(tmp_path / "model.safetensors"))
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in loaded.state_dict().items())


def test_an_average_moves_doubly_named_tensors_once():
    from edgekit.train.ema import ModelEma

    torch.manual_seed(0)
    model = torch.nn.ModuleDict({"a": torch.nn.Linear(2, 2)})
    model["b"] = model["a"]
    ema = ModelEma(model, decay=0.9, ramp_updates=1)
    start = model["a"].weight.detach().clone()
    with torch.no_grad():
        model["a"].weight.add_(1.0)
    ema.update(model)
    decay = 0.9 * (1 - np.exp(-1.0))
    moved = ema.average["b"].weight - start
    assert torch.allclose(moved, torch.full_like(moved, 1 - decay), atol=1e-6)
