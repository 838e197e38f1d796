"""The comparison tables of whole studies, as `bimp table` prints them."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from analysis import frames
from analysis.tables import comparisons
from analysis.tables.comparisons import (
    methods_comparison,
    run_table,
    schedules_comparison,
    structures_comparison,
)
from analysis.tables.render import RENDERERS, to_text
from study.cli.table import FORMATS, KINDS
from tests.analysis.small import config, record
from trainables.files.records import StudyFolder


@pytest.fixture
def schedules(tmp_path: Path) -> str:
    """Two schedules at two seeds: means of .72 and .85 on test."""
    study = StudyFolder(str(tmp_path))
    for place, (schedule, accuracy) in enumerate(
        [("ft", 0.70), ("ft", 0.74), ("llr", 0.80), ("llr", 0.90)]
    ):
        metrics = {"val_accuracy": accuracy, "test_accuracy": accuracy}
        own = record(f"t{place}", place % 2, config=config(schedule), metrics=metrics)
        study.write_record(own)
    return study.location


def test_what_is_offered_is_what_there_is() -> None:
    assert set(KINDS) == set(comparisons.KINDS)
    assert set(FORMATS) == set(RENDERERS)


def test_schedules_by_value(schedules: str) -> None:
    rows = list(csv.DictReader(io.StringIO(run_table([schedules], format="csv"))))
    means = {row["retrain.schedule"]: float(row["mean"]) for row in rows}
    assert means == {"ft": pytest.approx(0.72), "llr": pytest.approx(0.85)}


def test_structures_by_value_with_what_each_makes_zero(tmp_path: Path) -> None:
    study = StudyFolder(str(tmp_path))
    for place, (structure, accuracy, zeros) in enumerate(
        [("weights", 0.9, 0.49), ("2:4", 0.8, 0.48), ("2:4", 0.86, 0.48)]
    ):
        metrics = {"test_accuracy": accuracy, "sparsity_all_parameters": zeros}
        chosen = config("llr")
        chosen["prune"] = {**chosen["prune"], "structure": structure}
        study.write_record(record(f"t{place}", place, config=chosen, metrics=metrics))
    rows = list(csv.DictReader(io.StringIO(run_table([study.location], format="csv"))))
    assert [(row["prune.structure"], float(row["mean"])) for row in rows] == [
        ("weights", 0.9), ("2:4", pytest.approx(0.83)),
    ]  # fmt: skip
    table = structures_comparison(frames.trials(study.location))
    assert table is not None
    assert "zeros among all parameters: 49 % under weights and 48 % under 2:4." in table.notes[-1]
    with pytest.raises(
        ValueError, match="--metrics must name one metric for the table of structures, got a,b"
    ):
        run_table([study.location], kind="structures", metrics=["a", "b"])


def test_one_method_or_schedule_makes_no_table(schedules: str) -> None:
    frame = frames.trials(schedules)
    assert methods_comparison(frame) is None
    assert schedules_comparison(frame[frame["retrain.schedule"] == "ft"]) is None
    assert schedules_comparison(frame.iloc[:0]) is None
    with pytest.raises(ValueError, match=r"no two methods with results .* \(4 trials\)"):
        run_table([schedules], kind="methods")
    with pytest.raises(
        ValueError, match=r"--where must leave a trial, got none of 4 trials by 'seed"
    ):
        run_table([schedules], where="seed == 99")
    lines = run_table([schedules], where="retrain.schedule == 'ft'").splitlines()
    assert "by schedule" in lines[0], "one schedule is shown as the end of a run shows it"
    assert any(line.startswith("FT ") for line in lines)


def test_metrics_are_checked(schedules: str) -> None:
    with pytest.raises(ValueError, match="unknown column 'acuracy'"):
        run_table([schedules], metrics=["acuracy"])
    with pytest.raises(ValueError, match=r"^--metrics must name one metric for .*, got a,b"):
        run_table([schedules], kind="schedules", metrics=["a", "b"])


def test_the_file_holds_what_is_returned(schedules: str, tmp_path: Path) -> None:
    out = tmp_path / "own" / "table.tex"
    text = run_table([schedules], format="latex", output=str(out))
    assert out.read_text() == text
    assert "85.00" in text


def test_the_best_of_several_settings_is_said_below_the_table(tmp_path: Path) -> None:
    study = StudyFolder(str(tmp_path))
    tried = [("ft", None, 0.7), ("allr", 0.1, 0.8), ("allr", 0.5, 0.9)]
    for place, (schedule, discount, accuracy) in enumerate(tried):
        retrain = {} if discount is None else {"discount": discount}
        metrics = {"val_accuracy": accuracy, "test_accuracy": accuracy}
        own = config(schedule, **retrain)
        study.write_record(record(f"t{place}", config=own, metrics=metrics))
    frame = frames.trials(study.location)
    table = schedules_comparison(frame)
    assert table is not None
    assert (
        "Where a schedule has several configurations in one place (up to 2), the one that is best"
        " on validation at the other seeds stands for it at each seed. Tries are unequal: ALLR is"
        " the best of 2 settings, FT of 1. With fewer than 3 seeds it cannot be known"
    ) in " ".join(table.notes)
    assert "(too good)" in to_text(table)
    plain = schedules_comparison(frame[frame["retrain.discount"] != 0.1])
    assert plain is not None
    assert not any("several configurations" in note for note in plain.notes)
