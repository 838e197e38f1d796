"""Dense networks behind trials: what a seed stands for, and one value per seed.

A seed is a dense network with one retraining, as a rule. Where `retrain.seeds` makes several, they
are no networks of their own: n would count evidence that is not there. Where all trials start from
one network, retrainings are all there is, and whoever reads an interval must know.
"""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

from analysis.columns.names import KEYS, RETRAIN_SEED, config_columns
from trainables.vocabulary.schema import METRICS

N_RETRAININGS: Final = "n_retrainings"
"""How many trials a row of `per_seed` stands for, where it is a mean."""

STAGE: Final = "dense_stage"

WEIGHTS: Final = "dense.weights"
"""The trained networks that stand in place of dense runs, where a study names such."""

_WORST: Final = ("done", "stopped", "failed", "diverged")
"""States of several retrainings: the last of them that occurs is that of their mean."""


def per_seed(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials with one row for each configuration and seed, its retrainings' mean.

    A row is done where all of its retrainings are; else it has the worst of their states and no
    numbers. What is no number is that of the first. Of trials under one seed alone nothing is
    averaged: their retraining seeds take its place. The column of retraining seeds is gone then.
    """
    if RETRAIN_SEED not in trials or trials[RETRAIN_SEED].nunique() < 2:
        return trials
    if trials["seed"].nunique() < 2:
        again = trials[RETRAIN_SEED].where(trials[RETRAIN_SEED].notna(), trials["seed"])
        return trials.assign(seed=again.astype(int)).drop(columns=RETRAIN_SEED)
    return _averaged(trials.reset_index(drop=True))


def _averaged(trials: pd.DataFrame) -> pd.DataFrame:
    study = [c for c in KEYS[:1] if c in trials]
    keys = [*study, *config_columns(trials), "seed"]
    # Equal trials that differ in what is no setting, such as code, stay apart.
    twin = trials.groupby([*keys, RETRAIN_SEED], dropna=False, sort=False).cumcount()
    place = trials.assign(_twin=twin).groupby([*keys, "_twin"], dropna=False, sort=False).ngroup()
    numbers = [c for c in trials if c in METRICS and pd.api.types.is_numeric_dtype(trials[c])]
    states = trials["state"].map({state: rank for rank, state in enumerate(_WORST)})
    worst = states.groupby(place).max()
    grouped = trials[numbers].astype(float).groupby(place)
    sizes = place.groupby(place).size()
    # A number that one of them lacks is no mean over all of them.
    means = grouped.mean().where(
        grouped.count().eq(sizes, axis=0) & worst.eq(0).to_numpy()[:, None]
    )
    first = trials[~place.duplicated()]
    order = place[first.index].to_numpy()
    result = first.drop(columns=RETRAIN_SEED)
    changed: dict[str, Any] = {name: means[name].to_numpy()[order] for name in numbers}
    changed["state"] = [_WORST[int(rank)] for rank in worst.to_numpy()[order]]
    changed[N_RETRAININGS] = sizes.to_numpy()[order]
    return result.assign(**changed).reset_index(drop=True)


def trained_here(trials: pd.DataFrame) -> pd.DataFrame:
    """Return the trials as what was trained for them: of a network that was loaded the retraining.

    The dense epochs of such trials are declared, not spent; they and the stage are missing then.
    """
    if WEIGHTS not in trials or not trials[WEIGHTS].notna().any():
        return trials
    trained = trials[WEIGHTS].isna()
    after = trials["epochs"] - trials["dense_epochs"].fillna(0.0)
    if "retrain_epochs" in trials:
        after = trials["retrain_epochs"]
    changed = {"epochs": trials["epochs"].where(trained, after)}
    changed |= {c: trials[c].where(trained) for c in ("dense_epochs", STAGE) if c in trials}
    return trials.assign(**changed)


def seeds_note(trials: pd.DataFrame) -> str:
    """Return what seeds stand for where they are no dense networks of one retraining each; or "".

    `trials` have one row each, or what `per_seed` makes of them.
    """
    if STAGE not in trials or "seed" not in trials:
        return ""
    several = RETRAIN_SEED in trials and trials[RETRAIN_SEED].nunique() > 1
    if several and trials["seed"].nunique() > 1:
        return _averaging(int(trials[RETRAIN_SEED].nunique()))
    if N_RETRAININGS in trials and (most := int(trials[N_RETRAININGS].max())) > 1:
        return _averaging(most)
    return _one_network(trials[[STAGE, RETRAIN_SEED if several else "seed"]].dropna())


def _averaging(most: int) -> str:
    return f"The value of a seed is the mean over its {most} retrainings: n counts dense networks."


def _one_network(known: pd.DataFrame) -> str:
    """`known` holds the dense stage of trials, and what tells retrainings apart."""
    stage, seed = known.columns
    shared = known.groupby(stage)[seed].nunique() > 1
    if not shared.any():
        return ""
    if not shared.all():
        return (
            "Where trials start from a network that was loaded, their seeds are retrainings of it:"
            " their intervals say nothing of other dense networks."
        )
    each = "" if len(shared) == 1 else " each"
    return (
        f"Seeds are retrainings of one dense network{each}: the intervals say nothing of other"
        " dense networks."
    )
