"""Whatever a study folder holds and whoever reads it: what cannot be read is named, and the rest is
read; where there is nothing to show a sentence says so."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis.dashboard.address import Address
from analysis.dashboard.app import make_app
from analysis.dashboard.filters import FILTERS
from analysis.dashboard.pages import PANELS
from analysis.dashboard.plots import plot_of
from analysis.dashboard.sections import FOLLOWED, SECTIONS
from analysis.dashboard.watch import Watch
from study.views.status import status
from tests.plain_user import bound_by_modes
from tests.study.cli import folders
from tests.study.conftest import Command, Ended
from trainables.files.leases import Leases
from trainables.files.progress import RUN_LEASE
from trainables.files.readable import MOST_NAMED
from trainables.files.records import StudyFolder

DENIED = "cannot be read (Permission denied)"

COMMANDS: dict[str, tuple[str, ...]] = {
    "status": ("status", "{}"),
    "answer": ("answer", "{}"),
    "answer as data": ("answer", "{}", "--json"),
    "results": ("results", "{}"),
    "results of cycles": ("results", "{}", "--level", "cycles"),
    "results of epochs": ("results", "{}", "--level", "epochs"),
    "results by group": ("results", "{}", "--group-by", "method"),
    "results of some": ("results", "{}", "--where", "seed == 9", "--format", "csv"),
    "table": ("table", "{}"),
    "table of methods": ("table", "{}", "--kind", "methods"),
    "table of some": ("table", "{}", "--where", "seed == 9"),
    "plan": ("plan", "{}/study.yaml", "--out", "{}"),
    "stages": ("stages", "{}"),
    "stages to prune": ("stages", "{}", "--prune"),
    "note": ("note", "{}"),
    "figure": ("figure", "{}", "accuracy_by_sparsity", "-o", "{}.json"),
    "report": ("report", "{}", "-o", "{}.html"),
}
"""Every command that reads a study, on the folder {}."""

SLOW = ("report",)

FEW = ("status", "answer", "results", "results of epochs", "table", "plan", "stages", "note")
"""Commands that between them read everything."""


def called(bimp: Command, command: str, folder: Path) -> Ended:
    """How a command ended, checked for what holds of any: something is said, and on one line what
    is refused."""
    ended = bimp(*(word.replace("{}", str(folder)) for word in COMMANDS[command]))
    assert ended.status in (0, 2)
    assert (ended.out + ended.err).strip(), "it says nothing at all"
    if ended.status == 2:
        (line,) = [one for one in ended.err.splitlines() if not one.startswith("warning: ")][-1:]
        assert line.startswith("bimp: ") and ended.out == ""
    return ended


# What another user may not read


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("whole") / "study"
    folders.write(place, ("done",) * 6)
    return place


READERS = ("results", "answer", "status", "plan", "stages")
CLOSED: dict[str, tuple[str, tuple[str, ...]]] = {
    "a record": ("records/*0*.json", READERS),
    "all records": ("records", READERS),
    "a curve": ("curves/*.parquet", ("results of epochs",)),
    "all curves": ("curves", ("results of epochs",)),
    "the table of records": ("tables/records.parquet", READERS),
    "the table of curves": ("tables/curves.parquet", ("results of epochs",)),
    "a stage": ("stages/*", ("stages", "plan")),
    "a stage's manifest": ("stages/*/stage.json", ("stages", "results of epochs")),
    "a stage's curve": ("stages/*/curve-a.parquet", ("results of epochs",)),
    "the study file": ("study.yaml", ("results of epochs", "answer")),
    "the notes": ("notes", ("note",)),
    "a note": ("notes/study.json", ("note",)),
    "latencies": ("latency", ()),
    "one latency": ("latency/*.json", ()),
    "the lease of the run": ("run", ("status",)),
}
"""What is closed, and which commands name it; all others read as if it were not there, or do not
ask for it."""


@pytest.fixture
def closing(whole: Path, tmp_path: Path) -> Iterator[Callable[[str], tuple[Path, str]]]:
    """Close the first file or folder of a pattern in a copy of the whole study."""
    copy = tmp_path / "study"
    shutil.copytree(whole, copy)

    def close(pattern: str) -> tuple[Path, str]:
        if pattern.startswith("tables"):
            StudyFolder(str(copy)).compact()
        if pattern == "run":
            Leases(StudyFolder(str(copy)).folder, "the driver").beat(RUN_LEASE)
        path = min(copy.glob(pattern)) if pattern else copy
        path.chmod(0)
        return copy, path.relative_to(copy).as_posix().removeprefix("stages/")

    yield close
    for path in [copy, *copy.rglob("*")]:
        path.chmod(0o700)


@pytest.mark.parametrize("case", CLOSED)
def test_what_may_not_be_read_is_named_and_the_rest_is_read(
    case: str, closing: Callable[[str], tuple[Path, str]], bimp: Command, tmp_path: Path
) -> None:
    pattern, naming = CLOSED[case]
    folder, name = closing(pattern)
    with bound_by_modes(tmp_path):
        for command in FEW:
            ended = called(bimp, command, folder)
            if command in naming:
                assert f"{name}: {DENIED}" in ended.out + ended.err, command
                assert ended.status == 0, command
        if case == "a record":
            assert "5 rows" in called(bimp, "results", folder).out


@pytest.mark.slow
@pytest.mark.parametrize("case", ["all records", "a curve", "the study file", "latencies"])
def test_reports_and_dashboards_name_it_too(
    case: str, closing: Callable[[str], tuple[Path, str]], bimp: Command, tmp_path: Path
) -> None:
    folder, name = closing(CLOSED[case][0])
    with bound_by_modes(tmp_path):
        assert called(bimp, "report", folder).status == 0
        assert f"{name}: {DENIED}" in (tmp_path / "study.html").read_text()
        snapshot = Watch([str(folder)]).snapshot
        for panel in PANELS.values():
            plot_of(panel, snapshot, Address({}))
        assert any(f"{name}: {DENIED}" in warning for warning in snapshot.warnings)


def test_of_many_that_are_closed_some_are_named(
    closing: Callable[[str], tuple[Path, str]], bimp: Command, tmp_path: Path
) -> None:
    folder, _ = closing("records/*.json")
    (first, *_) = (folder / "records").glob("*.json")
    for number in range(MOST_NAMED + 5):
        (folder / "records" / f"{number:016x}.json").touch(mode=0)
    with bound_by_modes(tmp_path):
        warnings = status(str(folder)).warnings
    assert len(warnings) == MOST_NAMED + 1
    assert warnings[-1] == "records: 6 more of its files cannot be read"
    assert first.exists()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_folder_that_is_closed_is_refused(
    command: str, closing: Callable[[str], tuple[Path, str]], bimp: Command, tmp_path: Path
) -> None:
    folder, _ = closing("")
    with bound_by_modes(tmp_path):
        ended = called(bimp, command, folder)
    assert ended.status == 2
    assert "Permission denied" in ended.err and str(folder) in ended.err


# Several users on one folder


def test_a_folder_is_read_where_nothing_can_be_written_while_another_user_runs(
    whole: Path, tmp_path: Path, bimp: Command
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(whole, folder)
    Leases(StudyFolder(str(folder)).folder, "the driver").beat(RUN_LEASE)
    every = [folder, *folder.rglob("*")]
    for path in every:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {path: path.stat().st_mtime_ns for path in every}
    with bound_by_modes(tmp_path):
        for command in COMMANDS.keys() - set(SLOW):
            ended = called(bimp, command, folder)
            assert "denied" not in ended.err
        running = called(bimp, "status", folder)
        noted = bimp("note", folder, "a word")
    assert "running now  a run that has said nothing lately" in running.out
    assert noted.status == 2 and "DIR must be a folder that can be written" in noted.err
    assert before == {path: path.stat().st_mtime_ns for path in [folder, *folder.rglob("*")]}
    for path in every:
        path.chmod(0o755)


def test_running_in_a_folder_that_cannot_be_written_is_one_sentence(
    whole: Path, tmp_path: Path, bimp: Command
) -> None:
    folder = tmp_path / "study"
    shutil.copytree(whole, folder)
    folder.chmod(0o555)
    with bound_by_modes(tmp_path):
        ended = bimp("run", folder / "study.yaml", "--out", folder)
    folder.chmod(0o755)
    assert ended.status == 2 and len(ended.err.splitlines()) == 1
    assert ended.err.startswith(f"bimp: --out must be a folder that can be written, got {folder}")


@pytest.mark.parametrize(("umask", "file", "directory"), [(0o027, 0o640, 0o750), (0, 0o666, 0o777)])
def test_files_have_the_modes_that_the_user_wishes(
    umask: int, file: int, directory: int, tmp_path: Path
) -> None:
    before = os.umask(umask)
    try:
        study = folders.write(tmp_path / "study", ("done", "failed"))
        Leases(study.folder, "the driver").beat(RUN_LEASE)
        study.compact()
    finally:
        os.umask(before)
    every = [study.folder.location, *(Path(study.folder.location).rglob("*"))]
    modes = {(path.is_dir(), path.stat().st_mode & 0o777) for path in map(Path, every)}
    assert modes == {(False, file), (True, directory)}


# Nothing to show


STATES: dict[str, tuple[str, ...]] = {
    "nothing settled": (),
    "only diverged": ("diverged",) * 8,
    "only failed": ("failed",) * 8,
    "only stopped": ("stopped",) * 3,
}
SAID: dict[tuple[str, str], str] = {
    ("nothing settled", "results"): "no row is there: no trial has ended yet",
    ("nothing settled", "results by group"): "no row is there: no trial has ended yet",
    ("nothing settled", "answer"): "No trial has ended yet.",
    ("nothing settled", "status"): "settled      0",
    ("nothing settled", "table"): "with results to compare (0 trials)",
    ("nothing settled", "figure"): "There are no trials yet.",
    ("nothing settled", "stages"): "0 stages (none)",
    ("only diverged", "results of cycles"): "no row is there: none of 8 trials has left cycles",
    ("only diverged", "results of some"): "no row is left: --where 'seed == 9' fits none of 8",
    ("only diverged", "table of some"): "--where must leave a trial, got none of 8 trials",
    ("only diverged", "table"): "(8 trials, none of them done: 8 diverged)",
    ("only diverged", "answer"): "8 diverged of 8 trials: no mean has them.",
    ("only diverged", "figure"): "No trial has a value of validation accuracy",
    ("only failed", "table"): "(8 trials, none of them done: 8 failed)",
    ("only failed", "status"): "bimp run starts failed trials again",
    ("only failed", "answer"): "8 failed of 8 trials: no mean has them.",
    ("only stopped", "table"): "(3 trials, none of them done: 3 stopped)",
}
"""What stands in what a command says."""


@pytest.mark.parametrize("case", STATES)
def test_where_there_is_nothing_to_show_a_sentence_says_so(
    case: str, tmp_path: Path, bimp: Command
) -> None:
    folder = tmp_path / "study"
    folders.write(folder, STATES[case])  # type: ignore[arg-type]
    for command in COMMANDS.keys() - set(SLOW):
        ended = called(bimp, command, folder)
        assert SAID.get((case, command), "") in ended.out + ended.err, command


@pytest.mark.slow
@pytest.mark.parametrize("case", STATES)
def test_reports_and_dashboards_of_nothing(case: str, tmp_path: Path, bimp: Command) -> None:
    folder = tmp_path / "study"
    folders.write(folder, STATES[case])  # type: ignore[arg-type]
    assert called(bimp, "report", folder).status == 0
    page = (tmp_path / "study.html").read_text()
    assert "No trial has ended yet." in page or "no mean has them" in page or "not done" in page
    everything_drawn_or_said(Watch([str(folder)]), Address({}))


def test_filters_that_let_no_trial_through_are_said_on_every_page(whole: Path) -> None:
    everything_drawn_or_said(Watch([str(whole)]), Address.of("?sparsity=0.123&schedule=nobody"))


def everything_drawn_or_said(watch: Watch, address: Address) -> None:
    """Every figure has traces or says in words why not, and every section shows something.

    Answer, comparison and notes may be none: the counts above them say why.
    """
    snapshot = watch.snapshot
    make_app(watch)
    for panel in PANELS.values():
        drawing = plot_of(panel, snapshot, panel.address(address)).drawing
        words = [one["text"] for one in drawing.layout.get("annotations", ())]
        assert drawing.data or any(words) or drawing.notes, panel.key
    for name, section in SECTIONS.items():
        shown = section(snapshot, address.within([*FILTERS, *FOLLOWED[name]]))
        assert shown or name in ("answer", "comparison", "notes"), name
