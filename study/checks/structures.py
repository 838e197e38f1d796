"""What a study's structures cannot do to its networks, by their shapes, before anything starts.

Weights that a structure does not divide (2:4 and nine inputs) stay dense and are named; a structure
that divides none is refused. Goals above what may go, since every layer keeps a filter, are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from study.checks.installed import INSTALL, has_torch
from study.points.resolved_study import ResolvedStudy
from trainables.config.exclusions import excluded, left_trained
from trainables.config.trial import TrialConfig
from trainables.formulas.sparsity import zeros_at
from trainables.formulas.structures import (
    Bundle,
    Structure,
    bundles_in,
    misfits,
    whole_bundles,
)
from trainables.vocabulary.refusal import Refusal

MOST_NAMED = 12


@dataclass(frozen=True)
class _Network:
    """The prunable weights of a network: kinds of modules, order, and matrices by name.

    `bundles`: by kind of structure what it cuts together, as plain data; None where an older look
    does not tell.
    """

    kinds: Mapping[str, str]
    order: list[str]
    matrices: Mapping[str, tuple[int, int]]
    bundles: Mapping[str, Any] | None

    def bundled(self, form: Structure) -> list[Bundle]:
        """What a structure cuts together."""
        return bundles_in(self.bundles or {}, form)


def uncut_in_words(resolved: ResolvedStudy) -> list[tuple[str, str]]:
    """Return a line of a plan for each structure and network in which weights stay dense.

    Builds networks of the catalog without memory, where a structure may leave weights out at all.
    Refusal where a structure divides no weight.
    """
    lines: dict[tuple[str, str], None] = {}
    for config, network in _with_networks(resolved, _divided(resolved)):
        if reasons := _reasons(config, network):
            label, texts = "not divided", _named(reasons)
            if config.prune.form.record.parts:
                label, texts = "not cut", _by_reason(reasons)
            lines[(label, f"{texts} (prune.structure {config.prune.form.name})")] = None
    return list(lines)


def out_of_reach_in_words(resolved: ResolvedStudy) -> list[tuple[str, str]]:
    """Return a line of a plan for each structure and network with goals that cannot be reached.

    Every layer keeps a unit, or `prune.keep_layer_min` weights, and under filters and rows the
    classifier keeps all. Kinds of modules that are not known say nothing.
    """
    goals: dict[tuple[str, float], dict[float, None]] = {}
    for config, network in _with_networks(resolved, _limited(resolved)):
        weights = _pruned(config, network)
        whole = whole_bundles(network.bundled(config.prune.form), weights)
        most = _most_zeros(config, weights, whole)
        total = sum(one.size for one in weights.values())
        goal = config.prune.sparsity
        if most is not None and zeros_at(total, goal) > most:
            goals.setdefault((config.prune.form.name, most / total), {})[goal] = None
    return [
        (
            "out of reach",
            f"{_percents(sorted(asked))} (prune.sparsity) under prune.structure {name}: at most"
            f" {100 * share:.4g} % of the weights can go",
        )
        for (name, share), asked in goals.items()
    ]


HIGH: Final = 0.98
"""Goals up to this leave a weight in every network of more than fifty."""


def refuse_empty_networks(resolved: ResolvedStudy) -> None:
    """Refuse a goal that leaves no weight of a network, by the number that is then removed.

    Whole units and `prune.keep_layer_min` keep some in every layer; kinds of methods that do not
    rank weights end where their training does.
    """
    for config, network in _with_networks(resolved, _high(resolved)):
        goal, sizes = config.prune.sparsity, [w.size for w in _pruned(config, network).values()]
        parts = sizes if config.prune.scope == "layer" else [sum(sizes)]
        if sizes and all(zeros_at(part, goal) >= part for part in parts):
            rule = f"must leave one of the {sum(sizes)} weights that can be pruned"
            raise Refusal(f"prune.sparsity {rule}, got {goal}")


def unknown_in_words(resolved: ResolvedStudy) -> list[tuple[str, str]]:
    """Return a line of a plan where its networks would have to be built and torch is missing."""
    if has_torch():
        return []
    looked_at = [*_divided(resolved), *_limited(resolved), *_high(resolved)]
    if not any(_has_to_be_built(resolved, config) for config in looked_at):
        return []
    what = "what structures and goals leave of the networks is not known without torch"
    return [("not looked at", f"{what} ({INSTALL})")]


def _divided(resolved: ResolvedStudy) -> list[TrialConfig]:
    """Configurations whose structure may leave weights out."""
    return [one for one in resolved.representatives if one.prune.form.record.divides]


def _limited(resolved: ResolvedStudy) -> list[TrialConfig]:
    """Configurations of which every layer keeps something."""
    return [
        one
        for one in resolved.representatives
        if one.prune.form.record.choice == "units" or one.prune.keep_layer_min
    ]


def _high(resolved: ResolvedStudy) -> list[TrialConfig]:
    """Configurations whose goal may leave no weight."""
    return [
        one
        for one in resolved.representatives
        if one.prune.sparsity > HIGH
        and one.info.controls_sparsity
        and not one.prune.keep_layer_min
        and one.prune.form.record.choice != "units"
    ]


def _percents(shares: Sequence[float]) -> str:
    numbers = [f"{100 * share:.6g}" for share in shares]
    return f"{' and '.join([', '.join(numbers[:-1]), numbers[-1]] if numbers[1:] else numbers)} %"


def _with_networks(
    resolved: ResolvedStudy, configs: Iterable[TrialConfig]
) -> Iterator[tuple[TrialConfig, _Network]]:
    """Each configuration with what is known of its network; those of which nothing is left out."""
    networks: dict[str, _Network | None] = {}
    for config in configs:
        key = config.task.model_dump_json()
        if key not in networks:
            networks[key] = _network(resolved, config)
        network = networks[key]
        if network is None or (config.prune.form.record.parts and network.bundles is None):
            continue
        yield config, network


@dataclass(frozen=True)
class _Weight:
    """A prunable weight: the kind of its module, the matrix of a layer in it, and how many."""

    kind: str
    matrix: tuple[int, int]

    @property
    def layers(self) -> int:
        """Attention's packed projections are three layers."""
        return 3 if self.kind == _ATTENTION else 1

    @property
    def size(self) -> int:
        return self.layers * self.matrix[0] * self.matrix[1]


