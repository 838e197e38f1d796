"""Trackers hold what the frames hold, each trial once, whatever broke off in between."""

from __future__ import annotations

import json
import math
import shutil
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import frames
from analysis.columns.names import config_columns
from study.trackers.entries import entries
from study.trackers.sweep import LEASE, Swept, sweep
from study.trackers.tensorboard_tracker import TensorboardTracker
from study.trackers.tracker import CURVE
from tests.analysis.small import write_small
from tests.study.conftest import Command
from trainables.files.leases import Leases
from trainables.files.records import StudyFolder
from trainables.files.storage import LocalFolder
from trainables.vocabulary.schema import at_level

DONE = {"ft0", "ft1", "allr0", "allr1"}
ENDED = {*DONE, "wild", "broken"}
"""Of the small study `wild` diverged, and `broken` failed at its second attempt."""


@pytest.fixture
def study(tmp_path: Path) -> str:
    return write_small(str(tmp_path / "small")).location


def curve_of(study: str, trial: str) -> dict[str, list[tuple[int, float]]]:
    """What the epochs frame holds of a trial: pairs of epoch and value by name."""
    known = frames.epochs(study)
    rows = known[known["fingerprint"] == trial]
    return {
        name: [
            (int(epoch), float(value))
            for epoch, value in zip(rows["total_epoch"], rows[name], strict=True)
            if not math.isnan(value)
        ]
        for name in at_level("epoch")
        if name in rows and rows[name].notna().any()
    }


def numbers_of(study: str, trial: str) -> dict[str, float]:
    known = frames.trials(study).set_index("fingerprint").loc[trial]
    names = [name for name in at_level("trial") if name in known and not pd.isna(known[name])]
    return {name: float(known[name]) for name in names}


def test_entries_are_the_frames(study: str) -> None:
    whole = {entry.fingerprint: entry for entry in entries(frames.read(study), ENDED)}
    assert set(whole) == ENDED
    one = whole["allr0"]
    assert (one.name, one.study, one.state) == ("allr 0.9 seed 0 allr0", "small", "done")
    assert one.numbers == {
        "val_accuracy": 0.9, "test_accuracy": 0.89, "dense_epochs": 3.0, "train_s": 1.5,
    }  # fmt: skip
    assert [epoch for epoch, _ in one.curve] == list(range(7))
    assert [numbers["val_accuracy"] for _, numbers in one.curve] == [
        0.1, 0.2, 0.3, 0.5, 0.6, 0.6, 0.7,
    ]  # fmt: skip
    assert one.settings["retrain.discount"] == "adaptive"
    assert one.settings["task.model.hidden"] == "64, 32"
    assert (one.settings["seed"], one.settings["retrain_seed"]) == (0, 0)
    assert "retrain.discount" not in whole["ft0"].settings
    assert whole["wild"].state == "diverged" and whole["wild"].numbers == {"dense_epochs": 3.0}
    assert (one.message, one.version, one.outcome) == ("", "", "success")
    failed = whole["broken"]
    assert (failed.message, failed.version, failed.outcome) == (
        "ValueError: no", "failed 2", "failure",
    )  # fmt: skip
    assert failed.settings["retrain.schedule"] == "ft" and not failed.numbers and not failed.curve


def accumulated(folder: Path) -> Any:
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = reader.EventAccumulator(str(folder), size_guidance={"scalars": 0})
    return events.Reload()


def test_tensorboard_reads_back_the_frames(study: str, tmp_path: Path) -> None:
    target = tmp_path / "board"
    assert sweep(study, {"tensorboard": str(target)}) == [Swept("tensorboard", str(target), 6, 0)]
    assert {path.name for path in (target / "small").iterdir()} == ENDED
    for trial in ("allr0", "wild"):
        events = accumulated(target / "small" / trial)
        series = {
            tag: [(event.step, event.value) for event in events.Scalars(tag)]
            for tag in events.Tags()["scalars"]
        }
        wanted = {name: [(0, value)] for name, value in numbers_of(study, trial).items()}
        wanted |= {f"{CURVE}{name}": pairs for name, pairs in curve_of(study, trial).items()}
        assert series == {
            tag: [(step, float(np.float32(value))) for step, value in pairs]
            for tag, pairs in wanted.items()
        }


