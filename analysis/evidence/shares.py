"""How differences between settings split over what varies: exactly, by a forest, or at the top.

Three answers to two questions. On a complete grid the variance of the cell means splits exactly
into the settings and their interactions (`stats.anova`). Elsewhere a forest of regression trees
stands for the metric, and the variance of each tree splits (fANOVA, Hutter et al. 2014); the trees
differ, and how much is said. PED-ANOVA (Watanabe et al. 2023) answers another question, which
settings tell the best tenth from the rest: a setting may explain nearly all variance and not tell
these apart.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import numpy as np
import pandas as pd

from analysis.columns.rows import records
from analysis.selection.settings import configurations, varying, wide, without_synonyms
from analysis.stats import anova, complete
from analysis.stats.anova import MOST_FACTORS
from analysis.stats.closeness import reach

FEWEST: Final = 15
"""With fewer configurations than this forests and the best tenth are not judged."""

TREES: Final = 32

MOST_POINTS: Final = 300
"""Of more configurations so many are drawn for a forest: its time grows faster than they do."""

MOST_WORDS: Final = 10
"""Of a setting with more words than this their order counts; see `ranks`."""

TIMES: Final = " × "
"""Between the settings of an interaction."""

REST: Final = "all interactions"
"""What the settings of a forest explain only together."""

COLUMNS: Final = ["parameter", "order", "importance", "spread", "noise", "p", "n", "n_seeds", "how"]
EXACT: Final = "exact ANOVA"
FOREST: Final = "fANOVA"
BEST_TENTH: Final = "PED-ANOVA"


def settings_of(done: pd.DataFrame) -> list[str]:
    """Return the settings that vary among trials that are done, and that all of them have."""
    return without_synonyms(done, [c for c in varying(done) if done[c].notna().all()])


def is_grid(trials: pd.DataFrame, metric: str) -> bool:
    """Whether what varies among the trials fills a grid that is split exactly, in a common seed."""
    done = _done(trials, metric)
    settings = settings_of(done)
    if not 1 <= len(settings) <= MOST_FACTORS or len(varying(done)) != len(_all_set(done)):
        return False
    if done.duplicated([*settings, "seed"]).any() or not complete(done, settings, metric):
        return False
    cells = done.groupby(settings, sort=False).ngroup()
    return bool((cells.groupby(done["seed"]).nunique() == cells.nunique()).any())


def _all_set(done: pd.DataFrame) -> list[str]:
    return [c for c in varying(done) if done[c].notna().all()]


def explained(trials: pd.DataFrame, metric: str, most: int = MOST_POINTS) -> pd.DataFrame:
    """Return how a metric's variance splits over the settings, one row per term.

    Columns: parameter (settings joined by `TIMES`), order (how many), importance (share of the
    variance; of a grid all terms add up to 1), spread (standard deviation over trees, missing where
    exact), noise (the share that a term without effect would have on average; exact alone), p
    (Fisher's test, exact alone), n (configurations), n_seeds, how. A forest takes `most`
    configurations, drawn from all by a fixed generator. No rows where there are too few
    configurations or these do not differ.
    """
    if is_grid(trials, metric):
        return _exact(_done(trials, metric), metric)
    points = _points(trials, metric)
    if len(points) > most:
        points = points.sample(most, random_state=0)
    return _forest(points, metric) if _judgeable(points, metric) else _none()


def best_tenth(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return which settings tell the best tenth of configurations from the rest, as `explained`.

    Shares add up to 1 and have neither spread nor p.
    """
    points = _points(trials, metric)
    if not _judgeable(points, metric):
        return _none()
    from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

    settings = _settings(points, metric)
    with _quiet():
        shares = get_param_importances(
            rebuilt(points, metric), evaluator=PedAnovaImportanceEvaluator(), params=settings
        )
    return _table(
        [{"parameter": name, "order": 1, "importance": share} for name, share in shares.items()],
        BEST_TENTH, len(points),
    )  # fmt: skip


def _none() -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS)


def _table(rows: Sequence[dict[str, Any]], how: str, n: int) -> pd.DataFrame:
    table = pd.DataFrame(rows).assign(how=how, n=n)
    return table.reindex(columns=COLUMNS)


def _exact(done: pd.DataFrame, metric: str) -> pd.DataFrame:
    found = anova(done, settings_of(done), metric)
    if found["share"].isna().all():
        return _none()
    rows = [
        {"parameter": TIMES.join(row["term"]), "order": row["order"], "importance": row["share"],
         "noise": row["noise"], "p": row["p"], "n_seeds": row["n_seeds"]}
        for row in records(found)
    ]  # fmt: skip
    return _table(rows, EXACT, int(found["n_cells"].iloc[0]))


