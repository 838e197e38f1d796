"""Studies of odd shapes, read: few trials, unequal cells, tasks that lack what others have."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pandas as pd
import pytest

from analysis.answer.output import to_text
from analysis.answer.whole import answer
from analysis.figures import FIGURES, source_frame
from analysis.findings import sentences
from analysis.frames.study_frames import read
from analysis.panels.picks import offers
from analysis.tables.comparisons import KINDS, table_of
from analysis.tables.results import run_results
from tests.analysis import synthetic
from tests.analysis.synthetic import Point
from trainables.files.records import StudyFolder
from trainables.vocabulary.declarations import Declarations, Metric
from trainables.vocabulary.schema import METRICS

ERRORS: Final = Declarations({"rmse": Metric("less")}, "patients").plain()
NETWORKS: Final[tuple[dict[str, Any], ...]] = (
    {"name": "cnn", "channels": [16, 32, 32], "batch_norm": True},
    {"name": "mlp", "hidden": [64], "dropout": 0.0},
)
SILLY: Final = re.compile(
    r"\b1 (?:seeds|trials|settings|configurations|networks|retrainings|cycles|others)\b"
    r"|\b0 seeds\b|\bnan\b|\bNone (?!is left)|None$|<NA>|\[– to –\]|\.\.(?!\.)|\(\d+,\)|\bat –|, –,"
)
"""What no sentence says: one in the plural, what is missing by Python's name, an empty interval."""


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    """Names that a task declares, known while a test runs."""
    before = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(before)


def points(draw: random.Random) -> list[Point]:
    """Some cells of a small grid, each under seeds of its own, and what did not end as done."""
    kind = draw.choice(("schedules", "methods", "discounts", "search", "structures"))
    every = {
        "schedules": lambda: synthetic.schedules((0, 1, 2), (0.8, 0.95), (1.0, 3.0)),
        "methods": lambda: synthetic.methods((0, 1)),
        "discounts": lambda: synthetic.discounts((0, 1)),
        "search": lambda: synthetic.search(4),
        "structures": lambda: synthetic.structures((0, 1, 2)),
    }[kind]()
    some = draw.sample(every, min(len(every), draw.choice((1, 2, 8, 20))))
    ends = draw.choice((("done",), ("done", "done", "failed", "diverged", "stopped")))
    return [replace(point, state=draw.choice(ends)) for point in some]


def write(location: str, draw: random.Random) -> str:
    """Write a study over one or two data sets and networks, or of a task with lists in it."""
    folder, own = StudyFolder(location), draw.random() < 0.3
    several, untested = draw.random() < 0.6, draw.random() < 0.3
    for n, point in enumerate(points(draw)):
        made = synthetic.record(point)
        task: dict[str, Any] = {
            "dataset": {"name": draw.choice(("digits", "fashion_mnist")) if several else "digits"},
            "model": draw.choice(NETWORKS) if several else NETWORKS[0],
        }
        if own:
            task = {"use": "mine:Task", "stages": draw.choice(([4], [4, 8], None))}
        folder.write_record(
            replace(
                made,
                fingerprint=f"{int(made.fingerprint, 16) ^ n:016x}",
                config={**made.config, "task": task},
                metrics=_measured(made.metrics, own, untested),
                declared=ERRORS if own else {},
            )
        )
    return location


def _measured(metrics: dict[str, float], own: bool, untested: bool) -> dict[str, float]:
    """The metrics under the task's names; none on test where it has no such part."""
    here = {k: v for k, v in metrics.items() if not (untested and "test" in k.split("_"))}
    if not own:
        return here
    return {k.replace("accuracy", "rmse").replace("images", "patients"): v for k, v in here.items()}


def texts(figure: Any) -> Iterator[str]:
    """What a figure says: titles, names and hover texts."""
    for trace in figure.data:
        yield from filter(None, [trace.name, *map(str, getattr(trace, "hovertext", None) or ())])
    yield from (note.text for note in figure.layout.annotations if note.text)


@pytest.mark.parametrize("seed", [1, 2, 6, 8])
def test_what_reads_a_study_of_any_shape_speaks_well(
    seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    draw = random.Random(seed)
    folders = [write(str(tmp_path / f"{n}"), draw) for n in range(draw.choice((1, 1, 2)))]
    study = read(*folders)
    said = [to_text(answer(study)).replace("\n  ", " "), *sentences.findings(study.trials)]
    for kind in (None, *KINDS):
        try:
            said += table_of(study.trials, kind).notes
        except ValueError as refusal:
            said.append(str(refusal))
    for figure in FIGURES.values():
        if figure.name == "importance":
            continue  # its forests take seconds
        frame = source_frame(study, figure.source)
        offered = offers(figure, frame)
        for by in draw.sample(offered.get("by", []), min(1, len(offered.get("by", [])))) or [None]:
            table = figure.tabulate(frame, **({"by": by} if by else {}))
            said += [*table.notes, *texts(figure.figure(table))]
    for level in ("trials", "cycles", "epochs"):
        for given in ({}, {"group_by": ["prune.sparsity"]}, {"where": "seed > 1"}):
            run_results(folders, level, format="markdown", warn=said.append, **given)
    assert [text for text in said if SILLY.search(text)] == []
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("seed", range(2))
def test_means_of_a_table_are_those_of_its_trials(seed: int, tmp_path: Path) -> None:
    """A grid with one setting per schedule and place: nothing is chosen, so means are plain."""
    draw = random.Random(seed)
    every = synthetic.schedules((0, 1, 2), (0.8, 0.95), (1.0, 3.0))
    study = read(synthetic.write(tmp_path, draw.sample(every, 40)))
    keys = ["retrain.schedule", "prune.sparsity", "retrain.epochs"]
    done = study.trials[study.trials["state"] == "done"]
    plain = done.groupby(keys)["test_accuracy"].agg(["mean", "size"])
    cells = table_of(study.trials, "schedules").cells.set_index(keys)
    known = cells[cells["n"] > 0]
    assert known["n"].to_dict() == {**plain["size"].to_dict(), **_dense(known["n"])}
    shared = known.loc[plain.index, "mean"]
    pd.testing.assert_series_equal(shared, plain["mean"], check_names=False)


def _dense(column: pd.Series[Any]) -> dict[Any, Any]:
    """The rows of the dense network, which no trial of a schedule is."""
    every: dict[Any, Any] = column.to_dict()
    return {key: value for key, value in every.items() if "dense" in key}
