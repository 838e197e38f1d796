"""Whole runs on a real local Ray, through the command."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.study.driver.kill_driver import outcome, settled_files
from trainables.files.records import StudyFolder

pytestmark = [pytest.mark.ray, pytest.mark.slow]

TINY = Path(__file__).with_name("tiny.yaml")
BIMP = str(Path(sys.executable).with_name("bimp"))
LONG = {
    "task": "{dataset: digits, model: {name: cnn, channels: [8, 8]}}",
    "dense.epochs": "30",
    "retrain.epochs": "40",
    "resources.checkpoint_s": "0.3",
    "prune.sparsity": "0.8",
    "seeds": "[0]",
}
"""Settings that make the tiny study last seconds per stage, with partial states written."""


def bimp(study: str | Path, out: Path, **sets: str) -> subprocess.Popen[str]:
    options = [part for k, v in sets.items() for part in ("--set", f"{k}={v}")]
    command = [BIMP, "run", str(study), "--out", str(out), *options]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, "RAY_AUTH_MODE": "disabled"},
    )  # fmt: skip


def finished(run: subprocess.Popen[str], status: int = 0) -> str:
    text, _ = run.communicate(timeout=290)
    assert run.returncode == status, text
    return text


def wait_for(found: Callable[[], Any], run: subprocess.Popen[str]) -> Any:
    for _ in range(4000):
        if (thing := found()) is not None:
            return thing
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.02)
    raise AssertionError("waited too long")


FRAGILE = """
from torch import nn

class Fragile(nn.Module):
    def __init__(self, in_shape, n_classes):
        super().__init__()
        self.linear = nn.Linear(64, n_classes)

    def forward(self, images):
        if self.training and len(images) == 16:
            raise ValueError("no batch of 16")
        return self.linear(images.flatten(1))
