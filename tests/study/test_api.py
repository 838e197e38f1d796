"""The Python API says what the command says, and imports no engine before it is used."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path

import pytest

import study.api
from analysis.tables.comparisons import run_table
from study import Study
from study.definition.studyfile import StudyFile, load
from study.points.resolve import resolve
from study.views.plan import plan
from tests.analysis.small import write_small
from trainables.vocabulary.refusal import Refusal


def test_a_preset_and_its_plan(tmp_path: Path) -> None:
    digits = Study.load("digits", ["seeds=[0, 1]"])
    assert digits.name == "digits"
    assert digits.plan(tmp_path / "out") == plan(
        resolve(load("digits", ["seeds=[0, 1]"])), str(tmp_path)
    )
    assert digits.plan(tmp_path / "out").trials == 72


def test_a_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("{name: mine, task: {dataset: digits, model: mlp}, prune: {sparsity: 0.5}}")
    assert Study.load(path).name == "mine"


def test_plain_data_is_checked() -> None:
    raw = {
        "name": "short",
        "task": {"dataset": "digits", "model": "mlp"},
        "dense": {"epochs": 2},
        "prune": {"sparsity": 1.0},
        "retrain": {"epochs": 1},
    }
    wrong = Study.of(raw)
    with pytest.raises(Refusal, match=r"prune\.sparsity must be < 1, got 1\.0"):
        wrong.check()
    Study.of({**raw, "prune": {"sparsity": 0.5}}).check()
    with pytest.raises(Refusal, match="prunes must be a known key"):
        Study.of({**raw, "prunes": {}})


def test_the_folder_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert Study.load("digits").folder() == str(tmp_path / "results" / "digits")
    assert Study.load("digits").folder("elsewhere") == str(tmp_path / "elsewhere")
    assert Study.load("digits").folder("s3://bucket/digits") == "s3://bucket/digits"


def test_a_study_answers_from_its_folder(tmp_path: Path) -> None:
    digits = Study.load("digits")
    with pytest.raises(FileNotFoundError):
        digits.answer(tmp_path / "nowhere")
    answer = digits.answer(write_small(str(tmp_path / "small")).location)
    assert answer.counts.trials == sum(answer.counts.states.values()) > 0
    assert dict(answer.card.facts)["data"].startswith("digits")


def test_a_study_is_opened_in_its_folder(tmp_path: Path) -> None:
    folder = write_small(str(tmp_path / "small")).location
    opened = Study.open(folder)
    assert (opened.name, opened.folder(), opened.folder(tmp_path / "x")) == (
        "small", folder, str(tmp_path / "x"),
    )  # fmt: skip
    assert opened.answer() == Study.load("digits").answer(folder)
    with pytest.raises(Refusal, match="DIR must be a study folder"):
        Study.open(tmp_path / "nowhere")


def test_a_table_is_that_of_the_command(tmp_path: Path) -> None:
    """By hand: ft has 0.79 and 0.81 on test, allr 0.89 and 0.85."""
    opened = Study.open(write_small(str(tmp_path)).location)
    table = opened.table()
    means = table.cells[table.cells["n"] > 0].set_index("retrain.schedule")["mean"]
    assert means["ft"] == pytest.approx(0.80) and means["allr"] == pytest.approx(0.87)
    assert str(table) == run_table([opened.folder()])
    assert table.to("latex") == run_table([opened.folder()], format="latex")
    assert table._repr_html_() == run_table([opened.folder()], format="html")
    of_one_seed = opened.table(where="seed == 0", metrics=["val_accuracy"]).cells
    assert set(of_one_seed["mean"].dropna().round(6)) == {0.8, 0.9}
    with pytest.raises(ValueError, match="kind must be one of methods, schedules, structures"):
        opened.table("schedule")
    with pytest.raises(ValueError, match="has no two structures"):
        opened.table("structures")
    with pytest.raises(ValueError, match="form must be one of"):
        table.to("pdf")


def test_a_notebook_shows_the_answer_or_the_file(tmp_path: Path) -> None:
    folder = write_small(str(tmp_path / "small"))
    shown = Study.open(folder.location)._repr_html_()
    assert "<h4>What to use</h4>" in shown or "<h4>Answer</h4>" in shown or "<li>" in shown
    assert "<table>" in shown and "ALLR" in shown
    assert repr(Study.open(folder.location)) == f"Study('small', in '{folder.location}')"
    raw = {"name": "new", "task": {"use": "<b>:x"}}
    fresh = Study(StudyFile.of(raw), str(tmp_path / "none"))._repr_html_()
    assert "Not run yet" in fresh and "&lt;b&gt;:x" in fresh and "<b>" not in fresh
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "study.yaml").write_text("name: new\n")
    assert "has ended yet" in Study(StudyFile.of(raw), str(tmp_path / "empty"))._repr_html_()


def test_the_example_of_its_docstring() -> None:
    assert doctest.testmod(study.api).failed == 0


def test_importing_study_imports_no_engine() -> None:
    code = (
        "import sys, study; from study import Study; Study.load('digits').check();"
        "heavy = {'torch', 'ray', 'pandas', 'plotly', 'scipy', 'optuna'} & set(sys.modules);"
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="Studies"):
        _ = study.Studies
