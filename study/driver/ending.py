"""What `bimp run` prints when it has ended: a short table, and what failed."""

from __future__ import annotations

from study.definition.locations import existing
from study.driver.launch import Summary
from study.points import best
from study.points.suggestions import taken_up
from trainables.vocabulary.wording import counted, duration

MOST_NAMED = 10


def ending(summary: Summary) -> str:
    """Return the end of a run in words, with the table of its results."""
    parts = [
        f"{summary.settled} of {summary.wanted} trials are settled after"
        f" {duration(summary.seconds)}; {'; '.join(summary.notes) or 'nothing was run'}",
        _failures(summary),
        _table(summary.folder),
        f"records, curves and tables: {summary.folder}",
    ]
    return "\n".join(part for part in parts if part)


def _failures(summary: Summary) -> str:
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
    if not summary.complete:
        lines.append("run the same command again to go on and to retry what failed")
    return "\n".join(lines)


def _table(location: str) -> str:
    """What a search found; else schedules against sparsity and budget, or methods."""
    from analysis import frames
    from analysis.tables import comparison_table, methods_table, to_text

    folder, study = existing(location)
    if study.search.strategy == "optuna":
        records, _ = taken_up(study, folder.folder, folder.records().records)
        return best.table(study, records)
    trials = frames.trials(location)
    if trials.empty:
        return ""
    if trials["method"].nunique() > 1:
        return str(to_text(methods_table(trials)))
    return str(to_text(comparison_table(trials)))
