"""A trial's network without its zero filters, wherever the network itself may stand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from trainables.deploy.trained import Trained
from trainables.deploy.weights import MaskedWeights
from trainables.pruning.masks import Masks
from trainables.pruning.prunable import prunable
from trainables.pruning.work import work_of
from trainables.removal.attention import packed_rows
from trainables.removal.proved import NotRemoved, Removal, without_zero_filters
from trainables.vocabulary.refusal import Refusal

PLAN: Final = "plan"
"""The entry of a safetensors header that holds, as JSON, what `removal.plan.shrink` takes."""


@dataclass(frozen=True, eq=False)
class Smaller:
    """The smaller network with its task and data, its weights, and the proof that it is equal."""

    network: Trained
    weights: MaskedWeights = field(repr=False)
    removal: Removal
    multiply_adds: tuple[int, int]

    @property
    def header(self) -> dict[str, str]:
        """What a safetensors file says of it beside the tensors."""
        return {PLAN: json.dumps(self.removal.plan.as_json(), separators=(",", ":"))}

    def plain(self) -> dict[str, Any]:
        """Return what a card says of it: filters gone, those that stay, the plan, the proof."""
        plan = self.removal.plan
        before, after = self.multiply_adds
        return {
            "filters": plan.removed,
            "heads": plan.removed_heads,
            "kept": [str(kept) for kept in plan.kept],
            "multiply_adds": after,
            "multiply_adds_before": before,
            "largest_difference": self.removal.difference,
            "sizes": plan.sizes,
            "shapes": {name: list(t.shape) for name, t in self.weights.tensors.items()},
            "plan": plan.as_json(),
        }


def smaller(network: Trained) -> Smaller:
    """Return a network without its zero filters, equal on the first batches of validation.

    Refusal, with the reason, where nothing can be taken out or outputs would differ.
    """
    try:
        removal = without_zero_filters(
            network.task, network.model, network.example, network.batches("val")
        )
    except NotRemoved as error:
        raise Refusal(
            f"--remove must leave a smaller network that is equal, got none: {error}"
        ) from error
    model = removal.model.eval()
    every = prunable(model, network.task.prunable, network.task.feed_forward)
    chosen = every.without([name for name in every if name not in network.masks])
    masks = _left(network.masks, removal.plan.keep, _head_places(network.model, removal.plan.heads))
    loaded = replace(
        network.loaded,
        model=model,
        forward=model,
        weights=chosen,
        work=work_of(chosen, network.example),
    )
    state = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}
    return Smaller(
        Trained(network.record, loaded, masks),
        MaskedWeights(state, masks),
        removal,
        (network.loaded.work.total, loaded.work.total),
    )


_Places = Mapping[str, Mapping[int, list[int]]]


def _left(masks: Mapping[str, Tensor], *keep: _Places) -> Masks:
    """The masks of what is left of each weight."""
    left = {}
    for name, mask in masks.items():
        for places_of in keep:
            for axis, places in places_of.get(name, {}).items():
                mask = mask.index_select(axis, torch.tensor(places))
        left[name] = mask
    return left


def _head_places(model: nn.Module, heads: Mapping[str, list[int]]) -> _Places:
    """The places of projections that stay with their heads."""
    places: dict[str, dict[int, list[int]]] = {}
    for name, numbers in heads.items():
        layer: Any = model.get_submodule(name)
        prefix = f"{name}." if name else ""
        rows = packed_rows(numbers, layer.num_heads, layer.head_dim)
        places[f"{prefix}in_proj_weight"] = {0: rows}
        columns = rows[: len(rows) // 3]
        places[f"{prefix}out_proj.weight"] = {1: columns}
    return places
