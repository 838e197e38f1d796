"""Two processes at one trial, over gloo on CPUs: the same steps as one, and the same bits twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.parallel.spawned import together
from tests.trainables.trials.plain import (
    cache,
    job_for,
    last_stage,
    run_job,
    run_trial,
    timeless,
    tiny,
)
from trainables.config.chain import stage_chain
from trainables.config.trial import TrialConfig
from trainables.files.trial_record import Record
from trainables.parallel.ranks import Order
from trainables.training.evaluation import evaluate
from trainables.trials.stage_run import begin
from trainables.trials.task_cache import TaskCache, load_weights_

UNEVEN = {"dataset": {"name": "digits", "n_train": 97}, "model": {"name": "mlp", "hidden": [8]}}
"""Six steps of 16 examples an epoch and one of a single example, which leaves rank 1 none."""


def config(processes: int = 2, **more: Any) -> TrialConfig:
    compute = {"processes": processes, **more.pop("compute", {})}
    return tiny(**{"task": UNEVEN, "compute": compute, **more})


@dataclass(frozen=True)
class Pair:
    """Two processes that are up, and the same trials in one process."""

    tasks: TaskCache
    folder: Path

    def run(self, config: TrialConfig, name: str) -> Record:
        return run_trial(config, self.folder / name, tasks=self.tasks)

    def alone(self, config: TrialConfig, name: str) -> Record:
        compute = config.compute.model_copy(update={"processes": 1})
        return run_trial(config.model_copy(update={"compute": compute}), self.folder / name)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    folder = tmp_path_factory.mktemp("pair")
    with together(job_for(config(), folder)) as (tasks, _, _):
        yield Pair(tasks, folder)


@pytest.fixture(scope="module")
def record(pair: Pair) -> Record:
    """The undisturbed trial of two processes."""
    return pair.run(config(), "undisturbed")


def announce_job(pair: Pair, config: TrialConfig) -> None:
    assert pair.tasks.ranks is not None
    pair.tasks.ranks.tell(Order.JOB, job_for(config, pair.folder / "steps").plain())


def step_losses(tasks: TaskCache, config: TrialConfig, steps: int) -> list[float]:
    """The loss of each of the first steps of the dense run, over the whole batch."""
    run = begin(config, 0, stage_chain(config, 0)[0], tasks.loaded(config), None)
    sums = [0.0]
    for _ in range(steps):
        run.trainer.run(0.0)
        sums.append(run.trainer.position.loss_sum)
    weights = run.trainer.batch_size
    return [(b - a) / weights for a, b in pairwise(sums)]


def test_two_processes_take_the_steps_of_one(pair: Pair) -> None:
    two = config()
    announce_job(pair, two)
    losses = step_losses(pair.tasks, two, 6)
    assert losses == pytest.approx(step_losses(cache(), config(1), 6), rel=1e-6)
    assert losses[0] > losses[-1] > 0


@pytest.mark.parametrize(("part", "batches"), [("val", [1, 0]), ("test", [1, 1])])
def test_two_processes_measure_a_network_as_one_does_to_the_bit(
    pair: Pair, record: Record, part: str, batches: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """144 examples in one batch, 360 in two."""
    announce_job(pair, config())
    weights = last_stage(pair.folder / "undisturbed", record).weights
    two, one = pair.tasks.loaded(config()), cache().loaded(config(1))
    load_weights_(two.model, weights)
    load_weights_(one.model, weights)
    ranks, gathered = two.ranks, []
    assert ranks is not None
    gather = ranks.gather
    monkeypatch.setattr(ranks, "gather", lambda v: (gathered.append(s := gather(v)), s)[1])
    alone = evaluate(one, part)
    assert evaluate(two, part) == alone
    assert [len(share) for share in gathered[0]] == batches
    assert record.metrics[f"{part}_loss"] == alone["loss"]


def test_synchronised_batch_norm_makes_two_processes_take_the_steps_of_one(pair: Pair) -> None:
    """Shares of 7 and 6 examples, and of 5 and 4 in the last batch; without it they differ."""
    task = {
        "dataset": {"name": "digits", "n_train": 48},
        "model": {"name": "cnn", "channels": [4, 4]},
    }
    more = {"task": task, "dense": {"batch_size": 13, "lr": 0.05}}
    names = ("synchronised", "local")
    two = {n: config(compute={"batch_norm": n}, **more) for n in names}
    losses = {}
    for name in names:
        announce_job(pair, two[name])
        losses[name] = step_losses(pair.tasks, two[name], 4)
    one = step_losses(cache(), config(1, **more), 4)
    assert losses["synchronised"] == pytest.approx(one, rel=2e-5)
    assert losses["local"][1:] != pytest.approx(one[1:], rel=1e-3)
    names = ("two of cnn", "one of cnn")
    records = [
        run(two["synchronised"], n) for run, n in zip((pair.run, pair.alone), names, strict=True)
    ]
    ends = [last_stage(pair.folder / n, r) for n, r in zip(names, records, strict=True)]
    for name, value in ends[1].weights.items():
        if "running" not in name and "num_batches" not in name:  # re-estimated by other batches
            torch.testing.assert_close(ends[0].weights[name], value, rtol=1e-2, atol=2e-3)


def test_two_processes_end_where_one_does_and_prune_the_same_weights(
    pair: Pair, record: Record
) -> None:
    one = pair.alone(config(), "one")
    assert record.fingerprint != one.fingerprint
    assert record.config["compute"]["processes"] == 2
    ends = last_stage(pair.folder / "undisturbed", record), last_stage(pair.folder / "one", one)
    masks = [{k: v for k, v in end.state.items() if k.startswith("mask.")} for end in ends]
    assert masks[0] and all(torch.equal(masks[0][name], masks[1][name]) for name in masks[1])
    for name, weight in ends[0].weights.items():
        torch.testing.assert_close(weight, ends[1].weights[name], rtol=1e-4, atol=1e-6)
    for name in ("val_accuracy", "sparsity", "retrain_steps", "multiply_adds"):
        assert record.metrics[name] == one.metrics[name]


def test_two_runs_of_two_processes_are_equal_to_the_bit(pair: Pair, record: Record) -> None:
    again = pair.run(config(), "again")
    assert timeless(again) == timeless(record)
    ends = [last_stage(pair.folder / name, record) for name in ("undisturbed", "again")]
    for name, weight in ends[0].weights.items():
        assert torch.equal(weight, ends[1].weights[name])


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("str", {}),
        ("cs", {"compute": {"micro_batch": 3}}),
        ("dst", {"dense": {"momentum": 0.0}}),
        ("gmp", {"compute": {"micro_batch": 5}}),
        ("dnw", {"dense": {"clip_norm": 0.1}}),
    ],
)
def test_what_methods_learn_comes_of_the_whole_batch(
    pair: Pair, method: str, more: Mapping[str, Any]
) -> None:
    dense = {"batch_size": 16, "lr": 0.1, **more.get("dense", {})}
    raw = tiny().model_dump(mode="json", exclude={"facts", "retrain", "budget"})
    sections = {"method": method, "budget": {"epochs": 4}, "compute": more.get("compute", {})}
    two = TrialConfig.of(
        {
            **raw, **sections, "task": UNEVEN, "dense": dense,
            "compute": {"processes": 2, **sections["compute"]},
        }
    )  # fmt: skip
    name = f"{method}-two", f"{method}-one"
    records = pair.run(two, name[0]), pair.alone(two, name[1])
    assert records[0].state == "done", records[0].message
    ends = [last_stage(pair.folder / n, r) for n, r in zip(name, records, strict=True)]
    learnt = [{**end.weights, **_learnt(end.state)} for end in ends]
    for key, value in learnt[1].items():
        torch.testing.assert_close(learnt[0][key], value, rtol=1e-3, atol=1e-5)


def _learnt(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key: value for key, value in state.items() if key.startswith("extra.")}


def test_a_trial_of_another_number_of_processes_is_refused(tmp_path: Path) -> None:
    report = run_job(job_for(config(), tmp_path), cache())
    assert report.fault is not None and report.fault.message == (
        "compute.processes must be 1, as many as train this trial, got 2"
    )
