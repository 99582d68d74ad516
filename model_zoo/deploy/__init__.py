"""Inference forms of the task models: static graphs, norms folded, decoded candidates."""

from __future__ import annotations

from model_zoo.deploy.obb import DEFAULT_CANDIDATES, DeployObb, DeploySpec, fold_detector
from model_zoo.tasks.obb import ObbDetector

__all__ = ["DEFAULT_CANDIDATES", "DeployObb", "DeploySpec", "fold_detector", "reparameterize"]


def reparameterize(model: ObbDetector) -> ObbDetector:
    """An inference-only copy with the same outputs, up to float32 rounding."""
    return fold_detector(model)
