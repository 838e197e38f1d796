"""One point of a block: conditions first, inactive keys never, dependent bounds applied."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from study.definition.domains import Domain
from study.definition.space import Block
from study.definition.studyfile import StudyFile
from study.points.resolve import resolve
from study.points.sampling import active_sample, decode, distribution, encode
from trainables.config.trial import TrialConfig
from trainables.vocabulary.refusal import Refusal


def block_of(**sections: Any) -> Block:
    raw = {
        "name": "points",
        "task": {"dataset": "digits", "model": "mlp"},
        "dense": {"epochs": 4},
        "prune": {"sparsity": 0.9},
        "retrain": {"epochs": 1},
        "search": {"strategy": "optuna", "trials": 1, "objectives": {"val_accuracy": "max"}},
        **sections,
    }
    (block,) = resolve(StudyFile.of(raw)).blocks
    return block


def sample(
    block: Block, params: dict[str, Any], outside: dict[str, Any] | None = None
) -> tuple[dict[str, Any], TrialConfig]:
    """The point that Optuna's choices `params` make; a key that is missing must not be asked."""
    trial: Any = optuna.trial.FixedTrial(params)
    distributions = {k: distribution(d) for k, d in block.space.sampled.items()}
    return active_sample(block, trial, distributions, outside or {})


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        (0.5, 0.5),
        (True, True),
        ("allr", "allr"),
        (None, None),
        ([8, 4], "json:[8, 4]"),
        ({"name": "mlp", "hidden": [4]}, 'json:{"hidden": [4], "name": "mlp"}'),
    ],
)
def test_values_are_kept_by_optuna_as_plain_ones(value: Any, kept: Any) -> None:
    assert encode(value) == kept
    assert decode(kept) == value


@pytest.mark.parametrize(
    ("domain", "expected"),
    [
        (Domain("uniform", (0.1, 1.0)), FloatDistribution(0.1, 1.0)),
        (Domain("loguniform", (0.1, 1.0)), FloatDistribution(0.1, 1.0, log=True)),
        (Domain("int", (1, 4)), IntDistribution(1, 4)),
        (Domain("choice", ("a", [8])), CategoricalDistribution(["a", "json:[8]"])),
    ],
)
def test_distributions(domain: Domain, expected: BaseDistribution) -> None:
    assert distribution(domain) == expected


CONDITIONAL = {
    "epochs": 1,
    "schedule": {"choice": ["allr", "llr", "cosine"]},
    "discount": {"uniform": [0, 1]},
    "init": {"loguniform": [0.001, 1]},
}


def test_a_conditional_key_is_sampled_where_it_is_active() -> None:
    block = block_of(retrain=CONDITIONAL)
    values, config = sample(block, {"retrain.schedule": "allr", "retrain.discount": 0.25})
    assert values == {"retrain.schedule": "allr", "retrain.discount": 0.25}
    assert config.retrain.discount == 0.25
    values, config = sample(block, {"retrain.schedule": "cosine", "retrain.init": 0.5})
    assert values == {"retrain.schedule": "cosine", "retrain.init": 0.5}
    assert config.retrain.init == 0.5


def test_an_inactive_key_is_never_sampled() -> None:
    values, config = sample(block_of(retrain=CONDITIONAL), {"retrain.schedule": "llr"})
    assert values == {"retrain.schedule": "llr"}
    assert config.retrain.discount == "adaptive"


def test_conditions_on_conditions() -> None:
    prune = {
        "sparsity": 0.5,
        "structure": {"choice": ["weights", "filters"]},
        "criterion": {"choice": ["magnitude", "random"]},
        "filter_norm": {"choice": ["l1", "l2"]},
    }
    block = block_of(prune=prune)
    for structure, criterion, active in (
        ("weights", "magnitude", False),
        ("filters", "random", False),
        ("filters", "magnitude", True),
    ):
        given = {"prune.structure": structure, "prune.criterion": criterion}
        values, _ = sample(block, {**given, "prune.filter_norm": "l1"})
        assert ("prune.filter_norm" in values) is active


def test_a_parameter_in_a_list_is_decoded() -> None:
    model = {"name": "mlp", "hidden": {"choice": [[8], [4, 4]]}}
    block = block_of(task={"dataset": "digits", "model": model})
    values, config = sample(block, {"task.model.hidden": "json:[4, 4]"})
    assert values == {"task.model.hidden": [4, 4]}
    assert config.task.model.parameters["hidden"] == (4, 4)


class Bounds(optuna.trial.FixedTrial):
    """A fixed trial that remembers the bounds it was asked with."""

    def __init__(self, params: dict[str, Any]) -> None:
        super().__init__(params)
        self.asked: dict[str, tuple[int, int]] = {}

    def suggest_int(self, name: str, low: int, high: int, **more: Any) -> int:
        self.asked[name] = (low, high)
        return super().suggest_int(name, low, high, **more)


@pytest.mark.parametrize(
    ("epochs", "cycles", "bounds"),
    [(1, [1, 40], (1, 21)), (2, [1, 40], (1, 40)), (0.25, [2, 40], (2, 5)), (0.05, [2, 9], (2, 9))],
)
def test_cycles_are_bounded_by_the_steps_there_are(
    epochs: float, cycles: list[int], bounds: tuple[int, int]
) -> None:
    """21 steps an epoch; where even the low bound is too much, the point breaks a rule."""
    block = block_of(
        prune={"sparsity": 0.9, "cycles": {"int": cycles}}, retrain={"epochs": {"choice": [epochs]}}
    )
    trial: Any = Bounds({"prune.cycles": bounds[0], "retrain.epochs": epochs})
    distributions = {k: distribution(d) for k, d in block.space.sampled.items()}
    if epochs == 0.05:
        with pytest.raises(Refusal, match=r"prune\.cycles must be <= the 1 optimiser steps"):
            active_sample(block, trial, distributions, {})
    else:
        active_sample(block, trial, distributions, {})
    assert trial.asked["prune.cycles"] == bounds


def test_a_point_that_breaks_a_rule_is_refused() -> None:
    block = block_of(retrain={"epochs": 1, "discount": {"uniform": [0, 1]}})
    with pytest.raises(Refusal, match=r"retrain\.discount must be .*got 0"):
        sample(block, {"retrain.discount": 0.0})


def test_cells_and_values_from_outside_join_the_sampled_ones() -> None:
    block = block_of(
        prune={"sparsity": {"grid": [0.7]}},
        retrain={"epochs": {"uniform": [1, 2]}, "discount": {"uniform": [0.1, 1]}},
    )
    values, config = sample(block, {"retrain.epochs": 1.5}, {"retrain.discount": "d1"})
    assert values == {"retrain.discount": "d1", "retrain.epochs": 1.5}
    assert (config.prune.sparsity, config.retrain.discount) == (0.7, "d1")
