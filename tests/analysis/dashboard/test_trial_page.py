"""What the dashboard says of one trial, and how a figure without data looks."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from analysis.dashboard.address import Address
from analysis.dashboard.facts import cycles, metrics, provenance, settings
from analysis.dashboard.pages import PANELS
from analysis.dashboard.plots import one_trial, panel_table, plot
from analysis.dashboard.watch import Snapshot, Watch
from analysis.drawing import theme
from tests.analysis import synthetic
from tests.analysis.small import record, write_small
from trainables.files.records import StudyFolder


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    folder = write_small(str(tmp_path_factory.mktemp("small")))
    folder.write_record(
        record("told", 7, provenance={
            "host": None, "threads": 2, "stages_trained": ["a1", "b2"],
            "started_at": "2026-01-05T11:00:09.250+01:00", "note": "2026 was a year",
            "code": {"task": "1a2b", "copy": {"of": "3c"}}, "uncut": [],
        })
    )  # fmt: skip
    return Watch([folder.location]).snapshot


def row_of(snapshot: Snapshot, name: str) -> pd.Series[str]:
    return one_trial(snapshot, Address.of(f"?trial={name}")).iloc[0]


def test_settings_say_yes_and_no_and_list_lists(snapshot: Snapshot) -> None:
    found = {fact.label: fact.value for fact in settings(row_of(snapshot, "ft0"))}
    assert found["task.dataset.augment"] == "no"
    assert found["task.model.hidden"] == "64, 32"
    assert found["prune.cycles"] == "2"


def test_numbers_have_words_and_units(snapshot: Snapshot) -> None:
    found = {fact.label: fact.value for fact in metrics(row_of(snapshot, "ft0"))}
    assert found["validation accuracy"].endswith(" %")
    assert found["training time"].endswith(" s")
    assert not [name for name in found if name.endswith(" s")]


def test_cycles_stand_side_by_side_where_there_are_several(snapshot: Snapshot) -> None:
    grid = cycles(snapshot, row_of(snapshot, "ft0"))
    assert grid is not None
    assert grid.headers == (("",), ("cycle 1",), ("cycle 2",))
    assert {len(row) for row in grid.rows} == {3}
    assert "d1" in [row[0].text for row in grid.rows]


def test_one_cycle_says_nothing_beside_the_trials_own_numbers(tmp_path: Path) -> None:
    synthetic.write(tmp_path, [synthetic.Point()])
    alone = Watch([str(tmp_path)]).snapshot
    assert cycles(alone, alone.trials.iloc[0]) is None


def test_how_it_ran_is_said_in_words(snapshot: Snapshot) -> None:
    found = {fact.label: fact.value for fact in provenance(snapshot, row_of(snapshot, "told"))}
    assert found == {
        "host": "–", "threads": "2", "stages trained": "a1, b2",
        "started at": "2026-01-05 10:00:09 UTC", "note": "2026 was a year",
        "code": "copy (of 3c), task 1a2b", "uncut": "none",
    }  # fmt: skip


@pytest.mark.parametrize("schedule", ["slr", "allr"])
def test_a_trials_curve_has_the_colour_of_its_schedule(tmp_path: Path, schedule: str) -> None:
    synthetic.write(tmp_path, [synthetic.Point(schedule=schedule)])
    alone = Watch([str(tmp_path)]).snapshot
    address = Address.of(f"?trial={alone.trials['fingerprint'].iloc[0]}")
    traces = plot(PANELS["trial_curve"], alone, address).drawing.data
    colours = {t["line"].get("color") for t in traces if t.get("name") == schedule.upper()}
    assert colours == {theme.STYLES[schedule].color}


def test_layers_compare_structures_unless_told_otherwise(tmp_path: Path) -> None:
    points = synthetic.schedules(seeds=(0,))
    synthetic.write(tmp_path, [*points, synthetic.Point(structure="filters")])
    several = Watch([str(tmp_path)]).snapshot
    found = plot(PANELS["layers"], several, Address({}))
    (pick,) = [pick for pick in found.picks if pick.name == "by"]
    assert pick.value == "prune.structure"
    assert {trace["name"] for trace in found.drawing.data} == {"weights", "filters"}
    assert all(trace["showlegend"] for trace in found.drawing.data)
    table, _ = panel_table(PANELS["layers"], several, Address.of("?layers.by=retrain.schedule"))
    assert set(table.frame["series"]) == {"ft", "lrw", "slr", "clr", "llr", "allr"}


def test_a_figure_without_data_says_why_below_and_has_no_buttons(tmp_path: Path) -> None:
    StudyFolder(str(tmp_path)).write_record(record("only"))
    found = plot(PANELS["history"], Watch([str(tmp_path)]).snapshot, Address({}))
    assert (found.drawing.data, found.rows) == ([], 0)
    assert found.drawing.notes == ("No trial comes from a search.",)
    assert "zoom2d" in found.drawing.layout["modebar"]["remove"]
