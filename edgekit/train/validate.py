"""Validation during training: the accuracy that flight would have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import nn

from edgekit.data.dota import DotaSet
from edgekit.reference import EVAL_SCORE_THRESHOLD, measure_accuracy
from edgekit.reference.checkpoint_bundle import checkpoint_detector
from edgekit.train.config import TrainConfig
from edgekit.train.trainer import Validator, as_checkpoint
from model_zoo.tasks import ObbDetector


def validator_for(config: TrainConfig, data: DotaSet) -> Validator:
    """A function that scores a model on a validation split; `ap50` is over the headline classes."""

    def validate(model: nn.Module) -> dict[str, Any]:
        assert isinstance(model, ObbDetector)
        checkpoint = as_checkpoint(config, data.classes, model, {})
        detector = checkpoint_detector(
            checkpoint, Path("model in training"), score_threshold=EVAL_SCORE_THRESHOLD, model=model
        )
        metrics = measure_accuracy(detector, data, classes=config.headline_classes)
        return {
            "ap50": metrics.ap50,
            "ap75": metrics.ap75,
            "map50_95": metrics.map50_95,
            "per_class_ap50": {row.name: row.ap50 for row in metrics.per_class},
            "mean_angle_error_deg": metrics.mean_angle_error_deg,
        }

    return validate
