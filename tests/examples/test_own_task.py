"""The example of a user's own task, run as it is written, through Ray."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from analysis import frames
from study import Study

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_task"
QUICK = ["seeds=[0]", "dense.epochs=3", "retrain.epochs=1", "task.n=200"]


@pytest.mark.ray
@pytest.mark.slow
def test_the_example_runs_and_its_code_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    shutil.copytree(EXAMPLE, place)
    out = tmp_path / "out"
    study = Study.load(place / "study.yaml", QUICK)
    summary = study.run(out)
    assert summary.complete
    trials = frames.trials(str(out))
    assert len(trials) == 8
    assert set(trials["task.use"]) == {"my_task:Shapes"}
    assert trials["test_accuracy"].max() > 0.9
    copies = [path for path in (out / "code").iterdir() if path.is_dir()]
    assert [(copy / "my_task.py").read_text() for copy in copies] == [
        (place / "my_task.py").read_text()
    ]
    assert Study.load(place / "study.yaml", QUICK).plan(out).settled == 8

    source = place / "my_task.py"
    text = source.read_text()
    source.write_text(text.replace("* 0.4", "* 0.5"))
    assert Study.load(place / "study.yaml", QUICK).plan(out).settled == 0
    source.write_text(text)
    assert Study.load(place / "study.yaml", QUICK).plan(out).settled == 8
