"""The state machine: shared and resumed stages end in the same bits; faults have clear outcomes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

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
from trainables.files.leases import Leases
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.files.trial_record import Record
from trainables.trials.procedure import Pace, Procedure
from trainables.trials.stage_store import Stage, StageStore
from trainables.trials.task_cache import TaskCache


@pytest.fixture(scope="module")
def tasks() -> TaskCache:
    return cache()


def procedure(
    config: TrialConfig,
    folder: Path,
    tasks: TaskCache,
    pace: Pace | None = None,
    owner: str = "a",
) -> Procedure:
    store = LocalFolder(folder / "stages")
    return Procedure(
        config, 0, tasks, StageStore(store, owner), Leases(store, owner),
        pace=pace or Pace(unit_s=0.0),
    )  # fmt: skip


EVERY_STEP = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)


def interrupted(config: TrialConfig, folder: Path, tasks: TaskCache, after: int) -> None:
    """Train so many steps, each saved, and leave."""
    broken = procedure(config, folder, tasks, EVERY_STEP, owner="first")
    steps = 0
    while steps < after:
        steps += round(broken.advance().epochs * config.steps_per_epoch)
    broken.give_up()


def same(a: Stage, b: Stage) -> bool:
    tensors = ({**s.weights, **{f"/{k}": v for k, v in s.state.items()}} for s in (a, b))
    one, two = tensors
    return one.keys() == two.keys() and all(torch.equal(one[k], two[k]) for k in one)


def is_calm(calm: tuple[Path, Record], out: Path, record: Record) -> bool:
    """Whether a trial has ended as the undisturbed one, to the bit."""
    folder, undisturbed = calm
    alike = timeless(record) == timeless(undisturbed)
    return alike and same(last_stage(out, record), last_stage(folder, undisturbed))


def test_an_undisturbed_trial_says_each_epoch_and_ends_done(
    tmp_path: Path, tasks: TaskCache
) -> None:
    run = procedure(tiny(), tmp_path, tasks)
    told = [run.advance() for _ in range(3)]
    assert [p.state for p in told] == ["running", "running", "done"]
    assert [p.epochs for p in told] == [1, 1, 1]
    assert [p.row["phase"] for p in told] == ["dense", "dense", "retrain"]
    assert run.metrics()["sparsity"] == pytest.approx(0.8, abs=1e-3)
    assert run.metrics()["epochs"] == 3


def test_only_a_cycle_keeps_what_the_optimiser_remembers(tmp_path: Path, tasks: TaskCache) -> None:
    """Nothing reads that of a dense run or of a whole run: retraining begins without it."""
    record = run_trial(tiny(), tmp_path, tasks=tasks)
    dense, cycle = (
        StageStore(LocalFolder(tmp_path / "stages"), "r").load(s) for s in record.stages
    )
    assert dense is not None and cycle is not None
    assert set(dense.state) == {"rates"}
    assert any("momentum" in name for name in cycle.state)
    scratch = tiny(
        method="gmp", budget={"epochs": 4}, dense={"epochs": None}, retrain={"epochs": None}
    )
    whole = run_trial(scratch, tmp_path, tasks=tasks)
    stage = last_stage(tmp_path, whole)
    assert {name.partition(".")[0] for name in stage.state} == {"rates", "mask"}


def test_a_trial_that_a_wider_study_asks_for_goes_on_from_the_last_stage_of_another(
    tmp_path: Path, tasks: TaskCache
) -> None:
    """So the last cycle's memory stays: without it the further cycle ends in other bits."""
    short = tiny(prune={"cycles": 1, "sparsity": 0.5}, retrain={"schedule": "ft", "epochs": 1})
    long = tiny(prune={"cycles": 2, "sparsity": 0.75}, retrain={"schedule": "ft", "epochs": 2})
    last = run_trial(short, tmp_path / "wider", tasks=tasks).stages[-1]
    wider = run_trial(long, tmp_path / "wider", tasks=tasks)
    assert wider.stages[1] == last and wider.provenance["stages_trained"] == wider.stages[2:]
    alone = run_trial(long, tmp_path / "alone", tasks=tasks)
    assert same(last_stage(tmp_path / "wider", wider), last_stage(tmp_path / "alone", alone))


