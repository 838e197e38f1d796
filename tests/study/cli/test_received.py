"""A study folder from somebody else: reading it runs none of its code, asks nobody that it names,
follows no link out of it, and prints nothing that a terminal obeys."""

from __future__ import annotations

import json
import re
import shutil
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.study.cli import folders
from tests.study.conftest import Command
from trainables.files import trust

STRANGE = "\x1b]0;owned\x07\x1b[31mred\x9b2J\u202egnp.exe\rover\b"
"""Renames a window, colours, clears, turns around and writes over what stood before."""

CODE = "open({!r}, 'w')\nraise SystemExit(3)\n"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sent") / "study"
    folders.write(place, ("done",) * 6)
    return place


@pytest.fixture
def sent(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "study")
    return tmp_path / "study"


@pytest.fixture
def theirs() -> Iterator[socket.socket]:
    """A server of the sender's, which hears whoever asks it."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def rewritten(folder: Path, **changes: object) -> None:
    (folder / "study.yaml").write_text(json.dumps({**folders.RAW, **changes}))


READERS = {
    "status": ("status", "{}"),
    "plan": ("plan", "{}/study.yaml", "--out", "{}"),
    "plan elsewhere": ("plan", "{}/study.yaml", "--out", "{}-other"),
    "answer": ("answer", "{}"),
    "results of epochs": ("results", "{}", "--level", "epochs"),
    "stages": ("stages", "{}"),
    "stages to prune": ("stages", "{}", "--prune"),
    "note": ("note", "{}"),
}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("task", {"use": "their_task:Shapes"}),
        ("task", {"dataset": "digits", "model": "their_task:net"}),
        ("method", "their_task:prune"),
    ],
)
def test_no_code_of_the_folder_is_run(
    sent: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch, key: str, value: Any
) -> None:
    rewritten(sent, **{key: value})
    trace = sent.parent / "it-ran"
    for name in ("their_task.py", "sitecustomize.py", "conftest.py", "code/x/their_task.py"):
        (sent / name).parent.mkdir(parents=True, exist_ok=True)
        (sent / name).write_text(CODE.format(str(trace)))
    monkeypatch.chdir(sent)
    for name, arguments in READERS.items():
        ended = bimp(*(word.replace("{}", str(sent)) for word in arguments))
        assert ended.status in (0, 2), name
        assert not trace.exists(), name
    if key != "task" or "use" in value:  # of a model nothing need be known to count trials
        ended = bimp("plan", sent / "study.yaml")
        assert ended.status == 2
        assert "lie in a study folder that does not say what its code is like" in ended.err


@pytest.mark.parametrize("reader", READERS)
def test_a_server_that_the_folder_names_hears_of_nobody(
    sent: Path, bimp: Command, theirs: socket.socket, reader: str
) -> None:
    place = f"127.0.0.1:{theirs.getsockname()[1]}"
    rewritten(
        sent,
        stage_store=f"s3://mine/stages?scheme=http&endpoint_override={place}",
        track={"mlflow": f"http://{place}/"},
    )
    ended = bimp(*(word.replace("{}", str(sent)) for word in READERS[reader]))
    with pytest.raises(TimeoutError):
        theirs.accept()
    if "plan" in reader:
        assert ended.status == 0
        assert "warning: stages that are there do not count: stage_store must be" in ended.out


@pytest.mark.parametrize("uri", ["http://{}/", "https://{}/", "postgresql://u@{}/db"])
def test_no_tracking_server_of_the_folder_is_sent_a_key(
    sent: Path, bimp: Command, theirs: socket.socket, uri: str
) -> None:
    server = uri.format(f"127.0.0.1:{theirs.getsockname()[1]}")
    rewritten(sent, track={"mlflow": server})
    ended = bimp("track", sent)
    assert ended.status == 2 and ended.out == ""
    assert ended.err.startswith(
        "bimp: track.mlflow must be a database or folder of this machine where a study folder"
        f" names it, got '{server}': it would be sent your key"
    )
    with pytest.raises(TimeoutError):
        theirs.accept()


def test_stages_of_another_study_are_neither_listed_nor_pruned(
    sent: Path, whole: Path, bimp: Command, tmp_path: Path
) -> None:
    mine = tmp_path / "mine"
    shutil.copytree(whole / "stages", mine)
    for path in mine.iterdir():
        path.rename(mine / f"{'0' * 12}{path.name[:4]}")
    shutil.rmtree(sent / "stages")
    (sent / "stages").symlink_to(mine)
    before = sorted(mine.rglob("*"))
    for arguments in (("stages", sent), ("stages", sent, "--prune", "--delete")):
        ended = bimp(*arguments)
        assert ended.status == 2
        assert "(a link leads out of the study folder)" in ended.err
    assert sorted(mine.rglob("*")) == before


def test_who_trusts_the_folder_follows_its_links(
    sent: Path, bimp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (sent / "stages").rename(tmp_path / "stages")
    (sent / "stages").symlink_to(tmp_path / "stages")
    monkeypatch.setattr(trust, "_trusted", False)
    assert bimp("stages", sent).status == 2
    assert bimp("--trust-store", "stages", sent).status == 0


def test_nothing_that_a_terminal_obeys_is_printed(sent: Path, bimp: Command) -> None:
    """In names, states, messages, notes and the names of files."""
    for path in (sent / "records").iterdir():
        raw = json.loads(path.read_text())
        del raw["checksum"]
        raw["study"] = f"small{STRANGE}"
        raw["config"]["task"]["model"]["name"] = f"mlp{STRANGE}"
        raw["layers"] = {f"layer{STRANGE}": 0.9}
        raw["message"] = STRANGE
        path.write_text(json.dumps(raw))
    for path in list((sent / "records").iterdir())[:2]:
        raw = json.loads(path.read_text())
        error = {"type": STRANGE, "message": STRANGE, "traceback": STRANGE}
        path.write_text(json.dumps({**raw, "state": "failed", "error": error}))
    note = {"schema": 1, "about": f"a{STRANGE}", "text": STRANGE, "at": STRANGE}
    (sent / "notes" / "study.json").write_text(json.dumps({**note, "schema": raw["schema"]}))
    (sent / "records" / f"x{STRANGE}.json").write_bytes(b"{")
    manifest = next((sent / "stages").glob("*/stage.json"))
    raw = {**json.loads(manifest.read_text()), "label": {"weights": STRANGE}}
    del raw["checksum"]
    manifest.write_text(json.dumps(raw))
    more = {
        **READERS,
        "results": ("results", "{}"),
        "results as CSV": ("results", "{}", "--format", "csv"),
        "results as Markdown": ("results", "{}", "--format", "markdown"),
        "stages as CSV": ("stages", "{}", "--format", "csv"),
        "stages as data": ("stages", "{}", "--format", "json"),
        "answer as data": ("answer", "{}", "--json"),
        "table": ("table", "{}"),
        "figure": ("figure", "{}", "accuracy_by_sparsity", "-o", "{}.json"),
    }
    for name, arguments in more.items():
        ended = bimp(*(word.replace("{}", str(sent)) for word in arguments))
        assert ended.status in (0, 2), name
        both = ended.out + ended.err
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", both), name


def test_a_record_copied_under_another_name_is_left_out_and_named(
    sent: Path, bimp: Command
) -> None:
    """Whatever it stands under: the one whose name is that of its configuration is kept."""
    clean = {name: bimp(*(w.replace("{}", str(sent)) for w in READERS[name])) for name in COPIES}
    path, other, *_ = sorted((sent / "records").iterdir())
    for number, (name, source) in enumerate(((f"{0:016}", path), ("f" * 16, other))):
        raw = json.loads(source.read_text())
        del raw["checksum"]
        raw |= {"fingerprint": name, "stages": [f"another-{number}"]}
        (sent / "records" / f"{name}.json").write_text(json.dumps(raw))
    for name in COPIES:
        ended = bimp(*(word.replace("{}", str(sent)) for word in READERS[name]))
        assert ended.status == clean[name].status == 0, name
        for copy, own in ((f"{0:016}", path.stem), ("f" * 16, other.stem)):
            sentence = f"the record of '{copy}' is left out: it has the settings and seeds of"
            both = " ".join((ended.out + ended.err).split())
            assert f"{sentence} '{own}'" in both or name == "plan", name
        for line in clean[name].out.splitlines():
            assert line in ended.out, name
    page = sent.parent / "report.html"
    assert bimp("report", sent, "-o", page).status == 0
    assert "is left out: it has the settings and seeds of" in page.read_text()


COPIES = ("plan", "answer", "results of epochs")
"""`plan` counts the trials of the study alone, of which the copies are none."""
