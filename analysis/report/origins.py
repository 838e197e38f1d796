"""How a study was run, from what its records say of their origin."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import pandas as pd

from analysis.columns.labels import label, number
from analysis.findings import spending
from analysis.frames.study_frames import StudyFrames
from analysis.selection.series import values
from trainables.vocabulary.wording import counted, duration

_FACTS: Final = {
    "bimp_study": "bimp-study", "git_commit": "commit", "python": "Python", "torch": "torch",
    "torchvision": "torchvision", "host": "machine", "device": "device",
    "device_name": "processor", "threads": "threads",
}  # fmt: skip


def run_facts(study: StudyFrames) -> list[tuple[str, str]]:
    """Return how a study was run as (what, values with the number of trials where they differ)."""
    provenance = [record.provenance for _, record in study.records]
    facts = [(label_, _distinct(provenance, key)) for key, label_ in _FACTS.items()]
    facts.extend(_code(provenance))
    started = sorted(str(p["started_at"]) for p in provenance if p.get("started_at"))
    finished = sorted(str(p["finished_at"]) for p in provenance if p.get("finished_at"))
    if started and finished:
        facts.append(("run", f"{_minute(started[0])} to {_minute(finished[-1])}"))
    seeds = values(study.trials, "seed")
    facts.append(("seeds", ", ".join(label(seed) for seed in seeds)))
    spent = spending.spending(study.trials) if len(study.trials) else None
    if spent is not None and math.isfinite(spent.epochs_done):
        facts.append(("epochs trained", number(round(spent.epochs_done, 0))))
    if spent is not None and math.isfinite(spent.seconds_done):
        facts.append(("training time", duration(spent.seconds_done)))
    return [(what, text) for what, text in facts if text]


def _code(provenance: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Code of the user's own by its digest, for each key that names some, and where its copy is."""
    digests = [dict(p.get("code") or {}) for p in provenance]
    keys = sorted({key for one in digests for key in one} - {"copy"})
    if not keys:
        return []
    copy = _distinct([{"copy": f"code/{one['copy']}"} for one in digests if "copy" in one], "copy")
    return [*((f"code of {key}", _distinct(digests, key)) for key in keys), ("copy of it", copy)]


def _minute(moment: str) -> str:
    """`2026-01-05T10:00:09+00:00` as `2026-01-05 10:00 UTC`; anything else as it stands."""
    whole = moment[10:11] == "T" and moment.endswith(("+00:00", "Z"))
    return f"{moment[:10]} {moment[11:16]} UTC" if whole else moment


def _distinct(provenance: Sequence[Mapping[str, Any]], key: str) -> str:
    counts = pd.Series([str(p[key]) for p in provenance if p.get(key) is not None]).value_counts()
    if len(counts) == 1:
        return str(counts.index[0])
    listed = [f"{value} ({counted(n, 'trial')})" for value, n in counts.head(8).items()]
    return ", ".join([*listed, *([f"{len(counts) - 8} more"] if len(counts) > 8 else [])])
