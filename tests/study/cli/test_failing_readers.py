"""Readers of a study folder whose store fails: one sentence, soon."""

from __future__ import annotations

import errno
import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ailing_s3 import FAULTS, FlakyGate, s3_server
from tests.study.conftest import Command
from tests.trainables.trials.plain import TINY, run_trial, tiny
from trainables.files.storage import LocalFolder, open_folder

READERS = ("status", "results", "stages", "report")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study folder with one trial."""
    folder = tmp_path_factory.mktemp("study") / "one"
    run_trial(tiny(), folder)
    (folder / "study.yaml").write_text(json.dumps({**TINY, "name": "plain", "seeds": [0]}))
    return folder


@pytest.fixture(scope="module")
def remote(local: Path) -> Iterator[tuple[str, FlakyGate]]:
    """The same folder in a bucket."""
    pytest.importorskip("moto.server")
    with s3_server(FlakyGate) as (uri, gate):
        target = open_folder(uri("one"))
        for name in LocalFolder(local).sizes():
            target.write(name, (local / name).read_bytes())
        yield uri("one"), gate


def arguments(verb: str, place: object, scratch: Path) -> list[object]:
    return [verb, place, *(["-o", scratch / "page.html"] if verb == "report" else [])]


@pytest.mark.parametrize(
    ("verb", "kind"),
    [
        ("status", "connection broken off"),
        ("results", "expired token"),
        ("stages", "503"),
        ("report", "403"),
    ],
)
def test_a_server_that_fails_is_one_sentence(
    remote: tuple[str, FlakyGate], bimp: Command, tmp_path: Path, verb: str, kind: str
) -> None:
    place, gate = remote
    gate.share, gate.kinds = 1.0, (kind,)
    began = time.monotonic()
    ended = bimp(*arguments(verb, place, tmp_path))
    gate.share = 0.0
    assert (ended.status, ended.out) == (2, "") and time.monotonic() - began < 8
    *progress, sentence = ended.err.splitlines()
    assert sentence.startswith("bimp: DIR must be") and "outages" in sentence
    assert progress in ([], ["reading and drawing ..."])


def test_a_server_that_fails_now_and_then_is_read_as_ever(
    remote: tuple[str, FlakyGate], bimp: Command, tmp_path: Path
) -> None:
    place, gate = remote
    calm = [bimp(*arguments(verb, place, tmp_path)) for verb in READERS[:3]]
    gate.share, gate.kinds = 0.3, tuple(FAULTS)
    ailing = [bimp(*arguments(verb, place, tmp_path)) for verb in READERS[:3]]
    gate.share = 0.0
    assert ailing == calm
    assert {ended.status for ended in calm} == {0}, calm


def refusing(number: int) -> Callable[..., None]:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES])
@pytest.mark.parametrize("verb", READERS)
def test_a_disk_that_fails_is_one_sentence(
    local: Path,
    bimp: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    verb: str,
    number: int,
) -> None:
    for name in ("read", "names", "sizes", "exists"):
        monkeypatch.setattr(LocalFolder, name, refusing(number))
    ended = bimp(*arguments(verb, local, tmp_path))
    assert (ended.status, ended.out) == (2, "")
    assert os.strerror(number) in ended.err.splitlines()[-1]
    assert "Traceback" not in ended.err and len(ended.err.splitlines()) <= 2