"""
"""A network that no look at it before a run finds fault with."""


def states(folder: Path) -> list[tuple[int, str, int]]:
    """Seed, state and attempt of each record, in order."""
    records = StudyFolder(str(folder)).records().records
    return sorted((record.seed, record.state, record.attempt) for record in records)


def test_a_cell_that_fails_is_tried_again_and_more_seeds_extend(tmp_path: Path) -> None:
    (tmp_path / "fragile.py").write_text(FRAGILE)
    study = shutil.copy(TINY, tmp_path / "tiny.yaml")
    board = tmp_path / "board"  # a tracker, which gets each trial once
    sets = {
        "task.model": "{grid: [{name: mlp, hidden: [8]}, 'fragile:Fragile']}",
        "track.tensorboard": str(board),
    }
    first = finished(bimp(study, tmp_path, seeds="[0]", **sets), status=1)
    assert "starting: 8 trials" in first
    assert "4 of 8 trials are settled" in first
    assert first.count("no batch of 16") >= 4, "each failure is named"
    assert states(tmp_path) == [(0, "done", 1)] * 4 + [(0, "failed", 1)] * 4
    before = settled_files(tmp_path)
    names = {Path(name).stem for name in before}
    events = {path: path.read_bytes() for path in board.rglob("events*")}
    assert len(events) == 8 and names < {path.parent.name for path in events}
    settled = {path: data for path, data in events.items() if path.parent.name in names}
    shutil.rmtree(next(iter(settled)).parent)  # what is lost is written again
    more = finished(bimp(study, tmp_path, seeds="[0, 1]", **sets), status=1)
    assert "resuming: 4 of 16 trials are settled" in more
    assert "retrying: 4 failed trials" in more
    assert "extending: seeds 1 are new" in more
    assert states(tmp_path) == (
        [(0, "done", 1)] * 4 + [(0, "failed", 2)] * 4
        + [(1, "done", 1)] * 4 + [(1, "failed", 1)] * 4
    )  # fmt: skip
    after = settled_files(tmp_path)
    assert {k: after[k] for k in before} == before
    assert len(list(board.rglob("events*"))) == 16
    assert sum(path.is_file() and path.read_bytes() == data for path, data in settled.items()) >= 3
    assert not (tmp_path / "tune").exists()


Broken = Callable[[str], None]


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Broken:
    """Make a package unusable in the processes that are started from here on."""

    def breaking(package: str) -> None:
        folder = tmp_path / "broken" / package
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise ImportError('built for another Python')\n")
        path = [str(folder.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
        monkeypatch.setenv("PYTHONPATH", os.pathsep.join(path))

    return breaking


def test_a_study_that_needs_no_torchvision_runs_beside_a_broken_one(
    tmp_path: Path, broken: Broken
) -> None:
    """And beside a tracker that cannot be written; the command again makes up for that alone."""
    broken("torchvision")
    out, board = tmp_path / "out", tmp_path / "board"
    board.write_text("")
    sets = {"seeds": "[0]", "track.tensorboard": str(board)}
    text = finished(bimp(TINY, out, **sets))
    assert "4 of 4 trials are settled" in text
    assert text.count("warning: track.tensorboard") == 1
    assert re.search(r"NotADirectoryError.*; \d trials? missing there", text), text
    ran = [r.provenance for r in StudyFolder(str(out)).records().records]
    assert all(len(one["worker"]) == 32 and len(one["node"]) == 56 for one in ran), "Ray's names"
    before = settled_files(out)
    board.unlink()
    assert "complete: all 4 trials are settled, nothing to run" in finished(bimp(TINY, out, **sets))
    assert settled_files(out) == before and len(before) == 4
    assert len(list(board.rglob("events*"))) == 4


def test_an_import_that_fails_in_a_worker_reaches_the_records(
    tmp_path: Path, broken: Broken
) -> None:
    """The driver needs no safetensors; the dense run fails, and all that wait for it say why."""
    broken("safetensors")
    started = time.monotonic()
    text = finished(bimp(TINY, tmp_path / "out", seeds="[0]"), status=1)
    assert time.monotonic() - started < 90
    assert "failed: dense" in text and "ImportError: built for another Python" in text
    records = StudyFolder(str(tmp_path / "out")).records().records
    assert len(records) == 4
    for record in records:
        assert "ImportError: built for another Python" in (record.message or "")
        assert "raise ImportError" in (record.error or {})["traceback"]


def worker_of(folder: Path, kind: str) -> Callable[[], int | None]:
    """The process that has saved a partial state of a stage of that kind."""
    done = folder / "stages"

    def find() -> int | None:
        for lease in done.glob("*/lease-*.json"):
            stage = lease.parent
            finished_dense = any(done.glob("*/stage.json"))
            if (kind == "dense") == finished_dense or not any(stage.glob("partial-*")):
                continue
            try:
                return int(json.loads(lease.read_text())["pid"])
            except (OSError, ValueError):
                continue
        return None

    return find


@pytest.mark.lab
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", ["dense", "cycle"])
def test_a_killed_worker_is_replaced_and_the_bits_are_the_same(tmp_path: Path, kind: str) -> None:
    finished(bimp(TINY, tmp_path / "calm", **LONG))
    run = bimp(TINY, tmp_path / "killed", **LONG)
    os.kill(wait_for(worker_of(tmp_path / "killed", kind), run), signal.SIGKILL)
    finished(run)
    assert outcome(tmp_path / "killed") == outcome(tmp_path / "calm")


@pytest.mark.lab
def test_a_killed_search_keeps_what_it_was_told_and_reaches_its_number(tmp_path: Path) -> None:
    search = {
        "search": "{strategy: optuna, trials: 6, objectives: {val_accuracy: max}}",
        "retrain": "{schedule: allr, epochs: 2, discount: {uniform: [0.1, 1.0]}}",
        "prune.sparsity": "{grid: [0.5, 0.8]}",
    }
    run = bimp(TINY, tmp_path, **search)
    wait_for(lambda: len(settled_files(tmp_path)) >= 5 or None, run)
    run.kill()
    run.communicate()
    before = settled_files(tmp_path)
    assert 5 <= len(before) < 24
    finished(bimp(TINY, tmp_path, **search))
    after = settled_files(tmp_path)
    assert len(after) == 2 * 6 * 2
    assert {k: after[k] for k in before} == before
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    storage = JournalStorage(JournalFileBackend(str(tmp_path / "optuna.journal")))
    trials = [
        trial
        for study in optuna.get_all_study_summaries(storage)
        for trial in optuna.load_study(study_name=study.study_name, storage=storage).trials
    ]
    assert [t.state.name for t in trials] == ["COMPLETE"] * 12


@pytest.mark.lab
@pytest.mark.timeout(900)
def test_a_killed_driver_is_resumed_to_the_same_bits(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.study.driver.kill_driver", "lab"]
    told = subprocess.run(
        [*command, str(TINY), str(tmp_path), "1", "7"],
        capture_output=True, text=True, check=False, timeout=880,
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    found = json.loads(told.stdout.splitlines()[-1])
    assert found["faults"] == []
    assert found["at_writes"] >= 2
