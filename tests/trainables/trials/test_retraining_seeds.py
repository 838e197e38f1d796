"""Several retrainings of one dense network."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.trainables.methods import lab
from tests.trainables.trials.plain import cache, last_stage, run_trial, tiny
from trainables.config.chain import fingerprint, stage_chain
from trainables.trials.stage_store import Stage

TWO_CYCLES = tiny(prune={"cycles": 2}, retrain={"epochs": 2})


def masks(stage: Stage) -> dict[str, list[bool]]:
    return {k: v.tolist() for k, v in stage.state.items() if k.startswith("mask.")}


def test_retrainings_share_the_dense_network_and_nothing_after_it(tmp_path: Path) -> None:
    tasks = cache()
    records = [run_trial(TWO_CYCLES.retrained(k), tmp_path, tasks=tasks) for k in (0, 1, 2)]
    assert len({record.stages[0] for record in records}) == 1
    for cycle in (1, 2):
        assert len({record.stages[cycle] for record in records}) == 3
    assert len({record.metrics["dense_val_loss"] for record in records}) == 1
    assert len({record.cycles[0]["d1"] for record in records}) == 1  # the same prune
    assert len({record.metrics["val_loss"] for record in records}) == 3
    weights = [last_stage(tmp_path, record).weights["linear1.weight"] for record in records]
    assert not torch.equal(weights[0], weights[1])
    assert ["seed" in record.config["retrain"] for record in records] == [False, True, True]
    assert records[2].config["retrain"]["seed"] == 2
    assert {record.seed for record in records} == {0}


def test_the_first_retraining_is_the_one_that_there_was(tmp_path: Path) -> None:
    assert fingerprint(TWO_CYCLES.retrained(0), 0) == fingerprint(TWO_CYCLES, 0)
    one = run_trial(TWO_CYCLES, tmp_path / "a")
    two = run_trial(TWO_CYCLES.retrained(3).retrained(0), tmp_path / "b")
    stages = [last_stage(tmp_path / name, one) for name in ("a", "b")]
    assert two.fingerprint == one.fingerprint
    assert all(torch.equal(stages[0].weights[k], stages[1].weights[k]) for k in stages[0].weights)


def test_every_pair_of_seeds_is_a_trial_of_its_own() -> None:
    prints = {fingerprint(TWO_CYCLES.retrained(k), s) for k in range(4) for s in range(4)}
    assert len(prints) == 16
    chains = {stage_chain(TWO_CYCLES.retrained(k), s)[0].hash for k in range(4) for s in range(4)}
    assert len(chains) == 4


def test_a_random_criterion_draws_anew_in_each(tmp_path: Path) -> None:
    config = tiny(prune={"criterion": "random"})
    found = [last_stage(tmp_path, run_trial(config.retrained(k), tmp_path)) for k in (0, 1)]
    assert masks(found[0]) != masks(found[1])


@pytest.mark.parametrize("name", ["gmp", "dnw"])
def test_a_method_without_retraining_has_none(name: str) -> None:
    config = lab.config(name)
    assert "retrain.seed" in config.inactive
    assert fingerprint(config.retrained(1), 0) == fingerprint(config, 0)
