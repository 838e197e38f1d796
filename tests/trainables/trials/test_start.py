"""Trials that start from a network trained elsewhere."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from tests.trainables.trials.plain import (
    TINY,
    cache,
    job_for,
    last_stage,
    run_job,
    run_trial,
    timeless,
)
from trainables.checkpoints.copies import keep
from trainables.checkpoints.files import content_digest
from trainables.config.chain import fingerprint, stage_chain
from trainables.config.settings import FactsMissing
from trainables.config.trial import TrialConfig
from trainables.data.in_memory import InMemory
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.trials.procedure import Procedure
from trainables.trials.stage_store import StageStore
from trainables.trials.task_cache import TaskCache, initial_weights
from trainables.vocabulary.refusal import Refusal
from trainables.workers.worker import tasks_for

DECLARED: dict[str, Any] = {"epochs": 4, "lr": 0.1, "schedule": "linear", "batch_size": 16}


@pytest.fixture(scope="module")
def tasks() -> TaskCache:
    return cache()


def config(
    files: Path | Sequence[Path], dense: dict[str, Any] | None = None, **sections: Any
) -> TrialConfig:
    """The tiny configuration with weights from files in place of its dense run."""
    every = [files] if isinstance(files, Path) else list(files)
    facts = {p.name: {"path": str(p), "digest": content_digest(p, "dense.weights")} for p in every}
    names = files.name if isinstance(files, Path) else [p.name for p in files]
    raw = {
        **TINY,
        "dense": {**(DECLARED if dense is None else {"batch_size": 16, **dense}), "weights": names},
        "facts": {"checkpoints": facts},
        **sections,
    }
    return TrialConfig.of(raw)


def plain_network() -> nn.Sequential:
    """The tiny network, built by torch alone."""
    layers = [("flatten", nn.Flatten()), ("linear1", nn.Linear(64, 8)), ("relu1", nn.ReLU())]
    model = nn.Sequential()
    for name, layer in [*layers, ("classifier", nn.Linear(8, 10))]:
        model.add_module(name, layer)
    return model


def part(tasks: TaskCache, name: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Images and labels of a part of the tiny data set."""
    data = tasks.loaded(TrialConfig.of(TINY)).splits.in_order[name]
    assert isinstance(data, InMemory)
    images, labels = data.take(torch.arange(len(data)))
    return images, labels


def trained_elsewhere(folder: Path, tasks: TaskCache, seed: int = 0) -> Path:
    """A file of weights that plain PyTorch trained."""
    torch.manual_seed(seed)
    model = plain_network()
    images, labels = part(tasks, "train")
    optimiser = torch.optim.Adam(model.parameters(), 0.01)
    for _ in range(30):
        optimiser.zero_grad()
        loss: Any = functional.cross_entropy(model(images), labels)
        loss.backward()
        optimiser.step()
    torch.save({"epoch": 30, "state_dict": model.state_dict()}, folder / f"net{seed}.pth")
    return folder / f"net{seed}.pth"


def correct(path: Path, tasks: TaskCache, name: str) -> tuple[int, int]:
    """How many images of a part plain PyTorch classifies rightly, of how many."""
    model = plain_network()
    model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])
    images, labels = part(tasks, name)
    with torch.no_grad():
        return int((model(images).argmax(1) == labels).sum()), len(labels)


def test_a_network_trained_elsewhere_has_the_accuracy_it_had_there_to_the_image(
    tmp_path: Path, tasks: TaskCache
) -> None:
    path = trained_elsewhere(tmp_path, tasks)
    record = run_trial(config(path), tmp_path, tasks=tasks)
    for name in ("val", "test"):
        right, n = correct(path, tasks, name)
        assert record.metrics[f"dense_{name}_accuracy"] * n == right
        assert right > 0.6 * n
    assert record.state == "done"
    dense = StageStore(LocalFolder(tmp_path / "stages"), "test").load(record.stages[0])
    assert dense is not None
    assert (dense.kind, dense.curve, dense.state) == ("dense", [], {})
    assert "train_s" not in dense.metrics
    assert "dense_train_s" not in record.metrics
    assert torch.equal(
        dense.weights["linear1.weight"],
        torch.load(path, weights_only=True)["state_dict"]["linear1.weight"],
    )
    assert record.metrics["dense_epochs"] == 4
    assert record.metrics["epochs"] == 5
    digest = content_digest(path, "dense.weights")
    assert record.config["dense"]["weights"] == f"net0.pth ({digest[:8]})"
    assert record.provenance["checkpoints"] == {"net0.pth": {"path": str(path), "digest": digest}}
    assert "code" not in record.provenance


