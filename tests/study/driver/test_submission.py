"""`bimp submit`: what is handed to Ray's job server, without one."""

from __future__ import annotations

import shlex
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from study.driver.submission import EXCLUDES, entrypoint, lasting, runtime_env, shipped, submit
from tests.study.conftest import Command
from trainables.vocabulary.refusal import Refusal

STUDY = """
name: small
task: {dataset: digits, model: mlp}
dense: {epochs: 2}
prune: {sparsity: 0.9}
retrain: {epochs: 1}
"""


class Server:
    """A job server that remembers what it was given, and whose jobs print what it is told."""

    def __init__(self, log: str = "Ray is up: 2 nodes\n", exit_status: int | None = None) -> None:
        self.jobs: list[dict[str, Any]] = []
        self._log, self._exit_status = log, exit_status

    def submit_job(self, **job: Any) -> str:
        self.jobs.append(job)
        return f"job-{len(self.jobs)}"

    def get_job_info(self, job_id: str, /) -> Any:
        status = {None: "RUNNING", 0: "SUCCEEDED"}.get(self._exit_status, "FAILED")
        return SimpleNamespace(status=status, message="", driver_exit_code=self._exit_status)

    def get_job_logs(self, job_id: str, /) -> str:
        return self._log


def test_the_command_of_the_job() -> None:
    assert entrypoint("digits", "s3://bucket/digits", []) == (
        "bimp run digits --address auto --out s3://bucket/digits"
    )


def test_settings_survive_the_shell() -> None:
    sets = ["prune.sparsity={grid: [0.8, 0.9]}", "name=a b; rm -rf /"]
    command = entrypoint("my study.yaml", "/shared/out", sets)
    assert shlex.split(command) == [
        "bimp", "run", "my study.yaml", "--address", "auto", "--out", "/shared/out",
        "--set", sets[0], "--set", sets[1],
    ]  # fmt: skip


def test_the_working_folder_is_shipped_without_results() -> None:
    found = runtime_env(Path("/here"))
    assert found == {"working_dir": "/here", "excludes": list(EXCLUDES)}
    assert {"results", ".git", ".venv"} <= set(EXCLUDES)


def test_the_study_is_named_as_the_job_sees_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "studies").mkdir()
    (tmp_path / "studies" / "a.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path / "studies")
    assert shipped("a.yaml", tmp_path) == "studies/a.yaml"
    assert shipped(str(tmp_path / "studies" / "a.yaml"), tmp_path) == "studies/a.yaml"
    assert shipped("digits", tmp_path) == "digits"
    with pytest.raises(Refusal, match=r"STUDY must be a preset or lie in .*elsewhere, got a\.yaml"):
        shipped("a.yaml", tmp_path / "elsewhere")


@pytest.mark.parametrize("out", ["/shared/out", "s3://bucket/out", "gs://bucket/out"])
def test_folders_that_outlive_the_job(out: str) -> None:
    assert lasting(out, "--out") == out


@pytest.mark.parametrize("out", ["results/x", "out", "./out"])
def test_folders_that_would_go_with_the_job(out: str) -> None:
    with pytest.raises(Refusal, match=rf"--out must be an absolute path .*got {out}"):
        lasting(out, "--out")


def test_submitting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text(STUDY)
    monkeypatch.chdir(tmp_path)
    server, asked = Server(), []

    def connect(address: str) -> Server:
        asked.append(address)
        return server

    job, client = submit(
        "a.yaml", "small", address="http://head:8265", out="/shared/out", sets=["seeds=[1]"],
        working_dir=Path(), connect=connect,
    )  # fmt: skip
    assert (job, client, asked) == ("job-1", server, ["http://head:8265"])
    assert server.jobs == [
        {
            "entrypoint": "bimp run a.yaml --address auto --out /shared/out --set 'seeds=[1]'",
            "runtime_env": {"working_dir": str(tmp_path), "excludes": list(EXCLUDES)},
            "metadata": {"study": "small"},
        }
    ]


@pytest.mark.parametrize("error", [ConnectionError, RuntimeError, OSError])
def test_a_server_that_is_not_reached(error: type[Exception], tmp_path: Path) -> None:
    def connect(address: str) -> Server:
        raise error("nobody\n  there")

    with pytest.raises(Refusal) as refused:
        submit("digits", "digits", address="http://head:8265", out="/x", working_dir=tmp_path,
               connect=connect)  # fmt: skip
    assert str(refused.value) == (
        "--address must be a Ray job server, got http://head:8265 (nobody there)"
    )


def test_the_command_hands_over_what_it_was_given(
    tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    monkeypatch.setattr("study.driver.submission._connect", lambda _: server)
    monkeypatch.chdir(tmp_path)
    Path("a.yaml").write_text(STUDY)
    ended = bimp("submit", "a.yaml", "--address", "http://head:8265", "--out", "/shared/x",
                 "--set", "seeds=[3]")  # fmt: skip
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith("submitted job-1; follow it: ray job logs --address http://head")
    assert ended.out.endswith(
        "\nRay is up: 2 nodes\nthe nodes were looked at, and job-1 is at work\n"
    )
    assert server.jobs[0]["entrypoint"].endswith("--set 'seeds=[3]'")


def test_the_command_ends_as_a_run_that_no_node_can_take(
    tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = "missing: w0: data.root must hold svhn\nbimp: data.root must hold svhn, got /data\n"
    monkeypatch.setattr("study.driver.submission._connect", lambda _: Server(log, 2))
    monkeypatch.chdir(tmp_path)
    ended = bimp("submit", "digits", "--address", "http://head:8265", "--out", "/shared/x")
    assert (ended.status, ended.err) == (2, "bimp: data.root must hold svhn, got /data\n")
    assert ended.out.endswith("\nmissing: w0: data.root must hold svhn\n")


def test_a_wrong_study_is_not_submitted(
    tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server()
    monkeypatch.setattr("study.driver.submission._connect", lambda _: server)
    ended = bimp("submit", "digits", "--address", "x", "--out", "/x", "--set", "prune.sparsity=1")
    assert ended.status == 2
    assert ended.err.startswith("bimp: prune.sparsity must be < 1, got 1 ")
    assert server.jobs == []


def test_a_path_that_leads_out_of_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "study.yaml").write_text(STUDY)
    with pytest.raises(Refusal, match="must be a preset or lie in"):
        shipped(str(tmp_path / "inside" / ".." / "study.yaml"), tmp_path / "inside")
    assert shipped(str(tmp_path / "study.yaml"), tmp_path / "inside" / "..") == "study.yaml"


def test_a_stage_store_that_would_go_with_the_job(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="stage_store must be an absolute path"):
        submit(
            "digits", "digits", address="http://x", out="s3://b/x", working_dir=tmp_path,
            stage_store="stages", connect=lambda _: Server(),
        )  # fmt: skip
