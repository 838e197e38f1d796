"""Which settings matter: exact on grids, by trees elsewhere; what tells the best tenth apart."""

from __future__ import annotations

import logging

import numpy as np
import pandas as pd
import pytest

from analysis.evidence import shares
from analysis.evidence.shares import FEWEST
from analysis.figures.importance import importance_figure, importance_table
from analysis.stats import TestSelectionError
from tests.analysis.figures.test_search import searched
from tests.analysis.hand_made import grid

FIRST, SECOND = "retrain.schedule", "prune.sparsity"


def table_with_interaction() -> pd.DataFrame:
    """A 3 x 3 grid at two seeds, worked out below; seed 1 is .01 above seed 0 throughout."""
    cells = {"ft": (0.9, 0.8, 0.4), "slr": (0.9, 0.8, 0.7), "allr": (0.9, 0.8, 0.7)}
    return grid(
        {(name, sparsity): [value, value + 0.01] for name, row in cells.items()
         for sparsity, value in zip((0.8, 0.9, 0.95), row, strict=True)},
        FIRST, SECOND,
    )  # fmt: skip


def test_a_grid_splits_exactly_into_settings_and_their_interaction() -> None:
    # Means by schedule .7 .8 .8, by sparsity .9 .8 .6, of all 2.3 / 3: in units of .1 / 3 the
    # effects are -2 1 1 and 4 1 -5, whose squares make 3 x 6 = 18 and 3 x 42 = 126. The interaction
    # is what is left of each cell, 2 2 -4 for ft and -1 -1 2 for the others: 24 + 6 + 6 = 36.
    # In all 180.
    table = importance_table(table_with_interaction()).frame.set_index("parameter")
    assert table["importance"].to_dict() == pytest.approx(
        {SECOND: 126 / 180, FIRST: 18 / 180, f"{SECOND} × {FIRST}": 36 / 180}
    )
    assert table["order"].tolist() == [1, 1, 2]
    assert (table["how"] == "exact ANOVA").all()
    assert (table["n"] == 9).all() and (table["n_seeds"] == 2).all()
    assert table["spread"].isna().all()


def test_the_exact_split_agrees_with_statsmodels() -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    frame = table_with_interaction()
    rng = np.random.default_rng(2)
    frame["val_accuracy"] += rng.normal(0, 0.01, len(frame))
    table = importance_table(frame).frame
    plain = frame.rename(columns={FIRST: "a", SECOND: "b", "val_accuracy": "y"})
    oracle = anova_lm(ols("y ~ C(a) * C(b) + C(seed)", plain).fit(), typ=2)
    squares = oracle.loc[["C(a)", "C(b)", "C(a):C(b)"], "sum_sq"]
    mine = {"prune.sparsity": "C(b)", "retrain.schedule": "C(a)"}
    for row in table.to_dict("records"):
        term = mine.get(row["parameter"], "C(a):C(b)")
        assert row["importance"] == pytest.approx(squares[term] / squares.sum())
        assert row["p"] == pytest.approx(oracle.loc[term, "PR(>F)"])


def test_a_failure_leaves_the_grid_to_the_other_seed_and_two_leave_none() -> None:
    frame = table_with_interaction()
    frame.loc[0, "state"] = "failed"
    assert (importance_table(frame).frame["n_seeds"] == 1).all()
    frame.loc[1, "state"] = "failed"  # the cell has no trial left
    assert importance_table(frame).frame["parameter"].isna().all()  # and nine are too few for trees


def test_every_objective_is_judged() -> None:
    frame = table_with_interaction().assign(epochs=[1.0, 2.0, 3.0] * 6)
    table = importance_table(frame, objectives={"val_accuracy": "max", "epochs": "min"}).frame
    assert table["metric"].unique().tolist() == ["val_accuracy", "epochs"]
    figure = importance_figure(importance_table(frame, objectives=("val_accuracy", "epochs")))
    assert [trace.yaxis for trace in figure.data] == ["y", "y2"]  # a panel each
    assert [note.text for note in figure.layout.annotations] == [
        "validation accuracy, n = 9", "training, n = 9",
    ]  # fmt: skip
    assert "validation accuracy and training" in figure.layout.title.subtitle.text


def test_an_objective_that_is_a_setting_has_no_panel() -> None:
    frame = table_with_interaction().assign(retrain_epochs=3.0)
    aims = {"retrain_epochs": "min", "sparsity": "max", "val_accuracy": "max"}
    table = importance_table(frame, objectives=aims)
    assert table.frame["metric"].unique().tolist() == ["val_accuracy"]
    assert any(
        note.startswith("There is no panel for retraining and sparsity") for note in table.notes
    )


def test_an_unknown_question_is_refused() -> None:
    with pytest.raises(ValueError, match="evaluator must be one of variance, best-tenth, got 'x'"):
        importance_table(searched(20), evaluator="x")


