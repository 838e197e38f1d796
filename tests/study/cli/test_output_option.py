"""`-o` of every verb: a file is written there, or the option is named before anything is read."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from study.cli import VERBS
from tests.study.cli import folders
from tests.study.cli.test_any_command import arguments, command_of
from tests.study.conftest import Command

WRITERS = [
    verb
    for verb in VERBS
    if any("-o" in p.opts for p in command_of(verb).params if isinstance(p, click.Option))
]
ENDINGS = {"report": ".html", "figure": ".json", "export": ".safetensors"}
RATES = ["--dense-schedule=linear", "--lr=0.1", "--dense-epochs=2", "--steps-per-epoch=2"]
RATES += ["--epochs=2"]
MORE = {
    "figure": ["accuracy_by_sparsity"],
    "export": ["--trial", "0"],
    "schedule": RATES,
}


def words(verb: str, target: object, place: object = "/nowhere") -> list[str]:
    given = ["llr"] if verb == "schedule" else [str(place)]
    return [verb, *given, *MORE.get(verb, []), "-o", str(target)]


def wrong_targets(place: Path, ending: str) -> Iterator[tuple[str, str]]:
    """Paths that nothing can be written to, with what is said of each."""
    file, folder = place / f"file{ending}", place / f"folder{ending}"
    file.write_text("kept")
    folder.mkdir()
    loop = place / f"loop{ending}"
    loop.symlink_to(loop)
    into = place / f"into{ending}"
    into.symlink_to(folder)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(place / f"socket{ending}"))
    listening.close()
    (place / "study.yaml").write_text("name: a")
    (place / "records").mkdir()
    yield "", "not be empty, got ''"
    yield " " * 3 + "/", "which is a folder"
    yield str(folder), "which is a folder"
    yield str(into), "which is a folder"
    yield f"{file}/", "which is a folder"
    yield f"{place}/new{ending}/", "which is a folder"
    yield ".", "which is a folder"
    yield str(loop), "Too many levels of symbolic links"
    yield str(file / f"below{ending}"), "is no folder"
    yield str(file / "deep" / f"below{ending}"), "is no folder"
    yield str(place / ("n" * 300 + ending)), "File name too long"
    yield str(place / "new" / ("n" * 300 + ending)), "File name too long"
    yield str(place / ("/".join(["x" * 100] * 50) + ending)), "File name too long"
    yield f"~nobody-of-this-name/x{ending}", "no home folder is known"
    yield str(place / f"socket{ending}"), "a socket"
    yield f"/dev/fd/987{ending * 0}", "Bad file descriptor"
    yield f"http://host/x{ending}", "its scheme must be one of"
    yield f"mock://host/x{ending}", "its scheme must be one of"
    yield f"s3://bucket/folder{ending}/", "a folder"
    yield str(place / "study.yaml"), "which is one of"
    yield str(place / "records" / f"x{ending}"), "which is one of"
    yield str(place / "sub" / ".." / "curves" / f"x{ending}"), "which is one of"


def test_the_verbs_that_write_are_known() -> None:
    assert {"results", "table", "report", "figure", "schedule", "export"} == set(WRITERS)


@pytest.mark.parametrize("verb", WRITERS)
def test_what_cannot_be_written_is_named_before_anything_is_read(
    verb: str, tmp_path: Path, bimp: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    cases = list(wrong_targets(tmp_path, ENDINGS.get(verb, ".csv")))
    before = sorted(tmp_path.rglob("*"))
    for target, reason in cases:
        ended = bimp(*words(verb, target))
        assert (ended.status, ended.out) == (2, ""), (target, ended)
        line = ended.err.removesuffix("\n")
        assert line.startswith("bimp: -o must ") and "\n" not in line, (target, line)
        assert reason in line and len(line) < 500, (target, line)
    assert sorted(tmp_path.rglob("*")) == before
    assert (tmp_path / f"file{ENDINGS.get(verb, '.csv')}").read_text() == "kept"
    assert arguments(verb) or verb == "schedule"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("outputs") / "study"
    folders.write(place, ("done",) * 8)
    return place


@pytest.mark.parametrize("verb", ["results", "table", "figure", "schedule"])
def test_standard_output_has_three_names_and_is_not_announced(
    verb: str, folder: Path, bimp: Command
) -> None:
    form = ["--format", "json" if verb in ("figure", "schedule") else "csv"]
    ends = [bimp(*words(verb, at, folder), *form) for at in ("-", "/dev/stdout", "/dev/fd/1")]
    assert {ended.status for ended in ends} == {0}, ends
    printed = {ended.out for ended in ends}
    assert len(printed) == 1 and printed != {""}
    assert "wrote" not in bimp(*words(verb, "-", folder), *form).err


@pytest.mark.parametrize(
    ("name", "begins"),
    [("x.csv", "study,"), ("X.CSV", "study,"), ("x.json", "["), ("x.parquet", "PAR1"),
     ("x.md", "| "), ("x.tex", "\\begin"), ("x.txt", "fingerprint"), ("x", "fingerprint"),
     ("a\nb\x1b[31m.csv", "study,"), ("\udcff.csv", "study,"), ("new/deep/x.csv", "study,")],
)  # fmt: skip
def test_the_ending_says_the_format_and_any_name_is_announced_harmlessly(
    name: str, begins: str, folder: Path, tmp_path: Path, bimp: Command
) -> None:
    ended = bimp("results", folder, "-o", tmp_path / name)
    assert ended.status == 0 and ended.out == ""
    assert ended.err.startswith("wrote ") and ended.err.count("\n") == 1
    assert "\x1b" not in ended.err
    assert (tmp_path / name).read_bytes().startswith(begins.encode())
    plain = bimp("results", folder, "--format", "table", "-o", tmp_path / name)
    assert plain.status == 0 and (tmp_path / name).read_bytes().startswith(b"fingerprint")


def test_a_file_may_stand_in_the_study_folder_beside_what_the_study_is_kept_in(
    folder: Path, bimp: Command
) -> None:
    assert bimp("results", folder, "-o", folder / "mine.csv").status == 0
    assert bimp("results", folder, "-o", f"file://{folder}/mine2.csv").status == 0
    assert (folder / "mine.csv").read_bytes() == (folder / "mine2.csv").read_bytes()


@pytest.mark.parametrize(
    ("verb", "name", "rule"),
    [
        ("report", "r.pdf", "must end in .html"),
        ("figure", "f.xyz", "must end in one of .pdf, .svg, .png, .html, .json without --format"),
        ("figure", "-", "must end in one of"),
        ("export", "n.onnx", "must end in .safetensors, as --format safetensors does"),
        ("export", "-", "must be a file, so that its card can stand beside it"),
        ("export", "/dev/null", "must be a file, so that its card can stand beside it"),
        ("export", "n" * 245 + ".pt2", "File name too long"),
    ],
)
def test_what_a_verb_cannot_write_as_is_refused_first(
    verb: str, name: str, rule: str, bimp: Command
) -> None:
    ended = bimp(*words(verb, name))
    assert ended.status == 2 and ended.err.startswith("bimp: -o ") and rule in ended.err


@pytest.mark.parametrize("place", ["-", "/dev/null", "~nobody-of-this-name/x"])
def test_a_front_needs_a_folder(place: str, bimp: Command) -> None:
    ended = bimp("export", "/nowhere", "--front", "-o", place)
    assert ended.status == 2
    assert ended.err.startswith("bimp: -o must be a folder that can be written, got ")


SCRIPT = "from study.cli import main; main()"


def started(script: str, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", script, "schedule", "llr", *RATES]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload,no-any-return]


def test_a_closed_standard_output_is_one_sentence_and_its_number_is_taken() -> None:
    """Else the next file that is opened would be what anybody prints into."""
    ended = started(f"import os; os.close(1); import sys; sys.stdout = None; {SCRIPT}")
    assert ended.returncode == 2
    assert ended.stderr == "bimp: standard output must take what is written, got a closed one\n"


def test_a_working_folder_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    found = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    ended = started(f"import os; os.rmdir({str(gone)!r}); {SCRIPT}", cwd=gone, env=found)
    assert ended.returncode == 2 and ended.stdout == ""
    assert ended.stderr.startswith("bimp: the working folder must be there")
