from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.bundle import write_bundle
from edgekit.core import EngineError
from edgekit.engines import Engine, open_engine
from edgekit.engines.openvino import OpenVinoEngine
from tests.bundle.examples import FILES, example_manifest
from tests.engines.contract import EngineContract
from tests.engines.models import detector_bundle, example_input, expected_scores, promised_as


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_engine(detector_bundle(tmp_path, "fp32"), threads=1, in_flight=2)
    yield engine
    engine.close()


class TestOpenVinoKeepsTheContract(EngineContract):
    pass


def test_fp32_runs_as_fp32_also_where_the_cpu_prefers_bf16(engine: Engine) -> None:
    assert engine.info.precision == "fp32"
    image = example_input()
    # In bf16 the same graph is off by about 4e-5.
    scores = engine.infer({"image": image})["scores"]
    np.testing.assert_allclose(scores, expected_scores(image), atol=2e-6)


def test_weights_stored_in_half_precision_are_computed_with_in_fp32(tmp_path: Path) -> None:
    engine = open_engine(detector_bundle(tmp_path, "fp32", half_weights=True), threads=1)
    assert engine.info.precision == "fp32"
    image = example_input()
    scores = engine.infer({"image": image})["scores"]
    # Exact against rounded weights: it is the storage that is half, not the arithmetic.
    np.testing.assert_allclose(scores, expected_scores(image, np.float16), atol=5e-7)
    engine.close()


def test_int8_beside_half_precision_weights_is_int8(tmp_path: Path) -> None:
    engine = open_engine(detector_bundle(tmp_path, "int8", half_weights=True), threads=1)
    assert engine.info.precision == "int8"
    engine.close()


def test_what_openvino_would_pick_by_itself_is_seen_in_the_layers(tmp_path: Path) -> None:
    import openvino as ov

    from edgekit.engines.openvino import _precision

    core = ov.Core()
    bundle = detector_bundle(tmp_path, "fp32")
    model = core.read_model(bundle.files_of(bundle.manifest.artefacts[0])[0])
    picked = {"bf16", "fp16"} & {
        {"BF16": "bf16", "FP16": "fp16"}.get(name, "")
        for name in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    }
    assert _precision(core.compile_model(model, "CPU")) in (picked or {"fp32"})


def test_int8_runs_as_int8_with_float_layers_in_fp32(tmp_path: Path) -> None:
    engine = open_engine(detector_bundle(tmp_path, "int8"), threads=1)
    assert engine.info.precision == "int8"
    image = example_input()
    scores = engine.infer({"image": image})["scores"]
    np.testing.assert_allclose(scores, expected_scores(image), atol=0.02)
    engine.close()


def test_info_names_version_and_device(engine: Engine) -> None:
    from importlib.metadata import version

    assert (engine.info.name, engine.info.device) == ("openvino", "CPU")
    assert engine.info.version == version("openvino")


@pytest.mark.parametrize(("held", "promised"), [("fp32", "int8"), ("int8", "fp32")])
def test_a_graph_of_another_precision_than_promised_is_refused(
    tmp_path: Path, held: str, promised: str
) -> None:
    bundle = promised_as(detector_bundle(tmp_path, held), promised)
    with pytest.raises(EngineError, match=f"is {promised}, but openvino runs it as {held}"):
        open_engine(bundle)


def test_an_fp16_graph_is_refused_where_the_cpu_has_no_fp16(tmp_path: Path) -> None:
    import openvino as ov

    if "FP16" in ov.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        pytest.skip("this CPU computes in fp16")
    bundle = promised_as(detector_bundle(tmp_path, "fp32"), "fp16")
    with pytest.raises(EngineError, match=r"is fp16, but openvino runs it as (fp32|bf16)"):
        open_engine(bundle)


def test_a_graph_with_foreign_output_names_is_refused(tmp_path: Path) -> None:
    bundle = detector_bundle(tmp_path, "fp32", scores="confidence")
    with pytest.raises(EngineError, match=r"gives boxes, confidence, labels, not boxes, scores"):
        open_engine(bundle)


def test_a_file_that_is_no_model_gives_one_line(tmp_path: Path) -> None:
    bundle = write_bundle(tmp_path / "b", example_manifest(), FILES)
    with pytest.raises(
        EngineError, match="openvino cannot compile artefact 'openvino-fp32'"
    ) as info:
        open_engine(bundle)
    assert "\n" not in str(info.value)
    assert "Exception from" not in str(info.value)


def test_compiled_graphs_are_kept_in_the_cache_folder(tmp_path: Path) -> None:
    bundle = detector_bundle(tmp_path, "int8", "fp32")
    for precision in ("int8", "fp32"):
        image = example_input()
        cold = open_engine(bundle, precision=precision, threads=1, cache_dir=tmp_path / "cache")
        expected = cold.infer({"image": image})
        cold.close()
        assert list((tmp_path / "cache").iterdir())
        warm = open_engine(bundle, precision=precision, threads=1, cache_dir=tmp_path / "cache")
        np.testing.assert_array_equal(warm.infer({"image": image})["scores"], expected["scores"])
        assert warm.info == cold.info
        warm.close()


def test_the_cpu_is_among_its_devices() -> None:
    assert any(device.startswith("CPU: ") for device in OpenVinoEngine().devices())
