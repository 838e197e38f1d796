"""Workers that are killed or stopped time and again while a study runs, on a raylet of one CPU."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from study.driver import launch, step_clock
from study.driver.run_summary import RunSummary, in_words
from study.points.resolve import resolve
from tests.study.driver import fault_lab as lab
from tests.study.driver.random_faults import differences
from tests.study.driver.raylets import Raylets, cluster_of, workers_of

pytestmark = [pytest.mark.ray, pytest.mark.slow]

ONE: dict[str, Any] = {**lab.LONG, "dense": {"epochs": 100}, "seeds": [0]}
"""One trial of some seconds."""
LONG = {**ONE, "dense": {"epochs": 400}}
"""One that takes several units of a worker's work."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Raylets]:
    with cluster_of(1) as made:
        yield made


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return lab.undisturbed(lab.study("one", ONE), tmp_path_factory.mktemp("calm"))


@contextmanager
def beside(deed: Callable[[], object]) -> Iterator[None]:
    """Within this context something is done in a thread; what it raises fails the test."""
    faults: list[BaseException] = []

    def do() -> None:
        try:
            deed()
        except BaseException as fault:
            faults.append(fault)

    thread = threading.Thread(target=do, daemon=True)
    thread.start()
    yield
    thread.join(timeout=30)
    assert not thread.is_alive() and not faults, faults


def run(cluster: Raylets, out: Path, base: dict[str, Any] = ONE, **resources: Any) -> RunSummary:
    resolved = resolve(lab.study("one", base, checkpoint_s=0.1, **resources))
    summary = launch.run(resolved, str(out), cluster.address)
    print(in_words(summary, resolved))
    return summary


def at_work(cluster: Raylets) -> list[psutil.Process]:
    """The process of the trial, once Ray has named it so."""
    [node] = cluster.nodes
    return [w for w in workers_of(node) if "StudyTrainable" in " ".join(w.cmdline())]


def partials(folder: Path) -> Mapping[str, int]:
    """The partial states that lie there, each of a process of its own, and when each was saved."""
    saved = {}
    for path in folder.glob("stages/*/partial-*"):
        with suppress(OSError):
            saved[path.name] = path.stat().st_mtime_ns
    return saved


def wait_for_saves(folder: Path, n: int, before: Mapping[str, int]) -> None:
    """Wait until a process that had saved nothing before has saved so often."""
    times: set[int] = set()

    def enough() -> bool:
        times.update(at for name, at in partials(folder).items() if name not in before)
        return len(times) >= n

    lab.wait_for(enough)


def test_a_trial_that_gets_on_is_taken_up_more_often_than_retries(
    cluster: Raylets, calm: dict[str, Any], tmp_path: Path
) -> None:
    kills: list[int] = []

    def kill() -> None:
        for _ in range(3):
            before = dict(partials(tmp_path)) if kills else {}
            wait_for_saves(tmp_path, 3, before)
            [worker] = at_work(cluster)
            worker.kill()
            kills.append(worker.pid)

    with beside(kill):
        summary = run(cluster, tmp_path, retries=1)
    assert summary.complete and len(set(kills)) == 3
    assert [record.attempt for record in lab.records_in(tmp_path)] == [1]
    assert differences(tmp_path, calm) == []


def test_a_trial_that_never_gets_on_fails_in_a_sentence_and_the_same_command_makes_it(
    cluster: Raylets, calm: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    kills: list[int] = []

    def kill() -> None:
        while len(kills) < 2:
            worker = lab.wait_for(lambda: at_work(cluster))[0]
            with suppress(psutil.NoSuchProcess):
                worker.kill()
                kills.append(worker.pid)
            worker.wait(timeout=30)

    with beside(kill):
        summary = run(cluster, tmp_path, retries=1)
    assert (summary.status, summary.settled) == (1, 0)
    [record] = lab.records_in(tmp_path)
    assert (record.state, record.attempt) == ("failed", 1)
    out, err = capfd.readouterr()
    [line] = [line for line in out.splitlines() if line.startswith(f"failed: {record.fingerprint}")]
    assert "ProcessLost: its process was lost 2 times" in line
    assert not [line for line in (out + err).splitlines() if "Traceback" in line or "(pid=" in line]
    assert run(cluster, tmp_path, retries=1).complete
    assert [record.attempt for record in lab.records_in(tmp_path)] == [2]
    assert lab.outcome(tmp_path).keys() == calm.keys()


@pytest.mark.lab
def test_a_worker_that_is_stopped_for_ever_is_ended_and_its_trial_taken_up(
    cluster: Raylets,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(step_clock, "LEAST_S", 4.0)
    monkeypatch.setattr(step_clock, "FACTOR", 2.0)
    stopped: list[psutil.Process] = []

    def stop() -> None:
        wait_for_saves(tmp_path / "out", 1, {})
        time.sleep(4.0)  # two units of work: a step beyond its first has been reported
        stopped.extend(at_work(cluster))
        stopped[0].suspend()
        lab.wait_for(lambda: not stopped[0].is_running(), seconds=60)

    with beside(stop):
        summary = run(cluster, tmp_path / "out", LONG)
    assert summary.complete and len(stopped) == 1
    said = [line for line in capsys.readouterr().out.splitlines() if "gave no sign" in line]
    assert len(said) == 1 and "it is ended, and its trial taken up by another" in said[0]
    assert [record.attempt for record in lab.records_in(tmp_path / "out")] == [1]
    calm = lab.undisturbed(lab.study("one", LONG), tmp_path / "calm")
    assert differences(tmp_path / "out", calm) == []
