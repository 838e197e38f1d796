"""What a page offers beside its figures, and what it draws without being asked."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from analysis.figures import FIGURES
from analysis.frames.study_frames import read
from analysis.report.exhibits import Exhibit, exhibit, exhibits
from analysis.selection.objectives import declared_objectives
from tests.analysis import synthetic
from tests.analysis.hand_made import trials
from trainables.files.records import StudyFolder


def test_a_block_without_a_value_has_no_selector(tmp_path: Path) -> None:
    """Most trials are of a task that has no such setting; another has two values of it."""
    rows = [
        {"task.dataset": "a", "seed": seed, "prune.sparsity": sparsity}
        for seed in range(3)
        for sparsity in (0.8, 0.9)
    ]
    rows += [{"task.dataset": "b", "task.dataset.n_train": n, "seed": 0} for n in (500, 1000)]
    frame = trials(*rows).astype({"task.dataset.n_train": object})
    made = exhibit(FIGURES["accuracy_by_sparsity"], frame)
    assert isinstance(made, Exhibit)
    assert "at.task.dataset.n_train" not in [selector.name for selector in made.selectors]
    assert "at.task.dataset" in [selector.name for selector in made.selectors]


def test_the_front_is_that_of_the_objectives_that_the_study_declares(tmp_path: Path) -> None:
    """The third is beaten in accuracy and sparsity by the second, but is the shortest."""
    folder = StudyFolder(str(tmp_path))
    found = [(0.95, 0.80, 3.0), (0.90, 0.90, 3.0), (0.85, 0.85, 1.0), (0.80, 0.80, 3.0)]
    for place, (accuracy, sparsity, epochs) in enumerate(found):
        made = synthetic.record(synthetic.Point(sparsity=0.5 + place / 10))
        metrics = {"val_accuracy": accuracy, "sparsity": sparsity, "retrain_epochs": epochs}
        folder.write_record(replace(made, metrics=metrics))
    asked = "{val_accuracy: max, sparsity: max, retrain_epochs: min}"
    (tmp_path / "study.yaml").write_text(f"name: front\nsearch: {{objectives: {asked}}}\n")
    study = read(str(tmp_path))
    objectives = declared_objectives(study.settings, study.trials)
    assert objectives == {"val_accuracy": "max", "sparsity": "max", "retrain_epochs": "min"}
    (front,) = [one for one in exhibits(study)[0] if one.figure.name == "pareto"]
    assert list(front.table.columns[1:4]) == list(objectives)
    by_accuracy = front.table.sort_values("val_accuracy", ascending=False)
    assert by_accuracy["front"].tolist() == [True, True, True, False]
    assert [(one.name, one.value) for one in front.selectors] == [
        ("y", "val_accuracy"), ("x", "sparsity"), ("level", "retrain_epochs"),
    ]  # fmt: skip
    y, x, level = (one.values for one in front.selectors)
    assert y == ["val_accuracy", "retrain_epochs"] and x == ["sparsity", "retrain_epochs"]
    drawn = json.loads(front.payload)["variants"]
    assert len(drawn) == len(x) * len(y) * len(level)
    same = drawn[f"1|1|{level.index('none')}"]
    assert same["notes"] == ["A front needs two objectives, and these are the same."]
    # epochs over sparsity: what tells the fronts apart lies upwards, so there is one front
    turned = drawn[f"1|0|{level.index('retrain_epochs')}"]
    assert turned["layout"]["yaxis"]["title"]["text"] == "retraining (epochs, less is better)"
    assert [one["name"] for one in turned["data"] if one.get("mode") == "lines"] == ["front"]
    (matter,) = [one for one in exhibits(study)[0] if one.figure.name == "importance"]
    # Sparsity and retraining are settings themselves.
    assert matter.table["metric"].unique().tolist() == ["val_accuracy"]
    assert "metric" not in [selector.name for selector in matter.selectors]


@pytest.mark.parametrize(
    "asked",
    ["{val_accuracy: max}", "{test_accuracy: max, sparsity: max}", "{d1: min, d2: up}", "3"],
)
def test_objectives_that_make_no_front_are_not_taken(tmp_path: Path, asked: str) -> None:
    StudyFolder(str(tmp_path)).write_record(synthetic.record(synthetic.Point()))
    (tmp_path / "study.yaml").write_text(f"name: front\nsearch: {{objectives: {asked}}}\n")
    assert declared_objectives(read(str(tmp_path)).settings, read(str(tmp_path)).trials) == {}


def test_a_figure_that_fails_leaves_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for schedule in ("ft", "allr"):
        StudyFolder(str(tmp_path)).write_record(
            synthetic.record(synthetic.Point(schedule=schedule))
        )
    study = read(str(tmp_path))
    names = [one.figure.name for one in exhibits(study)[0]]

    def failing(table: object) -> None:
        raise KeyError("dense.batch_size")

    broken = replace(FIGURES["accuracy_by_sparsity"], figure=failing)
    monkeypatch.setitem(FIGURES, "accuracy_by_sparsity", broken)
    shown, absent = exhibits(study)
    assert [one.figure.name for one in shown] == [n for n in names if n != "accuracy_by_sparsity"]
    (why,) = [one.reason for one in absent if one.figure.name == "accuracy_by_sparsity"]
    assert why == "It could not be drawn (KeyError: 'dense.batch_size')."
    assert "Traceback" in capsys.readouterr().err


def test_thousands_of_levels_are_cut_at_once_and_the_start_stays() -> None:
    """They were dropped one by one, each by a look at all: a report of a search never ended."""
    rows = [{"prune.sparsity": 0.5 + n / 8000, "seed": 0} for n in range(3000)]
    rows += [{"prune.sparsity": 0.9, "seed": seed} for seed in (1, 2)]
    frame = trials(*rows).assign(d_adaptive=0.5)
    made = exhibit(FIGURES["schedules"], frame)
    assert isinstance(made, Exhibit)
    (levels,) = [selector for selector in made.selectors if selector.name == "at.prune.sparsity"]
    assert len(levels.options) <= 12
    assert (levels.values[-1], levels.value) == (0.9, 0.9)
