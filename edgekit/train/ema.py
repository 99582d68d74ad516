"""An exponential moving average of a model's weights: what is validated and shipped."""

from __future__ import annotations

import copy
import math

import torch
from torch import nn


class ModelEma:
    """Keeps `average`, a copy of the model that follows it slowly.

    The decay grows from 0 to its final value over the first few thousand updates, so that the
    average does not carry the random start.
    """

    def __init__(self, model: nn.Module, decay: float, ramp_updates: int = 1000) -> None:
        self.average = copy.deepcopy(model).eval()
        self.average.requires_grad_(False)
        self.decay = decay
        self.ramp_updates = ramp_updates
        self.updates = 0

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model; counters and other integers are copied."""
        self.updates += 1
        decay = self.decay * (1 - math.exp(-self.updates / self.ramp_updates))
        current = model.state_dict()
        averaged = self.average.state_dict()
        # A module registered under two names is in the state twice, and must move once.
        distinct = {kept.data_ptr(): (name, kept) for name, kept in averaged.items()}
        for name, kept in distinct.values():
            if kept.dtype.is_floating_point:
                kept.lerp_(current[name], 1 - decay)
            else:
                kept.copy_(current[name])
