"""Settings whose values are of several kinds, as parameters of a user's own task may be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest

from analysis.figures import FIGURES, Figure, source_frame
from analysis.frames.study_frames import StudyFrames, read
from analysis.panels.picks import offers
from analysis.report.page import render_report
from analysis.selection.blocks import blocks
from analysis.tables.comparisons import table_of
from analysis.tables.results import run_results
from tests.analysis import synthetic
from trainables.files.records import StudyFolder

KINDS: Final[dict[str, tuple[Any, Any]]] = {
    "number_or_word": (2, "large"),
    "number_or_list": (2, [1, 2]),
    "word_or_list": ("large", [1, 2]),
    "lists_of_kinds": ([1, "a"], ["b", 2]),
    "lists_with_gaps": ([None, 1], [2, 1]),
    "truth_or_word": (True, "auto"),
    "truth_or_number": (True, 1),
    "lists": ([8, 8], [16, 16]),
    "lists_of_lengths": ([8], [8, 16]),
    "list_or_nothing": ([8, 16], None),
    "lists_of_lists": ([[1, 2], [3]], [[1, 2], [4]]),
    "far_from_another": (2**70, 1),
}

DRAWN: Final = ("number_or_word", "word_or_list", "lists", "list_or_nothing")
"""Kinds that differ in how pandas groups them."""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> StudyFrames:
    """A study in two halves, each with one value of each kind."""
    folder = StudyFolder(str(tmp_path_factory.mktemp("mixed")))
    for half in (0, 1):
        for point in synthetic.schedules(seeds=(0, 1), sparsities=(0.9,)):
            made = synthetic.record(point)
            data = made.config["task"]["dataset"] | {k: v[half] for k, v in KINDS.items()}
            config = made.config | {"task": made.config["task"] | {"dataset": data}}
            key = f"{int(made.fingerprint, 16) ^ half:016x}"
            folder.write_record(replace(made, fingerprint=key, config=config))
            folder.write_curve(key, synthetic.curve(made))
    return read(folder.location)


@pytest.mark.parametrize("name", KINDS)
def test_trials_lie_in_a_block_of_each_value(name: str, mixed: StudyFrames) -> None:
    assert len(blocks(mixed.trials, [f"task.dataset.{name}"])) == 2


def test_a_list_beside_what_is_none_reads_as_a_word(mixed: StudyFrames) -> None:
    assert set(mixed.trials["task.dataset.number_or_list"]) == {2, "[1, 2]"}
    assert set(mixed.trials["task.dataset.lists_of_kinds"]) == {(1, "a"), ("b", 2)}


@pytest.mark.parametrize("figure", FIGURES.values(), ids=list(FIGURES))
def test_every_figure_is_drawn_by_each_of_them(figure: Figure, mixed: StudyFrames) -> None:
    frame = source_frame(mixed, figure.source)
    figure.draw(frame)
    for control, offered in offers(figure, frame).items():
        for column in (f"task.dataset.{name}" for name in DRAWN):
            if control == "at" and column in offered:
                figure.draw(frame, at={column: offered[column][-1]})
            elif column in offered:
                figure.draw(frame, **{control: column})


def test_the_report_and_the_tables_are_written(
    mixed: StudyFrames, capsys: pytest.CaptureFixture[str]
) -> None:
    page = render_report(mixed)
    assert "could not be drawn" not in page
    table_of(mixed.trials)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("ending", ["csv", "json", "parquet", "markdown", "latex"])
def test_every_file_holds_them(ending: str, mixed: StudyFrames, tmp_path: Path) -> None:
    target = tmp_path / f"out.{ending}"
    run_results(list(mixed.locations), format=ending, output=str(target))
    assert target.stat().st_size > 1000
    if ending == "parquet":
        held = pd.read_parquet(target)
        assert set(held["task.dataset.far_from_another"]) == {"1", str(2**70)}
        assert set(held["task.dataset.number_or_word"]) == {"2", "large"}
