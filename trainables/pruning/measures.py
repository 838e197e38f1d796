"""What is measured on models and masks: sizes, sparsities, norms.

Reads models and changes nothing in them. The arithmetic on the numbers found here, such as ALLR's
discount, is in `sparsity`.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn

from trainables.formulas.structures import WEIGHTS, Structure
from trainables.pruning.cuts import ranked_weights
from trainables.pruning.masks import count_zeros
from trainables.pruning.prunable import Prunable, prunable
from trainables.pruning.quotas import parts_of


def count_parameters(model: nn.Module) -> int:
    """All parameters: weights, biases, normalisation layers; shared ones once; no buffers."""
    return sum(p.numel() for p in model.parameters())


def count_prunable(target: nn.Module | Prunable) -> int:
    """The weights that may be pruned."""
    return sum(p.numel() for p in prunable(target).values())


def sparsity_of(masks: Mapping[str, Tensor]) -> float:
    """The share of the prunable weights that the masks set to zero, in [0, 1]."""
    return count_zeros(masks) / sum(mask.numel() for mask in masks.values())


def layer_sparsities(weights: Prunable, masks: Mapping[str, Tensor]) -> dict[str, float]:
    """`sparsity_of` each layer, by the weight's name; attention's packed projections are three."""
    return {part.layer: zeros / part.size for part, zeros in parts_of(weights, masks).items()}


def collapsed_layers(weights: Prunable, masks: Mapping[str, Tensor]) -> int:
    """How many layers have no weight left; attention's packed projections are three."""
    return sum(zeros == part.size for part, zeros in parts_of(weights, masks).items())


def sparsity_all_parameters(model: nn.Module) -> float:
    """The share of zeros among all parameters, in [0, 1]: entries that are zero, for any reason.

    Below the sparsity of the prunable weights, since biases and normalisation layers are dense:
    0.8957 for ResNet-56 at 0.9. In a model never trained, biases that start at zero count too.
    """
    zeros = sum(p.numel() - int(p.count_nonzero()) for p in model.parameters())
    return zeros / count_parameters(model)


def removed_share(before: Mapping[str, Tensor], after: Mapping[str, Tensor]) -> float:
    """s of one prune: the share in [0, 1] of the weights alive in `before` that it removed."""
    alive = sum(int(mask.count_nonzero()) for mask in before.values())
    if alive == 0:
        raise ValueError("removed_share needs masks with a weight alive before the prune, got none")
    return (count_zeros(after) - count_zeros(before)) / alive


def parameter_vector(
    target: nn.Module | Prunable,
    which: Literal["all", "prunable", "ranked"] = "all",
    structure: Structure = WEIGHTS,
) -> Tensor:
    """A flat copy [n] of the parameters: "all" that are trained, "prunable", or "ranked".

    The last are the prunable weights that a prune of the structure ranks. ALLR's norm drop is that
    of "all", as in the authors' public release, and of "ranked" where filters go.
    """
    if which not in ("all", "prunable", "ranked"):
        raise ValueError(f"which must be one of all, prunable, ranked, got {which!r}")
    weights = prunable(target)
    if which == "all":
        chosen = [p for p in weights.model.parameters() if p.requires_grad]
    else:
        chosen = [weights[name] for name in measured_weights(weights, which, structure)]
    return torch.cat([p.detach().flatten() for p in chosen])


def measured_weights(weights: Prunable, which: str, structure: Structure) -> list[str]:
    """Return the names of the weights that s of d1 is a share of: under "all" the prunable ones."""
    return ranked_weights(weights, structure) if which == "ranked" else list(weights)


def norm_drop(before: Tensor, after: Tensor) -> float:
    """||before - after|| / ||before||, Euclidean, summed in double precision; 0 where nothing went.

    Args:
        before: `parameter_vector` before the prune, [n].
        after: the same after it, [n].

    Raises:
        ValueError: shapes differ, or `before` is all zero or not finite.
    """
    if before.shape != after.shape:
        raise ValueError(
            f"before and after must have one shape, got {list(before.shape)}, {list(after.shape)}"
        )
    whole = float(torch.linalg.vector_norm(before, dtype=torch.float64))
    if not 0 < whole < float("inf"):
        raise ValueError(f"the norm before must be > 0 and finite, got {whole}")
    return float(torch.linalg.vector_norm(before - after, dtype=torch.float64)) / whole
