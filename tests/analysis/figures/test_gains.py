"""Paired differences, seeds, ranks."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest

from analysis.figures.gains import gains_figure, gains_table
from analysis.figures.ranks import ranks_figure, ranks_table
from analysis.figures.seeds import paired_seeds_figure, paired_seeds_table
from analysis.stats import TestSelectionError, paired
from tests.analysis.hand_made import grid


def rivals() -> pd.DataFrame:
    """allr against ft and llr at two sparsities; a failed seed, an unpaired one, a missing cell."""
    return grid(
        {
            ("allr", 0.8): [0.95, 0.93, 0.97],
            ("ft", 0.8): [0.90, 0.91, None],
            ("llr", 0.8): [0.95, 0.94, 0.96],
            ("allr", 0.9): [0.80],
            ("ft", 0.9): [0.70, 0.72],
        },
        "retrain.schedule", "prune.sparsity",
    )  # fmt: skip


def test_gains_by_value() -> None:
    gains = gains_table(rivals(), metric="val_accuracy", of="allr")
    table: Any = gains.frame.set_index(["rival", "prune.sparsity"])
    ft = table.loc[("ft", 0.8)]
    assert (ft["mean"], ft["n"]) == (pytest.approx(0.035), 2)
    assert (ft["n_unpaired"], ft["n_failed"]) == (1, 1)
    llr = table.loc[("llr", 0.8)]
    assert llr["mean"] == pytest.approx(0.0, abs=1e-12)
    assert llr["n"] == 3
    single = table.loc[("ft", 0.9)]
    assert (single["mean"], single["n"], single["n_unpaired"]) == (pytest.approx(0.1), 1, 1)
    assert math.isnan(single["lo"])
    missing = table.loc[("llr", 0.9)]
    assert missing["n"] == 0
    assert math.isnan(missing["mean"])


def test_gains_agree_with_the_statistics() -> None:
    frame = rivals()
    frame = frame[frame["prune.sparsity"] == 0.8]
    mine = gains_table(frame, metric="val_accuracy", of="allr").frame.set_index("rival").loc["ft"]
    other = paired(frame, "val_accuracy", "allr", "ft", by=["seed"])
    assert mine["mean"] == pytest.approx(other.mean)
    assert (mine["n"], mine["n_unpaired"]) == (other.n, other.pairs.n_unpaired)
    assert (mine["lo"], mine["hi"]) == (pytest.approx(other.lo), pytest.approx(other.hi))


def test_a_lower_loss_is_a_gain() -> None:
    frame = rivals()
    frame["val_loss"] = 1 - frame["val_accuracy"]
    table = gains_table(frame, metric="val_loss", of="allr").frame.set_index(
        ["rival", "prune.sparsity"]
    )
    assert table["mean"][("ft", 0.8)] == pytest.approx(0.035)


def test_the_gain_is_the_leaders_unless_another_is_named() -> None:
    """At 80 % all have seeds 0 and 1 done: llr has 94.5 % there, allr 94, ft 90.5."""
    table = gains_table(rivals(), metric="val_accuracy")
    assert table.facts == "llr" and table.chosen == {"of": "llr"}
    assert any(note.startswith("LLR leads on validation over all settings") for note in table.notes)
    assert not any("leads" in note for note in gains_table(rivals(), of="ft").notes)
    with pytest.raises(ValueError, match="of must be one of ft, llr, allr, got 'clr'"):
        gains_table(rivals(), of="clr")


def test_who_ties_for_the_lead_is_taken_by_name_and_losses_lead_when_low() -> None:
    level = grid({("ft",): [0.9, 0.3], ("allr",): [0.3, 0.9]}, "retrain.schedule")
    assert gains_table(level).facts == "ft"
    losses = level.drop(columns=["val_accuracy", "test_accuracy"]).assign(
        val_loss=[1.0, 2.0, 0.5, 1.0]
    )
    assert gains_table(losses, metric="val_loss").facts == "allr"
    undone = grid({("ft",): [None], ("allr",): [None]}, "retrain.schedule")
    assert gains_table(undone).notes == ("No trial here is done.",)


def test_a_small_gain_is_seen_beside_a_large_one() -> None:
    """3.7 points beside 24: a linear scale gives it .15 of the colour, this one .39."""
    frame = grid(
        {("allr", 0.8): [0.95], ("ft", 0.8): [0.913], ("allr", 0.9): [0.9], ("ft", 0.9): [0.66]},
        "retrain.schedule", "prune.sparsity",
    )  # fmt: skip
    figure = gains_figure(gains_table(frame, metric="val_accuracy"))
    small, large = figure.data[0].z[0]
    assert small / figure.layout.coloraxis2.cmax == pytest.approx(math.sqrt(3.7 / 24))
    assert large == pytest.approx(figure.layout.coloraxis2.cmax)
    bar = figure.layout.coloraxis2.colorbar
    assert list(bar.ticktext) == ["−24", "−6", "0", "6", "24"]
    assert bar.tickvals[3] == pytest.approx(math.sqrt(6))


def test_cells_show_how_sure_a_gain_is() -> None:
    """Differences .05 and .02: spread .0212, error .015, times t of 12.706 gives 19.06 points."""
    figure = gains_figure(gains_table(rivals(), metric="val_accuracy", of="allr"))
    texts = figure.data[0].text
    assert texts[1][0] == "+3.50<br>± 19.1"
    assert texts[1][1] == "+10.00<br>1 pair"


def test_gains_figure() -> None:
    figure = gains_figure(gains_table(rivals(), metric="val_accuracy", of="allr"))
    (heat,) = figure.data
    assert heat.type == "heatmap"
    assert [name.strip() for name in heat.y] == ["LLR", "FT"]
    assert list(heat.x) == ["80<br>2", "90<br>2"]
    firsts = [[cell.split("<br>")[0] for cell in line] for line in heat.text]
    assert firsts == [["0.00", "no pair"], ["+3.50", "+10.00"]]
    assert "2 pairs" in heat.customdata[1][0]
    assert "1 unpaired" in heat.customdata[1][0]
    bar = figure.layout.coloraxis2
    assert (bar.cmin, bar.cmax) == (pytest.approx(-math.sqrt(10)), pytest.approx(math.sqrt(10)))
    assert bar.colorbar.title.text == "gain (points of %)"
    title = "sparsity (% of the prunable weights)<br>retraining (epochs)"
    assert figure.layout.xaxis.title.text == title


def test_gains_of_one_contestant_alone() -> None:
    table = gains_table(grid({("ft",): [0.9]}, "retrain.schedule"), by="retrain.schedule")
    assert table.frame.empty
    figure = gains_figure(table)
    assert not figure.data
    assert figure.layout.annotations[0].text.startswith("Only one schedule was tried")


def test_too_many_blocks_are_refused_in_words() -> None:
    frame = grid(
        {(s, e): [0.9] for s in ("ft", "allr") for e in map(float, range(1, 26))},
        "retrain.schedule", "retrain.epochs",
    )  # fmt: skip
    figure = gains_figure(gains_table(frame, metric="val_accuracy"))
    assert not figure.data
    assert "25 settings are too many" in figure.layout.annotations[0].text


def test_paired_seeds_by_value() -> None:
    table = paired_seeds_table(rivals(), metric="val_accuracy", at={"prune.sparsity": 0.8})
    assert table.frame[["series", "seed"]].to_numpy().tolist() == [
        [name, seed] for name in ("ft", "llr", "allr") for seed in (0, 1, 2)
    ]
    values = table.frame["value"].tolist()
    assert values[:2] == [0.90, 0.91]
    assert math.isnan(values[2])
    assert any("1 failed" in note for note in table.notes)


def test_paired_seeds_figure() -> None:
    table = paired_seeds_table(rivals(), metric="val_accuracy", at={"prune.sparsity": 0.8})
    figure = paired_seeds_figure(table)
    *seeds, mean = figure.data
    assert [trace.name for trace in seeds] == ["seed 0", "seed 1", "seed 2"]
    assert list(seeds[0].x) == ["FT<br>n = 2", "LLR<br>n = 3", "ALLR<br>n = 3"]
    assert list(seeds[2].x) == ["LLR<br>n = 3", "ALLR<br>n = 3"]
    assert list(mean.y) == pytest.approx([90.5, 95.0, 95.0])
    assert "standard deviation 0.71, n = 2" in mean.hovertext[0]
    assert figure.layout.yaxis.title.text == "validation accuracy (%)"


def test_ranks_by_value() -> None:
    frame = grid(
        {
            ("allr", 0.8): [0.9], ("llr", 0.8): [0.9], ("ft", 0.8): [0.7],
            ("allr", 0.9): [0.8], ("llr", 0.9): [0.7], ("ft", 0.9): [0.6],
        },
        "retrain.schedule", "prune.sparsity",
    )  # fmt: skip
    table = ranks_table(frame)
    assert table.frame["entrant"].tolist() == ["allr", "llr", "ft"]
    assert table.frame["mean_rank"].tolist() == [1.25, 1.75, 3.0]
    assert table.facts.n_blocks == 2
    # q(.05, 3, inf) = 3.3145 over the root of 2, times the root of 3 * 4 / (6 * 2)
    assert table.facts.difference == pytest.approx(3.3145 / math.sqrt(2), rel=1e-3)
    assert table.frame["group"].tolist() == [(0,), (0,), (0,)]


def test_ranks_figure() -> None:
    frame = grid(
        {(s, p): [v + p / 10] for s, v in (("ft", 0.1), ("llr", 0.2)) for p in (0.8, 0.9)},
        "retrain.schedule", "prune.sparsity",
    )  # fmt: skip
    figure = ranks_figure(ranks_table(frame))
    assert list(figure.data[0].x) == [1.0, 2.0]
    assert list(figure.layout.yaxis.ticktext) == ["LLR", "FT"]
    assert figure.layout.xaxis.title.text == "mean rank (1 is best)"
    assert "n = 2 settings" in figure.layout.title.subtitle.text


def test_ranks_on_test_are_refused() -> None:
    with pytest.raises(TestSelectionError):
        ranks_table(rivals(), metric="test_accuracy")


def test_ranks_of_one_contestant() -> None:
    figure = ranks_figure(ranks_table(grid({("ft",): [0.9]}, "retrain.schedule")))
    assert not figure.data


def test_a_contestant_that_another_block_has_is_said_to_be_absent_here() -> None:
    places = {("ft", 400): [0.9, 0.9], ("llr", 400): [0.95, 0.95], ("llr", 500): [0.96, 0.97]}
    frame = grid(places, "retrain.schedule", "task.dataset.n_train")
    table = gains_table(frame, of="ft", at={"task.dataset.n_train": 500})
    assert table.frame.empty
    assert table.notes == ("FT was not tried with n train of the data set 500.",)
    with pytest.raises(ValueError, match="of must be one of ft, llr, got 'allr'"):
        gains_table(frame, of="allr", at={"task.dataset.n_train": 400})