def test_masks_hold_exactly_through_all_cycles(tmp_path: Path, tasks: TaskCache) -> None:
    config = tiny(prune={"cycles": 3, "sparsity": 0.9}, retrain={"epochs": 3})
    record = run_trial(config, tmp_path, tasks=tasks)
    stage = last_stage(tmp_path, record)
    n = 64 * 8 + 8 * 10
    masks = {k.removeprefix("mask."): v for k, v in stage.state.items() if k.startswith("mask.")}
    assert sum(int((~m).sum()) for m in masks.values()) == round(0.9 * n)
    for name, mask in masks.items():
        assert not stage.weights[name][~mask].any()
        assert not stage.state[f"momentum.{name}"][~mask].any()
        assert stage.weights[name][mask].all()
    expected = [round(n * (1 - 0.1 ** (p / 3))) / n for p in (1, 2, 3)]
    assert [c["sparsity"] for c in record.cycles] == pytest.approx(expected, abs=1e-12)


def test_a_shared_dense_stage_gives_the_bits_of_one_trained_alone(
    tmp_path: Path, tasks: TaskCache
) -> None:
    first, second = tiny(retrain={"schedule": "ft"}), tiny(retrain={"schedule": "slr"})
    alone = run_trial(second, tmp_path / "alone", tasks=tasks)
    run_trial(first, tmp_path / "shared", tasks=tasks)
    shared = run_trial(second, tmp_path / "shared", tasks=tasks)
    assert shared.provenance["stages_trained"] == [shared.stages[1]]
    assert sorted(alone.provenance["stages_trained"]) == sorted(alone.stages)
    assert timeless(shared) == timeless(alone)
    assert same(last_stage(tmp_path / "shared", shared), last_stage(tmp_path / "alone", alone))


def test_a_reused_worker_gives_the_bits_of_a_fresh_one(tmp_path: Path, tasks: TaskCache) -> None:
    config = tiny(task={"model": {"name": "cnn", "channels": [4]}}, prune={"sparsity": 0.5})
    other = tiny(task={"model": {"name": "cnn", "channels": [4]}}, compute={"precision": "bf16"})
    fresh = run_trial(config, tmp_path / "fresh", tasks=cache())
    used = cache()
    run_trial(other, tmp_path / "used", seed=5, tasks=used)
    run_trial(config, tmp_path / "used", seed=3, tasks=used)
    again = run_trial(config, tmp_path / "used", tasks=used)
    assert timeless(again) == timeless(fresh)
    assert same(last_stage(tmp_path / "used", again), last_stage(tmp_path / "fresh", fresh))


MODELS: list[dict[str, Any]] = [
    {"name": "mlp", "hidden": [8], "dropout": 0.3},
    {"name": "cnn", "channels": [4, 8]},
]


@pytest.mark.parametrize("model", MODELS, ids=["dropout", "batch norm"])
@pytest.mark.parametrize("stop_after", [1, 3, 7, 9, 16, 22])
def test_a_stage_resumed_anywhere_ends_in_the_same_bits(
    tmp_path: Path, tasks: TaskCache, model: dict[str, Any], stop_after: int
) -> None:
    config = tiny(
        task={"dataset": {"name": "digits", "n_train": 100, "augment": True}, "model": model},
        prune={"cycles": 2}, retrain={"schedule": "allr", "epochs": 3},
    )  # fmt: skip
    calm = run_trial(config, tmp_path / "calm", tasks=tasks)
    every_step = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)
    broken = procedure(config, tmp_path / "broken", tasks, every_step, owner="first")
    steps = 0
    while steps < stop_after:
        steps += round(broken.advance().epochs * 7)
    broken.give_up()
    again = run_trial(config, tmp_path / "broken", tasks=cache())
    assert timeless(again) == timeless(calm)
    assert same(last_stage(tmp_path / "broken", again), last_stage(tmp_path / "calm", calm))