def test_six_schedules_share_it_and_a_second_study_trains_nothing_dense(
    tmp_path: Path, tasks: TaskCache
) -> None:
    path = trained_elsewhere(tmp_path, tasks)
    store = str(tmp_path / "shared")
    stages: dict[str, list[str]] = {}
    for schedule in ("ft", "lrw", "slr", "clr", "llr", "allr"):
        chosen = config(path, retrain={"schedule": schedule, "epochs": 1})
        record = run_trial(chosen, tmp_path / "one", tasks=tasks, store=store)
        stages[schedule] = record.stages
        assert record.state == "done"
        assert (record.stages[0] in record.provenance["stages_trained"]) == (schedule == "ft")
    assert len({first for first, _ in stages.values()}) == 1
    assert len({second for _, second in stages.values()}) == 6
    chosen = config(path, retrain={"schedule": "llr", "epochs": 1}, prune={"sparsity": 0.5})
    other = run_trial(chosen, tmp_path / "two", seed=7, tasks=tasks, store=store)
    assert other.provenance["stages_trained"] == [other.stages[1]]
    assert other.stages[0] == stages["llr"][0]


def test_with_one_file_seeds_are_retrainings_of_one_network(
    tmp_path: Path, tasks: TaskCache
) -> None:
    path = trained_elsewhere(tmp_path, tasks)
    records = [run_trial(config(path), tmp_path, seed=seed, tasks=tasks) for seed in (0, 1)]
    one, two = records
    assert one.stages[0] == two.stages[0]
    assert one.stages[1] != two.stages[1]
    assert one.metrics["d1"] == two.metrics["d1"]
    assert one.metrics["val_loss"] != two.metrics["val_loss"]


def test_a_list_gives_each_seed_the_network_at_its_place(tmp_path: Path, tasks: TaskCache) -> None:
    paths = [trained_elsewhere(tmp_path, tasks, seed) for seed in (0, 1)]
    chosen = config(paths)
    for seed, path in enumerate(paths):
        record = run_trial(chosen, tmp_path, seed=seed, tasks=tasks)
        right, n = correct(path, tasks, "test")
        assert record.metrics["dense_test_accuracy"] * n == right
        assert record.config["dense"]["weights"] == "one per seed"
    assert fingerprint(chosen, 0) == fingerprint(config(paths[:1] + paths), 0)
    assert fingerprint(chosen, 0) == fingerprint(config(paths[0]), 0)
    with pytest.raises(Refusal, match=r"dense\.weights must hold a file for seed 2, .* got 2"):
        fingerprint(chosen, 2)


def test_fingerprints_hang_on_the_content_and_not_on_the_place(
    tmp_path: Path, tasks: TaskCache
) -> None:
    path = trained_elsewhere(tmp_path, tasks)
    elsewhere = tmp_path / "elsewhere.pth"
    elsewhere.write_bytes(path.read_bytes())
    one, two = config(path), config(elsewhere)
    assert fingerprint(one, 0) == fingerprint(two, 0)
    assert [s.hash for s in stage_chain(one, 0)] == [s.hash for s in stage_chain(two, 0)]
    other = config(trained_elsewhere(tmp_path, tasks, 1))
    assert fingerprint(other, 0) != fingerprint(one, 0)
    assert fingerprint(config(path, {**DECLARED, "lr": 0.2}), 0) != fingerprint(one, 0)
    chains = [stage_chain(c, 0) for c in (one, config(path, {**DECLARED, "lr": 0.2}))]
    assert chains[0][0].hash == chains[1][0].hash  # what is loaded has no rates
    assert chains[0][1].hash != chains[1][1].hash
    assert (chains[0][0].steps, chains[0][0].epochs) == (0, 0.0)
    raw = {k: v for k, v in one.model_dump(mode="json").items() if k != "facts"}
    with pytest.raises(FactsMissing, match=r"net0\.pth have not been looked at yet"):
        fingerprint(TrialConfig.of(raw), 0)


def test_what_is_said_of_a_file_reaches_the_reader(tmp_path: Path, tasks: TaskCache) -> None:
    chosen = config(trained_elsewhere(tmp_path, tasks))
    store = LocalFolder(tmp_path / "stages")
    from trainables.files.leases import Leases

    run = Procedure(chosen, 0, tasks, StageStore(store, "a"), Leases(store, "a"))
    notes = run.advance().notes
    assert notes[0] == "dense.weights: the weights of net0.pth are its entry state_dict"
    assert "held out for validation here is not known" in notes[1]


def test_a_file_that_changed_since_the_study_started_fails_the_trial(
    tmp_path: Path, tasks: TaskCache
) -> None:
    path = trained_elsewhere(tmp_path, tasks)
    chosen = config(path)
    torch.save(plain_network().state_dict(), path)
    report = run_job(job_for(chosen, tmp_path), tasks)
    assert report.outcome == "failed"
    assert report.fault is not None
    assert "dense.weights must be as it was when the study started" in report.fault.message


