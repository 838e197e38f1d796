"""Fingerprints and stage chains: what is the same work, and what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.config.chain import (
    StageSpec,
    cumulative_sparsity,
    digest,
    fingerprint,
    stage_chain,
)
from trainables.config.trial import TrialConfig

RAW: dict[str, Any] = {
    "task": {"dataset": "digits", "model": "cnn"},
    "dense": {"epochs": 20},
    "prune": {"sparsity": 0.9},
    "retrain": {"epochs": 3},
}


def config(**sections: Any) -> TrialConfig:
    return TrialConfig.of({**RAW, **sections})


def bimp(**sections: Any) -> TrialConfig:
    return config(method="bimp", dense={}, retrain={}, **{"budget": {"epochs": 20}, **sections})


def chain(seed: int = 0, **sections: Any) -> tuple[StageSpec, ...]:
    return stage_chain(config(**sections), seed)


def hashes(specs: tuple[StageSpec, ...]) -> list[str]:
    return [spec.hash for spec in specs]


BASE = fingerprint(config(), 0)


@pytest.mark.parametrize(
    "sections",
    [
        {"dense": {"epochs": 20, "batch_size": 64, "lr": 0.1, "momentum": 0.9}},
        {"dense": {"epochs": 20.0}},
        {"dense": {"epochs": 20, "nesterov": True}},
        {"dense": {"epochs": 20, "schedule": "linear", "lr_end": 0}},
        {"dense": {"epochs": 20.001}},
        {"retrain": {"budget": 0.15}},
        {"retrain": {"epochs": 3, "schedule": "allr", "discount": "adaptive"}},
        {"prune": {"cycles": 1, "sparsity": 0.90}},
        {"prune": {"sparsity": "0.9"}},
        {"method": {"name": "imp"}},
        {"task": {"model": {"name": "cnn", "channels": [16, 32, 32]}, "dataset": "digits"}},
        {"task": {"model": "cnn", "dataset": {"name": "digits", "augment": False}}},
        {"compute": {"precision": "fp32"}},
        {"budget": None},
        {"dense": {"epochs": 20, "optimiser": "sgd", "groups": [], "beta1": 0.5}},
    ],
)
def test_the_same_said_otherwise_has_the_same_fingerprint(sections: dict[str, Any]) -> None:
    assert fingerprint(config(**sections), 0) == BASE


@pytest.mark.parametrize(
    "sections",
    [
        {"dense": {"epochs": 21}},
        {"dense": {"epochs": 20, "lr": 0.05}},
        {"dense": {"epochs": 20, "batch_size": 32}},
        {"dense": {"epochs": 20, "schedule": "cosine"}},
        {"dense": {"epochs": 20, "weight_decay": 0}},
        {"dense": {"epochs": 20, "nesterov": False}},
        {"dense": {"epochs": 20, "warmup_epochs": 1}},
        {"dense": {"epochs": 20, "optimiser": "adamw", "lr": 0.1}},
        {"dense": {"epochs": 20, "groups": [{"match": ["*"]}]}},
        {"prune": {"sparsity": 0.91}},
        {"prune": {"sparsity": 0.9, "cycles": 2}},
        {"prune": {"sparsity": 0.9, "scope": "layer"}},
        {"prune": {"sparsity": 0.9, "bn_reestimate": False}},
        {"retrain": {"epochs": 4}},
        {"retrain": {"epochs": 3, "schedule": "llr"}},
        {"retrain": {"epochs": 3, "discount": 0.5}},
        {"retrain": {"epochs": 3, "norm": "prunable"}},
        {"task": {"dataset": "digits", "model": "mlp"}},
        {"task": {"dataset": "digits", "model": {"name": "cnn", "channels": [16, 32]}}},
        {"task": {"dataset": {"name": "digits", "n_train": 1292}, "model": "cnn"}},
        {"compute": {"precision": "bf16"}},
    ],
)
def test_another_trial_has_another_fingerprint(sections: dict[str, Any]) -> None:
    assert fingerprint(config(**sections), 0) != BASE


def test_seeds_differ() -> None:
    assert len({fingerprint(config(), seed) for seed in range(20)}) == 20


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"schedule": "llr", "discount": 0.5}, {"schedule": "llr"}),
        ({"schedule": "ft", "warmup": 0.3}, {"schedule": "ft"}),
        ({"schedule": "allr", "init": 0.3}, {"schedule": "allr"}),
    ],
)
def test_inactive_keys_are_not_hashed(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = config(retrain={"epochs": 3, **one}), config(retrain={"epochs": 3, **other})
    assert fingerprint(first, 0) == fingerprint(second, 0)
    assert hashes(stage_chain(first, 0)) == hashes(stage_chain(second, 0))


def test_the_same_key_is_hashed_where_it_is_active() -> None:
    prints = {
        fingerprint(config(retrain={"epochs": 3, "schedule": "cosine", "init": init}), 0)
        for init in (0.1, 0.2)
    }
    assert len(prints) == 2


def test_a_fingerprint_stays_from_version_to_version() -> None:
    """Records are found by it: when this changes, SCHEMA_VERSION must change too."""
    assert BASE == "774fb40210a9f02f"
    assert hashes(chain()) == ["3fa59545c5d96f07", "2d8b34dd3bb99355"]


@given(st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5), max_size=6))
def test_the_order_of_keys_does_not_count(content: dict[str, Any]) -> None:
    reversed_keys = dict(reversed(content.items()))
    assert digest(content) == digest(reversed_keys)
    assert digest(json.loads(json.dumps(content))) == digest(content)
    assert len(digest(content)) == 16


def test_numbers_that_json_cannot_hold_are_refused() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest({"a": float("nan")})


# Chains


def test_a_chain_is_the_dense_run_and_each_cycle() -> None:
    found = chain(prune={"sparsity": 0.9, "cycles": 3}, retrain={"epochs": 7})
    assert [spec.kind for spec in found] == ["dense", "cycle", "cycle", "cycle"]
    assert [spec.cycle for spec in found] == [0, 1, 2, 3]
    assert [spec.steps for spec in found] == [420, 42, 42, 63]
    assert [spec.epochs for spec in found] == [20, 2, 2, 3]
    assert [spec.parent for spec in found] == [None, *hashes(found)[:-1]]
    assert len(set(hashes(found))) == 4
    assert len({spec.likeness for spec in found}) == 1


def test_schedules_share_the_dense_run() -> None:
    schedules = ["ft", "lrw", "slr", "clr", "llr", "allr"]
    chains = [chain(retrain={"epochs": 3, "schedule": s}) for s in schedules]
    assert len({found[0].hash for found in chains}) == 1
    assert len({found[1].hash for found in chains}) == 6


@pytest.mark.parametrize(
    "sections",
    [
        {"prune": {"sparsity": 0.5}},
        {"prune": {"sparsity": 0.9, "structure": "filters"}},
        {"retrain": {"epochs": 1}},
        {"retrain": {"epochs": 3, "discount": 0.4}},
    ],
)
def test_what_comes_after_the_dense_run_leaves_it_as_it_is(sections: dict[str, Any]) -> None:
    assert chain(**sections)[0].hash == chain()[0].hash
    assert chain(**sections)[1].hash != chain()[1].hash


@pytest.mark.parametrize(
    "sections",
    [
        {"dense": {"epochs": 19}},
        {"dense": {"epochs": 20, "lr": 0.2}},
        {"compute": {"precision": "bf16"}},
        {"task": {"dataset": "digits", "model": "mlp"}},
    ],
)
def test_another_dense_run_is_another_chain(sections: dict[str, Any]) -> None:
    assert not set(hashes(chain(**sections))) & set(hashes(chain()))


def test_seeds_share_nothing() -> None:
    assert not set(hashes(chain(seed=0))) & set(hashes(chain(seed=1)))


def test_cycles_are_shared_as_far_as_they_ask_for_the_same() -> None:
    """.75 in two cycles goes by .5, where one cycle to .5 with as many steps ends."""
    two = chain(prune={"sparsity": 0.75, "cycles": 2}, retrain={"epochs": 4, "schedule": "llr"})
    one = chain(prune={"sparsity": 0.5}, retrain={"epochs": 2, "schedule": "llr"})
    assert hashes(two)[:2] == hashes(one)


def test_bimp_s_dense_run_equals_imp_s_linear_one_of_the_same_length() -> None:
    """T = 20, T0 = 15: 315 steps; both then retrain for 105 steps under ALLR."""
    budgeted = stage_chain(bimp(), 0)
    plain = chain(dense={"epochs": 15, "schedule": "linear"}, retrain={"epochs": 5})
    assert hashes(budgeted) == hashes(plain)
    assert fingerprint(bimp(), 0) != fingerprint(
        config(dense={"epochs": 15}, retrain={"epochs": 5}), 0
    )


def test_the_length_of_the_budget_is_hashed_by_its_steps() -> None:
    same = bimp(budget={"epochs": 20, "dense_fraction": 0.7501})
    assert hashes(stage_chain(same, 0)) == hashes(stage_chain(bimp(), 0))
    other = bimp(budget={"epochs": 20, "dense_fraction": 0.8})
    assert stage_chain(other, 0)[0].hash != stage_chain(bimp(), 0)[0].hash


def test_likeness_is_of_task_batch_and_compute() -> None:
    def likeness(**sections: Any) -> str:
        return chain(**sections)[0].likeness

    assert likeness(dense={"epochs": 1, "lr": 1}, prune={"sparsity": 0.1}) == likeness()
    assert likeness(dense={"epochs": 20, "batch_size": 32}) != likeness()
    assert likeness(task={"dataset": "digits", "model": "mlp"}) != likeness()
    assert likeness(compute={"precision": "bf16"}) != likeness()


@pytest.mark.parametrize(
    ("sparsity", "cycles", "expected"),
    [
        (0.9, 1, [0.9]),
        (0.75, 2, [0.5, 0.75]),
        (0.9, 2, [0.683772233983, 0.9]),
        (0.9, 3, [0.535841116639, 0.784556530997, 0.9]),
        (0.0, 2, [0.0, 0.0]),
    ],
)
def test_sparsity_after_each_cycle(sparsity: float, cycles: int, expected: list[float]) -> None:
    found = config(prune={"sparsity": sparsity, "cycles": cycles})
    assert [cumulative_sparsity(found, c + 1) for c in range(cycles)] == expected
