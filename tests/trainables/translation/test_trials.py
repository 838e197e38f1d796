"""Trials of translation: resumed anywhere, by any number of loader processes, the same bits."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.trainables.translation.texts import SMALL, parallel, texts
from tests.trainables.trials.plain import (
    job_for,
    last_stage,
    run_job,
    run_trial,
    without_times,
)
from tests.trainables.trials.sigkill import killed_within_a_step, let_a_loader_process_die
from tests.trainables.trials.test_procedure import interrupted, is_calm, same
from trainables.config.trial import TrialConfig
from trainables.data.isolation import reseed
from trainables.data.keeping import Keeping
from trainables.deploy.trained import needs_code, trained
from trainables.deploy.weights import masked_weights
from trainables.files.trial_record import Record
from trainables.translation.measures import points
from trainables.translation.pairs import PairItems
from trainables.trials.task_cache import TaskCache

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return texts(tmp_path_factory.mktemp("data"))


def configured(root: Path, **sections: Any) -> TrialConfig:
    """A trial on files under Adam, with dropout and smoothing, of two cycles.

    A section that is None is left out.
    """
    task = parallel(root)
    splits = task.splits()
    raw = {
        "task": {"use": "parallel-text", **SMALL},
        "dense": {
            "epochs": 2, "lr": 0.01, "optimiser": "adamw", "weight_decay": 0,
            "schedule": "inverse_sqrt", "warmup_epochs": 1, "label_smoothing": 0.1,
        },
        "prune": {"sparsity": 0.5, "cycles": 2},
        "retrain": {"schedule": "allr", "epochs": 2},
        "facts": {
            **{f"n_{name}": len(part) for name, part in splits.in_order.items()},
            "n_batches": len(task.groups()),
            "declared": task.declarations().plain(),
            "listings": {"task.use": splits.listing},
            "smooths": True,
        },
        **sections,
    }  # fmt: skip
    return TrialConfig.of({key: section for key, section in raw.items() if section is not None})


def tasks(root: Path, keeping: Keeping | None = None) -> TaskCache:
    return TaskCache(root, "cpu", 1, keeping or Keeping(processes=0))


@pytest.fixture(scope="module")
def calm(root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Record]:
    """An undisturbed trial, in its folder."""
    out = tmp_path_factory.mktemp("calm")
    return out, run_trial(configured(root), out, tasks=tasks(root))


def test_a_trial_is_measured_and_built_again(root: Path, calm: tuple[Path, Record]) -> None:
    config = configured(root)
    folder, record = calm
    assert record.state == "done"
    metrics = record.metrics
    assert {
        "val_chrf",
        "test_bleu",
        "pruned_test_chrf",
        "dense_val_token_accuracy",
    } <= metrics.keys()
    assert "train_tokens_per_s" in metrics
    n = 3 * 4 * 8 * 8 + 2 * 2 * 8 * 8  # three attentions and two feed-forward parts
    assert (metrics["n_prunable"], metrics["sparsity"]) == (n, 0.5)
    layers = [name for name in record.layers if name.startswith("decoder.layers.0.self_attn")]
    assert len(layers) == 4  # q, k, v and the projection out of attention
    assert record.declared["metrics"]["chrf"]["signature"].endswith(
        f"version:{record.provenance['sacrebleu']}"
    )
    assert record.config["task"]["listing"] == config.facts.listings["task.use"]  # type: ignore[union-attr]
    assert "batch_size" not in record.config["dense"]
    assert needs_code(record) is None
    network = trained(record, masked_weights(record, str(folder / "stages")), root)
    assert network.evaluate("test")["chrf"] == metrics["test_chrf"]


def test_other_batches_than_were_counted_are_refused(root: Path, tmp_path: Path) -> None:
    """As where a search draws from a range what decides them."""
    config = configured(root, task={"use": "parallel-text", **SMALL, "batch_tokens": 40})
    report = run_job(job_for(config, tmp_path / "out"), tasks(root))
    assert report.fault is not None
    assert report.fault.message.startswith("task.use must form the batches that were counted when")


PLACES = [Keeping("on", 0), Keeping("off", 1)]


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES, ids=["memory", "one process"])
def test_memory_and_loader_processes_change_no_bit(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], place: Keeping
) -> None:
    record = run_trial(configured(root), tmp_path, tasks=tasks(root, place))
    assert is_calm(calm, tmp_path, record)


@pytest.mark.slow
def test_four_loader_processes_change_no_bit_of_a_dense_run(
    root: Path, tmp_path: Path, calm: tuple[Path, Record]
) -> None:
    folder, record = calm
    job = job_for(configured(root), tmp_path, goal="dense")
    assert run_job(job, tasks(root, Keeping("off", 4))).outcome == "done"
    dense = replace(record, stages=record.stages[:1])
    four, alone = (last_stage(place, dense) for place in (tmp_path, folder))
    assert same(four, alone)
    assert without_times(four.metrics) == without_times(alone.metrics)


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 8, 20, 29])
def test_resumed_anywhere_it_ends_in_the_same_bits(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], after: int
) -> None:
    config = configured(root)
    assert 20 < config.dense_steps < 29 < config.total_steps
    interrupted(config, tmp_path, tasks(root, Keeping("off", after % 2)), after)
    reseed(after)
    assert is_calm(calm, tmp_path, run_trial(config, tmp_path, tasks=tasks(root)))


@pytest.mark.slow
@pytest.mark.parametrize(("step", "stages"), [(15, 0), (29, 1)], ids=["dense", "retraining"])
def test_a_worker_that_sigkill_takes_within_an_epoch(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], step: int, stages: int
) -> None:
    config = configured(root)
    assert (step - 1) % config.steps_per_epoch, "within an epoch"
    assert killed_within_a_step(config, tmp_path, root, step, processes=1) == stages
    assert is_calm(calm, tmp_path, run_trial(config, tmp_path, tasks=tasks(root)))


@pytest.mark.slow
def test_a_loader_process_that_sigkill_takes_within_an_epoch(
    root: Path, tmp_path: Path, calm: tuple[Path, Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    config, mark = configured(root), tmp_path / "killed"
    let_a_loader_process_die(monkeypatch, PairItems, 11, mark)
    place = tasks(root, Keeping("off", 2))
    assert is_calm(calm, tmp_path, run_trial(config, tmp_path, tasks=place))
    assert mark.exists()


def test_micro_batches_take_the_same_steps(root: Path, tmp_path: Path) -> None:
    """Parts are weighted by their tokens; without dropout only rounding tells them apart."""
    plain = {"task": {"use": "parallel-text", **SMALL, "dropout": 0.0}}
    whole = run_trial(configured(root, **plain), tmp_path / "whole", tasks=tasks(root))
    parts = run_trial(
        configured(root, **plain, compute={"micro_batch": 2}), tmp_path / "parts", tasks=tasks(root)
    )
    assert parts.metrics["dense_val_loss"] == pytest.approx(whole.metrics["dense_val_loss"], 1e-4)


def test_what_is_measured_is_what_is_written(root: Path) -> None:
    """Decoded row by row, of the same weights, and scored without the engine."""
    task = parallel(root)
    torch.manual_seed(0)
    network = task.model().eval()
    val = task.splits().val
    batch = task.collate([val[0], val[1]])
    with torch.inference_mode():
        scores = task.score(network, batch)
        alone = [task.translated(network, val[n].source[None])[0] for n in (0, 1)]
    assert scores["translations"] == alone
    numbers = task.finish({**scores, "weight": int(task.weight(batch))})
    assert {k: numbers[k] for k in ("chrf", "bleu")} == points(alone, list(batch.references))


@pytest.mark.slow
def test_a_trial_s_numbers_are_those_of_sacrebleus_command_on_what_its_network_writes(
    root: Path, tmp_path: Path
) -> None:
    """Of a network that has learnt enough to write some of the words."""
    dense = {"epochs": 20, "lr": 0.02, "optimiser": "adamw", "weight_decay": 0}
    config = configured(root, dense=dense, prune={"sparsity": 0.1})
    record = run_trial(config, tmp_path, tasks=tasks(root))
    network = trained(record, masked_weights(record, str(tmp_path / "stages")), root)
    task = parallel(root)
    test = task.splits().test
    assert test is not None
    with torch.inference_mode():
        written = [task.translated(network.model, test[n].source[None])[0] for n in (0, 1)]
    lines = {"references": [test[n].reference for n in (0, 1)], "written": written}
    for name, part in lines.items():
        (tmp_path / name).write_text("".join(f"{line}\n" for line in part), encoding="utf-8")
    files = [str(tmp_path / "references"), "-i", str(tmp_path / "written")]
    command = [sys.executable, "-m", "sacrebleu", *files, "-m", "chrf", "bleu", "-w", "12"]
    done = subprocess.run([*command, "-f", "json"], capture_output=True, text=True, check=True)
    told = {row["name"].lower().rstrip("2"): row["score"] for row in json.loads(done.stdout)}
    assert told["chrf"] > 0
    for name, score in told.items():
        assert record.metrics[f"test_{name}"] == pytest.approx(score, abs=1e-11)
