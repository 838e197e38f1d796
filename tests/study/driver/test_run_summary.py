"""What a run prints at its end: the table compares what the study compares."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from study.definition.studyfile import load
from study.driver.run_summary import RunSummary, in_words
from study.points.resolve import resolve
from tests.analysis import synthetic


@pytest.mark.parametrize(
    ("points", "heading", "rows"),
    [
        (synthetic.structures(seeds=(0, 1)), "by structure", ["weights", "filters"]),
        (synthetic.schedules(seeds=(0, 1)), "by schedule", ["ft", "allr"]),
        (synthetic.schedules(seeds=(0,), sparsities=(0.9,))[:1], "by schedule", ["ft"]),
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