def test_a_worker_reads_the_copy_in_the_study_folder_where_it_does_not_see_the_file(
    tmp_path: Path,
) -> None:
    home, study = tmp_path / "home", tmp_path / "study"
    home.mkdir()
    path = trained_elsewhere(home, cache())
    chosen, (facts,) = config(path), config(path).facts.checkpoints.values()  # type: ignore[union-attr]
    seen = run_trial(chosen, tmp_path / "seen")
    keep(path, facts.digest, facts.path, LocalFolder(study))
    shutil.rmtree(home)
    job = job_for(chosen, study)
    report = run_job(job, tasks_for(job))
    record = StudyFolder(str(study)).read_record(job.fingerprint)
    assert report.outcome == "done" and record is not None
    assert timeless(record) == timeless(seen)


def test_a_copy_that_was_damaged_fails_the_trial(tmp_path: Path, tasks: TaskCache) -> None:
    path = trained_elsewhere(tmp_path, tasks)
    chosen, study = config(path), tmp_path / "study"
    digest = content_digest(path, "dense.weights")
    keep(path, digest, str(path), LocalFolder(study))
    torch.save(plain_network().state_dict(), study / "weights" / f"{digest}.pt")
    job = job_for(chosen, study)
    report = run_job(job, tasks_for(job))
    assert report.fault is not None
    assert "must be as it was when the study started" in report.fault.message


