"""The form of the scores that a user's pruning criterion gives, checked before they count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.pruning.prunable import Prunable


def checked_scores(weights: Prunable, scores: Any, criterion: str) -> dict[str, Tensor]:
    """Return a score for every single prunable weight, in the weights' order and shapes.

    Scores of weights that are not prunable are left out.

    Raises:
        ValueError: no mapping, a weight without scores, scores of another shape, or scores that are
            not finite; names the criterion as the study file does.
    """
    if not isinstance(scores, Mapping):
        kind = type(scores).__name__
        raise ValueError(f"{criterion} must return scores by the weights' names, got {kind}")
    return {name: _checked(scores.get(name), w, name, criterion) for name, w in weights.items()}


def _checked(score: Any, weight: Tensor, name: str, criterion: str) -> Tensor:
    what = f"{criterion} must give {name}"
    if not isinstance(score, Tensor) or score.shape != weight.shape:
        shape = list(score.shape) if isinstance(score, Tensor) else type(score).__name__
        raise ValueError(f"{what} scores of shape {list(weight.shape)}, got {shape}")
    precise = score.detach().to(weight.device, torch.promote_types(score.dtype, torch.float32))
    if not bool(precise.isfinite().all()):
        raise ValueError(f"{what} finite scores, got NaN or infinity")
    return precise
