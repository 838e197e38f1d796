"""One point of a block, sampled key by key: conditions first, inactive keys never."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from study.definition.domains import Domain
from study.definition.space import Block
from trainables.config.rules import CONDITIONS
from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal

_PLAIN = (bool, int, float, str, type(None))
_MARK = "json:"


def encode(value: Any) -> Any:
    """Return a value as Optuna keeps it: lists and mappings become marked JSON text."""
    if isinstance(value, _PLAIN):
        return value
    return _MARK + json.dumps(value, sort_keys=True)


def decode(value: Any) -> Any:
    """Undo `encode`."""
    if isinstance(value, str) and value.startswith(_MARK):
        return json.loads(value.removeprefix(_MARK))
    return value


def distribution(domain: Domain) -> BaseDistribution:
    """Return Optuna's form of a sampled domain."""
    if domain.kind == "choice":
        return CategoricalDistribution([encode(v) for v in domain.values])
    low, high = domain.values
    if domain.kind == "int":
        return IntDistribution(low, high)
    return FloatDistribution(low, high, log=domain.kind == "loguniform")


def active_sample(
    block: Block,
    trial: optuna.Trial,
    distributions: Mapping[str, BaseDistribution],
    outside: Mapping[str, Any],
) -> tuple[dict[str, Any], TrialConfig]:
    """Return the values sampled for the active keys, and the configuration they make.

    `prune.cycles` comes last, with its upper bound lowered to the retraining steps there are.
    Keys of `outside` take the values given there, of which Optuna never learns.
    Raises Refusal for a point that breaks a rule.
    """
    sampled = block.space.sampled
    values: dict[str, Any] = {}
    for key in sorted(sampled, key=_rank):
        if not _is_active(block, key, values):
            continue
        if key in outside:
            values[key] = outside[key]
            continue
        bounded = _bounded(block, key, values, distributions[key])
        values[key] = decode(_draw(trial, key, bounded))
    return values, block.space.config({**block.cell, **values})


def _draw(trial: optuna.Trial, key: str, domain: BaseDistribution) -> Any:
    if isinstance(domain, CategoricalDistribution):
        return trial.suggest_categorical(key, domain.choices)
    if isinstance(domain, IntDistribution):
        return trial.suggest_int(key, domain.low, domain.high)
    assert isinstance(domain, FloatDistribution)
    return trial.suggest_float(key, domain.low, domain.high, log=domain.log)


def _rank(key: str) -> tuple[int, str]:
    """Keys that others depend on first, those that depend on lengths last."""
    if key in ("method", "dense.schedule", "retrain.schedule", "prune.structure"):
        return 0, key
    if key == "prune.cycles":
        return 3, key
    return (2 if key in CONDITIONS else 1), key


def _stand_in(domain: Domain) -> Any:
    """A value well inside a domain: the bounds themselves may break a rule, as discount 0 does."""
    if domain.kind in ("uniform", "loguniform"):
        return sum(domain.values) / 2
    return domain.values[0]


def _provisional(block: Block, values: Mapping[str, Any]) -> TrialConfig | None:
    """The configuration with a stand-in for each value that is not sampled yet."""
    rest = {k: _stand_in(d) for k, d in block.space.sampled.items() if k not in values}
    try:
        return block.space.config({**block.cell, **rest, **values})
    except Refusal:
        return None


def _is_active(block: Block, key: str, values: Mapping[str, Any]) -> bool:
    if key not in CONDITIONS:
        return True
    config = _provisional(block, values)
    return config is None or CONDITIONS[key].holds(config)


def _bounded(
    block: Block, key: str, values: Mapping[str, Any], whole: BaseDistribution
) -> BaseDistribution:
    """More cycles than optimiser steps cannot be: lower the bound to what there are."""
    if key != "prune.cycles" or not isinstance(whole, IntDistribution):
        return whole
    config = _provisional(block, values)
    if config is None:
        return whole
    steps = sum(config.cycle_steps)
    return IntDistribution(whole.low, max(whole.low, min(whole.high, steps)))
