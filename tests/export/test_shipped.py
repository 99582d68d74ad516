"""The bundles that ship are those of the checkpoints that ship."""

from __future__ import annotations

import hashlib

import pytest

torch = pytest.importorskip("torch", reason="the workstation half is not installed")

from edgekit.bundle import open_bundle  # noqa: E402
from edgekit.engines.base import open_engine  # noqa: E402
from edgekit.export.shipped import BUNDLES, CHECKPOINTS, SHIPPED  # noqa: E402
from edgekit.metrics import compare_detections  # noqa: E402
from edgekit.reference.checkpoint_bundle import checkpoint_detector  # noqa: E402
from edgekit.runtime.demo import SAMPLES  # noqa: E402
from edgekit.runtime.detector import Detector  # noqa: E402
from edgekit.runtime.sources.images import read_picture  # noqa: E402
from model_zoo import load_checkpoint  # noqa: E402
from model_zoo.cards import find_card  # noqa: E402

pytestmark = pytest.mark.workstation

FRAMES = {"lwganet_l0-obb-thermal": "thermal", "lwganet_l0-obb-sar-ships": "sar-ships"}


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_bundle_names_its_checkpoint_by_hash(name):
    manifest = open_bundle(BUNDLES / f"{name}.bundle").manifest
    digest = hashlib.sha256((CHECKPOINTS / f"{name}.safetensors").read_bytes()).hexdigest()
    assert manifest.provenance.inputs["checkpoint"] == f"sha256:{digest}"
    assert [artefact.precision for artefact in manifest.artefacts] == ["int8"]


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_bundle_finds_what_its_checkpoint_finds(name):
    """INT8 moves scores a little, so a detection over 0.5 on one side is looked for over 0.3 on
    the other: 95 in 100 must be there, at IoU 0.5, both ways."""
    path = CHECKPOINTS / f"{name}.safetensors"
    bundle = open_bundle(BUNDLES / f"{name}.bundle")
    reference = checkpoint_detector(load_checkpoint(path), path, score_threshold=0.3)
    engine = open_engine(bundle)
    candidate = Detector(bundle, engine, score_threshold=0.3)
    modality = bundle.manifest.input.modality
    pictures = [read_picture(p) for p in sorted((SAMPLES / FRAMES[name]).glob("*.jpg"))]
    expected = [reference.detect(picture, modality)[0] for picture in pictures]
    found = [candidate.detect(picture, modality)[0] for picture in pictures]
    engine.close()
    for strong, all_of_other in ((expected, found), (found, expected)):
        parity = compare_detections([d.take(d.scores >= 0.5) for d in strong], all_of_other)
        assert parity.reference >= 8
        assert parity.matched >= 0.95 * parity.reference
        assert parity.mean_iou > 0.85


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_card_states_the_figures_of_the_bundle(name):
    manifest = open_bundle(BUNDLES / f"{name}.bundle").manifest
    stated = {row["metric"]: row["value"] for row in find_card(name).facts["measured"]}
    measured = {row.metric: row.value for row in manifest.accuracy["openvino-int8"]}
    assert stated["INT8 AP50"] == pytest.approx(measured["ap50"], abs=5e-4)
    assert stated["INT8 mAP50:95"] == pytest.approx(measured["map50_95"], abs=5e-4)
