"""What a study found, in sentences that are computed from its frames.

Every sentence carries its numbers, its n and its uncertainty, and says where there is too little to
say anything. Leaders are chosen on validation and reported on test, and what is said of a best one
is scored at seeds that did not choose it. Plain text, not escaped.
"""

from __future__ import annotations

from typing import Final

import pandas as pd

from analysis.columns.labels import block_words, shown, words
from analysis.columns.names import RETRAIN_SEED, joined
from analysis.columns.roles import choice, has_test
from analysis.columns.rows import records
from analysis.findings.choices import discount, split
from analysis.findings.leading import best, image_worth, leading
from analysis.findings.norms import norms
from analysis.findings.rivals import against_rivals
from analysis.selection.blocks import block_columns
from analysis.selection.networks import seeds_note
from analysis.selection.reached import missed_note, repeats_note
from analysis.selection.series import comparable, each_once, series_column
from analysis.selection.settings import configurations
from trainables.vocabulary.wording import counted

MANY_NAMED: Final = 5

SPLITS: Final = ("prune.cycles", "budget.dense_fraction")
"""What a study of the split compares: the sentence on the split says which is best."""


def findings(frame: pd.DataFrame, margin: float | None = None) -> list[str]:
    """Return what a trials frame shows, most important first; one sentence when nothing is done.

    `margin` is the difference that does not matter, in the shown unit of what is reported: half a
    point of a per cent unless given. Who is alike within it, and how many seeds it takes, is said
    by the answer.
    """
    trials = comparable(frame)
    if trials.empty:
        return ["The study has no trials yet."]
    done = trials[trials["state"] == "done"]
    chosen_by = choice(done)
    if done.empty:
        return [tally(frame), "No trial is done, so there is nothing to compare yet."]
    if chosen_by not in done or not done[chosen_by].notna().any():
        without = f"No trial that is done has {words(chosen_by)} recorded"
        return [tally(frame), f"{without}, so there is nothing to compare."]
    splits, bests = split(trials), best(trials)
    answered = bests or (splits and series_column(trials) in SPLITS)
    sentences = [
        tally(frame),
        seeds_note(trials),
        collapsed(trials),
        _without_test(trials),
        missed_note(trials),
        repeats_note(trials),
        *([] if answered else leading(trials)),
        *bests,
        *against_rivals(trials),
        *discount(trials, margin),
        *norms(trials),
        *splits,
        image_worth(trials),
    ]
    return [sentence for sentence in sentences if sentence]


def _without_test(trials: pd.DataFrame) -> str:
    """What the reader must know where nothing was measured on test."""
    if has_test(trials):
        return ""
    return "The task has no test part: what is reported is validation, by which it was chosen too."


def collapsed(trials: pd.DataFrame) -> str:
    """Return which contestants have done trials with a layer that no weight is left in; or ""."""
    if "collapsed_layers" not in trials:
        return ""
    empty = trials[(trials["state"] == "done") & (trials["collapsed_layers"] > 0)]
    if empty.empty:
        return ""
    by = series_column(trials)
    parts = [f"{n} of {shown(by, name)}" for name, n in empty[by].value_counts().items()]
    named = parts[:MANY_NAMED] + ([f"{len(parts) - MANY_NAMED} more"] * (len(parts) > MANY_NAMED))
    whose = f", {joined(named)}" if trials[by].nunique() > 1 else ""
    return (
        f"{counted(len(empty), 'trial')} collapsed{whose}: a layer has no weight left, so the"
        " result is chance and the speedup no gain."
    )


def tally(trials: pd.DataFrame) -> str:
    """Return how many trials, configurations and seeds there are and how the trials ended."""
    known = each_once(trials)
    n = configurations(known).nunique()
    states = known["state"].value_counts()
    ended = [f"{states[s]} {s}" for s in ("done", "diverged", "failed", "stopped") if s in states]
    again = known[RETRAIN_SEED].nunique() if RETRAIN_SEED in known else 0
    retrained = f", {again} retrainings of each dense network" if again > 1 else ""
    return (
        f"{counted(len(known), 'trial')} of {counted(n, 'configuration')} under"
        f" {counted(known['seed'].nunique(), 'seed')}{retrained}: {joined(ended)}."
    )


def fallen(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials that did not end as done: configuration in words, seed, state, message."""
    lost = each_once(trials)
    lost = lost[lost["state"] != "done"]
    by = series_column(trials)
    columns = [by, *block_columns(trials, by)]
    rows = [
        {
            "trial": block_words({c: row.get(c) for c in columns}),
            "seed": row["seed"],
            "state": row["state"],
            "message": row.get("message") or "",
        }
        for row in records(lost)
    ]
    return pd.DataFrame(rows, columns=["trial", "seed", "state", "message"])