def test_shares_of_trees_have_a_spread_and_name_what_acts_together() -> None:
    table = importance_table(searched(40)).frame.set_index("parameter")
    assert (table["how"] == "fANOVA").all()
    assert table.index.tolist()[0] == "dense.lr" and table.index.tolist()[-1] == shares.REST
    assert table["importance"]["dense.lr"] > 0.7
    assert table["importance"].sum() == pytest.approx(1)
    assert (table["spread"] > 0).all()
    bars = importance_figure(importance_table(searched(40))).data[0]
    assert bars.error_x.array[0] > 0
    assert sum(bars.x) == pytest.approx(100)


def test_whiskers_end_where_shares_do() -> None:
    table = importance_table(searched(40))
    table.frame["importance"], table.frame["spread"] = [0.9, 0.05, 0.05], [0.3, 0.01, 0.2]
    bars = importance_figure(table).data[0].error_x
    assert list(bars.array) == [pytest.approx(v) for v in (10, 1, 20)]
    assert list(bars.arrayminus) == [pytest.approx(v) for v in (30, 1, 5)]


def test_the_best_tenth_is_asked_for_by_name() -> None:
    table = importance_table(searched(40), evaluator="best-tenth")
    assert (table.frame["how"] == "PED-ANOVA").all()
    found = table.frame.set_index("parameter")["importance"]
    assert found["dense.lr"] > 0.7
    assert found.sum() == pytest.approx(1)
    assert any("no share of the variance" in note for note in table.notes)
    layout = importance_figure(table).layout
    assert layout.xaxis.title.text == "importance (%)"
    subtitle = layout.title.subtitle.text
    assert subtitle.startswith("what tells the best tenth apart (PED-ANOVA), for validation")


def test_importance_says_what_it_leaves_out() -> None:
    frame = searched(20)
    frame["method.penalty"] = [0.1 + i if i % 2 else None for i in range(len(frame))]
    frame.loc[frame.index[0], "state"] = "failed"
    said = importance_table(frame).notes
    assert any(note.startswith("Means leave out 1 failed") for note in said)
    assert "Not judged, since only some trials have them: penalty of the method." in said


def test_settings_over_powers_of_ten_are_judged_by_their_logarithm() -> None:
    assert shares.distribution(pd.Series([1e-4, 1e-2])).log
    assert not shares.distribution(pd.Series([0.1, 0.9])).log


def test_of_many_words_their_order_counts_numbers_among_them_first() -> None:
    few = pd.Series(["adaptive", 0.5, 0.25])
    assert shares.ranks(few) is few
    numbers = [1.5, 0.5, 10.0, 2.5, 3.5, 4.5, 5.5, 6.5, 7.5]
    many = pd.Series([*numbers, "fixed", "adaptive", 0.5])
    assert shares.ranks(many).tolist() == [1, 0, 8, 2, 3, 4, 5, 6, 7, 10, 9, 0]
    assert shares.ranks(pd.Series(range(20))).tolist() == list(range(20))


def test_a_forest_over_many_words_takes_no_time_of_their_number() -> None:
    """With a feature for each word the split of a tree's variance would take hours."""
    n = 80
    points = pd.DataFrame({"discount": ["adaptive", *(i / 100 for i in range(1, n))]})
    points["val_accuracy"] = [0.9, *(0.5 + i / 1000 for i in range(1, n))]
    rows = shares._forest(points, "val_accuracy")
    assert rows["parameter"].tolist() == ["discount"]
    assert rows["importance"].tolist() == [pytest.approx(1)]


def test_importance_stands_apart_for_each_block() -> None:
    table = importance_table(searched(20, (0.9, 0.95)))
    blocks = table.frame["block"].unique().tolist()
    assert [block.split(",")[0] for block in blocks] == ["90 % sparse", "95 % sparse"]
    figure = importance_figure(table)
    assert [trace.type for trace in figure.data] == ["bar", "bar", "scatter", "scatter"]
    assert "(n = 20)" in figure.data[0].name
    colors = [trace.marker.color for trace in figure.data]
    assert colors[:2] == colors[2:]  # the keys say which is which
    assert figure.layout.xaxis.title.text == "share of the variance (%)"


def test_too_few_points_are_said() -> None:
    table = importance_table(searched(FEWEST - 1))
    assert table.frame["parameter"].isna().all()
    figure = importance_figure(table)
    assert not figure.data
    assert f"fewer than {FEWEST}" in table.notes[0]


def test_importance_does_not_look_at_test_or_talk() -> None:
    with pytest.raises(TestSelectionError):
        importance_table(searched(20), metric="test_accuracy")
    import optuna

    before = optuna.logging.get_verbosity()
    importance_table(searched(20))
    assert optuna.logging.get_verbosity() == before


def test_importance_keeps_quiet(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        importance_table(searched(20))
    assert not caplog.records
