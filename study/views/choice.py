"""Which trial of a study folder is taken: by its fingerprint, or the best by a metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from trainables.files.trial_record import Record
from trainables.vocabulary.constraints import meets
from trainables.vocabulary.refusal import Refusal, hint_or_all
from trainables.vocabulary.schema import METRICS, at_level, declare

MOST_LISTED = 5


@dataclass(frozen=True)
class Choice:
    """A finished trial, and how it was chosen.

    `ties` counts others as good by the metric; `front`: whether its configuration is on the front
    of that metric against sparsity, and it the best of its seeds.
    """

    record: Record
    metric: str | None = None
    ties: int = 0
    front: bool = False

    @property
    def words(self) -> str:
        """How it was chosen, as the end of a sentence; "" where it was named."""
        if self.metric is None:
            return ""
        ties = f", as are {self.ties} others" if self.ties else ""
        beyond = "" if within_bounds(self.record) else ", beyond its search's bounds, as are all"
        value = self.record.metrics[self.metric]
        if self.front:
            return f", on the front of {self.metric} against sparsity, its best seed ({value:.6g})"
        return f", the best by {self.metric} ({value:.6g}{ties}){beyond}"


def chosen(records: Sequence[Record], *, trial: str | None, metric: str | None) -> Choice:
    """Return the trial of that fingerprint, or the best by a metric.

    Of equally good trials it is the one with the lowest fingerprint. Refusal when there is none.
    """
    if trial is not None:
        return Choice(by_prefix(records, trial))
    assert metric is not None
    first, *ties = best(records, metric)
    return Choice(first, metric, len(ties))


def by_prefix(records: Sequence[Record], prefix: str) -> Record:
    """Return the one finished trial whose fingerprint begins with a prefix; Refusal otherwise."""
    matches = [r for r in records if r.fingerprint.startswith(prefix)]
    if not prefix or not matches:
        known = ", ".join(r.fingerprint for r in records[:MOST_LISTED]) or "none"
        raise Refusal(f"--trial must be the fingerprint of a trial, got {prefix!r}; some: {known}")
    if len(matches) > 1:
        names = ", ".join(r.fingerprint for r in matches[:MOST_LISTED])
        raise Refusal(f"--trial must name one trial, got {prefix!r}, which begins {names}")
    if matches[0].state != "done":
        raise Refusal(
            f"--trial must be a trial that is done, got {matches[0].fingerprint},"
            f" which is {matches[0].state}"
        )
    return matches[0]


def best(records: Sequence[Record], metric: str) -> list[Record]:
    """Return the finished trials with the best value of a metric that is not measured on test.

    More than one when they tie, in the order of their fingerprints. Trials beyond the bounds of
    their search stand back while one is within. Refusal for a metric that is measured on test, has
    no better direction, or was not recorded.
    """
    for record in records:
        declare(record.declared)
    if metric not in at_level("trial"):
        offered = [m for m in at_level("trial") if _choosable(m)]
        known = hint_or_all(metric, offered)
        raise Refusal(f"--best must be a metric of a trial, got {metric!r}{known}")
    if METRICS[metric].on_test:
        raise Refusal(f"--best must not be measured on test data, got {metric!r}")
    if METRICS[metric].direction is None:
        raise Refusal(f"--best must be a metric of which more or less is better, got {metric!r}")
    done = [r for r in records if r.state == "done" and metric in r.metrics]
    if not done:
        raise Refusal(f"--best must be recorded by a trial that is done, got {metric!r}, by none")
    done = [r for r in done if within_bounds(r)] or done
    choose = max if METRICS[metric].direction == "max" else min
    top = choose(r.metrics[metric] for r in done)
    return sorted((r for r in done if r.metrics[metric] == top), key=lambda r: r.fingerprint)


def within_bounds(record: Record) -> bool:
    """Whether a trial keeps to the bounds of the search that asked for it, if there are any."""
    return meets(record.origin.get("bounds", {}), record.metrics)


def _choosable(metric: str) -> bool:
    return not METRICS[metric].on_test and METRICS[metric].direction is not None
