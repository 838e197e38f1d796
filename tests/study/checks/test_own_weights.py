"""A task of the user's that gives trained weights itself, from its study file to its trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.checks.user_code import look_at
from study.definition import studyfile
from study.points.resolve import resolve
from study.views.plan import plan, table
from tests.trainables.trials.plain import job_for, run_job
from trainables.files.records import StudyFolder
from trainables.vocabulary.refusal import Refusal
from trainables.workers.worker import tasks_for

TASK = """import torch
from torch import nn
from trainables.tasks import Classification, Splits


class Items:
    def __init__(self, n, seed):
        draw = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(n, 6, generator=draw)
        self.labels = (self.inputs[:, 0] > 0).long().tolist()

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, index):
        return self.inputs[index], self.labels[index]


class Signs(Classification):
    def splits(self):
        return Splits(Items(40, 0), Items(20, 1), n_classes=2)

    def model(self):
        return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))

    def trained(self, name):
        torch.manual_seed(int(name))
        return self.model().state_dict()
"""
STUDY = """
name: own
task: {use: "own_signs:Signs"}
dense: {weights: ["task:1", "task:2"], batch_size: 16, lr: 0.1}
prune: {sparsity: 0.8}
retrain: {schedule: llr, epochs: 1, seeds: [0, 1]}
seeds: [0, 1]
data: {memory: auto}
"""


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    (tmp_path / "own_signs.py").write_text(TASK)
    (tmp_path / "study.yaml").write_text(STUDY)
    return tmp_path / "study.yaml"


@pytest.mark.slow
def test_its_weights_reach_workers_through_the_study_folder(
    study_file: Path, tmp_path: Path
) -> None:
    results = StudyFolder(str(tmp_path / "results"))
    study = studyfile.load(str(study_file))
    code = look_at(study, results.folder)
    resolved = resolve(study, code.known)
    text = table(plan(resolved, results.location))
    assert "4 = 1 configuration x 2 seeds x 2 retrainings" in text
    assert "6, of them 2 trained networks loaded" in text
    assert "val examples          20: 0 11, 1 9" in text
    assert not results.folder.names()
    code.keep(results.folder)
    assert len(results.folder.names("weights")) == 2
    firsts = set()
    for trial in resolved.trials or ():
        job = job_for(trial.config, Path(results.location), seed=trial.seed)
        assert run_job(job, tasks_for(job)).outcome == "done"
        record = results.read_record(trial.fingerprint)
        assert record is not None
        firsts.add((record.seed, record.stages[0]))
        assert set(record.provenance["checkpoints"]) == {"task:1", "task:2"}
    assert len(firsts) == 2  # one dense network per seed, whatever its retraining


@pytest.mark.slow
def test_items_that_no_memory_can_keep_are_refused_where_they_must_be_kept(
    study_file: Path, tmp_path: Path
) -> None:
    study = studyfile.load(str(study_file), ["data.memory=on"])
    rule = (
        r"^data\.memory must be auto or off where the data of task\.use have no decode, got on,"
        r" which could keep nothing of train and val$"
    )
    with pytest.raises(Refusal, match=rule):
        look_at(study, StudyFolder(str(tmp_path / "results")).folder)