def test_schedules_of_one_seed_see_the_same_dense_run_and_orders(
    tmp_path: Path, tasks: TaskCache
) -> None:
    records = [
        run_trial(tiny(retrain={"schedule": s}), tmp_path, tasks=tasks)
        for s in ("ft", "lrw", "slr", "clr", "llr", "allr")
    ]
    assert len({r.stages[0] for r in records}) == 1
    assert len({r.metrics["d1"] for r in records}) == 1
    assert len({r.metrics["pruned_test_accuracy"] for r in records}) == 1
    assert [("d" in r.metrics) for r in records] == [False] * 5 + [True]


@pytest.mark.parametrize(
    ("discount", "expected"), [("adaptive", None), ("d1", "d1"), ("d2", "d2"), (0.25, 0.25)]
)
def test_the_discount_in_use_is_the_one_asked_for(
    tmp_path: Path, tasks: TaskCache, discount: Any, expected: Any
) -> None:
    config = tiny(retrain={"schedule": "allr", "discount": discount})
    record = run_trial(config, tmp_path, tasks=tasks)
    m = record.metrics
    assert m["d2"] == pytest.approx(7 / 14)
    assert m["d1"] == pytest.approx(m["norm_drop"] / m["pruned_fraction"] ** 0.5)
    assert m["d_adaptive"] == min(max(m["d1"], m["d2"]), 1)
    want = m["d_adaptive"] if expected is None else m.get(expected, expected)
    assert m["d"] == want
    rates = last_stage(tmp_path, record).state["rates"]
    assert rates[0].item() == pytest.approx(0.1 * m["d"])  # N = 7: floor(0.7) = 0 warm-up steps
    assert rates[-1].item() == pytest.approx(0.1 * m["d"] / 7)


def test_a_learning_rate_beyond_reason_ends_as_diverged_with_no_final_numbers(
    tmp_path: Path, tasks: TaskCache
) -> None:
    config = tiny(dense={"lr": 1e12, "weight_decay": 0.5})
    record = run_trial(config, tmp_path, tasks=tasks)
    assert record.state == "diverged"
    assert record.message is not None
    assert "not finite" in record.message
    assert "test_accuracy" not in record.metrics
    again = run_trial(config, tmp_path, tasks=tasks)
    assert again.provenance["stages_trained"] == []


def test_divergence_in_a_cycle_keeps_the_dense_numbers(tmp_path: Path, tasks: TaskCache) -> None:
    config = tiny(retrain={"schedule": "constant", "init": 1e20})
    record = run_trial(config, tmp_path, tasks=tasks)
    assert record.state == "diverged"
    assert "dense_test_accuracy" in record.metrics
    assert "test_accuracy" not in record.metrics


@pytest.mark.parametrize("fault", ["truncated", "altered", "manifest", "schema", "missing"])
def test_a_faulty_stage_is_said_set_aside_and_made_anew(
    tmp_path: Path, tasks: TaskCache, fault: str
) -> None:
    first = run_trial(tiny(), tmp_path, tasks=tasks)
    spec = stage_chain(tiny(), 0)[0]
    folder = tmp_path / "stages" / spec.hash
    weights = next(folder.glob("weights-*"))
    manifest = folder / "stage.json"
    if fault == "truncated":
        weights.write_bytes(weights.read_bytes()[:-5])
    elif fault == "altered":
        weights.write_bytes(weights.read_bytes()[:-1] + b"\x99")
    elif fault == "manifest":
        manifest.write_bytes(manifest.read_bytes()[:40])
    elif fault == "missing":
        weights.unlink()
    else:
        manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "schema": 99}))
    run = procedure(tiny(retrain={"schedule": "ft"}), tmp_path, tasks, owner="b")
    notes = list(run.advance().notes)
    assert len(notes) == 1
    assert spec.hash in notes[0]
    assert "made anew" in notes[0]
    while run.advance().state == "running":
        pass
    assert list(folder.glob("stage-faulty-*.json"))
    second = run_trial(tiny(retrain={"schedule": "ft"}), tmp_path / "other", tasks=tasks)
    assert run.metrics()["test_loss"] == second.metrics["test_loss"]
    assert StudyFolder(str(tmp_path)).read_record(first.fingerprint) == first


