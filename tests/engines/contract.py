"""What every engine must do, whatever its library: one class to inherit from.

An engine's test module defines a fixture `engine` (opened with in_flight=2 on an fp32 artefact of
`tests.engines.models`) and a class that inherits EngineContract.
"""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.core import EngineError
from edgekit.engines import OUTPUT_NAMES, Engine, TensorSpec
from tests.engines.models import CANDIDATES, SIDE_PX, example_input, expected_scores


class EngineContract:
    """Tests against the protocol alone."""

    def test_it_says_what_it_takes_and_gives(self, engine: Engine) -> None:
        assert engine.info.inputs == (TensorSpec("image", "float32", (1, 3, SIDE_PX, SIDE_PX)),)
        shapes = {spec.name: spec.shape for spec in engine.info.outputs}
        assert shapes == {
            "boxes": (1, CANDIDATES, 5),
            "scores": (1, CANDIDATES),
            "labels": (1, CANDIDATES),
        }
        assert engine.info.precision == "fp32"
        assert engine.info.version
        assert engine.info.device

    def test_outputs_are_those_of_a_plain_computation(self, engine: Engine) -> None:
        image = example_input()
        outputs = engine.infer({"image": image})
        assert set(outputs) == set(OUTPUT_NAMES)
        np.testing.assert_allclose(outputs["scores"], expected_scores(image), atol=1e-5)
        np.testing.assert_allclose(outputs["boxes"][..., 0], 8 * outputs["scores"], rtol=1e-5)
        np.testing.assert_array_equal(outputs["labels"], outputs["scores"] > 0.5)

    def test_outputs_stay_as_they_are_when_the_next_frame_runs(self, engine: Engine) -> None:
        first = engine.infer({"image": example_input(1)})
        kept = first["scores"].copy()
        engine.infer({"image": example_input(2)})
        np.testing.assert_array_equal(first["scores"], kept)

    def test_inputs_are_left_as_they_are(self, engine: Engine) -> None:
        image = example_input()
        engine.infer({"image": image})
        np.testing.assert_array_equal(image, example_input())

    @pytest.mark.parametrize("kind", ["read-only", "strided", "unaligned"])
    def test_any_memory_layout_gives_the_same_result(self, engine: Engine, kind: str) -> None:
        image = example_input()
        if kind == "read-only":
            image.flags.writeable = False
        elif kind == "strided":
            image = np.ascontiguousarray(image.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        else:
            raw = np.zeros(image.nbytes + 1, np.uint8)
            raw[1:] = image.view(np.uint8).ravel()
            image = raw[1:].view(np.float32).reshape(image.shape)
        outputs = engine.infer({"image": image})
        np.testing.assert_allclose(outputs["scores"], expected_scores(image), atol=1e-5)

    def test_submitted_runs_come_back_in_order_with_their_tokens(self, engine: Engine) -> None:
        images = [example_input(seed) for seed in range(7)]  # more than are in flight
        for token, image in enumerate(images):
            engine.submit({"image": image}, token)
        found = []
        while len(found) < len(images):
            found += list(engine.results(10.0))
        assert [token for token, _ in found] == list(range(7))
        for token, outputs in found:
            expected = expected_scores(images[token])
            np.testing.assert_allclose(outputs["scores"], expected, atol=1e-5)

    def test_waiting_for_nothing_ends_at_once(self, engine: Engine) -> None:
        assert list(engine.results(3600.0)) == []

    def test_running_at_once_does_not_disturb_what_is_under_way(self, engine: Engine) -> None:
        images = [example_input(seed) for seed in range(3)]
        engine.submit({"image": images[0]}, "a")
        engine.submit({"image": images[1]}, "b")
        direct = engine.infer({"image": images[2]})
        np.testing.assert_allclose(direct["scores"], expected_scores(images[2]), atol=1e-5)
        found = {}
        while len(found) < 2:
            found |= dict(engine.results(10.0))
        np.testing.assert_allclose(found["b"]["scores"], expected_scores(images[1]), atol=1e-5)

    @pytest.mark.parametrize(
        ("name", "shape", "dtype", "message"),
        [
            (
                "picture",
                (1, 3, SIDE_PX, SIDE_PX),
                "float32",
                r"inputs are \['picture'\]; give image",
            ),
            ("image", (3, SIDE_PX, SIDE_PX), "float32", r"input is image float32 \[3, 32, 32\]"),
            ("image", (1, 3, SIDE_PX, SIDE_PX), "float64", r"input is image float64.*give image"),
            ("image", (1, 3, SIDE_PX, SIDE_PX), "uint8", r"input is image uint8"),
            ("image", (0, 3, SIDE_PX, SIDE_PX), "float32", r"input is image float32 \[0, 3"),
        ],
    )
    def test_a_wrong_input_is_refused_and_the_engine_goes_on(
        self, engine: Engine, name: str, shape: tuple[int, ...], dtype: str, message: str
    ) -> None:
        inputs = {name: np.zeros(shape, dtype)}
        for _ in range(3):  # a refusal must not eat a request
            with pytest.raises(EngineError, match=message):
                engine.submit(inputs, 0)
            with pytest.raises(EngineError, match=message):
                engine.infer(inputs)
        assert list(engine.results(1.0)) == []
        assert engine.infer({"image": example_input()})["scores"].shape == (1, CANDIDATES)

    def test_a_missing_and_a_surplus_input_are_refused(self, engine: Engine) -> None:
        for inputs in ({}, {"image": example_input(), "more": example_input()}):
            with pytest.raises(EngineError, match="give image"):
                engine.infer(inputs)

    def test_it_closes_twice_and_then_refuses_to_run(self, engine: Engine) -> None:
        engine.submit({"image": example_input()}, 0)
        engine.close()
        engine.close()
        with pytest.raises(EngineError, match="engine is closed"):
            engine.infer({"image": example_input()})
        with pytest.raises(EngineError, match="engine is closed"):
            engine.submit({"image": example_input()}, 0)
        with pytest.raises(EngineError, match="engine is closed"):
            list(engine.results(0.0))
