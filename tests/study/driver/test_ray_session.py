"""Starting and joining Ray, with Ray's own calls replaced."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import ray

from study.definition.studyfile import load
from study.driver import ray_session
from study.driver.launch import run
from study.points.resolve import resolve
from trainables.vocabulary.refusal import Refusal

SLOW = Exception("The current node timed out during startup. This could happen because ...")


class FakeRay:
    """Fails as often as told, then works; remembers what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, faults: list[Exception]) -> None:
        self.faults, self.shut_down = faults, 0
        self.asked: list[dict[str, Any]] = []
        monkeypatch.setattr(ray, "init", self._init)
        monkeypatch.setattr(ray, "shutdown", self._shutdown)
        monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 2.0})
        monkeypatch.setattr(ray, "nodes", lambda: [
            {"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {"CPU": 9.0}},
        ])  # fmt: skip
        for name in (*ray_session._SETTINGS, "RAY_AUTH_MODE"):
            monkeypatch.setenv(name, "put back after the test")
            monkeypatch.delenv(name)

    def _init(self, **arguments: Any) -> None:
        self.asked.append(arguments)
        if self.faults:
            raise self.faults.pop(0)

    def _shutdown(self) -> None:
        self.shut_down += 1


def test_a_local_session_is_started_and_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, [])
    with ray_session.session(None, cpus=2, gpus=0) as machines:
        assert machines == ray_session.Machines(2.0, 0.0, 1, ((2.0, 0.0),))
        assert fake.shut_down == 0
    assert fake.shut_down == 1
    assert fake.asked[0]["address"] == "local"
    assert fake.asked[0]["num_cpus"] == 2


def test_a_slow_start_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, [SLOW, SLOW])
    with ray_session.session(None, cpus=1, gpus=0):
        assert len(fake.asked) == 3
        assert fake.shut_down == 2


def test_too_many_slow_starts_are_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, [SLOW] * 3)
    with pytest.raises(Refusal, match="Ray start within 30 s, got 3 time-outs"):
        ray_session._start(1, 0)
    assert len(fake.asked) == 3


def test_another_fault_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, [OSError("no space")])
    with pytest.raises(OSError, match="no space"):
        ray_session._start(1, 0)
    assert len(fake.asked) == 1


def test_a_trial_fits_where_one_node_has_all_it_asks_for() -> None:
    machines = ray_session.Machines(12.0, 1.0, 2, ((8.0, 0.0), (4.0, 1.0)))
    assert machines.fits(8, 0)
    assert machines.fits(4, 0.5)
    assert not machines.fits(8, 1)


def test_a_client_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, [])
    with pytest.raises(Refusal, match="bimp submit"), ray_session.session("ray://host:10001", 2, 0):
        pass
    assert fake.asked == []


def test_a_cluster_that_asks_for_a_token_is_refused_in_a_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeRay(monkeypatch, [ray.exceptions.AuthenticationError("no token")])
    with pytest.raises(Refusal, match="no token"), ray_session.session("auto", 2, 0):
        pass


def test_a_cluster_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeRay(monkeypatch, [ConnectionError("nobody")])
    with (
        pytest.raises(Refusal, match=r"--address must be a running Ray cluster, got h:1 \(nobody"),
        ray_session.session("h:1", cpus=1, gpus=0),
    ):
        pass


def test_a_cluster_that_is_not_there_leaves_the_folder_as_it_was(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    FakeRay(monkeypatch, [ConnectionError("nobody")])
    folder = tmp_path / "out"
    with pytest.raises(Refusal, match="--address must be a running Ray cluster"):
        run(resolve(load("digits")), str(folder), "h:1")
    assert not [path for path in folder.rglob("*") if path.is_file()]


def test_a_local_ray_needs_no_token_and_a_cluster_keeps_its_mode(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    FakeRay(monkeypatch, [])
    with ray_session.session("h:1", cpus=1, gpus=0):
        assert "RAY_AUTH_MODE" not in os.environ
    with ray_session.session(None, cpus=1, gpus=0):
        assert os.environ["RAY_AUTH_MODE"] == "disabled"
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    with ray_session.session(None, cpus=1, gpus=0):
        assert os.environ["RAY_AUTH_MODE"] == "token"