def test_a_store_out_of_reach_fails_the_trial_and_leaves_the_stage(
    tmp_path: Path, tasks: TaskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_trial(tiny(), tmp_path, tasks=tasks)
    manifest = tmp_path / "stages" / stage_chain(tiny(), 0)[0].hash / "stage.json"
    whole, read = manifest.read_bytes(), LocalFolder.read

    def slow_down(self: LocalFolder, name: str) -> bytes:
        if "weights-" in name:
            raise OSError("SlowDown")
        return read(self, name)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "read", slow_down)
        report = run_job(job_for(tiny(retrain={"schedule": "ft"}), tmp_path), tasks)
    assert report.fault is not None and report.fault.kind == "store"
    assert "SlowDown" in report.fault.message
    assert manifest.read_bytes() == whole
    again = run_trial(tiny(retrain={"schedule": "ft"}), tmp_path, tasks=tasks)
    assert again.provenance["stages_trained"] == again.stages[1:]


def test_training_goes_on_without_leases_and_partial_states(
    tmp_path: Path, tasks: TaskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LocalFolder.write

    def refuse(self: LocalFolder, name: str, data: bytes) -> None:
        if "lease-" in name or "partial-" in name:
            raise OSError(122, "Disk quota exceeded")
        write(self, name, data)

    monkeypatch.setattr(LocalFolder, "write", refuse)
    pace = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)
    run = procedure(tiny(), tmp_path, tasks, pace)
    told = [run.advance()]
    while told[-1].state == "running":
        told.append(run.advance())
    assert told[-1].state == "done"
    notes = [note for one in told for note in one.notes]
    assert any(note.startswith("the lease of stage") for note in notes)
    assert any(note.startswith("the partial state of stage") for note in notes)
    assert len(notes) == len(set(notes))


