"""Single trials by hand: their names, siblings, the best ones, curves and layers side by side."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.figures import source_frame
from analysis.frames import read
from analysis.workbench.choice_lists import best_trials, siblings
from analysis.workbench.curves import SIDE_CURVES
from analysis.workbench.layers import SIDE_LAYERS
from analysis.workbench.naming import named_trials
from analysis.workbench.timeline import MOST_BARS, TIMELINE
from tests.analysis.small import hand_frame, write_small

COLUMNS = ("fingerprint", "prune.sparsity", "retrain.schedule", "seed", "retrain_seed",
           "val_accuracy", "test_accuracy")  # fmt: skip


def trials(*rows: tuple[str, float, str, int, float, float], **constants: object) -> pd.DataFrame:
    """Trials: name, sparsity, schedule, seed, validation and test accuracy."""
    return hand_frame(COLUMNS, [(*row[:4], 0, *row[4:]) for row in rows], **constants)


FOUR = trials(
    ("a", 0.9, "ft", 0, 0.80, 0.79), ("b", 0.9, "ft", 1, 0.90, 0.70),
    ("c", 0.9, "allr", 0, 0.90, 0.91), ("d", 0.95, "allr", 0, 0.60, 0.61),
)  # fmt: skip


def test_trials_are_named_by_what_differs() -> None:
    assert list(named_trials(FOUR).values()) == [
        "90 %, FT, seed 0", "90 %, FT, seed 1", "90 %, ALLR, seed 0", "95 %, ALLR, seed 0",
    ]  # fmt: skip
    assert list(named_trials(FOUR.iloc[:2]).values()) == ["seed 0", "seed 1"]
    assert list(named_trials(FOUR.iloc[:1]).values()) == ["FT, 90 %, seed 0"]


def test_equal_names_are_told_apart_by_the_fingerprint() -> None:
    frame = trials(("aaaaaa1", 0.9, "ft", 0, 0.8, 0.8), ("bbbbbb2", 0.9, "ft", 0, 0.8, 0.8))
    assert list(named_trials(frame).values()) == ["seed 0, aaaaaa", "seed 0, bbbbbb"]


def cells(found: object) -> list[list[str]]:
    return [[cell.text for cell in row] for row in found.table.rows]  # type: ignore[attr-defined]


def test_the_best_are_chosen_on_validation_at_each_sparsity() -> None:
    """b and c tie on validation, and stand in the order of the frame, b's test being worse."""
    found = best_trials(FOUR, each=2)
    assert found is not None
    assert cells(found) == [
        ["b", "90 %", "FT", "1", "90 %", "70 %"],
        ["c", "90 %", "ALLR", "0", "90 %", "91 %"],
        ["d", "95 %", "ALLR", "0", "60 %", "61 %"],
    ]
    assert found.keys == (("small", "b"), ("small", "c"), ("small", "d"))
    assert len(found.table.notes) == 1


def test_ties_beyond_the_list_are_counted() -> None:
    found = best_trials(FOUR, each=1)
    assert found is not None
    assert [key for _, key in found.keys] == ["b", "d"]
    assert found.table.notes[1:] == ("At 90 % 1 further trial is as good as the last one shown.",)


def test_what_did_not_end_well_is_never_best() -> None:
    assert best_trials(FOUR.assign(state="diverged")) is None
    assert best_trials(FOUR.assign(val_accuracy=float("nan"))) is None
    assert best_trials(FOUR.iloc[:0]) is None
    lost = FOUR.assign(state=["done", "stopped", "done", "done"])
    found = best_trials(lost, each=1)
    assert found is not None and [key for _, key in found.keys] == ["c", "d"]


def test_siblings_differ_in_their_seeds_alone() -> None:
    found = siblings(FOUR, FOUR.iloc[1])
    assert found is not None
    assert found.keys == (("small", "a"), ("small", "b"))
    assert cells(found)[0][:3] == ["a", "0", "done"]
    assert siblings(FOUR, FOUR.iloc[2]) is None


