"""Starting and joining Ray, with Ray's own calls replaced."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import ray

from study.definition.studyfile import load
from study.driver import ray_session
from study.driver.launch import run
from study.driver.ray_session import node_named, one_node
from study.points.resolve import resolve
from trainables.vocabulary.packages import ROOT
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
        monkeypatch.setattr(ray, "get_runtime_context", lambda: SimpleNamespace(gcs_address="h:1"))
        monkeypatch.setattr(ray_session, "require_head", lambda _: None)
        monkeypatch.setattr(ray, "nodes", lambda: [
            {"Alive": True, "Resources": {"CPU": 2.0}}, {"Alive": False, "Resources": {"CPU": 9.0}},
        ])  # fmt: skip
        for name in (*ray_session._SETTINGS, *ray_session._LOCAL_SETTINGS):
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
        assert machines == ray_session.Machines(2.0, 0.0, 1, ((2.0, 0.0),), "h:1")
        assert fake.shut_down == 0
    assert fake.shut_down == 1
    assert fake.asked[0]["address"] == "local"
    assert fake.asked[0]["num_cpus"] == 2


def test_what_a_session_sets_is_gone_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeRay(monkeypatch, [])
    monkeypatch.setenv("RAY_CHDIR_TO_TRIAL_DIR", "of the user")
    before = dict(os.environ)
    with ray_session.session(None, cpus=2, gpus=0):
        assert os.environ["TUNE_GLOBAL_CHECKPOINT_S"] == "1000000000"
        assert os.environ["RAY_CHDIR_TO_TRIAL_DIR"] == "of the user"
    assert dict(os.environ) == before


@pytest.mark.parametrize(("length", "short"), [(38, True), (39, False), (110, False)])
def test_a_folder_too_long_for_sockets_is_replaced_for_the_session(
    monkeypatch: pytest.MonkeyPatch, length: int, short: bool
) -> None:
    FakeRay(monkeypatch, [])
    given = "/tmp/" + "x" * (length - 5)
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", given)
    with ray_session.session(None, cpus=2, gpus=0):
        within = os.environ["TMPDIR"]
        assert (within == given) is short
        assert Path(within).is_dir() is not short
        assert len(within) + len(ray_session._SOCKET) <= ray_session.SOCKET_MOST
    assert os.environ["TMPDIR"] == given
    assert "RAY_TMPDIR" not in os.environ
    assert not Path(within).exists()


def test_tune_s_actors_get_no_environment_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else Ray starts new processes for them, and lets those wait that it has started ahead."""
    from ray.tune.execution import class_cache

    FakeRay(monkeypatch, [])
    before = (dict(class_cache.DEFAULT_ENV_VARS), set(class_cache.ENV_VARS_TO_PROPAGATE))
    assert all(before), "Tune does it otherwise now"
    with ray_session.session(None, cpus=2, gpus=0):
        actor = class_cache._ActorClassCache().get(FakeRay)
        assert not actor._default_options["runtime_env"]
    after = (dict(class_cache.DEFAULT_ENV_VARS), set(class_cache.ENV_VARS_TO_PROPAGATE))
    assert after == before


def test_the_project_s_folder_is_searched_first_where_names_clash(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Ray adds the driver's folders to what it is given, and each is put before the last."""
    fake = FakeRay(monkeypatch, [])
    monkeypatch.chdir(tmp_path)
    for made in (False, True):
        if made:
            (tmp_path / "analysis").mkdir()
        with ray_session.session(None, cpus=2, gpus=0):
            pass
    without, with_clash = fake.asked
    assert "job_config" not in without
    folders = with_clash["job_config"]._py_driver_sys_path
    folders.extend(["the script's folder", str(tmp_path)])
    assert folders == ["the script's folder", str(tmp_path), str(ROOT)]


def test_a_ray_that_is_up_is_used_and_left_up(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = FakeRay(monkeypatch, [])
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    for address in (None, "auto", "h:1"):
        with ray_session.session(address, cpus=8, gpus=0) as machines:
            assert machines.cpus == 2
            assert "RAY_AUTH_MODE" not in os.environ
    with (
        pytest.raises(Refusal, match="the Ray that this process has joined, h:1, got other:1"),
        ray_session.session("other:1", cpus=8, gpus=0),
    ):
        pass
    assert (fake.asked, fake.shut_down) == ([], 0)


def test_a_client_s_connection_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeRay(monkeypatch, [])
    monkeypatch.setattr(ray, "is_initialized", lambda: True)
    monkeypatch.setattr(ray.util.client.ray, "is_connected", lambda: True)
    with pytest.raises(Refusal, match="client's connection"), ray_session.session(None, 2, 0):
        pass


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


NODES: list[dict[str, Any]] = [
    {"NodeID": "a1", "NodeManagerHostname": "one", "NodeManagerAddress": "10.0.0.1",
     "Resources": {"CPU": 4.0, "bench": 1.0}},
    {"NodeID": "b2", "NodeManagerHostname": "two", "NodeManagerAddress": "10.0.0.2",
     "Resources": {"CPU": 4.0}},
]  # fmt: skip


def test_a_node_is_named_by_id_host_address_or_its_own_resource() -> None:
    names = ("a1", "two", "10.0.0.2", "bench")
    assert [one_node(name, NODES) for name in names] == ["a1", "b2", "b2", "a1"]
    assert node_named(None) is None
    for name, n in (("three", "none"), ("CPU", "2")):
        rule = f"search.measure_on must name one node .*, got '{name}', which fits {n}$"
        with pytest.raises(Refusal, match=rule):
            one_node(name, NODES)


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


@pytest.mark.parametrize("folder", ["relative", "/proc/version", "/dev/null/below", "/" + "x" * 80])
def test_a_folder_for_temporary_files_that_ray_cannot_use_is_replaced(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "relative").mkdir()
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", folder)
    with ray_session._short_paths():
        short = Path(os.environ["TMPDIR"])
        assert short.is_dir() and os.environ["RAY_TMPDIR"] == str(short)
        assert short.parent == Path("/tmp")
    assert not short.exists()
    assert os.environ["TMPDIR"] == folder and "RAY_TMPDIR" not in os.environ


def test_a_short_folder_for_temporary_files_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", "/tmp")
    with ray_session._short_paths():
        assert os.environ["TMPDIR"] == "/tmp" and "RAY_TMPDIR" not in os.environ


def test_without_shared_memory_rays_store_lies_in_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray asks how large the memory is, and waits for ever for a file that it cannot make."""
    monkeypatch.delenv("RAY_TMPDIR", raising=False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    given = ray_session._object_store(str(tmp_path / "none"))
    assert given == {
        "_plasma_directory": str(tmp_path), "object_store_memory": ray_session.STORE_BYTES,
    }  # fmt: skip
    assert ray_session._object_store(str(tmp_path)) == {}


def test_a_limit_on_addresses_in_which_ray_would_hang_is_refused() -> None:
    least = ray_session.LEAST_KIB
    for enough in (resource.RLIM_INFINITY, least * 1024):
        ray_session._require_addresses(enough)
    rule = f"ulimit -v must be unlimited, or {least} at least, got {least - 1}"
    with pytest.raises(Refusal, match=rule):
        ray_session._require_addresses((least - 1) * 1024)