def test_tensorboard_knows_the_settings(study: str, tmp_path: Path) -> None:
    sweep(study, {"tensorboard": str(tmp_path / "board")})
    start = accumulated(tmp_path / "board" / "small" / "allr0").summary_metadata[
        "_hparams_/session_start_info"
    ]
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    held = plugin.HParamsPluginData.FromString(start.plugin_data.content).session_start_info.hparams
    assert held["retrain.schedule"].string_value == "allr"
    assert held["prune.sparsity"].number_value == 0.9
    assert held["seed"].number_value == 0.0


def hparams_of(events: Any, part: str) -> Any:
    plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")
    held = events.summary_metadata[f"_hparams_/{part}"].plugin_data.content
    return getattr(plugin.HParamsPluginData.FromString(held), part)


def test_tensorboard_shows_a_failed_trial_as_a_failure_with_its_message(
    study: str, tmp_path: Path
) -> None:
    board = tmp_path / "board"
    sweep(study, {"tensorboard": str(board)})
    failed = accumulated(board / "small" / "broken")
    (text,) = failed.Tensors("message/text_summary")
    assert text.tensor_proto.string_val == [b"    ValueError: no"]
    settings = hparams_of(failed, "session_start_info").hparams
    assert settings["retrain.schedule"].string_value == "ft"
    ends = {name: hparams_of(accumulated(board / "small" / name), "session_end_info").status
            for name in ("broken", "wild", "ft0")}  # fmt: skip
    assert ends == {"broken": 2, "wild": 2, "ft0": 1}  # STATUS_FAILURE, STATUS_SUCCESS


def retried(study: str, **fields: Any) -> None:
    """Let the trial that failed come to another end."""
    folder = StudyFolder(study)
    there = folder.read_record("broken")
    assert there is not None
    folder.write_record(replace(there, **fields))