def test_a_trial_from_a_file_is_resumed_to_the_bit(tmp_path: Path, tasks: TaskCache) -> None:
    path = trained_elsewhere(tmp_path, tasks)
    chosen = config(path, retrain={"schedule": "allr", "epochs": 2}, prune={"sparsity": 0.9})
    calm = run_trial(chosen, tmp_path / "calm", tasks=tasks)
    from trainables.files.leases import Leases
    from trainables.trials.procedure import Pace

    store = LocalFolder(tmp_path / "broken" / "stages")
    pace = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)
    run = Procedure(chosen, 0, cache(), StageStore(store, "a"), Leases(store, "a"), pace=pace)
    for _ in range(6):
        run.advance()
    run.give_up()
    again = run_trial(chosen, tmp_path / "broken", tasks=tasks)
    assert timeless(again) == timeless(calm)
    weights = [last_stage(tmp_path / name, calm).weights for name in ("calm", "broken")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def rates(folder: Path, dense: dict[str, Any], retrain: dict[str, Any], tasks: TaskCache) -> Any:
    path = trained_elsewhere(folder, tasks)
    record = run_trial(config(path, dense, retrain={"epochs": 1, **retrain}), folder, tasks=tasks)
    return last_stage(folder, record).state["rates"].tolist(), record.metrics


def test_without_a_length_what_needs_it_is_missing(tmp_path: Path, tasks: TaskCache) -> None:
    used, metrics = rates(tmp_path, {"lr": 0.4}, {"schedule": "llr"}, tasks)
    assert used == [0.4 * (1 - t / 7) for t in range(7)]
    assert "d1" in metrics
    assert not {"d2", "d_adaptive", "d", "epochs", "dense_epochs"} & metrics.keys()
    assert metrics["retrain_epochs"] == 1


def test_without_a_length_d1_alone_may_be_the_discount(tmp_path: Path, tasks: TaskCache) -> None:
    allr = {"schedule": "allr", "discount": "d1"}
    used, metrics = rates(tmp_path, {"lr": 0.4}, allr, tasks)
    assert metrics["d"] == min(metrics["d1"], 1.0)
    assert used == [metrics["d"] * 0.4 * (1 - t / 7) for t in range(7)]


def test_without_a_length_milestones_tell_the_last_rate(tmp_path: Path, tasks: TaskCache) -> None:
    stepped = {"lr": 0.4, "schedule": "multistep", "milestones": [30, 60], "gamma": 0.5}
    used, _ = rates(tmp_path, stepped, {"schedule": "ft"}, tasks)
    assert used == [0.1] * 7


def test_the_declared_run_gives_the_rates_under_adamw(tmp_path: Path, tasks: TaskCache) -> None:
    adamw = {**DECLARED, "lr": 0.01, "optimiser": "adamw", "schedule": "cosine"}
    used, metrics = rates(tmp_path, adamw, {"schedule": "allr"}, tasks)
    assert metrics["d2"] == 7 / 28
    assert metrics["d"] == max(metrics["d1"], 0.25) == metrics["d_adaptive"]
    assert used == [metrics["d"] * 0.01 * (1 - t / 7) for t in range(7)]


def test_training_may_start_from_weights_with_a_new_head(tmp_path: Path, tasks: TaskCache) -> None:
    path = trained_elsewhere(tmp_path, tasks)
    facts = {"start.pth": {"path": str(path), "digest": content_digest(path, "dense.start")}}
    dense = {
        **TINY["dense"], "start": "start.pth", "leave_out": ["classifier.*"], "lr": 1e-12,
        "weight_decay": 0, "freeze": ["linear1.bias"],
    }  # fmt: skip
    chosen = TrialConfig.of({**TINY, "dense": dense, "facts": {"checkpoints": facts}})
    record = run_trial(chosen, tmp_path, tasks=tasks)
    dense_stage = StageStore(LocalFolder(tmp_path / "stages"), "test").load(record.stages[0])
    assert dense_stage is not None
    theirs = torch.load(path, weights_only=True)["state_dict"]
    fresh = initial_weights(tasks.loaded(chosen), 0)
    for name, value in dense_stage.weights.items():
        start = fresh[name] if name.startswith("classifier.") else theirs[name]
        torch.testing.assert_close(value, start, rtol=0, atol=1e-9)
    assert torch.equal(dense_stage.weights["linear1.bias"], theirs["linear1.bias"])
    assert len(dense_stage.curve) == 2
    assert record.config["dense"]["leave_out"] == ["classifier.*"]
    assert fingerprint(chosen, 0) != fingerprint(TrialConfig.of(TINY), 0)


@pytest.mark.parametrize(
    ("dense", "sections", "message"),
    [
        ({"epochs": 4}, {}, r"dense\.lr must be given beside dense\.weights under retrain\.schedule"
         r" llr, which needs the dense run's rates, got nothing"),
        ({"epochs": 4, "lr": 0.1}, {"retrain": {"schedule": "clr", "epochs": 1}},
         r"dense\.schedule must be given beside dense\.weights under retrain\.schedule clr"),
        ({"lr": 0.1, "schedule": "linear"}, {"retrain": {"schedule": "lrw", "epochs": 1}},
         r"dense\.epochs must be given beside dense\.weights under retrain\.schedule lrw, which"
         r" needs the dense run's rate at every step, got nothing"),
        ({"lr": 0.1, "schedule": "linear"}, {"retrain": {"schedule": "slr", "epochs": 1}},
         r"dense\.epochs must be given .* under retrain\.schedule slr, which needs the dense run"),
        ({"lr": 0.1}, {"retrain": {"schedule": "allr", "epochs": 1}},
         r"dense\.epochs must be given .* under retrain\.discount adaptive, which compares"),
        ({"lr": 0.1}, {"retrain": {"schedule": "allr", "discount": "d2", "epochs": 1}},
         r"dense\.epochs must be given beside dense\.weights under retrain\.discount d2"),
        ({"lr": 0.1, "schedule": "cosine"}, {"retrain": {"schedule": "ft", "epochs": 1}},
         r"dense\.epochs must be given .* ft, whose last rate dense\.schedule cosine tells only"),
        ({"lr": 0.1}, {"retrain": {"schedule": "llr", "budget": 0.1}},
         r"retrain\.budget must be absent where dense\.epochs is, .* got 0\.1"),
        ({"lr": 0.1}, {"method": "bimp", "retrain": {}, "budget": {"epochs": 3}},
         r"dense\.weights must be absent under bimp, whose budget has a dense run of its own"),
        ({"lr": 0.1}, {"method": "dnw", "retrain": {}, "budget": {"epochs": 3}},
         r"dense\.weights must be absent under dnw, which trains from scratch"),
        ({**DECLARED, "start": "b.pth"}, {}, r"dense\.start must be absent beside dense\.weights"),
        ({**DECLARED, "leave_out": ["a"]}, {}, r"dense\.leave_out must be absent without dense"),
        ({**DECLARED, "weights": []}, {}, r"dense\.weights must name a file, or one per seed"),
    ],
)  # fmt: skip
def test_what_a_schedule_needs_of_the_dense_run_must_be_declared(
    dense: dict[str, Any], sections: dict[str, Any], message: str
) -> None:
    raw = {**TINY, "dense": {"weights": "net.pth", "batch_size": 16, **dense}, **sections}
    with pytest.raises(Refusal, match=message):
        TrialConfig.of(raw)


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear"])
def test_tunable_schedules_need_nothing_of_the_dense_run(schedule: str) -> None:
    retrain = {"schedule": schedule, "init": 0.1, "epochs": 1}
    found = TrialConfig.of({**TINY, "dense": {"weights": "net.pth"}, "retrain": retrain})
    assert not found.knows_dense_length
