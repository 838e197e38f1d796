"""The examples of a user's own task, as they are written but shorter, through one Ray."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from analysis import frames
from analysis.tables.content import comparison_table
from analysis.tables.render import to_text
from study import Study
from study.driver import ray_session

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = ["seeds=[0]", "dense.epochs=3", "retrain.epochs=1", "task.n=200"]
QUICKER = ["seeds=[0]", "dense.epochs=1", "retrain.epochs=1", "prune.sparsity=0.5"]


@pytest.fixture(scope="module")
def shared_ray() -> Iterator[None]:
    """A Ray that stays up, and that the studies join: to start it takes longer than any of them."""
    with ray_session.session(None, cpus=2, gpus=0):
        yield


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("shared_ray")
def test_the_example_runs_and_its_code_is_kept(tmp_path: Path) -> None:
    place = tmp_path / "mine"
    shutil.copytree(EXAMPLES / "own_task", place)
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


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.usefixtures("shared_ray")
@pytest.mark.parametrize(
    ("place", "sets", "deciding", "title"),
    [
        ("timm_network", ["retrain.schedule=llr"], "test_accuracy", "Test accuracy at the end"),
        ("regression", [], "val_mse", "Validation mean squared error at the end"),
    ],
)
def test_an_example_runs_and_its_table_reports_what_it_declares(
    place: str, sets: list[str], deciding: str, title: str, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    summary = Study.load(EXAMPLES / place / "study.yaml", [*QUICKER, *sets]).run(out)
    assert summary.complete
    trials = frames.trials(str(out))
    assert trials[deciding].notna().all()
    assert to_text(comparison_table(trials)).startswith(title)


def test_a_network_of_timms_is_a_task_in_forty_lines() -> None:
    source = (EXAMPLES / "timm_network" / "timm_task.py").read_text()
    assert len(source.splitlines()) < 40
