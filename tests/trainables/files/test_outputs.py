"""Files for a user: whole, through links, into pipes, with the mode they had, all or none."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from trainables.files.outputs import OutputError, deliver


def test_files_are_made_and_replaced(tmp_path: Path) -> None:
    one, two = tmp_path / "new" / "one", tmp_path / "two"
    two.write_bytes(b"before")
    two.chmod(0o640)
    deliver({one: b"1", two: b"2"})
    assert (one.read_bytes(), two.read_bytes()) == (b"1", b"2")
    assert two.stat().st_mode & 0o777 == 0o640, "a file that is replaced keeps its mode"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "two"]


def test_a_link_is_written_through(tmp_path: Path) -> None:
    target, link, chain = tmp_path / "far" / "target", tmp_path / "link", tmp_path / "chain"
    target.parent.mkdir()
    target.write_bytes(b"before")
    target.chmod(0o600)
    link.symlink_to(target)
    chain.symlink_to(link)
    deliver({chain: b"after"})
    assert link.is_symlink() and chain.is_symlink()
    assert target.read_bytes() == b"after"
    assert target.stat().st_mode & 0o777 == 0o600
    dangling = tmp_path / "dangling"
    dangling.symlink_to(tmp_path / "nowhere")
    deliver({dangling: b"x"})
    assert dangling.is_symlink() and (tmp_path / "nowhere").read_bytes() == b"x"


def test_a_hard_link_is_written_through(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for before, after in ((b"long before", b"after"), (b"", b"x" * 5000), (b"b", b"")):
        one.write_bytes(before)
        two.unlink(missing_ok=True)
        two.hardlink_to(one)
        deliver({one: after})
        assert one.read_bytes() == two.read_bytes() == after
        assert one.samefile(two)


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """The size of a file is limited here as a disk's is; one has two names, one a single one."""
    script = (
        "import resource, signal, sys\n"
        "from trainables.files.outputs import deliver\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "deliver({at: b'x' * 5000 for at in sys.argv[1:]})\n"
    )
    for number, name in enumerate(("one", "two", "three")):
        (tmp_path / name).write_bytes(f"kept {number}".encode())
    (tmp_path / "link").hardlink_to(tmp_path / "two")
    for names in (["one"], ["two"], ["three", "one"], ["two", "one"]):
        paths = [str(tmp_path / name) for name in names]
        ended = subprocess.run(
            [sys.executable, "-c", script, *paths], capture_output=True, text=True, check=False
        )
        assert "OutputError" in ended.stderr and "File too large" in ended.stderr
    kept = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert kept == {"one": "kept 0", "two": "kept 1", "three": "kept 2", "link": "kept 1"}


def test_what_nobody_else_may_read_is_never_readable_by_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"before")
    secret.chmod(0o600)
    modes: list[int] = []
    rename = os.replace

    def replace(beside: Path, path: Path) -> None:
        modes.append(beside.stat().st_mode & 0o7777)
        rename(beside, path)

    monkeypatch.setattr(os, "replace", replace)
    deliver({secret: b"after"})
    secret.chmod(0o2755)
    deliver({secret: b"again"})
    assert modes == [0o600, 0o2755]


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")
def test_owner_and_group_stay(tmp_path: Path) -> None:
    file = tmp_path / "theirs"
    file.write_bytes(b"before")
    os.chown(file, 1234, 4321)
    file.chmod(0o2640)
    deliver({file: b"after"})
    found = file.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (1234, 4321, 0o2640)


def test_new_files_get_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        deliver({tmp_path / "private": b"x"})
        os.umask(0o002)
        deliver({tmp_path / "shared": b"x"})
    finally:
        os.umask(before)
    modes = [(tmp_path / name).stat().st_mode & 0o777 for name in ("private", "shared")]
    assert modes == [0o600, 0o664]


def test_a_pipe_is_written_into(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    received: list[bytes] = []
    reader = threading.Thread(target=lambda: received.append(pipe.read_bytes()))
    reader.start()
    deliver({pipe: b"content"})
    reader.join(timeout=10)
    assert received == [b"content"]
    assert pipe.is_fifo()


def test_a_pipe_that_nobody_reads_is_not_waited_for_without_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trainables.files.outputs.READER_PATIENCE_S", 0.1)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OutputError, match=r"got .*pipe \(a pipe that nobody reads\)"):
        deliver({tmp_path / "pipe": b"content"})


def test_home_folders_are_written_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    deliver({"~/table.csv": b"a"})
    assert (tmp_path / "table.csv").read_bytes() == b"a"


def test_standard_output(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    deliver({"-": b"bytes\xff"})
    assert capfdbinary.readouterr().out == b"bytes\xff"
    assert not Path("-").exists()


@pytest.mark.parametrize(("where", "reason"), [("file/below", "no folder"), (".", "a folder")])
def test_one_that_fails_leaves_the_others(tmp_path: Path, where: str, reason: str) -> None:
    (tmp_path / "file").write_bytes(b"kept")
    with pytest.raises(OutputError, match=f"must be a file that can be written, got .*{reason}"):
        deliver({tmp_path / "file": b"new", tmp_path / where: b"2"})
    assert (tmp_path / "file").read_bytes() == b"kept"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_full_device_is_one_sentence() -> None:
    with pytest.raises(OutputError, match=r"got /dev/full \(No space left on device\)"):
        deliver({"/dev/full": b"x" * 100})


@pytest.mark.parametrize("words", [["-o", "/dev/full"], ["-o", "-"], []])
def test_the_command_on_a_full_device(words: list[str]) -> None:
    script = "from study.cli import main; main()"
    options = "--dense-schedule linear --lr 0.1 --dense-epochs 2 --steps-per-epoch 2 --epochs 2"
    with open("/dev/full", "wb") as full:
        ended = subprocess.run(
            [sys.executable, "-c", script, "schedule", "llr", *options.split(), *words],
            stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode != 0
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "full device" in ended.stderr or "No space left on device" in ended.stderr


@pytest.mark.parametrize("words", [["-o", "-"], []])
def test_the_command_into_a_pipe_that_nobody_reads(words: list[str]) -> None:
    """As into `head`: no traceback, and a sentence at most."""
    script = "from study.cli import main; main()"
    options = "--dense-schedule linear --lr 0.1 --dense-epochs 9 --steps-per-epoch 9999 --epochs 2"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", script, "schedule", "llr", *options.split(), *words],
            stdout=writing, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert ended.returncode in (1, 2)
    assert len(ended.stderr.splitlines()) <= 1 and "Traceback" not in ended.stderr, ended.stderr
