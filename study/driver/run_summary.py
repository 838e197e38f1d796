"""How a run ended, and what `bimp run` prints of it: a short table, and what failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from shutil import get_terminal_size
from typing import TYPE_CHECKING

from study.driver.run_end import AGAIN, RunEnd
from study.points.resolved_study import ResolvedStudy
from trainables.files.trial_record import Record
from trainables.vocabulary.wording import counted, duration

if TYPE_CHECKING:
    from analysis.frames.study_frames import StudyFrames

MOST_NAMED = 10
WIDEST = 100
"""Lines of sentences longer than this are hard to read."""


@dataclass(frozen=True)
class RunSummary:
    """How a run ended.

    `records` are all of the folder, once under each origin that asked for them; `failed` those of
    the study's trials that failed; `exhausted` says that a search found no more points to try;
    `lost` are trials that workers say they settled, and whose records are not in the folder; `end`
    says why the run ended early; `unread` that the folder could not be read for this summary.
    """

    folder: str
    wanted: int
    settled: int
    failed: list[Record]
    seconds: float
    seconds_to_first_result: float | None
    notes: list[str] = field(default_factory=list)
    exhausted: bool = False
    lost: list[str] = field(default_factory=list)
    records: Sequence[Record] = field(default=(), repr=False)
    end: RunEnd | None = None
    unread: bool = False

    @property
    def complete(self) -> bool:
        """Whether every trial that there is to make is settled, and known to be."""
        all_settled = self.settled >= self.wanted or self.exhausted
        return all_settled and not (self.failed or self.lost or self.unread)

    @property
    def status(self) -> int:
        """The exit status: 0 all is settled, 3 the cluster was lost, else 1."""
        if self.complete:
            return 0
        return self.end.status if self.end is not None else 1


def in_words(summary: RunSummary, resolved: ResolvedStudy) -> str:
    """Return the end of a run in words, with the table of its results."""
    if summary.unread:
        return "\n".join([_counts(summary), _failures(summary)])
    study = _Frames(summary.folder)
    parts = [
        _counts(summary),
        _failures(summary),
        _collapsed(summary, resolved, study),
        _table(summary, resolved, study),
        f"records, curves and tables: {summary.folder}",
        _answer(summary, study),
    ]
    return "\n".join(part for part in parts if part)


class _Frames:
    """The study folder as frames, read once, when first asked for."""

    def __init__(self, location: str) -> None:
        self._location = location

    @cached_property
    def read(self) -> StudyFrames:
        from analysis.frames.study_frames import read

        return read(self._location)


def _answer(summary: RunSummary, study: _Frames) -> str:
    """What the study answers so far, as `bimp answer` says it; "" without a trial."""
    from analysis.answer.output import to_text
    from analysis.answer.whole import answer

    if not summary.records:
        return ""
    try:
        return "\n" + to_text(answer(study.read), min(_width(), WIDEST))
    except Exception as error:  # a run that ended well must not look as if it had not
        fault = f"{type(error).__name__}: {error}"
        return f"what it answers could not be worked out ({fault}): bimp answer {summary.folder}"


def _counts(summary: RunSummary) -> str:
    return (
        f"{summary.settled} of {summary.wanted} trials are settled after"
        f" {duration(summary.seconds)}; {'; '.join(summary.notes) or 'nothing was run'}"
    )


def _failures(summary: RunSummary) -> str:
    lines = [
        f"failed: {r.fingerprint} (seed {r.seed}, attempt {r.attempt}): {r.message}"
        for r in summary.failed[:MOST_NAMED]
    ]
    if (more := len(summary.failed) - MOST_NAMED) > 0:
        lines.append(
            f"... and {more} more; bimp results {summary.folder} --where \"state=='failed'\""
        )
    if summary.lost:
        lines.append(
            f"lost: {counted(len(summary.lost), 'trial')} ended well, but {summary.folder} does not"
            " hold their records: every node must see the same folder under this name"
        )
    if summary.end is not None:
        lines.append(f"the run ended early: {summary.end.sentence}; {AGAIN}")
    elif not summary.complete:
        lines.append("run the same command again to go on and to retry what failed")
    return "\n".join(lines)


def _collapsed(summary: RunSummary, resolved: ResolvedStudy, study: _Frames) -> str:
    """A sentence on models without a path left: their accuracy is chance, their speedup no gain."""
    if not summary.records or "collapsed_layers" not in (trials := study.read.trials):
        return ""
    collapsed = set(trials.loc[trials["collapsed_layers"] > 0, "fingerprint"])
    n = sum(r.fingerprint in collapsed for r in resolved.members(summary.records))
    if not n:
        return ""
    return (
        f"collapsed: {counted(n, 'trial')} ended with a layer that has no weight left;"
        " prune.keep_layer_min keeps some in every layer"
    )


def _table(summary: RunSummary, resolved: ResolvedStudy, study: _Frames) -> str:
    """What a search has come to; else methods, or what the study compares against its goals."""
    if (findings := resolved.findings(summary.records)) is not None:
        return findings
    from analysis.selection.series import comparable, goal_columns, series_column
    from analysis.tables.comparisons import stand_ins_table
    from analysis.tables.content import methods_table
    from analysis.tables.fitted import fitted

    try:
        trials = comparable(study.read.trials)
    except OSError as error:  # the run has ended, and the store is out just now
        return f"its table cannot be shown: {error}; bimp table {summary.folder}"
    if trials.empty:
        return ""
    if trials["method"].nunique() > 1:
        return fitted(methods_table(trials), _width())
    series = series_column(trials)
    rows = series if trials[series].nunique() > 1 else "retrain.schedule"
    return fitted(stand_ins_table(trials, rows, goal_columns(trials), likeness=False), _width())


def _width() -> int:
    """How wide what is printed may be: the terminal, and 80 columns where there is none."""
    return get_terminal_size().columns
