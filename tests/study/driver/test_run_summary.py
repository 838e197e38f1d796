"""What a run prints at its end: the table compares what the study compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.definition.studyfile import StudyFile, load
from study.driver.run_summary import RunSummary, in_words
from study.points.resolve import resolve
from tests.analysis import synthetic
from tests.analysis.small import record
from trainables.files.records import StudyFolder


@pytest.mark.parametrize(
    ("points", "heading", "rows"),
    [
        (synthetic.structures(seeds=(0, 1)), "by structure", ["weights", "filters"]),
        (synthetic.schedules(seeds=(0, 1)), "by schedule", ["FT", "ALLR"]),
        (synthetic.schedules(seeds=(0,), sparsities=(0.9,))[:1], "by schedule", ["FT"]),
    ],
    ids=["structures", "schedules", "one schedule"],
)
def test_the_table_is_of_what_the_study_compares(
    tmp_path: Path, points: list[Any], heading: str, rows: list[str]
) -> None:
    folder = str(synthetic.write(tmp_path, points))
    summary = RunSummary(folder, len(points), len(points), [], 1.0, None)
    text = in_words(summary, resolve(load("digits")))
    assert heading in text
    lines = [line.split()[0] for line in text.splitlines() if line.strip()]
    assert all(name in lines for name in rows)


def test_several_settings_are_not_averaged(tmp_path: Path) -> None:
    """One of two numbers of cycles stands for each schedule, as in `bimp table`."""
    points = [
        synthetic.Point(schedule=schedule, cycles=cycles, seed=seed)
        for schedule in ("ft", "allr")
        for cycles in (1, 2)
        for seed in (0, 1, 2)
    ]
    folder = synthetic.write(tmp_path, points)
    summary = RunSummary(folder, len(points), len(points), [], 1.0, None)
    text = " ".join(in_words(summary, resolve(load("digits"))).split())
    assert "best on validation at the other seeds stands for it at each seed" in text
    assert "Some means run over" not in text
    assert "n = 3 in every cell" in text


def test_trials_of_the_study_that_collapsed_are_counted(tmp_path: Path) -> None:
    """Of three one kept all layers; a fourth is outside the study as it is now."""
    raw = load("digits").raw() | {"seeds": [0, 1, 2]}
    raw["retrain"] = {"schedule": "ft", "epochs": 1}
    raw["prune"] = {"sparsity": 0.9}
    resolved = resolve(StudyFile.of(raw))
    assert resolved.trials is not None
    names = [*(trial.fingerprint for trial in resolved.trials), "another"]
    folder = StudyFolder(str(tmp_path))
    for name, seed, layers in zip(names, (0, 1, 2, 3), (1.0, 0.0, 2.0, 1.0), strict=True):
        folder.write_record(
            record(name, seed, metrics={"val_accuracy": 0.1, "collapsed_layers": layers})
        )
    records = folder.records().records
    summary = RunSummary(str(tmp_path), 3, 3, [], 1.0, None, records=records)
    assert "collapsed: 2 trials ended with a layer" in in_words(summary, resolved)
