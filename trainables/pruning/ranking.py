"""Which weights go first. A prune is four independent choices.

Structure (what goes together: `formulas.structures`), scope, criterion, and for whole units the
norm (`choices`). Pure tensor code that knows neither training nor configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from trainables.formulas.structures import Structure, structure_of
from trainables.pruning.choices import CRITERIA, SCOPES, UNIT_NORMS, Choices, Scope, known
from trainables.pruning.cuts import JointCut, cuts_of, joint_cuts_of, masks_of
from trainables.pruning.lowest import lowest
from trainables.pruning.masks import Masks, count_zeros
from trainables.pruning.prunable import Prunable, prunable
from trainables.pruning.quotas import Quota, flat, least_kept, protected


def prune(
    target: nn.Module | Prunable,
    masks: Masks,
    *,
    zeros: int,
    structure: Structure | str,
    scope: str,
    criterion: str,
    filter_norm: str = "l2",
    generator: torch.Generator | None = None,
    scores: Mapping[str, Tensor] | None = None,
    keep_least: float = 0,
) -> Masks:
    """New masks with `zeros` zeros in all, those of `masks` among them; the model is not changed.

    What was pruned before counts and never returns. Of equal scores the lower index in module
    order goes first. Devices do not differ in the outcome.

    Single weights make exactly `zeros` zeros, and so do patterns n:m, the same number in every
    group. Whole units (filters, blocks, rows, columns, heads, hidden units) go in order until the
    next would take the total above `zeros`; every layer keeps at least one, and under filters and
    rows the classifier loses none. What else goes with a unit is told by `masks.taken_along`.

    Args:
        target: holds the weights to rank; of a bare model the weights of its layers.
        masks: the masks so far; `dense_masks(model)` before the first prune.
        zeros: how many of all prunable weights shall be zero, as `sparsity.zeros_after` counts.
        structure: what goes together, or the name of a kind that needs no size.
        scope: a key of SCOPES; of no account under a pattern, whose groups all give the same.
        criterion: a key of CRITERIA.
        filter_norm: a key of UNIT_NORMS, read where whole units are ranked by magnitude.
        generator: a generator of the CPU, read where the criterion draws.
        scores: by weight what to rank instead of magnitudes, of the weights' shapes; lowest go
            first, under the criterion magnitude. A unit's score is the sum over its weights.
        keep_least: weights that every layer keeps, or as many as it has alive; below 1 a share of
            the layer. The others lose more instead; where the goal cannot be reached with them, as
            many zeros are made as there can be. Of no account under a pattern.

    Raises:
        ValueError: an unknown name, masks of another model, `zeros` below what is there already or
            above all weights, a weight that is not finite, no CPU generator where one is needed, a
            layer that the structure does not cut, or zeros that groups cannot share equally.
    """
    weights = prunable(target)
    choices = Choices(
        known("scope", scope, SCOPES),
        known("criterion", criterion, CRITERIA),
        known("filter_norm", filter_norm, UNIT_NORMS),
        generator,
        scores,
        keep_least,
    )
    structure = structure_of(structure)
    _check_masks(weights, masks, zeros)
    masks = {name: masks[name] for name in weights}  # ties and draws go by this order
    _check_finite(weights)
    if choices.criterion.draws and (generator is None or generator.device.type != "cpu"):
        raise ValueError(f"criterion {criterion!r} needs a generator of the CPU, got {generator}")
    return _WAYS[structure.record.choice](weights, masks, zeros, choices, structure)


# --- single weights ---


def _prune_weights(
    weights: Prunable, masks: Masks, zeros: int, choices: Choices, _structure: Structure
) -> Masks:
    pruned = {name: torch.empty_like(mask).flatten() for name, mask in masks.items()}
    layers = Quota.all_of(weights, masks, choices.keep_least)
    zeros = min(zeros, sum(quota.most_zeros for quota in layers))
    for group, group_zeros in choices.scope.groups(layers, zeros):
        score = torch.cat([flat(choices.values(weights, q.part.name), q.part) for q in group])
        score = choices.criterion.score(score, choices.generator)
        dead = ~torch.cat([flat(masks[q.part.name], q.part) for q in group])
        score = score.masked_fill_(dead, _below_all(score))
        if choices.keep_least:
            score = protected(score, group)
        kept = torch.split(~lowest(score, group_zeros), [q.part.size for q in group])
        for quota, flags in zip(group, kept, strict=True):
            pruned[quota.part.name][quota.part.start : quota.part.stop] = flags
    return {name: flags.reshape(masks[name].shape) for name, flags in pruned.items()}


def _below_all(score: Tensor) -> float:
    return -math.inf if score.is_floating_point() else -1


# --- so many in every group of inputs ---


def _prune_groups(
    weights: Prunable, masks: Masks, zeros: int, choices: Choices, structure: Structure
) -> Masks:
    cuts, m = cuts_of(weights, structure), structure.group
    assert m is not None
    each, rest = divmod(zeros * m, sum(cut.n for cut in cuts))
    if rest:
        raise ValueError(f"zeros must be the same in each group of {m}, got {zeros} in all")
    alive = torch.cat([cut.units(masks[cut.part.name]) for cut in cuts]).reshape(-1, m)
    if int((~alive).sum(1).max()) > each:
        raise ValueError(f"masks must have at most {each} zeros in each group of {m}, got more")
    score = torch.cat([cut.units(choices.values(weights, cut.part.name)) for cut in cuts])
    score = choices.criterion.score(score.flatten(), choices.generator).reshape(-1, m)
    score = score.masked_fill(~alive, _below_all(score))
    # A stable sort is exact on ties, on every device.
    order = score.sort(dim=1, stable=True).indices
    kept = torch.ones_like(alive).scatter_(1, order[:, :each], False).flatten()
    return masks_of(weights, masks, cuts, torch.split(kept, [cut.n for cut in cuts]))


# --- whole units ---


def _prune_units(
    weights: Prunable, masks: Masks, zeros: int, choices: Choices, structure: Structure
) -> Masks:
    cuts = joint_cuts_of(weights, structure)
    if not cuts:
        return dict(masks)
    # On the CPU in double precision: sums, and so the order, are then those of every device.
    alive = [cut.units(lambda name: masks[name].cpu()) for cut in cuts]
    ranked = [cut.units(lambda name: _doubles(choices.ranked(weights, name))) for cut in cuts]
    measures = [choices.of_units(v * a) for v, a in zip(ranked, alive, strict=True)]
    n_units = [cut.n for cut in cuts]
    n_weights = torch.cat([units.sum(1) for units in alive])
    score = choices.criterion.score(torch.cat(measures), choices.generator).double()
    scores = torch.split(score.masked_fill(n_weights == 0, -math.inf), n_units)
    order = _leaving(scores, choices.scope, [_units_kept(cut, choices.keep_least) for cut in cuts])
    fits = n_weights[order].cumsum(0) <= zeros - count_zeros(masks)
    kept = torch.ones_like(score, dtype=torch.bool)
    kept[order[: int(fits.count_nonzero())]] = False
    flags = [
        (member, part)
        for cut, part in zip(cuts, torch.split(kept, n_units), strict=True)
        for member in cut.cuts
    ]
    return masks_of(weights, masks, [cut for cut, _ in flags], [part for _, part in flags])


def _units_kept(cut: JointCut, least: float) -> int:
    """Units that a layer keeps: one at least."""
    return max(1, -(-least_kept(cut.n * cut.size, least) // cut.size))


def _leaving(scores: Sequence[Tensor], scope: Scope, spared: Sequence[int]) -> Tensor:
    """Positions of the units in the order in which they go, without the best of each layer."""
    ranks = [score.argsort(stable=True).argsort() for score in scores]
    keys = torch.cat([scope.unit_key(s, r) for s, r in zip(scores, ranks, strict=True)])
    best = torch.cat([rank >= len(rank) - n for rank, n in zip(ranks, spared, strict=True)])
    order = keys.argsort(stable=True)
    return order[~best[order]]


def _doubles(weight: Tensor) -> Tensor:
    return weight.detach().cpu().double()


_Way = Callable[[Prunable, Masks, int, Choices, Structure], Masks]
_WAYS: dict[str, _Way] = {
    "weights": _prune_weights,
    "groups": _prune_groups,
    "units": _prune_units,
}
"""How a prune chooses, by `Kind.choice`."""


def _check_masks(weights: Prunable, masks: Masks, zeros: int) -> None:
    if not weights:
        raise ValueError("the model must have a convolution or linear layer to prune, got none")
    shapes = {name: weight.shape for name, weight in weights.items()}
    if {name: mask.shape for name, mask in masks.items()} != shapes:
        raise ValueError(f"masks must be those of {list(shapes)}, got {list(masks)}")
    lowest, n = count_zeros(masks), sum(shape.numel() for shape in shapes.values())
    if not lowest <= zeros <= n:
        raise ValueError(f"zeros must be in [{lowest}, {n}], from those there to all, got {zeros}")


def _check_finite(weights: Prunable) -> None:
    for name, weight in weights.items():
        if not weight.detach().sum(dtype=torch.float64).isfinite():
            raise ValueError(f"weights must be finite to be ranked, got NaN or infinity in {name}")
