"""An optimiser of the user's, from a study file to a record."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from study.checks.user_code import look_at
from study.definition import studyfile
from study.points.resolve import resolve
from tests.trainables.trials.plain import job_for, last_stage, run_job
from trainables.code.copies import restore
from trainables.config.trial import TrialConfig
from trainables.files.records import StudyFolder
from trainables.files.storage import open_folder
from trainables.trials.task_cache import TaskCache
from trainables.vocabulary.refusal import Refusal

CODE = """
import torch


class Signed(torch.optim.Optimizer):
    def __init__(self, params, lr: float = 1.0, beta: float = 0.9, weight_decay: float = 0.0):
        super().__init__(params, {"lr": lr, "beta": beta, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                mean.lerp_(p.grad, 1 - group["beta"])
                p.mul_(1 - group["lr"] * group["weight_decay"]).sub_(mean.sign() * group["lr"])
"""

STUDY = """
name: own
task: {dataset: {name: digits, n_train: 100}, model: {name: mlp, hidden: [8]}}
dense: {epochs: 2, batch_size: 16, lr: 0.01, optimiser: "steps:Signed", options: OPTIONS}
prune: {sparsity: 0.8, cycles: 2}
retrain: {schedule: llr, epochs: 2}
"""


def configs(folder: Path, options: str) -> list[TrialConfig]:
    (folder / "steps.py").write_text(CODE)
    (folder / "study.yaml").write_text(STUDY.replace("OPTIONS", options))
    study = studyfile.load(str(folder / "study.yaml"))
    store = open_folder(str(folder / "results"))
    code = look_at(study, store)
    code.keep(store)
    trials = resolve(study, code.known).trials
    assert trials is not None
    return [trial.config for trial in trials]


@pytest.mark.slow
def test_every_keyword_is_known_and_hashed_with_the_code(tmp_path: Path) -> None:
    found = configs(tmp_path, "{beta: {grid: ['0.5', 0.8]}}")
    assert [config.dense.options for config in found] == [{"beta": 0.5}, {"beta": 0.8}]
    for config in found:
        assert config.facts is not None
        assert set(config.facts.codes) == {"dense.optimiser"}


@pytest.mark.slow
def test_pruned_weights_and_their_memory_stay_zero_under_it(tmp_path: Path) -> None:
    (config,) = configs(tmp_path, "{}")
    assert config.dense.options == {"beta": 0.9}
    results = tmp_path / "results"
    folder = open_folder(str(results))
    tasks = TaskCache(
        tmp_path, "cpu", 1, copy_of=lambda digest: restore(folder.read, digest, tmp_path / "code")
    )
    report = run_job(job := job_for(config, results), tasks)
    assert report.outcome == "done", report
    record = StudyFolder(str(results)).read_record(job.fingerprint)
    assert record is not None
    stage = last_stage(results, record)
    masks = {k.removeprefix("mask."): v for k, v in stage.state.items() if k.startswith("mask.")}
    assert sum(int((~mask).sum()) for mask in masks.values()) == round(0.8 * (64 * 8 + 80))
    for name, mask in masks.items():
        assert not stage.weights[name][~mask].any()
        memory = stage.state[f"optimiser.mean.{name}"]
        assert not memory[~mask].any()
        assert bool(memory.any())
    assert torch.equal(stage.weights["linear1.weight"] != 0, masks["linear1.weight"])


def test_a_decay_that_it_does_not_have_is_refused() -> None:
    raw = studyfile.read_yaml(STUDY.replace("OPTIONS", "{}"), "study")
    raw = {key: value for key, value in raw.items() if key != "name"}
    facts = {"facts": {"takes_decay": False}}
    rule = r"dense\.weight_decay must be 0 under steps:Signed, which has no weight_decay, got 0\.0"
    with pytest.raises(Refusal, match=rule):
        TrialConfig.of({**raw, **facts})
    assert TrialConfig.of({**raw, "dense": {**raw["dense"], "weight_decay": 0}, **facts})
