"""Trained weights and patterns of a study file, held against the network before anything starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from study.checks.user_code import LookedAt, look_at
from study.definition import studyfile
from study.points.resolve import resolve
from study.views.stage_list import stages
from tests.trainables.trials.plain import job_for, run_job
from trainables.checkpoints.files import content_digest
from trainables.files.storage import open_folder
from trainables.trials.task_cache import TaskCache
from trainables.vocabulary.refusal import Refusal

STUDY = """
name: loaded
task: {dataset: {name: digits, n_train: 100}, model: {name: mlp, hidden: [8]}}
dense: {batch_size: 16, lr: 0.1, DENSE}
prune: {sparsity: 0.8}
retrain: {schedule: llr, epochs: 1}
seeds: [0, 1]
"""


def network(n_classes: int = 10) -> nn.Module:
    torch.manual_seed(0)
    layers = {"linear1": nn.Linear(64, 8), "classifier": nn.Linear(8, n_classes)}
    model = nn.Module()
    for name, layer in layers.items():
        model.add_module(name, layer)
    return model


def looked_at(folder: Path, dense: str) -> tuple[Any, LookedAt]:
    (folder / "study.yaml").write_text(STUDY.replace("DENSE", dense))
    study = studyfile.load(str(folder / "study.yaml"))
    return study, look_at(study, open_folder(str(folder / "results")))


@pytest.mark.slow
def test_a_study_of_a_trained_network_from_its_file_to_its_stages(tmp_path: Path) -> None:
    torch.save(network().state_dict(), tmp_path / "net.pth")
    study, code = looked_at(tmp_path, "weights: net.pth, freeze: [linear1.bias]")
    assert code.files is None  # there is no code to keep
    trials = resolve(study, code.known).trials
    assert trials is not None
    assert [trial.seed for trial in trials] == [0, 1]
    facts = trials[0].config.facts
    assert facts is not None
    file = facts.checkpoints["net.pth"]
    assert file.path == str(tmp_path / "net.pth")
    assert file.digest == content_digest(tmp_path / "net.pth", "dense.weights")
    assert trials[0].chain[0].hash == trials[1].chain[0].hash
    results = tmp_path / "results"
    tasks = TaskCache(tmp_path, "cpu", 1)
    for trial in trials:
        assert run_job(job_for(trial.config, results, seed=trial.seed), tasks).outcome == "done"
    open_folder(str(results)).write("study.yaml", (tmp_path / "study.yaml").read_bytes())
    rows = stages(str(results)).rows
    assert [(row["kind"], row["seed"], row["epochs"]) for row in rows] == [
        ("dense", None, 0.0), ("cycle", 0, 1.0), ("cycle", 1, 1.0),
    ]  # fmt: skip
    assert rows[0]["what"] == f"trained elsewhere, weights {file.digest}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("dense", "message"),
    [
        ("weights: net.pth", r"dense\.weights must fit the network: classifier\.weight has"),
        ("epochs: 2, groups: [{match: ['norm*'], weight_decay: 0}]",
         r"dense\.groups\.0\.match must fit a parameter that is trained, such as linear1\.weight"),
    ],
)  # fmt: skip
def test_what_does_not_fit_the_network_is_refused(tmp_path: Path, dense: str, message: str) -> None:
    torch.save(network(n_classes=7).state_dict(), tmp_path / "net.pth")
    with pytest.raises(Refusal, match=message):
        looked_at(tmp_path, dense)


def test_a_file_that_is_not_there_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"dense\.weights must be a file that is there, got 'net"):
        looked_at(tmp_path, "weights: net.pth")