def _forest(points: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The shares of the trees of a forest, each grown on its own resample of the configurations."""
    from optuna.importance import FanovaImportanceEvaluator, get_param_importances

    settings = _settings(points, metric)
    trees = []
    with _quiet():
        study = rebuilt(points, metric)
        for seed in range(TREES):
            judge = FanovaImportanceEvaluator(n_trees=1, seed=seed)
            try:
                shares = get_param_importances(
                    study, evaluator=judge, params=settings, normalize=False
                )
            except RuntimeError:  # the resample holds one value only
                continue
            trees.append([float(shares[name]) for name in settings])
    if not trees:
        return _none()
    grown = np.array(trees)
    rest = 1 - grown.sum(axis=1)
    rows = [
        {"parameter": name, "order": 1, "importance": column.mean(), "spread": _spread(column)}
        for name, column in zip(settings, grown.T, strict=True)
    ]
    rows.sort(key=lambda row: -row["importance"])
    if len(settings) > 1:
        rows.append(
            {"parameter": REST, "order": 2, "importance": rest.mean(), "spread": _spread(rest)}
        )
    return _table(rows, FOREST, len(points))


def _spread(shares: np.ndarray) -> float:
    return float(shares.std(ddof=1)) if len(shares) > 1 else math.nan


def _done(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    return trials[(trials["state"] == "done") & trials[metric].notna()]


def _points(trials: pd.DataFrame, metric: str) -> pd.DataFrame:
    """One row per configuration: its settings that vary and are set throughout, and the metric."""
    done = _done(trials, metric)
    grouped = done.groupby(configurations(done), sort=False)
    columns = {name: grouped[name].first() for name in settings_of(done)}
    return pd.DataFrame({**columns, metric: grouped[metric].mean()})


def _settings(points: pd.DataFrame, metric: str) -> list[str]:
    return [str(c) for c in points if c != metric]


def _judgeable(points: pd.DataFrame, metric: str) -> bool:
    """Whether there are settings, enough configurations, and differences that rounding alone does
    not make."""
    values = points[metric].to_numpy(dtype=float)
    enough = len(points) >= FEWEST and bool(_settings(points, metric))
    return enough and bool(np.ptp(values) > reach(values))


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna without its log lines and its warnings that a feature is experimental."""
    import optuna

    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


def rebuilt(points: pd.DataFrame, metric: str) -> Any:
    """Return an Optuna study in memory that holds the points, one complete trial each."""
    import optuna

    from trainables.vocabulary.schema import METRICS

    points = points.assign(**{n: ranks(points[n]) for n in _settings(points, metric)})
    larger = METRICS[metric].direction == "max"
    study = optuna.create_study(
        direction="maximize" if larger else "minimize", storage=optuna.storages.InMemoryStorage()
    )
    kinds = {name: distribution(points[name]) for name in _settings(points, metric)}
    for row in records(points):
        params = {
            name: str(row[name]) if hasattr(kind, "choices") else row[name]
            for name, kind in kinds.items()
        }
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=kinds, value=row[metric])
        )
    return study


def ranks(column: pd.Series[Any]) -> pd.Series[Any]:
    """Return the places of many words in their order, numbers among them first; else the column.

    A forest has a feature of its own for each category, and the time of a split of its variance
    doubles with each of them.
    """
    values = column.tolist()
    if not any(map(_is_word, values)) or column.nunique() <= MOST_WORDS:
        return column
    ordered = sorted(set(values), key=lambda v: (_is_word(v), str(v) if _is_word(v) else float(v)))
    places = {value: place for place, value in enumerate(ordered)}
    return pd.Series([places[value] for value in values], index=column.index)


def _is_word(value: Any) -> bool:
    return isinstance(value, bool) or not isinstance(value, int | float)


def distribution(column: pd.Series[Any]) -> Any:
    """Return the range that values span; words, and words among numbers, as categories."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    values = column.tolist()
    if any(map(_is_word, values)):
        return CategoricalDistribution(sorted(set(map(str, values))))
    if all(isinstance(v, int) for v in values):
        return IntDistribution(min(values), max(values))
    # As a search draws them: what spans two powers of ten is judged by its logarithm.
    return FloatDistribution(min(values), max(values), log=wide(column.astype(float)))
