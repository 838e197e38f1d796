"""The networks on the front of a study: accuracy on validation against sparsity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from study.views.choice import Choice
from trainables.files.trial_record import Record
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.schema import METRICS

if TYPE_CHECKING:
    import pandas as pd

_NUMBER = "_configuration"


def front_choices(trials: pd.DataFrame, records: Sequence[Record]) -> list[Choice]:
    """Return one trial for each configuration on the front, the least sparse first.

    On the front is what no other configuration equals or beats in both the task's first metric on
    validation and the sparsity reached, as means over seeds; all of its trials are done. Its trial
    is the one that is best on validation, of equal ones that with the lowest fingerprint. Refusal
    where there is none.
    """
    from analysis.columns.roles import choice
    from analysis.fronts.pareto import pareto_table
    from analysis.selection.settings import configurations

    metric = choice(trials)
    numbered = trials.assign(**{_NUMBER: configurations(trials)})
    direction = METRICS[metric].direction or "max"
    wanted = {metric: direction, "sparsity": "max"}
    table = pareto_table(numbered, objectives=wanted, by=_NUMBER).frame
    on_front = table[table["front"].astype(bool)] if len(table) else table
    if on_front.empty:
        raise Refusal(
            f"--front must find a configuration whose trials are all done with {metric} and"
            f" sparsity, got none of {len(trials)} trials"
        )
    chosen = [
        _best(numbered[numbered[_NUMBER] == number], metric, direction)
        for number in on_front.sort_values(["sparsity", metric])["series"]
    ]
    by_fingerprint = {record.fingerprint: record for record in records}
    return [Choice(by_fingerprint[fingerprint], metric, front=True) for fingerprint in chosen]


def _best(trials: pd.DataFrame, metric: str, direction: str) -> str:
    done = trials[trials["state"] == "done"]
    ordered = done.sort_values([metric, "fingerprint"], ascending=[direction == "min", True])
    return str(ordered["fingerprint"].iloc[0])
