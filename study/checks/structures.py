"""Weights that a study's structures do not divide, by its networks' shapes: 2:4 and nine inputs.

They stay dense and are named before anything starts; a structure that divides none is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from study.points.resolved_study import ResolvedStudy
from trainables.config.exclusions import excluded, left_trained
from trainables.config.trial import TrialConfig
from trainables.formulas.structures import Structure, misfits
from trainables.vocabulary.refusal import Refusal

MOST_NAMED = 12


@dataclass(frozen=True)
class _Network:
    """The prunable weights of a network: kinds of modules, order, and matrices by name."""

    kinds: Mapping[str, str]
    order: list[str]
    matrices: Mapping[str, tuple[int, int]]


def uncut_in_words(resolved: ResolvedStudy) -> list[tuple[str, str]]:
    """Return a line of a plan for each structure and network in which weights stay dense.

    Builds networks of the catalog without memory, where a structure may leave weights out at all.
    Refusal where a structure divides no weight.
    """
    lines: dict[tuple[str, str], None] = {}
    networks: dict[str, _Network | None] = {}
    for config in resolved.representatives:
        if not config.prune.form.record.divides:
            continue
        key = config.task.model_dump_json()
        if key not in networks:
            networks[key] = _network(resolved, config)
        if (network := networks[key]) is not None and (reasons := _reasons(config, network)):
            line = f"{_named(reasons)} (prune.structure {config.prune.form.name})"
            lines[("not divided", line)] = None
    return list(lines)


def _reasons(config: TrialConfig, network: _Network) -> dict[str, str]:
    kinds, order = left_trained(network.kinds, network.order, config.dense.freeze)
    pruned = kinds.keys() - excluded(kinds, config.prune.exclude, order)
    left = {name: matrix for name, matrix in network.matrices.items() if name in pruned}
    form = config.prune.form
    reasons = misfits(form, left)
    if len(reasons) == len(left):
        key, value = _asked(form)
        rule = f"must divide a weight of the network ({_named(reasons)})"
        raise Refusal(f"{key} {rule}, got {value}")
    return reasons


def _asked(form: Structure) -> tuple[str, str]:
    """The key that gave the structure its size, and its value as a study file has it."""
    if form.pattern is not None:
        return "prune.pattern", "{{n: {}, m: {}}}".format(*form.pattern)
    assert form.block is not None
    return "prune.block", "{{rows: {}, columns: {}}}".format(*form.block)


def _named(reasons: Mapping[str, str]) -> str:
    texts = [f"{name}: {reason}" for name, reason in list(reasons.items())[:MOST_NAMED]]
    more = len(reasons) - MOST_NAMED
    return ", ".join(texts) + (f" and {more} more" if more > 0 else "")


def _network(resolved: ResolvedStudy, config: TrialConfig) -> _Network | None:
    """What is known of a trial's network; None where a look of an older version tells nothing."""
    look = resolved.code.look_of(config.model_dump(mode="json"))
    if look is not None and look.findings:
        found = look.findings
        if "matrices" not in found:
            return None
        matrices = {name: (rows, columns) for name, (rows, columns) in found["matrices"].items()}
        return _Network(found["kinds"], list(found["order"]), matrices)
    model, images = config.task.model, config.images
    if model is None or model.is_own or images is None:
        return None
    import torch

    from trainables.networks.models import build
    from trainables.pruning.cuts import matrices as matrices_of
    from trainables.pruning.prunable import prunable

    with torch.device("meta"):
        weights = prunable(build(model.name, *images, model.parameters))
    return _Network(weights.kinds, list(weights), matrices_of(weights))
