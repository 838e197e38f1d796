"""`deploy/ssh/cluster.sh` with a stand-in for ssh that gives each host a home of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "deploy" / "ssh" / "cluster.sh"
SSH = """#!/bin/bash
if [[ $1 == -n ]]; then shift; exec < /dev/null; fi
host=$1; shift
export HOME=$FOLDER/$host
cd "$HOME" 2>/dev/null || exit 255
exec bash -c "$*"
"""
COMMAND = """#!/bin/bash
echo "${0##*/} $* mode=$RAY_AUTH_MODE" >> "$HOME/calls"
command -v bimp > "$HOME/command"
[[ $1 != start || ! -e $HOME/broken ]]
"""

Cluster = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    """Call the script for hosts, of which first, second and third are there."""
    (tmp_path / "ssh").write_text(SSH)
    (tmp_path / "ssh").chmod(0o755)
    for host in ("first", "second", "third"):
        bin_ = tmp_path / host / "bimp-study" / ".venv" / "bin"
        bin_.mkdir(parents=True)
        for name in ("ray", "bimp"):
            (bin_ / name).write_text(COMMAND)
            (bin_ / name).chmod(0o755)

    def call(verb: str, listed: str, **more: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "hosts").write_text(listed)
        environment = {
            "PATH": os.environ["PATH"], "FOLDER": str(tmp_path), "SSH": str(tmp_path / "ssh"),
            "HEAD_IP": "10.0.0.1", **more,
        }  # fmt: skip
        return subprocess.run(
            [str(SCRIPT), verb, str(tmp_path / "hosts")], env=environment, capture_output=True,
            text=True, check=False, timeout=60,
        )  # fmt: skip

    return call


def calls(tmp_path: Path, host: str) -> list[str]:
    path = tmp_path / host / "calls"
    return path.read_text().splitlines() if path.exists() else []


LISTED = "# of the lab\nfirst   # the head\n\n  second\nthird\n"


def test_the_first_host_is_the_head_and_the_others_join_it(
    cluster: Cluster, tmp_path: Path
) -> None:
    up = cluster("up", LISTED, OUT="/shared/my study")
    assert up.returncode == 0, up.stderr
    head, doctor = calls(tmp_path, "first")
    assert head.startswith("ray start --head --node-ip-address=10.0.0.1 --port=6379")
    assert "--dashboard-host=127.0.0.1" in head and head.endswith("mode=token")
    assert doctor == "bimp doctor --address 10.0.0.1:6379 --out /shared/my study mode=token"
    for host in ("second", "third"):
        [start] = calls(tmp_path, host)
        assert start.startswith("ray start --address=10.0.0.1:6379")
        assert start.endswith("mode=token")
    assert "up: 3 hosts, head 10.0.0.1:6379" in up.stdout
    here = str(tmp_path / "first" / "bimp-study" / ".venv" / "bin" / "bimp")
    assert (tmp_path / "first" / "command").read_text().strip() == here, "jobs find the command"
    assert cluster("down", LISTED).returncode == 0
    assert all(calls(tmp_path, host)[-1].startswith("ray stop") for host in ("first", "third"))


def test_all_hosts_have_one_token_that_only_its_owner_reads(
    cluster: Cluster, tmp_path: Path
) -> None:
    assert cluster("up", LISTED).returncode == 0
    files = [tmp_path / host / ".ray" / "auth_token" for host in ("first", "second", "third")]
    [token] = {path.read_text() for path in files}
    assert len(token) == 65 and set(token.strip()) <= set("0123456789abcdef")
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert all(token.strip() not in line for host in ("first", "second")
               for line in calls(tmp_path, host))  # fmt: skip
    files[0].write_text("the head's own\n")
    assert cluster("up", LISTED).returncode == 0
    assert {path.read_text() for path in files} == {"the head's own\n"}


def test_where_a_host_does_not_come_up_the_others_are_ended(
    cluster: Cluster, tmp_path: Path
) -> None:
    (tmp_path / "second" / "broken").touch()
    up = cluster("up", LISTED)
    assert up.returncode != 0
    assert "not every host came up: ending those that did" in up.stderr
    assert [line.split()[1] for line in calls(tmp_path, "first")] == ["start", "stop"]
    assert [line.split()[1] for line in calls(tmp_path, "third")] == ["stop"]


def test_a_host_that_does_not_answer_is_named_and_the_others_are_ended(
    cluster: Cluster, tmp_path: Path
) -> None:
    down = cluster("down", "first\nabsent\nthird\n")
    assert down.returncode == 1
    assert "cluster.sh: absent did not answer" in down.stderr
    assert [line.split()[1] for line in calls(tmp_path, "third")] == ["stop"]


@pytest.mark.parametrize(("verb", "listed", "words"), [
    ("up", "# nobody\n", "must name at least one host, got none"),
    ("restart", "first\n", "cluster.sh up HOSTS"),
])  # fmt: skip
def test_wrong_calls(verb: str, listed: str, words: str, cluster: Cluster, tmp_path: Path) -> None:
    ended = cluster(verb, listed)
    assert (ended.returncode, words in ended.stderr) == (2, True)
    assert calls(tmp_path, "first") == []
