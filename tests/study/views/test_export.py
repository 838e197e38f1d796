"""`bimp stages` and `bimp export` on three small trials that were really trained."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

from study.exports.export import Export
from study.views.choice import Choice, best, by_prefix
from study.views.stage_list import stages
from tests.study.conftest import Command
from tests.trainables.trials.plain import cache, run_trial, tiny
from trainables.files.records import StudyFolder
from trainables.files.trial_record import Record
from trainables.networks.models import build
from trainables.vocabulary.refusal import Refusal

STUDY = """
name: plain
task: {dataset: {name: digits, n_train: 100}, model: {name: mlp, hidden: [8]}}
dense: {epochs: 2, batch_size: 16, lr: 0.1}
prune: {sparsity: {grid: [0.5, 0.8]}}
retrain: {schedule: llr, epochs: 1}
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sparsities .5 and .8 of seed 0, sharing a dense run, and .8 in two cycles of seed 1."""
    path = tmp_path_factory.mktemp("plain")
    (path / "study.yaml").write_text(STUDY)
    tasks = cache()
    run_trial(tiny(prune={"sparsity": 0.5}), path, 0, tasks)
    run_trial(tiny(), path, 0, tasks)
    run_trial(tiny(prune={"cycles": 2}), path, 1, tasks)
    return path


def records(folder: Path) -> list[Record]:
    return StudyFolder(str(folder)).records().records


def record_at(folder: Path, sparsity: float, seed: int = 0) -> Record:
    (found,) = [
        r for r in records(folder) if (r.config["prune"]["sparsity"], r.seed) == (sparsity, seed)
    ]
    return found


def store_elsewhere(folder: Path, new: Path) -> Path:
    """A study folder with the same records whose stage store is the other folder's."""
    new.mkdir()
    (new / "study.yaml").write_text(f"{STUDY}stage_store: {folder / 'stages'}\n")
    StudyFolder(str(new)).write_record(record_at(folder, 0.5))
    return new


# bimp stages


def test_dense_runs_come_first_the_most_shared_on_top(folder: Path) -> None:
    found = stages(str(folder))
    shown = [(r["kind"], r["cycle"], r["seed"], r["trials"], r["epochs"]) for r in found.rows]
    assert shown == [
        ("dense", None, 0, 2, 2.0),
        ("dense", None, 1, 1, 2.0),
        ("cycle", 1, 0, 1, 1.0),
        ("cycle", 1, 1, 1, pytest.approx(4 / 7)),
        ("cycle", 1, 0, 1, 1.0),
        ("cycle", 2, 1, 1, pytest.approx(3 / 7)),
    ]
    assert [r["what"] for r in found.rows] == [
        "linear", "linear", "llr, sparsity 0.5", "llr, sparsity 0.5528",
        "llr, sparsity 0.8", "llr, sparsity 0.8",
    ]  # fmt: skip
    assert {r["model"] for r in found.rows} == {"mlp"}
    assert all(0 <= r["val_accuracy"] <= 1 and r["train_s"] > 0 for r in found.rows)
    parents = {r["stage"]: r["parent"] for r in found.rows}
    assert set(parents.values()) - {None} <= set(parents)
    assert (found.others, found.warnings) == (0, [])


def test_of_a_shared_store_only_the_study_s_own_stages_are_listed(
    folder: Path, tmp_path: Path
) -> None:
    found = stages(str(store_elsewhere(folder, tmp_path / "other")))
    assert [(r["kind"], r["trials"]) for r in found.rows] == [("dense", 1), ("cycle", 1)]
    assert found.others == 4
    assert found.store == str(folder / "stages")


