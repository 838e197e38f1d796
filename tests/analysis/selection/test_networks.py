"""Retrainings of one dense network: no seeds of their own, and said where they are all there is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis.columns.names import RETRAIN_SEED
from analysis.dashboard.facts import trained_epochs
from analysis.figures import FIGURES
from analysis.findings import sentences, spending
from analysis.report.views import comparisons_view, leaders_view
from analysis.selection.contest import contest, means
from analysis.selection.leaders import leaders
from analysis.selection.networks import N_RETRAININGS, per_seed, seeds_note
from analysis.selection.series import comparable, each_once
from analysis.selection.settings import configurations
from analysis.stats import paired
from analysis.tables.comparisons import methods_comparison, schedules_comparison
from tests.analysis.hand_made import NAN, trials

ONE = (
    "Seeds are retrainings of one dense network: the intervals say nothing of other dense networks."
)
MEAN = "The value of a seed is the mean over its 2 retrainings: n counts dense networks."

VALUES: dict[tuple[str, int], tuple[float, float]] = {
    ("ft", 0): (0.80, 0.84), ("ft", 1): (0.90, 0.90), ("ft", 2): (0.70, 0.80),
    ("llr", 0): (0.85, 0.91), ("llr", 1): (0.93, 0.93), ("llr", 2): (0.80, 0.76),
}  # fmt: skip
"""Accuracy of both retrainings, by schedule and seed: means .82, .90, .75 and .88, .93, .78."""


def retrained(values: Any = VALUES, **fixed: Any) -> pd.DataFrame:
    rows = [
        {
            "retrain.schedule": schedule, "seed": seed, RETRAIN_SEED: again, "val": value,
            "dense_stage": f"d{seed}", "epochs": 22.0, "dense_epochs": 20.0, "train_s": 2.0,
            **fixed,
        }
        for (schedule, seed), both in values.items()
        for again, value in enumerate(both)
    ]  # fmt: skip
    return trials(*rows)


def of_one_network(**fixed: Any) -> pd.DataFrame:
    """The same numbers as six retrainings of one network, told apart by their retraining seed."""
    rows = [
        {"retrain.schedule": schedule, "seed": 0, RETRAIN_SEED: 2 * seed + again, "val": value,
         "dense_stage": "d0", **fixed}
        for (schedule, seed), both in VALUES.items()
        for again, value in enumerate(both)
    ]  # fmt: skip
    return trials(*rows)


def test_retrainings_of_a_seed_become_one_row_with_their_mean() -> None:
    table = comparable(retrained())
    assert RETRAIN_SEED not in table
    assert len(table) == 6
    expected = [0.82, 0.90, 0.75, 0.88, 0.93, 0.78]
    assert table["val_accuracy"].tolist() == pytest.approx(expected)
    assert table["seed"].tolist() == [0, 1, 2] * 2
    assert table[N_RETRAININGS].tolist() == [2] * 6
    assert table["dense_stage"].tolist() == ["d0", "d1", "d2"] * 2
    assert configurations(table).nunique() == 2
    pd.testing.assert_frame_equal(comparable(table), table)
    assert len(each_once(retrained())) == 12


def test_n_counts_dense_seeds_and_the_interval_is_over_their_means() -> None:
    met = contest(comparable(retrained()))
    table = means(met.entries, ["retrain.schedule"], "val_accuracy")
    (ft, llr) = table.to_dict("records")
    assert (ft["n"], llr["n"]) == (3, 3)
    assert ft["mean"] == pytest.approx((0.82 + 0.90 + 0.75) / 3)
    assert ft["std"] == pytest.approx(np.std([0.82, 0.90, 0.75], ddof=1))
    half = 4.302652729696142 * ft["std"] / 3**0.5  # Student's quantile at two degrees of freedom
    assert ft["mean"] - ft["lo"] == pytest.approx(half)
    (leader,) = leaders(comparable(retrained()))
    assert (leader.name, leader.val[2], leader.n_shared) == ("llr", 3, 3)
    assert leader.behind == pytest.approx((0.06 + 0.03 + 0.03) / 3)


@pytest.mark.parametrize("frame", [retrained(), comparable(retrained())], ids=["raw", "means"])
def test_a_paired_comparison_has_one_unit_per_seed_either_way(frame: pd.DataFrame) -> None:
    found = paired(frame, "val_accuracy", "llr", "ft")
    assert found.n_units == 3
    assert found.mean == pytest.approx(0.04)
    assert found.std == pytest.approx(np.std([0.06, 0.03, 0.03], ddof=1))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        (("done", "failed"), "failed"),
        (("diverged", "failed"), "diverged"),
        (("stopped", "done"), "stopped"),
        (("failed", "stopped"), "failed"),
        (("done", "done"), "done"),
    ],
)
def test_a_seed_is_done_where_all_of_its_retrainings_are(
    states: tuple[str, str], expected: str
) -> None:
    frame = retrained()
    frame.loc[frame.index[:2], "state"] = list(states)
    first = per_seed(frame).iloc[0]
    assert first["state"] == expected
    assert np.isnan(first["val_accuracy"]) == (expected != "done")


def test_a_number_that_one_retraining_lacks_is_missing() -> None:
    frame = retrained(d1=0.5)
    frame.loc[1, "d1"] = NAN
    table = per_seed(frame)
    assert np.isnan(table["d1"].iloc[0])
    assert table["d1"].iloc[1] == 0.5


def test_methods_that_retrain_nothing_stand_beside_the_means() -> None:
    scratch = trials(
        *({"method": "gmp", "retrain.schedule": None, "seed": seed, RETRAIN_SEED: NAN,
           "fingerprint": f"g{seed}", "val": 0.6} for seed in (0, 1, 2))
    )  # fmt: skip
    table = per_seed(pd.concat([retrained(), scratch], ignore_index=True))
    assert len(table) == 9
    assert table[N_RETRAININGS].tolist() == [2] * 6 + [1] * 3
    assert table["val_accuracy"].tolist()[6:] == [0.6] * 3


def test_equal_trials_of_other_code_are_not_averaged() -> None:
    frame = retrained()
    again = frame.assign(fingerprint=frame["fingerprint"] + "x")
    table = per_seed(pd.concat([frame, again], ignore_index=True))
    assert len(table) == 12


def test_one_network_makes_retrainings_the_seeds_and_says_so() -> None:
    table = comparable(of_one_network())
    assert len(table) == 12
    assert sorted(table["seed"].unique()) == [0, 1, 2, 3, 4, 5]
    assert paired(table, "val_accuracy", "llr", "ft").n_units == 6
    for frame in (of_one_network(), table):
        assert seeds_note(frame) == ONE


def test_with_one_file_of_weights_seeds_are_said_to_be_retrainings() -> None:
    frame = retrained().query("retrain_seed == 0").assign(dense_stage="loaded")
    assert seeds_note(frame) == ONE
    assert seeds_note(comparable(frame)) == ONE
    two = pd.concat([frame, frame.assign(**{"dense.weights": "b", "dense_stage": "other"})])
    assert seeds_note(two) == ONE.replace("network:", "network each:")
    mixed = pd.concat([frame, retrained().query("retrain_seed == 0")])
    assert seeds_note(mixed).startswith("Where trials start from a network that was loaded")


def test_seeds_that_are_dense_networks_need_no_words() -> None:
    plain = retrained().query("retrain_seed == 0")
    assert seeds_note(plain) == ""
    assert seeds_note(plain.drop(columns="dense_stage")) == ""
    assert seeds_note(plain.query("seed == 0")) == ""
    assert seeds_note(pd.DataFrame()) == ""


@pytest.mark.parametrize(("frame", "note"), [(of_one_network(), ONE), (retrained(), MEAN)])
def test_every_table_figure_and_list_of_sentences_says_it(frame: pd.DataFrame, note: str) -> None:
    schedules = schedules_comparison(frame)
    assert schedules is not None and note in schedules.notes
    other = frame.assign(method="gmp", fingerprint=frame["fingerprint"] + "g")
    both = pd.concat([frame, other], ignore_index=True)
    methods = methods_comparison(both, ["val_accuracy"])
    assert methods is not None and note in methods.notes
    for view in (leaders_view(frame), comparisons_view(frame)):
        assert note in view.notes
    for name in ("accuracy_by_sparsity", "paired_seeds", "ranks", "gains", "schedules"):
        assert note in FIGURES[name].tabulate(frame).notes, name
    assert note in sentences.findings(frame)


def test_trials_are_counted_and_paid_one_by_one() -> None:
    frame = retrained()
    assert sentences.tally(frame) == (
        "12 trials of 2 configurations under 3 seeds, 2 retrainings of each dense network: 12 done."
    )
    spent = spending.spending(frame)
    assert spent.epochs_asked == 12 * 22
    assert spent.epochs_done == 12 * 2 + 3 * 20
    assert spent.n_dense == 3


def test_the_dense_epochs_of_a_network_that_was_loaded_are_not_spent() -> None:
    loaded = retrained(**{"dense.weights": "net.pth (abc)", "retrain_epochs": 2.0})
    spent = spending.spending(loaded)
    assert (spent.epochs_asked, spent.epochs_done, spent.n_dense) == (24, 24, 0)
    assert spending.sharing(loaded) == (
        "The trials took 24 epochs of training; there was no dense run to share."
    )
    assert trained_epochs(loaded) == 24
    unknown = loaded.assign(epochs=NAN, dense_epochs=NAN)  # nobody knows how long it was trained
    assert spending.spending(unknown).epochs_done == 24
    both = pd.concat([loaded, retrained(**{"dense.weights": None}, fingerprint="x")])
    both["fingerprint"] = [f"f{n}" for n in range(len(both))]
    assert trained_epochs(both) == 24 + 24 + 3 * 20


def test_a_search_s_cost_counts_every_retraining() -> None:
    frame = retrained().assign(**{"origin.number": 0.0, "dense_train_s": 5.0})
    both = pd.concat(
        [frame, frame.assign(method="gmp", fingerprint=frame["fingerprint"] + "g")],
        ignore_index=True,
    )
    table = methods_comparison(both, ["val_accuracy"])
    assert table is not None
    imp = table.cells[table.cells["method"] == "imp"].set_index("metric")["mean"]
    assert imp["search_trials"] == 12
    assert imp["search_train_s"] == 12 * 2.0 + 3 * 5.0
