"""The stages behind a study folder, as rows: dense runs first, each with what shares it.

Reads manifests only, and needs neither torch nor ray.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from study.definition.locations import existing, readable_store_of
from study.views.named_lines import wrapped
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.readable import few
from trainables.files.storage import Folder
from trainables.files.trial_record import RecordError
from trainables.files.trust import received
from trainables.formulas.structures import WEIGHTS, structure_in
from trainables.vocabulary.schema import QUANTISED
from trainables.vocabulary.wording import counted

COLUMNS = (
    "stage", "kind", "cycle", "seed", "state", "trials", "epochs", "dataset", "model", "what",
)  # fmt: skip
"""First columns; then come what the stages measure, their seconds and their parents."""
_USUAL = ("val_accuracy", "test_accuracy")
_ORDER = {"dense": 0, "whole": 1, "cycle": 2, "quantised": 3}


@dataclass(frozen=True)
class Stages:
    """Rows of `columns`, where the stages lie, what else the store holds, what was unreadable."""

    columns: tuple[str, ...]
    rows: list[dict[str, Any]]
    store: str
    others: int
    warnings: list[str]


def stages(location: str) -> Stages:
    """Return the stages of a study folder; Refusal when it is none.

    In the folder's own store these are all; of a store that studies share, those that this
    study's records name. `trials` counts this study's trials that go through a stage.
    """
    folder, study = existing(location)
    store = readable_store_of(study, folder)
    reading = folder.records()
    users = Counter(stage for record in reading.records for stage in record.stages)
    every, faults = _manifests(received(store))
    shared = study.stage_store is not None
    listed_stages = {h: m for h, m in every.items() if not shared or h in users}
    metrics = (*_measured(listed_stages.values()), "train_s")
    rows = [_row(manifest, users[h], every, metrics) for h, manifest in listed_stages.items()]
    rows.sort(key=_rank)
    others = len(every) - len(listed_stages)
    return Stages((*COLUMNS, *metrics, "parent"), rows, store, others, [*reading.warnings, *faults])


def _measured(listed_stages: Iterable[Manifest]) -> list[str]:
    """What the stages measure on validation and on test beside the loss, by name."""
    parts = ("val_", "test_", f"{QUANTISED}val_", f"{QUANTISED}test_")
    names = dict.fromkeys(n for m in listed_stages for n in sorted(m.metrics, reverse=True))
    return [n for n in names if n.startswith(parts) and not n.endswith("_loss")] or list(_USUAL)


def _rank(row: Mapping[str, Any]) -> tuple[Any, ...]:
    seed = -1 if row["seed"] is None else row["seed"]
    return (_ORDER.get(row["kind"], 4), -row["trials"], row["what"], seed, row["stage"])


def _manifests(store: Folder) -> tuple[dict[str, Manifest], list[str]]:
    """All finished stages of a store, and one sentence for each manifest that is unusable."""
    finished, unread = manifests.readable(store)
    every: dict[str, Manifest] = {}
    faults = []
    for reading in manifests.of(store, finished):
        if isinstance(reading, RecordError):
            faults.append(str(reading))
        else:  # of forty thousand, what no row shows would take half a gigabyte
            every[reading.hash] = replace(reading, layers={}, facts={}, provenance={}, files={})
    return every, [*unread, *few(faults, store.location)]


def _row(
    manifest: Manifest, trials: int, every: Mapping[str, Manifest], metrics: Iterable[str]
) -> dict[str, Any]:
    first = _first(manifest, every)
    return {
        "stage": manifest.hash,
        "kind": manifest.kind,
        "cycle": manifest.label.get("cycle") or None,
        "seed": _seed(manifest, every),
        "state": manifest.state,
        "trials": trials,
        "epochs": manifest.epochs,
        "dataset": first.label.get("dataset", {}).get("name"),
        "model": first.label.get("task", {}).get("use") or first.label.get("model", {}).get("name"),
        "what": stage_words(manifest.label),
        **{name: manifest.metrics.get(name) for name in metrics},
        "parent": manifest.parent,
    }


def _seed(manifest: Manifest, every: Mapping[str, Manifest]) -> int | None:
    """The seed of a stage; that of its first cycle where its dense network came trained."""
    chain: Manifest | None = manifest
    while chain is not None:
        if (seed := chain.label.get("seed", chain.seed)) is not None:
            return int(seed)
        chain = every.get(chain.parent or "")
    return None


def _first(manifest: Manifest, every: Mapping[str, Manifest]) -> Manifest:
    """The stage that a chain begins with, as far back as the store goes."""
    while (parent := every.get(manifest.parent or "")) is not None:
        manifest = parent
    return manifest


_KEYS = {"seed": "retraining seed"}
"""Keys of a retraining in other words, where their own mean something else beside them."""


def stage_words(label: Mapping[str, Any]) -> str:
    """Return what sets a stage apart in a few words, of what its hash was taken of.

    Its schedule, its sparsity and what is removed together, or its dense schedule.
    """
    if label.get("kind") == "cycle":
        retrain = {_KEYS.get(k, k): v for k, v in label["retrain"].items() if k != "schedule"}
        return _words(label["retrain"]["schedule"], **_removed(label["prune"]), **retrain)
    if label.get("kind") == "quantised":
        return f"weights in {label['quantise']['weights']}"
    if "weights" in label:
        return f"trained elsewhere, weights {label['weights']}"
    dense = label.get("dense", {})
    name = label.get("method", {}).get("name") or dense.get("schedule", "linear")
    return _words(name, **_removed(label.get("prune", {})), lr=dense.get("lr"))


def _removed(prune: Mapping[str, Any]) -> dict[str, Any]:
    """How much is removed, and together with what where that is not single weights."""
    form = structure_in(prune)
    structure = {} if form == WEIGHTS else {"structure": form.name}
    return {"sparsity": prune.get("sparsity"), **structure}


def _words(name: str, **values: Any) -> str:
    return ", ".join([name, *(f"{k} {_cell(v)}" for k, v in values.items() if v is not None)])


def table(listing: Stages, width: int | None = None) -> str:
    """Return the stages as a table for a terminal.

    Its lines have at most `width` characters, if given: columns that do not fit are named below.
    """
    from tabulate import tabulate

    cells = {c: [_cell(row[c]) for row in listing.rows] for c in listing.columns}
    columns = listing.columns if width is None else _fitting(listing.columns, cells, width)
    rows = list(zip(*(cells[column] for column in columns), strict=True))
    lines = [tabulate(rows, columns, tablefmt="simple", disable_numparse=True)]
    kinds = Counter(row["kind"] for row in listing.rows)
    counts = ", ".join(f"{n} {kind}" for kind, n in kinds.items()) or "none"
    notes = [f"{counted(len(rows), 'stage')} ({counts}) in {listing.store}"]
    if listing.others:
        notes.append(f"{counted(listing.others, 'further stage')} in it: of other studies")
    if further := [column for column in listing.columns if column not in columns]:
        notes.append(f"not shown, for want of room: {', '.join(further)}; --format csv has them")
    return "\n".join([*lines, *(wrapped(note, width) for note in notes)])


_NEEDED_MOST = ("stage", "kind", "what", "seed", "trials")
"""Columns that come first where not all fit; then the first measure, and the rest in order."""

_PADDING, _GAP = 2, 2
"""Characters that tabulate keeps free beside a column's head, and between two columns."""


def _fitting(
    columns: Sequence[str], cells: Mapping[str, Sequence[str]], width: int
) -> tuple[str, ...]:
    """The columns that fit into a line, the most needed first, in their own order."""
    measured = [column for column in columns if column not in COLUMNS][:1]
    kept: set[str] = set()
    room = width + _GAP
    for column in dict.fromkeys([*_NEEDED_MOST, *measured, *columns]):
        wide = max(len(column) + _PADDING, *map(len, cells[column]), 0) + _GAP
        if wide <= room:
            kept.add(column)
            room -= wide
    return tuple(column for column in columns if column in kept)


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def to_csv(listing: Stages) -> str:
    """Return the stages as CSV, a missing value being empty; see `csv_text` for formulas."""
    import pandas as pd

    from analysis.columns.spreadsheet import csv_text

    return csv_text(pd.DataFrame(listing.rows, columns=list(listing.columns), dtype=object))
