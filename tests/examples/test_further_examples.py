"""The further examples, as they are written but shorter, through Ray to a table."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis import frames
from analysis.tables.content import comparison_table
from analysis.tables.render import to_text
from study import Study

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "deciding", "title"),
    [
        ("timm_network", "test_accuracy", "Test accuracy at the end"),
        ("regression", "val_mse", "Validation mean squared error at the end"),
    ],
)
def test_an_example_runs_and_its_table_reports_what_it_declares(
    place: str, deciding: str, title: str, tmp_path: Path
) -> None:
    shorter = ["seeds=[0]", "dense.epochs=1", "retrain.epochs=1", "prune.sparsity=0.5"]
    out = tmp_path / "out"
    summary = Study.load(EXAMPLES / place / "study.yaml", shorter).run(out)
    assert summary.complete
    trials = frames.trials(str(out))
    assert trials[deciding].notna().all()
    assert to_text(comparison_table(trials)).startswith(title)


def test_a_network_of_timms_is_a_task_in_forty_lines() -> None:
    source = (EXAMPLES / "timm_network" / "timm_task.py").read_text()
    assert len(source.splitlines()) < 40