def test_a_loss_beyond_numbers_after_the_prune_is_left_out(
    tmp_path: Path, tasks: TaskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainables.trials import cycle

    monkeypatch.setattr(
        cycle, "evaluated", lambda *_: {"pruned_val_loss": float("inf"), "pruned_val_accuracy": 0.1}
    )
    record = run_trial(tiny(), tmp_path, tasks=tasks)
    assert record.state == "done"
    assert record.metrics["pruned_val_accuracy"] == 0.1
    assert "pruned_val_loss" not in record.metrics


def test_a_full_disk_ends_as_failed_and_the_next_run_completes(
    tmp_path: Path, tasks: TaskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = LocalFolder.write

    def full(self: LocalFolder, name: str, data: bytes) -> None:
        if "weights-" in name:
            raise OSError(28, "No space left on device")
        write(self, name, data)

    with monkeypatch.context() as patch:
        patch.setattr(LocalFolder, "write", full)
        report = run_job(job_for(tiny(), tmp_path), tasks)
    assert report.fault is not None and report.fault.kind == "store"
    assert "No space left" in report.fault.message
    assert "Traceback" in report.fault.traceback
    assert not StudyFolder(str(tmp_path)).records().records, "the driver judges a store's faults"
    assert run_trial(tiny(), tmp_path, tasks=tasks).state == "done"


def test_a_store_that_was_out_for_a_while_costs_no_training(
    tmp_path: Path, tasks: TaskCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trained stage is kept in memory, and stored by a later call."""
    run = procedure(tiny(), tmp_path, tasks)
    run.advance()
    write = LocalFolder.write

    def full(self: LocalFolder, name: str, data: bytes) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(LocalFolder, "write", full)
    for _ in range(3):
        with pytest.raises(OSError, match="No space left"):
            run.advance()
    monkeypatch.setattr(LocalFolder, "write", write)
    progress = run.advance()
    assert (progress.state, progress.epochs, progress.saved) == ("running", 0, (1, 0))
    assert run.advance().state == "done"
    calm = run_trial(tiny(), tmp_path / "calm", tasks=tasks)
    both = [
        StageStore(LocalFolder(f / "stages"), "x").load(calm.stages[-1])
        for f in (tmp_path, tmp_path / "calm")
    ]
    assert all(both) and same(*both)


def test_what_is_saved_is_told_in_stages_and_steps(tmp_path: Path, tasks: TaskCache) -> None:
    pace = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)
    run = procedure(tiny(), tmp_path, tasks, pace)
    saved = [run.advance().saved]
    assert saved[0][0] == 0 and 0 < saved[0][1] < 14
    run.give_up()
    taken_up = procedure(tiny(), tmp_path, tasks, pace, owner="b")
    assert taken_up.advance().saved >= saved[0]
    while (progress := taken_up.advance()).state == "running":
        saved.append(progress.saved)
    assert saved == sorted(saved)
    assert progress.saved == (2, 0)


def test_a_stage_held_by_another_process_is_not_waited_for(
    tmp_path: Path, tasks: TaskCache
) -> None:
    spec = stage_chain(tiny(), 0)[0]
    other = Leases(LocalFolder(tmp_path / "stages"), "other")
    other.beat(spec.hash)
    mine = procedure(tiny(), tmp_path, tasks)
    assert mine.advance().state == "leased"
    text = next(iter(Leases(LocalFolder(tmp_path / "stages"), "me").others(spec.hash).values()))
    store = LocalFolder(tmp_path / "stages")
    allowed = Procedure(
        tiny(), 0, tasks, StageStore(store, "a"), Leases(store, "a"), expired=frozenset({text})
    )
    assert allowed.advance().state in ("running", "done")


def test_the_lease_of_a_dead_process_of_this_host_counts_nothing(tmp_path: Path) -> None:
    store = LocalFolder(tmp_path)
    Leases(store, "dead").beat("abc")
    path = tmp_path / "abc" / "lease-dead.json"
    lease = json.loads(path.read_text())
    assert Leases(store, "me").others("abc") != {}
    path.write_text(json.dumps({**lease, "started": "1"}))
    assert Leases(store, "me").others("abc") == {}
    path.write_text(json.dumps({**lease, "boot": "elsewhere", "started": "1"}))
    assert list(Leases(store, "me").others("abc")) == ["lease-dead.json"]


def test_resuming_under_another_build_is_said(tmp_path: Path, tasks: TaskCache) -> None:
    pace = Pace(unit_s=0.0, partial_s=1e-9, slice_s=1e-9)
    broken = procedure(tiny(), tmp_path, tasks, pace, owner="first")
    broken.advance()
    broken.give_up()
    spec = stage_chain(tiny(), 0)[0]
    store = StageStore(LocalFolder(tmp_path / "stages"), "first")
    partial = store.load_partial(spec.hash)
    assert partial is not None
    partial.facts["machine"]["torch"] = "1.0"
    store.save_partial(spec.hash, partial)
    notes = procedure(tiny(), tmp_path, tasks, owner="second").advance().notes
    assert ["another torch" in note for note in notes] == [True]


def test_filters_are_removed_whole_and_stay_removed(tmp_path: Path, tasks: TaskCache) -> None:
    config = tiny(
        task={"model": {"name": "cnn", "channels": [8, 8]}},
        prune={"structure": "filters", "sparsity": 0.5},
    )
    record = run_trial(config, tmp_path, tasks=tasks)
    stage = last_stage(tmp_path, record)
    assert 0.3 < record.metrics["sparsity"] <= 0.5
    for name, mask in ((k, v) for k, v in stage.state.items() if k.startswith("mask.")):
        rows = mask.flatten(1)
        assert ("classifier" in name) or bool((rows.all(1) | ~rows.any(1)).all())
        assert not stage.weights[name.removeprefix("mask.")][~mask].any()