def test_missing_and_listed_settings_are_compared_as_such() -> None:
    """x and y share a missing discount and a list; z has another list."""
    frame = trials(*[(name, 0.9, "ft", seed, 0.8, 0.8) for seed, name in enumerate("xyz")]).assign(
        **{
            "retrain.discount": [None, float("nan"), None],
            "task.model.hidden": pd.Series([(64, 32), (64, 32), (64,)], dtype=object),
        }
    )
    found = siblings(frame, frame.iloc[0])
    assert found is not None and [key for _, key in found.keys] == ["x", "y"]


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return write_small(str(tmp_path)).location


def test_curves_side_by_side(folder: str) -> None:
    """The trials' own curves by hand: dense runs of three epochs, two cycles of two."""
    epochs = source_frame(read(folder), "epochs")
    both = epochs[epochs["fingerprint"].isin(["ft0", "allr1"])]
    table = SIDE_CURVES.tabulate(both)
    rows = table.frame[table.frame["fingerprint"] == "allr1"]
    assert rows["trained"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert rows["value"].tolist() == [0.6, 0.7, 0.8, 0.5, 0.6, 0.6, 0.7]
    figure = SIDE_CURVES.figure(table)
    named = [trace.name for trace in figure.data if trace.showlegend]
    assert named == ["ALLR, discount d adaptive, seed 1", "FT, seed 0"]
    assert [list(trace.x) for trace in figure.data] == [[3, 4, 5, 6, 7], [1, 2, 3]] * 2
    assert figure.layout.yaxis.title.text == "validation accuracy (%)"
    assert max(max(trace.y) for trace in figure.data) == pytest.approx(80)


def test_side_by_side_curves_show_what_each_prune_left(folder: str) -> None:
    """A cycle of allr1 begins at .8 and .6, falls to .2 and .4, and rises from there."""
    epochs = source_frame(read(folder), "epochs")
    left = {("allr1", 1, 0): 0.2, ("allr1", 2, 0): 0.4}
    keys = zip(epochs["fingerprint"], epochs["cycle"], epochs["epoch"], strict=True)
    pruned = epochs.assign(pruned_val_accuracy=[left.get(key) for key in keys])
    table = SIDE_CURVES.tabulate(pruned[pruned["fingerprint"].isin(["ft0", "allr1"])])
    rows = table.frame[table.frame["fingerprint"] == "allr1"]
    assert rows["trained"].tolist() == [1, 2, 3, 3, 4, 5, 5, 6, 7]
    assert rows["value"].tolist() == [0.6, 0.7, 0.8, 0.2, 0.5, 0.6, 0.4, 0.6, 0.7]
    assert rows["event"].tolist() == [*["epoch"] * 3, "pruned", *["epoch"] * 2, "pruned",
                                      *["epoch"] * 2]  # fmt: skip
    figure = SIDE_CURVES.figure(table)
    line, rings = figure.data[0], figure.data[1]
    assert list(line.x) == [3, 3, 4, 5, 5, 6, 7]
    assert "right after the prune of cycle 2" in line.hovertext[4]
    assert (list(rings.x), list(rings.y), rings.marker.symbol) == ([3, 5], [20, 40], "circle-open")
    assert "right after a prune" in [trace.name for trace in figure.data if trace.showlegend]


def test_layers_side_by_side(folder: str) -> None:
    layers = source_frame(read(folder), "layers")
    figure = SIDE_LAYERS.draw(layers[layers["fingerprint"].isin(["ft0", "ft1"])])
    assert [list(trace.x) for trace in figure.data] == [[95, 50], [95, 50]]
    assert [trace.name for trace in figure.data] == ["seed 0", "seed 1"]


def work(n: int) -> pd.DataFrame:
    start = pd.Timestamp("2026-01-05T10:00:00Z")
    return pd.DataFrame({
        "study": "small", "fingerprint": [f"t{k}" for k in range(n)], "state": "done",
        "host": "a", "node": None, "worker": None, "device": "cpu",
        "lane": [1 + k % 2 for k in range(n)],
        "started": [start + pd.Timedelta(seconds=60 * k) for k in range(n)],
        "finished": [start + pd.Timedelta(seconds=60 * k + 30) for k in range(n)],
        "trained": 1.0, "shared": 2.0, "seed": 0,
        "retrain.schedule": ["ft" if k % 3 else "allr" for k in range(n)], "method": "imp",
    })  # fmt: skip


def test_the_timeline_has_a_bar_per_trial() -> None:
    table = TIMELINE.tabulate(work(3))
    assert table.by == "retrain.schedule"
    assert table.frame["series"].tolist() == ["allr", "ft", "ft"]
    assert table.notes[0] == (
        "These trials trained 3 stages themselves, and 6 times found one that was there already."
    )
    figure = TIMELINE.figure(table)
    bars = {trace.name: trace for trace in figure.data}
    assert list(bars["FT"].x) == [30_000, 30_000] and list(bars["FT"].y) == ["a · 2", "a · 1"]
    assert str(bars["ALLR"].base[0]).startswith("2026-01-05T10:00")
    assert "10:01:00 UTC, 30 s, on a<br>stages: 1 trained, 2 found" in bars["FT"].hovertext[0]


def test_the_timeline_says_what_its_rows_are() -> None:
    """Of older records the worker is not known; where it is, the rows are workers."""
    guess = "a trial is drawn in the first row of its machine that is free."
    old = TIMELINE.tabulate(work(4))
    assert old.notes[1] == f"Which worker had which trial is not recorded: {guess}"
    assert "worker" not in TIMELINE.figure(old).data[0].hovertext[0]
    new = TIMELINE.tabulate(work(4).assign(worker=["x" * 20, "y", "x" * 20, "y"], node="n" * 20))
    crew = "A row holds the trials of one worker, and of those that came when it had gone"
    assert new.notes[1] == f"{crew}: 2 workers in all."
    (first,) = (one for one in TIMELINE.figure(new).data if one.name == "ALLR")
    assert f"worker {'x' * 12}<br>node {'n' * 12}<br>" in first.hovertext[0]
    both = TIMELINE.tabulate(work(3).assign(worker=["x", None, None]))
    assert both.notes[1].endswith(f"Of 2 trials the worker is not recorded: such {guess}")


def test_one_stage_that_was_found_is_once() -> None:
    table = TIMELINE.tabulate(work(2).assign(shared=[1.0, 0.0]))
    assert "trained 2 stages themselves, and once found one that was there" in table.notes[0]


def test_what_did_not_end_well_is_hatched_and_in_the_legend() -> None:
    figure = TIMELINE.draw(work(3).assign(state=["failed", "done", "diverged"]))
    bars = {trace.name: trace for trace in figure.data}
    assert list(bars["ALLR"].marker.pattern.shape) == ["/"]
    assert list(bars["FT"].marker.pattern.shape) == ["", "/"]
    assert "schedule FT, diverged<br>" in bars["FT"].hovertext[1]
    assert "did not end well" in bars
    assert len(TIMELINE.draw(work(3)).data) == 2


def test_of_very_many_trials_the_last_are_drawn() -> None:
    table = TIMELINE.tabulate(work(MOST_BARS + 1))
    assert len(table.frame) == MOST_BARS and table.frame["fingerprint"].iloc[0] == "t1"
    assert table.notes[-1] == f"The last {MOST_BARS:,} of {MOST_BARS + 1:,} trials are shown."


def test_a_study_without_moments_has_no_timeline(folder: str) -> None:
    frame = source_frame(read(folder), "work")
    assert frame.empty
    assert not TIMELINE.draw(frame).data