_ATTENTION: Final = "MultiheadAttention"
_LINEAR: Final = ("Linear", "NonDynamicallyQuantizableLinear")
_CONVOLUTIONS: Final = ("Conv1d", "Conv2d", "Conv3d")


def _pruned(config: TrialConfig, network: _Network) -> dict[str, _Weight]:
    """The weights that a trial prunes, in module order."""
    kinds, order = left_trained(network.kinds, network.order, config.dense.freeze)
    away = set(excluded(kinds, config.prune.exclude, order))
    away |= _reasons(config, network).keys()
    return {
        name: _Weight(kinds[name], network.matrices[name])
        for name in network.matrices
        if name in kinds and name not in away
    }


def _most_zeros(
    config: TrialConfig, weights: Mapping[str, _Weight], bundles: Sequence[Bundle]
) -> int | None:
    """How many weights a prune can remove at most; None where that is not known."""
    from trainables.pruning.quotas import least_kept

    record, least = config.prune.form.record, config.prune.keep_layer_min
    if not {one.kind for one in weights.values()} <= {_ATTENTION, *_LINEAR, *_CONVOLUTIONS}:
        return None
    if record.parts:
        sizes = [(sum(weights[name].size for name in one.weights), one.n) for one in bundles]
        return sum(
            size - size // n * max(1, -(-least_kept(size, least) // (size // n)))
            for size, n in sizes
        )
    linear = [name for name, one in weights.items() if one.kind in _LINEAR]
    layers = [name for name, one in weights.items() if one.kind != _ATTENTION]
    spared = [*layers, *linear][-1:] if record.spares_classifier else []
    most = 0
    for name, one in weights.items():
        if name in spared or (record.with_filters and one.kind == _ATTENTION):
            continue
        rows, columns = one.matrix
        height, width = config.prune.form.unit(rows, columns)
        unit = height * width
        kept = -(-least_kept(rows * columns, least) // unit)
        most += one.layers * (rows * columns - unit * max(kept, int(record.choice == "units")))
    return most


def _reasons(config: TrialConfig, network: _Network) -> dict[str, str]:
    kinds, order = left_trained(network.kinds, network.order, config.dense.freeze)
    pruned = kinds.keys() - excluded(kinds, config.prune.exclude, order)
    left = {name: matrix for name, matrix in network.matrices.items() if name in pruned}
    form = config.prune.form
    reasons = misfits(form, left, network.bundled(form))
    if len(reasons) == len(left):
        if parts := form.record.parts:
            rule = (
                f"must be one whose units the network has ({parts}, all of their weights prunable)"
            )
            raise Refusal(f"prune.structure {rule}, got {form.name}")
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


def _by_reason(reasons: Mapping[str, str]) -> str:
    """The same where many weights have one reason: the reason, then their names."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason, []).append(name)
    texts = []
    for reason, names in by_reason.items():
        more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
        texts.append(f"{', '.join(names[:MOST_NAMED])}{more}: {reason}")
    return "; ".join(texts)


def _findings(resolved: ResolvedStudy, config: TrialConfig) -> Mapping[str, Any] | None:
    """What a look at the user's code tells of a trial's network; None where there was none."""
    look = resolved.code.look_of(config.model_dump(mode="json"))
    return None if look is None or not look.findings else look.findings


def _has_to_be_built(resolved: ResolvedStudy, config: TrialConfig) -> bool:
    """Whether a trial's network is one of the catalog, which no look at a user's code tells."""
    return _findings(resolved, config) is None and _of_catalog(config) is not None


def _of_catalog(config: TrialConfig) -> tuple[Any, ...] | None:
    """What a trial's network of the catalog is built of; None where it is none."""
    model, images = config.task.model, config.images
    if model is None or model.is_own or images is None:
        return None
    return model.name, *images, model.parameters


def _network(resolved: ResolvedStudy, config: TrialConfig) -> _Network | None:
    """What is known of a trial's network.

    None where a look of an older version tells nothing, and where torch is not there to build it.
    """
    if (found := _findings(resolved, config)) is not None:
        if "matrices" not in found:
            return None
        matrices = {name: (rows, columns) for name, (rows, columns) in found["matrices"].items()}
        return _Network(found["kinds"], list(found["order"]), matrices, found.get("bundles"))
    parts = _of_catalog(config)
    if parts is None or not has_torch():
        return None
    from trainables.networks.models import without_memory
    from trainables.pruning.bundles import every_bundle
    from trainables.pruning.cuts import matrices as matrices_of
    from trainables.pruning.prunable import prunable

    weights = prunable(without_memory(*parts))
    bundles = {kind: [asdict(b) for b in every] for kind, every in every_bundle(weights).items()}
    return _Network(weights.kinds, list(weights), matrices_of(weights), bundles)
