"""How every verb reads what it is given: once, not blank, finite, and repeated in few words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from study.cli import VERBS
from study.cli.terminal import refusal_line
from tests.study.cli import folders
from tests.study.cli.test_any_command import arguments, command_of, options
from tests.study.conftest import Command

VALUED = [(verb, option) for verb, option in options() if not option.is_flag]
NAMES = [f"{verb}{option.opts[-1]}" for verb, option in VALUED]


@pytest.mark.parametrize(("verb", "option"), VALUED, ids=NAMES)
def test_an_option_is_neither_blank_nor_given_twice(
    verb: str, option: click.Option, bimp: Command
) -> None:
    name = "-o" if "-o" in option.opts else option.opts[-1]
    for blank in ("", " \t"):
        ended = bimp(verb, *arguments(verb), f"{option.opts[-1]}={blank}")
        message = f"bimp: {name} must not be empty, got {blank!r}\n"
        assert (ended.status, ended.out, ended.err) == (2, "", message)
    if not option.multiple:
        ended = bimp(verb, *arguments(verb), *[f"{option.opts[-1]}=1"] * 3)
        assert ended.err == f"bimp: {name} must be given once, got 3 of it\n"


@pytest.mark.parametrize("verb", VERBS)
def test_an_argument_is_not_blank(verb: str, bimp: Command) -> None:
    words = [p for p in command_of(verb).params if isinstance(p, click.Argument)]
    for at, argument in enumerate(words):
        given = ["llr" if isinstance(argument.type, click.Choice) else "/nowhere"] * len(words)
        given[at] = "  "
        ended = bimp(verb, *given)
        name = argument.human_readable_name.strip("[].")
        message = f"bimp: {name} must not be empty, got '  '\n"
        assert (ended.status, ended.out, ended.err) == (2, "", message)


def test_a_flag_may_stand_twice_and_both_names_of_an_option_are_one(
    bimp: Command, tmp_path: Path
) -> None:
    assert "--json" not in bimp("answer", "/nowhere", "--json", "--json").err
    ended = bimp("results", "/nowhere", "-o", tmp_path / "a", "--output", tmp_path / "b")
    assert ended.err == "bimp: -o must be given once, got 2 of it\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", ["--columns", "--sort", "--group-by"])
def test_a_list_of_no_names_is_no_list(option: str, bimp: Command) -> None:
    ended = bimp("results", "/nowhere", option, " , ,")
    assert ended.status == 2 and f"'{option}': must hold a name, got ' , ,'" in ended.err


def test_a_refusal_shows_both_ends_of_what_is_long() -> None:
    assert refusal_line("got " + "a" * 200) == "got " + "a" * 200
    assert refusal_line("got " + "a" * 150 + "b" * 51) == f"got {'a' * 100}...{'a' * 49}{'b' * 51}"
    assert refusal_line("a b\n" * 2_000) == ("a b " * 500) + "..." + ("a b " * 500).rstrip()


@pytest.mark.parametrize("verb", VERBS)
def test_a_long_value_makes_no_long_refusal(verb: str, bimp: Command) -> None:
    for given in ([f"--{'x' * 9_000}"], [*arguments(verb), f"--help={'x' * 9_000}"]):
        ended = bimp(verb, *given)
        assert ended.status == 2 and len(ended.err) < 900, len(ended.err)


READERS = ["answer", "results", "table", "report", "figure", "dashboard", "status", "stages"]
READERS += ["note", "track"]
WRONG_PLACES = [
    ("s3://", "it must name a bucket"),
    ("s3:///x", "it must name a bucket"),
    ("gs://?a=b", "it must name a bucket"),
    ("s3://b u/x", "Cannot parse URI: 's3://b u/x'"),
    ("http://h/x", "its scheme must be one of"),
    ("file://host/x", "file:// must be followed by a path from the root"),
    ("file://", "file:// must be followed by a path from the root"),
]


@pytest.mark.parametrize(("place", "reason"), WRONG_PLACES, ids=[p for p, _ in WRONG_PLACES])
@pytest.mark.parametrize("verb", READERS)
def test_what_is_no_place_is_a_refusal_of_dir(
    verb: str,
    place: str,
    reason: str,
    bimp: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    more = {"report": ["-o", "r.html"], "figure": ["pareto", "-o", "f.json"]}
    ended = bimp(verb, place, *more.get(verb, []))
    line = ended.err.splitlines()[-1]
    assert ended.status == 2 and line.startswith("bimp: DIR must be "), ended
    assert reason in line and "allow_delayed_open" not in line
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("verb", ["run", "plan"])
@pytest.mark.parametrize("place", ["s3://", "file://host/x", "~nobody-of-this-name/x"])
def test_what_is_no_place_is_a_refusal_of_out(verb: str, place: str, bimp: Command) -> None:
    ended = bimp(verb, "digits", "--out", place)
    assert ended.status == 2 and ended.out == ""
    assert ended.err.startswith("bimp: --out") and place in ended.err


def test_queries_of_tables_name_their_options(bimp: Command, tmp_path: Path) -> None:
    folders.write(tmp_path / "study", ("done",) * 6)
    for option, text in (("--where", "seed ="), ("--metrics", "nothing")):
        ended = bimp("table", tmp_path / "study", option, text)
        assert ended.status == 2 and ended.err.startswith(f"bimp: {option} must fit"), ended


def test_a_note_on_a_name_that_no_trial_can_have_is_refused(bimp: Command, tmp_path: Path) -> None:
    folders.write(tmp_path / "study", ("done",) * 6)
    for name in ("a" * 300, "../study", "a/b", "\udcff"):
        ended = bimp("note", tmp_path / "study", "--trial", name)
        assert ended.status == 2 and "--trial must be the fingerprint" in ended.err


@pytest.mark.parametrize(
    ("place", "reason"),
    [
        ("file", "a file"),
        ("file/below", "Not a directory"),
        ("loop", "Too many levels"),
        ("n" * 300, "File name too long"),
    ],
)
def test_what_is_no_folder_is_refused(
    place: str, reason: str, bimp: Command, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for words, option in ((["doctor"], "--data-root"), (["plan", "digits"], "--out")):
        ended = bimp(*words, option, tmp_path / place)
        assert ended.status == 2 and ended.out == ""
        assert ended.err.startswith(f"bimp: {option} must be a folder, got ")
        assert reason in ended.err


RATES = ["--dense-schedule=multistep", "--lr=0.1", "--steps-per-epoch=2"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--dense-epochs=1e19", "--epochs=2"],
         "--dense-epochs must give at most 10,000,000 optimiser steps"),
        (["--dense-epochs=2", "--epochs=5000000.5"],
         "--epochs must give at most 10,000,000 optimiser steps"),
        (["--dense-epochs=2", "--epochs=2", "--milestones=1,nan"],
         "--milestones must be epochs as in 5,8, got '1,nan'"),
    ],
)  # fmt: skip
def test_rates_are_as_many_as_can_be_printed(given: list[str], message: str, bimp: Command) -> None:
    ended = bimp("schedule", "llr", *RATES, *given)
    assert ended.status == 2 and ended.err.startswith(f"bimp: {message}"), ended


def test_help_names_bounds_that_are_there(bimp: Command) -> None:
    for verb in VERBS:
        text = bimp(verb, "--help").out
        assert "None" not in text and "FLOAT RANGE" not in text


def test_figures_are_listed_without_a_file_and_drawn_into_one(bimp: Command) -> None:
    ended = bimp("figure", "/nowhere", "help")
    assert ended.status == 0 and ended.out.startswith("schedules ")
    ended = bimp("figure", "/nowhere", "schedules")
    assert ended.err == "bimp: -o must be given with the name of a figure, got none\n"


@pytest.mark.parametrize(
    ("option", "value", "rule"),
    [
        ("--tensorboard", "s3://a/b", "must be a folder of this machine, got 's3://a/b'"),
        ("--tensorboard", "~nobody-of-this-name/x", "must begin with a home folder that is known"),
        ("--tensorboard", "file", "must be a folder, got"),
        ("--mlflow", "http://a:b@c", "must not hold a password"),
    ],
)
def test_trackers_are_refused_by_the_names_of_their_options(
    option: str,
    value: str,
    rule: str,
    bimp: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    folders.write(tmp_path / "study", ("done",) * 6)
    (tmp_path / "file").write_text("kept")
    ended = bimp("track", "study", option, value)
    assert ended.status == 2 and ended.err.startswith(f"bimp: {option} {rule}"), ended
    assert (tmp_path / "file").read_text() == "kept"


def test_a_run_s_sweep_tells_what_it_missed_of_a_folder_that_is_a_file(
    bimp: Command, tmp_path: Path
) -> None:
    folders.write(tmp_path / "study", ("done",) * 6)
    (board := tmp_path / "board").write_text("kept")
    ended = bimp("track", tmp_path / "study", "--tensorboard", board, "--json")
    [outcome] = json.loads(ended.out)
    assert ended.status == 0 and outcome["missing"] == 6
    assert outcome["fault"].startswith("NotADirectoryError")


def test_somebody_elses_study_file_is_named(bimp: Command, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("version: '3'\n")
    ended = bimp("status", tmp_path)
    assert ended.err.startswith(
        f"bimp: DIR must be a folder of a study, got {tmp_path}, whose study.yaml: "
    )


def test_what_is_done_is_done_where_standard_error_is_full(tmp_path: Path) -> None:
    folders.write(tmp_path / "study", ("done",) * 6)
    statuses = []
    for words in (
        ["results", tmp_path / "study", "-o", tmp_path / "a.csv"],
        ["status", "/nowhere"],
    ):
        command = [sys.executable, "-c", "from study.cli import main; main()", *map(str, words)]
        with open("/dev/full", "wb") as full:
            statuses.append(subprocess.run(command, stderr=full).returncode)
    assert statuses == [0, 2] and (tmp_path / "a.csv").stat().st_size > 0


def test_help_says_what_is_taken_where_nothing_is_given() -> None:
    for verb, option in options():
        assert option.hidden or option.help, f"{verb} {option.opts[-1]}"
        if option.default is not None and isinstance(option.default, str | int | float):
            assert option.show_default or option.is_flag or "unless given" in (option.help or "")


def test_a_run_of_words_that_are_no_text_starts_nothing(
    bimp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ended = bimp("run", "digits", "--out", "a\udcff")
    assert ended.status == 2 and ended.out == ""
    assert ended.err.startswith("bimp: paths and options of a run must be UTF-8, got '")
    assert list(tmp_path.iterdir()) == []


def test_a_run_into_another_study_names_the_folder(bimp: Command, tmp_path: Path) -> None:
    (tmp_path / "study.yaml").write_text("version: '3'\n")
    ended = bimp("run", "digits", "--out", tmp_path)
    rule = f"--out must be a folder of a study, got {tmp_path}, whose study.yaml: "
    assert ended.status == 2 and ended.err.startswith(f"bimp: {rule}"), ended
    assert [path.name for path in tmp_path.iterdir()] == ["study.yaml"]


def test_stages_of_a_folder_that_cannot_be_written_stay(
    bimp: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folders.write(tmp_path / "study", ("done",) * 6)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("study.views.stage_waste.Leases.beat", full)
    ended = bimp("stages", tmp_path / "study", "--prune", "--delete")
    rule = f"DIR must be a folder that can be written, got {tmp_path / 'study'}"
    assert (ended.status, ended.err) == (2, f"bimp: {rule} (No space left on device)\n")


def test_a_folder_under_several_names_is_counted_once(bimp: Command, tmp_path: Path) -> None:
    folders.write(tmp_path / "study", ("done",) * 6)
    (tmp_path / "link").symlink_to(tmp_path / "study")
    once = bimp("results", tmp_path / "study", "--format", "csv").out
    names = [
        f"{tmp_path}/study",
        f"{tmp_path}/study/",
        f"{tmp_path}/link",
        f"file://{tmp_path}/link",
    ]
    assert bimp("results", *names, "--format", "csv").out == once