def test_what_settles_a_trial_takes_the_place_of_its_failure(study: str, tmp_path: Path) -> None:
    """A further failure does as well; what is settled at the tracker is never replaced."""
    target = str(tmp_path / "board")
    failed = tmp_path / "board" / "small" / "broken" / "failed.txt"
    sweep(study, {"tensorboard": target})
    assert failed.read_text() == "failed 2"
    retried(study, attempt=3, message="OSError: full")
    assert sweep(study, {"tensorboard": target}) == [Swept("tensorboard", target, 1, 0)]
    assert failed.read_text() == "failed 3"
    retried(study, state="done", attempt=4, message=None, metrics={"val_accuracy": 0.7})
    assert sweep(study, {"tensorboard": target}) == [Swept("tensorboard", target, 1, 0)]
    events = accumulated(failed.parent)
    assert events.Scalars("val_accuracy")[0].value == pytest.approx(0.7)
    assert not failed.exists() and "message/text_summary" not in events.Tags()["tensors"]
    retried(study, state="failed", attempt=5, message="ValueError: no")
    assert sweep(study, {"tensorboard": target}) == [Swept("tensorboard", target, 0, 0)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_mlflow_reads_back_the_frames(study: str, tmp_path: Path) -> None:
    mlflow = pytest.importorskip("mlflow", reason="needs mlflow: pip install 'bimp-study[mlflow]'")
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    assert sweep(study, {"mlflow": uri}) == [Swept("mlflow", uri, 6, 0)]
    client = mlflow.MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("small").experiment_id
    runs = {run.data.tags["bimp.fingerprint"]: run for run in client.search_runs([experiment])}
    assert set(runs) == ENDED
    assert {name: run.info.status for name, run in runs.items()} == {
        **dict.fromkeys(DONE, "FINISHED"), "wild": "FAILED", "broken": "FAILED",
    }  # fmt: skip
    assert {name: run.data.tags.get("bimp.message") for name, run in runs.items()} == {
        **dict.fromkeys(DONE), "wild": "loss is not finite", "broken": "ValueError: no",
    }  # fmt: skip
    known = frames.trials(study).set_index("fingerprint")
    for trial, run in runs.items():
        curve = curve_of(study, trial)
        last = {f"{CURVE}{name}": pairs[-1][1] for name, pairs in curve.items()}
        assert run.data.metrics == {**numbers_of(study, trial), **last}
        for name, pairs in curve.items():
            history = client.get_metric_history(run.info.run_id, f"{CURVE}{name}")
            assert sorted((one.step, one.value) for one in history) == pairs
        settings = {c: known.loc[trial, c] for c in config_columns(known)}
        held = {name: run.data.params[name] for name in settings if name in run.data.params}
        assert held == {
            name: ", ".join(map(str, value)) if isinstance(value, tuple) else f"{value:g}"
            if isinstance(value, float) else str(value)
            for name, value in settings.items() if isinstance(value, tuple) or not pd.isna(value)
        }  # fmt: skip
    # a run that was broken off is replaced, and what is whole stays as it is
    torn = client.create_run(experiment, tags={"bimp.fingerprint": "allr1"}).info.run_id
    client.delete_run(runs["allr1"].info.run_id)
    assert sweep(study, {"mlflow": uri}) == [Swept("mlflow", uri, 1, 0)]
    after = {run.data.tags["bimp.fingerprint"]: run for run in client.search_runs([experiment])}
    assert set(after) == ENDED and len(client.search_runs([experiment])) == 6
    assert after["allr1"].info.run_id not in (torn, runs["allr1"].info.run_id)
    assert after["ft0"].info.run_id == runs["ft0"].info.run_id
    # what settles a trial takes the place of its failure
    retried(study, state="done", attempt=3, message=None, metrics={"val_accuracy": 0.7})
    assert sweep(study, {"mlflow": uri}) == [Swept("mlflow", uri, 1, 0)]
    final = {run.data.tags["bimp.fingerprint"]: run for run in client.search_runs([experiment])}
    assert len(client.search_runs([experiment])) == 6
    assert final["broken"].info.status == "FINISHED"
    assert final["broken"].data.metrics["val_accuracy"] == 0.7
    assert sweep(study, {"mlflow": uri}) == [Swept("mlflow", uri, 0, 0)]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_wandb_holds_the_frames_offline(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb", reason="needs wandb: pip install 'bimp-study[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    outcome = sweep(study, {"wandb": "pruning"})
    assert outcome == [Swept("wandb", "pruning", 6, 0)]
    (folder,) = (Path(study) / "wandb").glob("offline-run-*-allr0")
    history, summary, settings = offline(folder)
    assert (settings["retrain.schedule"], settings["prune.sparsity"]) == ("allr", 0.9)
    assert {k: v for k, v in summary.items() if not k.startswith(("_", CURVE))} == numbers_of(
        study, "allr0"
    )
    for name, pairs in curve_of(study, "allr0").items():
        assert [(r["_step"], r[f"{CURVE}{name}"]) for r in history] == pairs
    codes, notes = {}, {}
    for name in ("ft0", "wild", "broken"):
        (folder,) = (Path(study) / "wandb").glob(f"offline-run-*-{name}")
        held = list(records_of(folder))
        codes[name] = [r.exit.exit_code for r in held if r.WhichOneof("record_type") == "exit"]
        notes[name] = next(r.run.notes for r in held if r.WhichOneof("record_type") == "run")
    assert codes == {"ft0": [0], "wild": [1], "broken": [1]}
    assert notes == {"ft0": "", "wild": "loss is not finite", "broken": "ValueError: no"}
    assert sweep(study, {"wandb": "pruning"}) == [Swept("wandb", "pruning", 0, 0)]
    retried(study, state="done", attempt=3, message=None, metrics={"val_accuracy": 0.7})
    time.sleep(1.1)  # W&B names a run's folder by the second in which it begins
    assert sweep(study, {"wandb": "pruning"}) == [Swept("wandb", "pruning", 1, 0)]
    (folder,) = (Path(study) / "wandb").glob("offline-run-*-broken")
    assert offline(folder)[1]["val_accuracy"] == 0.7


def records_of(folder: Path) -> Iterator[Any]:
    """The records of an offline run, in W&B's own form."""
    from wandb.proto import wandb_internal_pb2

    for data in log_records(next(folder.glob("*.wandb")).read_bytes()):
        yield wandb_internal_pb2.Record.FromString(data)


def offline(folder: Path) -> tuple[list[dict[str, Any]], dict[str, Any], dict[str, Any]]:
    """The history, last summary and settings of an offline run, as W&B's own records hold them."""
    history: list[dict[str, Any]] = []
    summary: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    for record in records_of(folder):
        if record.WhichOneof("record_type") == "history":
            row = {_key(item): json.loads(item.value_json) for item in record.history.item}
            history.append({"_step": record.history.step.num, **row})
        summary |= {_key(i): json.loads(i.value_json) for i in record.summary.update}
        settings |= {_key(i): json.loads(i.value_json) for i in record.run.config.update}
    return history, summary, settings


def _key(item: Any) -> str:
    return item.key or ".".join(item.nested_key)


def log_records(data: bytes) -> Iterator[bytes]:
    """The records of a log as LevelDB writes them: pieces in blocks of 32 KiB, behind 7 bytes."""
    at, whole = 7, b""
    while at + 7 <= len(data):
        if 32768 - at % 32768 < 7:
            at += 32768 - at % 32768
            continue
        _, length, kind = struct.unpack("<IHB", data[at : at + 7])
        whole += data[at + 7 : at + 7 + length]
        at += 7 + length
        if kind in (1, 4):  # whole, or its last piece
            yield whole
            whole = b""


def test_each_trial_is_written_once(study: str, tmp_path: Path) -> None:
    """A second sweep writes nothing; one that lacks a trial writes that one; torn ones are gone."""
    target = tmp_path / "board"
    sweep(study, {"tensorboard": str(target)})
    before = {path: path.read_bytes() for path in target.rglob("events*")}
    assert len(before) == 6
    assert sweep(study, {"tensorboard": str(target)})[0].written == 0
    (target / "small" / "ft0").rename(target / "small" / ".tmp-ft0")
    assert sweep(study, {"tensorboard": str(target)}) == [Swept("tensorboard", str(target), 1, 0)]
    after = {path: path.read_bytes() for path in target.rglob("events*")}
    others = {path: data for path, data in before.items() if path.parent.name != "ft0"}
    assert others.items() <= after.items()
    assert {path.parent.name for path in after} == ENDED and len(after) == 6


def test_a_sweep_stops_between_trials(study: str, tmp_path: Path) -> None:
    answers = iter([True, True, False])
    target = str(tmp_path / "board")
    assert sweep(study, {"tensorboard": target}, lambda: next(answers)) == [
        Swept("tensorboard", target, 2, 4)
    ]


def test_one_tracker_that_fails_leaves_the_other(study: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    bad, good = str(tmp_path / "file"), str(tmp_path / "board")
    first = sweep(study, {"tensorboard": bad})[0]
    assert (first.written, first.missing) == (0, 6) and "NotADirectoryError" in first.fault
    assert sweep(study, {"tensorboard": good})[0].fault == ""


def test_two_sweeps_are_never_at_work_at_once(study: str, tmp_path: Path) -> None:
    folder = LocalFolder(study)
    other = Leases(folder, "other")
    other.beat(LEASE)
    (outcome,) = sweep(study, {"tensorboard": str(tmp_path / "board")})
    assert outcome.fault == "another process writes to the trackers now"
    assert not (tmp_path / "board").exists()
    other.release(LEASE)
    assert sweep(study, {"tensorboard": str(tmp_path / "board")})[0].written == 6


def test_the_verb_writes_where_it_is_told(bimp: Command, study: str, tmp_path: Path) -> None:
    ended = bimp("track", study)
    assert ended.status == 2 and "must be given where the study has no track" in ended.err
    ended = bimp("track", study, "--tensorboard", tmp_path / "board")
    assert (ended.status, ended.out) == (
        0, f"tensorboard ({tmp_path}/board): 6 trials written, none missing\n",
    )  # fmt: skip
    with (Path(study) / "study.yaml").open("a") as file:
        file.write(f"track: {{tensorboard: {tmp_path}/board}}\n")
    shutil.rmtree(tmp_path / "board" / "small" / "wild")
    assert ": 1 trial written, none missing" in bimp("track", study).out
    ended = bimp("track", study, "--tensorboard", "/proc/nowhere")  # looks free, takes no folder
    assert ended.status == 1 and f"bimp track {study} writes them" in ended.out


def test_a_tracker_that_is_not_installed_is_refused(
    bimp: Command, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.definition.track.find_spec", lambda _: None)
    ended = bimp("track", study, "--wandb", "pruning")
    assert ended.status == 2
    assert "--wandb needs a package: pip install 'bimp-study[wandb]'" in ended.err


def test_a_torn_folder_of_tensorboard_does_not_count(tmp_path: Path) -> None:
    tracker = TensorboardTracker(str(tmp_path))
    assert tracker.written("small") == {}
    (tmp_path / "small" / ".tmp-x").mkdir(parents=True)
    assert tracker.written("small") == {}