def test_a_stage_that_cannot_be_read_is_a_warning(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    for name, text in (("torn", "{"), ("foreign", "{}")):
        (tmp_path / "stages" / name).mkdir(parents=True)
        (tmp_path / "stages" / name / "stage.json").write_text(text)
    (tmp_path / "stages" / "unfinished").mkdir()
    found = stages(str(tmp_path))
    assert found.rows == []
    assert len(found.warnings) == 2


def test_the_stages_as_table_csv_and_json(folder: Path, bimp: Command) -> None:
    shown = bimp("stages", folder).out
    assert shown.splitlines()[0].split() == list(stages(str(folder)).columns)
    assert f"6 stages (2 dense, 4 cycle) in {folder / 'stages'}" in shown
    rows = list(csv.DictReader(bimp("stages", folder, "--format", "csv").out.splitlines()))
    plain = json.loads(bimp("stages", folder, "--format", "json").out)
    assert [row["stage"] for row in rows] == [row["stage"] for row in plain]
    assert rows[0]["parent"] == "" and plain[0]["parent"] is None


# bimp export


def exported(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    with safe_open(path, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, file.metadata()  # noqa: SIM118


def test_the_weights_of_a_trial(folder: Path, tmp_path: Path, bimp: Command) -> None:
    record, file = record_at(folder, 0.8), tmp_path / "new" / "weights.safetensors"
    ended = bimp("export", folder, "--trial", record.fingerprint, "-o", file)
    assert (ended.status, ended.err) == (0, "")
    weights, header = exported(file)
    pruned = [value for name, value in weights.items() if name.endswith("weight")]
    zeros, prunable = sum(int((w == 0).sum()) for w in pruned), sum(w.numel() for w in pruned)
    assert prunable == 64 * 8 + 8 * 10
    assert zeros == round(0.8 * prunable)
    assert f"{zeros} of {prunable} prunable weights are zero (0.8007)" in ended.out
    assert header["fingerprint"] == record.fingerprint
    assert (header["seed"], header["study"]) == ("0", "plain")
    assert json.loads(header["config"]) == record.config
    assert json.loads(header["metrics"]) == record.metrics


def test_what_is_exported_is_the_model_that_was_measured(folder: Path, tmp_path: Path) -> None:
    from study.exports.export import export
    from trainables.data.sources import load

    record = record_at(folder, 0.8, seed=1)
    file = tmp_path / "w.safetensors"
    file.write_bytes(export(str(folder), trial=record.fingerprint).data)
    weights, _ = exported(file)
    model = build("mlp", (1, 8, 8), 10, {"hidden": [8]}).eval()
    model.load_state_dict(weights)
    data = load("digits", {"n_train": 100}, tmp_path)
    right = model(data.test.images).argmax(1) == data.test.labels
    assert right.float().mean().item() == pytest.approx(record.metrics["test_accuracy"])


def test_masks_are_applied_even_where_weights_were_not(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from study.exports.export import export
    from trainables.trials.stage_store import StageStore

    whole = StageStore.load

    def unmasked(self: StageStore, stage: str) -> Any:
        found = whole(self, stage)
        assert found is not None
        return replace(found, weights={k: torch.ones_like(v) for k, v in found.weights.items()})

    monkeypatch.setattr(StageStore, "load", unmasked)
    given = export(str(folder), trial=record_at(folder, 0.5).fingerprint)
    assert (given.zeros, given.prunable) == (296, 592)


def test_as_much_of_the_id_as_is_unique(folder: Path) -> None:
    one, two, three = records(folder)
    assert by_prefix([one, two, three], one.fingerprint[:6]) == one
    with pytest.raises(
        Refusal, match=r"--trial must be the fingerprint of a trial, got 'zz'; some"
    ):
        by_prefix([one, two, three], "zz")
    with pytest.raises(Refusal, match="got ''"):
        by_prefix([one, two, three], "")
    like = replace(two, fingerprint=one.fingerprint[:5] + "z")
    with pytest.raises(Refusal, match=f"must name one trial, got '{one.fingerprint[:3]}', which b"):
        by_prefix([one, like], one.fingerprint[:3])


@pytest.mark.parametrize("state", ["failed", "diverged", "stopped"])
def test_a_trial_that_is_not_done_has_no_weights(folder: Path, state: str) -> None:
    record = replace(records(folder)[0], state=state)
    with pytest.raises(Refusal, match=f"--trial must be a trial that is done, got .*is {state}"):
        by_prefix([record], record.fingerprint)


def made(name: str, state: str = "done", **metrics: float) -> Record:
    return Record(name, "s", {}, 0, state, metrics=metrics)


def test_the_best_goes_the_better_way() -> None:
    one, two = made("a", val_accuracy=0.8, val_loss=0.5), made("b", val_accuracy=0.9, val_loss=0.6)
    lost = made("c", "diverged", val_accuracy=0.99)
    assert best([one, two, lost], "val_accuracy") == [two]
    assert best([one, two, lost], "val_loss") == [one]


def test_trials_beyond_their_bounds_stand_back_while_one_is_within() -> None:
    bounds = {"bounds": {"sparsity_by_method": {"min": 0.9}}}
    beyond = replace(made("a", val_accuracy=0.9, sparsity_by_method=0.8), origin=bounds)
    within = replace(made("b", val_accuracy=0.7, sparsity_by_method=0.91), origin=bounds)
    assert best([beyond, within], "val_accuracy") == [within]
    assert best([beyond], "val_accuracy") == [beyond]
    task = {"task": {"model": {"name": "mlp"}}}
    for record, said in ((beyond, True), (within, False)):
        choice = Choice(replace(record, config=task), "val_accuracy")
        words = Export(b"", choice, 3, 9, 10).sentence("w")
        assert ("beyond its search's bounds" in words) is said


def test_ties_come_in_the_order_of_their_ids() -> None:
    records = [
        made("c", val_accuracy=0.9),
        made("a", val_accuracy=0.9),
        made("b", val_accuracy=0.8),
    ]
    assert [r.fingerprint for r in best(records, "val_accuracy")] == ["a", "c"]


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("test_accuracy", "--best must not be measured on test data, got 'test_accuracy'"),
        ("dense_test_loss", "--best must not be measured on test data, got 'dense_test_loss'"),
        ("sparsity", "--best must be a metric of which more or less is better, got 'sparsity'"),
        (
            "accuracy",
            "--best must be a metric of a trial, got 'accuracy'; did you mean val_accuracy?",
        ),
        ("bleu", "--best must be a metric of a trial, got 'bleu'; offered are val_accuracy"),
        ("gpu_memory_bytes", "--best must be recorded by a trial that is done, got 'gpu_memory_by"),
    ],
)
def test_what_nothing_is_chosen_by(
    metric: str, message: str, folder: Path, tmp_path: Path, bimp: Command
) -> None:
    file = tmp_path / "w.safetensors"
    ended = bimp("export", folder, "--best", metric, "-o", file)
    assert (ended.status, ended.out) == (2, "")
    assert ended.err.startswith(f"bimp: {message}")
    assert not file.exists()


def test_the_best_by_the_command(folder: Path, tmp_path: Path, bimp: Command) -> None:
    file = tmp_path / "w.safetensors"
    ended = bimp("export", folder, "--best", "val_accuracy", "-o", file)
    first, *ties = best(records(folder), "val_accuracy")
    assert exported(file)[1]["fingerprint"] == first.fingerprint
    assert f"the best by val_accuracy ({first.metrics['val_accuracy']:.6g}" in ended.out
    assert (f"as are {len(ties)} others" in ended.out) is bool(ties)


@pytest.mark.parametrize("options", [(), ("--trial", "a", "--best", "val_accuracy")])
def test_one_of_trial_and_best(
    options: tuple[str, ...], folder: Path, tmp_path: Path, bimp: Command
) -> None:
    ended = bimp("export", folder, *options, "-o", tmp_path / "w")
    assert ended.status == 2
    assert "give one of --trial ID, --best METRIC and --front" in ended.err


def test_a_stage_that_is_gone(folder: Path, tmp_path: Path, bimp: Command) -> None:
    (tmp_path / "study.yaml").write_text(STUDY)
    record = record_at(folder, 0.5)
    StudyFolder(str(tmp_path)).write_record(record)
    ended = bimp("export", tmp_path, "--trial", record.fingerprint, "-o", tmp_path / "w")
    assert ended.status == 2
    assert ended.err.startswith(f"bimp: stage_store must hold stage {record.stages[-1]}, got ")
