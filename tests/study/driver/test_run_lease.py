"""A folder with a live run is refused; the lease of a driver lost on another machine is not; and a
driver that was taken for lost gives way."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from study.driver.run_lease import Holding, refuse_another_run
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE
from trainables.files.storage import LocalFolder
from trainables.vocabulary.refusal import Refusal


def lease_of(folder: LocalFolder, boot: str, beat: int = 1, pid: int = 1) -> None:
    """Write the lease of some process on the machine that `boot` names."""
    body = {"owner": "p1-other", "beat": beat, "boot": boot, "pid": pid, "started": "7"}
    folder.write(f"{RUN_LEASE}/lease-p1-other.json", json.dumps(body).encode())


def test_an_empty_folder_is_free(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    refuse_another_run(folder, Leases(folder, "me"))


def test_a_live_process_of_this_host_is_refused_at_once(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    Leases(folder, "another").beat(RUN_LEASE)
    with pytest.raises(Refusal, match=f"must not be in use by another run, got {tmp_path}"):
        refuse_another_run(folder, Leases(folder, "me"), timeout_s=1e9)


def test_a_dead_process_of_this_host_is_passed_over(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    Leases(folder, "another").beat(RUN_LEASE)
    name = f"{RUN_LEASE}/lease-another.json"
    body = json.loads(folder.read(name))
    folder.write(name, json.dumps({**body, "pid": os.getpid(), "started": "0"}).encode())
    refuse_another_run(folder, Leases(folder, "me"), timeout_s=1e9)


def test_a_lost_driver_of_another_host_is_waited_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = LocalFolder(tmp_path)
    lease_of(folder, "elsewhere")
    refuse_another_run(folder, Leases(folder, "me"), timeout_s=0.05, poll_s=0.01)
    assert folder.names(RUN_LEASE) == [], "the next run need not wait again"
    assert "from another machine" in capsys.readouterr().err


def test_a_live_driver_of_another_host_is_refused(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    lease_of(folder, "elsewhere")
    heartbeat = threading.Timer(0.05, lease_of, (folder, "elsewhere", 2))
    heartbeat.start()
    with pytest.raises(Refusal, match="in use by another run"):
        refuse_another_run(folder, Leases(folder, "me"), timeout_s=30, poll_s=0.01)
    heartbeat.join()
    assert folder.names(RUN_LEASE) == ["lease-p1-other.json"]


def test_a_run_that_ends_while_we_look_leaves_the_folder_free(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    lease_of(folder, "elsewhere")
    release = threading.Timer(0.05, folder.delete, (f"{RUN_LEASE}/lease-p1-other.json",))
    release.start()
    refuse_another_run(folder, Leases(folder, "me"), timeout_s=30, poll_s=0.01)
    release.join()


def holding(folder: LocalFolder, name: str) -> Holding:
    leases = Leases(folder, name)
    leases.beat(RUN_LEASE)
    return Holding(leases)


def test_a_run_alone_keeps_its_folder_until_its_lease_is_taken_away(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    mine = holding(folder, "me")
    assert not mine.lost()
    folder.delete(f"{RUN_LEASE}/lease-me.json")  # as `refuse_another_run` does where it is stale
    assert mine.lost()


def test_of_two_runs_that_began_at_once_one_goes_on(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    first, second = holding(folder, "a"), holding(folder, "b")
    assert (first.lost(), second.lost()) == (False, True)


def test_a_lease_from_elsewhere_counts_once_it_changes(tmp_path: Path) -> None:
    folder = LocalFolder(tmp_path)
    mine = holding(folder, "q1")
    lease_of(folder, "elsewhere")  # p1-other, the lesser name
    assert not mine.lost()
    assert not mine.lost(), "whoever it was of may be gone"
    lease_of(folder, "elsewhere", beat=2)
    assert mine.lost()
    greater = holding(folder, "a1")
    assert not greater.lost()
    lease_of(folder, "elsewhere", beat=3)
    assert not greater.lost(), "the other one gives way"
