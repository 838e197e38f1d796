"""What a search asks of a network where it runs: once per configuration, kept in the records."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from study.checks.user_code import LookedAt
from study.definition.search import Search
from study.definition.studyfile import StudyFile
from study.driver.assignments import job_of
from study.driver.deployment import Deployments, bimp, deployed_metrics
from study.driver.launch import Launch
from study.driver.work import Work
from study.points.resolve import resolve
from study.views.choice import best
from study.views.latency import Order, measured
from tests.trainables.deploy.study_folders import DIGITS, SHORT, trained_trial
from tests.trainables.trials.plain import run_job
from trainables.files.latencies import Latency, measured_fingerprints
from trainables.files.records import StudyFolder
from trainables.trials.task_cache import TaskCache

OBJECTIVES = {"val_accuracy": "max", "latency_ms": "min"}
SEARCH = Search.model_validate({"strategy": "optuna", "trials": 2, "objectives": OBJECTIVES})
MLP = {"dataset": DIGITS, "model": {"name": "mlp", "hidden": [64]}}
FILTERS = {"sparsity": 0.5, "structure": "filters"}

ROW = Latency(
    "f1", "masked", "torch", "cpu", "Some CPU", 1, 1, 3.0, None, None, 31, 100, 50, None, "today",
    {}, 400,
)  # fmt: skip


def test_the_smaller_network_counts_where_there_is_one() -> None:
    smaller = replace(ROW, form="removed", latency_ms=1.0, n_bytes=100)
    large_batch = replace(smaller, batch=128, latency_ms=9.0)
    assert deployed_metrics([ROW, smaller, large_batch]) == {
        "latency_ms": 1.0, "network_bytes": 100.0,
    }  # fmt: skip
    assert deployed_metrics([ROW]) == {"latency_ms": 3.0, "network_bytes": 400.0}
    assert deployed_metrics([large_batch, replace(ROW, n_bytes=None)]) == {}


def test_what_was_measured_otherwise_or_before_does_not_count() -> None:
    """Other backends and threads, and an earlier row of another machine that stands behind."""
    others = [
        replace(ROW, backend="compile", latency_ms=1.0),
        replace(ROW, threads=2, latency_ms=1.0),
        replace(ROW, machine="Another CPU", latency_ms=1.0, measured_at="earlier"),
    ]
    assert deployed_metrics([ROW, *others])["latency_ms"] == 3.0


def test_a_configuration_is_measured_once_and_all_its_seeds_have_it(tmp_path: Path) -> None:
    """Two seeds, here measured in this process; 27 units are left of 64, see `bimp bench`."""
    for seed in (0, 1):
        trained_trial(tmp_path, MLP, seed, prune=FILTERS)
    study = StudyFolder(str(tmp_path))
    sayings: list[str] = []
    deployments = Deployments(study, SEARCH, lambda: None, sayings.append)

    def bench(fingerprint: str) -> tuple[int, str]:
        order = Order(forms=("removed", "masked"), batches=(1,), rounds=6)
        return len(list(measured(str(tmp_path), order, trial=fingerprint))) - 1, ""

    deployments._bench = bench  # type: ignore[method-assign]
    first, second = study.records().records
    failed = replace(first, fingerprint="f", state="failed", metrics={})
    whole = deployments.complete([first, second, failed])
    assert whole[0].metrics["latency_ms"] == whole[1].metrics["latency_ms"] > 0
    assert whole[0].metrics["network_bytes"] == 4 * (27 * 64 + 27 + 27 * 10 + 10)
    assert whole[2] == failed
    assert study.records().records == whole[:2]
    assert measured_fingerprints(study.folder) == [first.fingerprint]
    assert not sayings
    again = Deployments(study, SEARCH, lambda: None, sayings.append)
    again._bench = lambda _: pytest.fail("it is known")  # type: ignore[method-assign]
    assert again.of(second.fingerprint) == deployments.of(first.fingerprint)
    assert best(whole, "latency_ms") == sorted(whole[:2], key=lambda r: r.fingerprint)


def test_nothing_is_measured_unless_a_search_asks(tmp_path: Path) -> None:
    record = trained_trial(tmp_path, MLP)
    study = StudyFolder(str(tmp_path))
    plain = Deployments(study, Search(), lambda: None, lambda _: None)
    assert plain.complete([record]) == [record] and plain.of(record.fingerprint) == {}
    bounds = {"network_bytes": {"max": 1000}}
    bounded = SEARCH.model_copy(update={"objectives": {"val_accuracy": "max"}})
    bounded = bounded.model_copy(update={"constraints": bounds})
    assert Deployments(study, bounded, lambda: None, lambda _: None).wanted


def test_what_cannot_be_measured_is_said_and_left_out(tmp_path: Path) -> None:
    record = trained_trial(tmp_path, MLP)
    study = StudyFolder(str(tmp_path))
    sayings: list[str] = []
    deployments = Deployments(study, SEARCH, lambda: None, sayings.append)
    deployments._bench = lambda _: (2, "bimp: no room")  # type: ignore[method-assign]
    assert deployments.complete([record]) == [record]
    assert sayings == [
        f"warning: the network of {record.fingerprint} could not be measured: bimp: no room"
    ]


class Silent:
    """A screen that keeps what is said."""

    def __init__(self) -> None:
        self.sayings: list[str] = []

    def say(self, text: str) -> None:
        self.sayings.append(text)

    def show(self, *_: object) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@pytest.mark.slow
def test_a_search_is_told_what_was_measured(tmp_path: Path) -> None:
    """A whole search without Ray: the driver's own parts, the trials one after another."""
    raw = {
        "name": "short", "task": MLP, **SHORT,
        "prune": {"structure": "filters", "sparsity": {"uniform": [0.2, 0.8]}},
        "search": {"strategy": "optuna", "trials": 2, "objectives": OBJECTIVES},
    }  # fmt: skip
    resolved = resolve(StudyFile.of(raw))
    launch = Launch(resolved, str(tmp_path), LookedAt())
    launch._write_study()
    screen = Silent()
    work = Work(launch._ground(), launch._earlier(screen), lambda: 1, screen)
    tasks = TaskCache(Path("/nonexistent"), "cpu", 1)
    while (assignment := work.agenda.next()) is not None:
        report = run_job(job_of(assignment, work._context), tasks)
        work.agenda.ended(assignment, work._on_end(assignment, report))
    assert work.agenda.finished and not screen.sayings
    records = launch.folder.records().records
    assert len(records) == 2
    [front] = resolved.unbeaten(records)
    fastest = min(records, key=lambda r: r.metrics["latency_ms"])
    told = [one.means["latency_ms"] for one in front]
    assert min(told) == fastest.metrics["latency_ms"]
    smaller, larger = sorted(records, key=lambda r: r.metrics["network_bytes"])
    assert smaller.config["prune"]["sparsity"] > larger.config["prune"]["sparsity"]


def test_a_process_that_cannot_start_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert bimp(["--help"]) == (
        3, "the process that measures cannot start (No such file or directory)"
    )  # fmt: skip
