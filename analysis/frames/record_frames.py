"""The records of one study folder as frames: one row per trial, cycle or layer."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from analysis.columns.names import KEYS, RETRAIN_SEED, SECTIONS, in_schema_order
from analysis.columns.revisions import REVISION, revised
from trainables.files.stored_record import decoded
from trainables.formulas.levels import levelled
from trainables.vocabulary.constraints import excesses
from trainables.vocabulary.schema import Measure, at_level, declare

Floats = NDArray[np.float64]

_RETRAIN_SEED: Final = "retrain.seed"
"""In a record: tells retrainings apart, which is no setting of a trial."""

RUN_COLUMNS: Final = (
    "origin.search", "origin.block", "origin.number", "origin.beyond", REVISION, "dense_stage",
    "attempt", "message",
)  # fmt: skip
"""Last columns of the trials frame: where a search took the trial from, whether it is of an older
revision (`columns.revisions`), and what its run left."""


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a nested configuration as one flat mapping with dotted keys.

    A mapping that has a `name` gives that name under its own path and the rest below it
    (`method` and `method.interval`); lists become tuples, so that every value is hashable.
    """
    flat: dict[str, Any] = {}
    _flatten_into(flat, "", config)
    return flat


def _flatten_into(flat: dict[str, Any], path: str, level: Mapping[str, Any]) -> None:
    for key, value in level.items():
        name = f"{path}.{key}" if path else key
        if path and key == "name":
            name = path
        if isinstance(value, Mapping):
            _flatten_into(flat, name, value)
        else:
            flat[name] = _hashable(value)


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_hashable(item) for item in value)
    return json.dumps(value, sort_keys=True) if isinstance(value, Mapping) else value


def separable(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with values as words where pandas could not tell them apart.

    These are lists beside other values, which have no order and make no group, and truths beside
    numbers, of which True is 1. Columns of lists alone, and of truths alone, keep them.
    """
    columns = {str(name): column for name, column in frame.items() if column.dtype == object}
    kinds = {name: set(map(type, column.dropna())) for name, column in columns.items()}
    words = {
        name: columns[name].map(partial(_word, kinds=mixed))
        for name, of in kinds.items()
        if (mixed := _inseparable(of))
    }
    return frame.assign(**words) if words else frame


def _inseparable(kinds: set[type]) -> set[type]:
    """Which kinds of values pandas confuses with the others of a column."""
    lists = {tuple} if len(kinds) > 1 else set()
    truths = {bool} if kinds & {int, float} else set()
    return kinds & (lists | truths)


def _word(value: Any, kinds: set[type]) -> Any:
    """A value of some kinds as JSON writes it."""
    return json.dumps(value) if type(value) in kinds else value


def trial_columns(names: Iterable[str]) -> list[str]:
    """Return the columns of the trials frame in order, the configuration's among `names`."""
    present = dict.fromkeys(names)
    metrics = [name for name in at_level("trial") if name in present]
    fixed = {*KEYS, "seed", RETRAIN_SEED, "state", *metrics, *RUN_COLUMNS}
    config = in_schema_order(name for name in present if name not in fixed)
    return [*KEYS, *config, "seed", RETRAIN_SEED, "state", *metrics, *RUN_COLUMNS]


def measures_in(table: pa.Table) -> dict[str, Measure]:
    """Return what the records of a table may hold, by name, and make it known to `METRICS`.

    That of classification where nothing is declared, or where there is no record. A task without a
    test part has no names of test.
    """
    declared = table.column("declared").unique().to_pylist() or ["{}"]
    measures: dict[str, Measure] = {}
    for text in declared:
        measures |= declare(json.loads(text))
    if "{}" in declared:
        return measures
    held = set(table.column("metrics").combine_chunks().keys.unique().to_pylist())
    return {name: m for name, m in measures.items() if name in held or not m.on_test}


def trial_frame(table: pa.Table, labels: Sequence[str]) -> pd.DataFrame:
    """Return one row per record of `tables.RECORD_TABLE`, `labels` naming each row's study."""
    config, again, past = _config_frame(table)
    retrains = ~np.isnan(again)
    origins = _decoded(table, "origin")
    metrics = _metric_columns(table)
    columns = {
        "seed": table.column("seed").to_pylist(),
        RETRAIN_SEED: again.astype(int) if retrains.all() else again,
        "state": _text(table.column("state").to_pylist()),
        **metrics,
        "origin.search": _text(origin.get("block_key") for origin in origins),
        "origin.block": _text(map(_block, origins)),
        "origin.number": np.array([origin.get("number") for origin in origins], dtype=float),
        "origin.beyond": _beyond(origins, metrics),
        REVISION: past,
        "dense_stage": _text(_dense_stages(table, retrains)),
        "attempt": table.column("attempt").to_pylist(),
        "message": _text(table.column("message").to_pylist()),
    }
    frame = pd.concat([_keys(table, labels), config, pd.DataFrame(columns)], axis=1)
    return frame[trial_columns(frame.columns)]


def _keys(table: pa.Table, labels: Sequence[str]) -> pd.DataFrame:
    fingerprints = table.column("fingerprint").to_pylist()
    return pd.DataFrame({"study": _text(labels), "fingerprint": _text(fingerprints)})


def _text(values: Iterable[str | None]) -> pd.Series[str]:
    """Values as text, of that type even where all are missing or there are none."""
    return pd.Series(list(values), dtype="str")


def _decoded(table: pa.Table, column: str) -> list[Any]:
    return [decoded(column, text) for text in table.column(column).to_pylist()]


def _config_frame(table: pa.Table) -> tuple[pd.DataFrame, Floats, pd.Series[str]]:
    """Flat configurations; retraining seeds, missing under methods that retrain nothing; whether
    trials are of an older revision.

    Equal configurations have equal JSON text, so that each is decoded once for all its seeds.
    """
    encoded = table.column("config").combine_chunks().dictionary_encode()
    configs = [decoded("config", text) for text in encoded.dictionary.to_pylist()]
    codes = encoded.indices.to_numpy(zero_copy_only=False)
    known = [{key: config[key] for key in config if key in SECTIONS} for config in configs]
    flat = [revised(config, levelled(flatten(config))) for config in known]
    past = _text(row.pop(REVISION) for row in flat)
    again = [row.pop(_RETRAIN_SEED, 0) if _retrains(row) else np.nan for row in flat]
    columns = in_schema_order({key for row in flat for key in row})
    values = {key: [row.get(key) for row in flat] for key in columns}
    distinct = separable(pd.DataFrame(values))
    seeds = np.array(again, dtype=float)
    return (
        distinct.take(codes).reset_index(drop=True),
        seeds[codes],
        past.take(codes).reset_index(drop=True),
    )


def _retrains(flat: Mapping[str, Any]) -> bool:
    return any(key.startswith("retrain.") for key in flat)


def _dense_stages(table: pa.Table, retrains: NDArray[np.bool_]) -> list[str | None]:
    stages = table.column("stages").to_pylist()
    return [
        chain[0] if chain and dense else None for chain, dense in zip(stages, retrains, strict=True)
    ]


def _metric_columns(table: pa.Table) -> dict[str, Floats]:
    """One column per metric of the schema; missing values, and all of failed trials, are NaN."""
    metrics = table.column("metrics").combine_chunks()
    offsets = metrics.offsets.to_numpy()
    used = slice(offsets[0], offsets[-1])
    rows = np.repeat(np.arange(table.num_rows), np.diff(offsets))
    names = metrics.keys[used].dictionary_encode()
    values = metrics.items[used].to_numpy(zero_copy_only=False)
    kinds = names.indices.to_numpy(zero_copy_only=False)
    kind_of = {name: kind for kind, name in enumerate(names.dictionary.to_pylist())}
    failed = np.array(table.column("state").to_pylist(), dtype=str) == "failed"
    names_here = at_level("trial", measures_in(table).values())
    columns = {name: np.full(table.num_rows, np.nan) for name in names_here}
    for name, column in columns.items():
        here = kinds == kind_of.get(name, -1)
        column[rows[here]] = values[here]
        column[failed] = np.nan
    return columns


def _block(origin: Mapping[str, Any]) -> str | None:
    """A search's block as text, `prune.sparsity=0.9, retrain.epochs=3`."""
    block = origin.get("block")
    return None if block is None else ", ".join(f"{k}={v}" for k, v in sorted(block.items()))


def _beyond(origins: Sequence[Mapping[str, Any]], metrics: Mapping[str, Floats]) -> Floats:
    """How far each trial lies beyond the bounds of its search: 0 within, missing without any."""
    excess_of = np.full(len(origins), np.nan)
    for row, origin in enumerate(origins):
        if bounds := origin.get("bounds"):
            values = {name: float(metrics[name][row]) for name in bounds if name in metrics}
            known = {name: value for name, value in values.items() if not np.isnan(value)}
            excess_of[row] = sum(max(0.0, excess) for excess in excesses(bounds, known).values())
    return excess_of


def cycle_frame(table: pa.Table, labels: Sequence[str]) -> pd.DataFrame:
    """Return one row per (trial, cycle): study, fingerprint, cycle and its metrics."""
    entries = _decoded(table, "cycles")
    flat = [cycle for cycles in entries for cycle in cycles]
    measures = at_level("cycle", measures_in(table).values())
    numbers = [n for cycles in entries for n, _ in enumerate(cycles, start=1)]
    columns = {
        "cycle": np.array([c.get("cycle", n) for c, n in zip(flat, numbers, strict=True)], int),
        **{name: np.array([c.get(name) for c in flat], dtype=float) for name in measures},
    }
    return _beside_keys(table, labels, [len(cycles) for cycles in entries], columns)


def layer_frame(table: pa.Table, labels: Sequence[str]) -> pd.DataFrame:
    """Return one row per (trial, layer): study, fingerprint, layer, sparsity."""
    entries = _decoded(table, "layers")
    columns = {
        "layer": _text(name for layers in entries for name in layers),
        "sparsity": np.array([v for layers in entries for v in layers.values()], dtype=float),
    }
    return _beside_keys(table, labels, [len(layers) for layers in entries], columns)


def _beside_keys(
    table: pa.Table, labels: Sequence[str], counts: Sequence[int], columns: Mapping[str, Any]
) -> pd.DataFrame:
    """Columns beside study and fingerprint; each trial has as many rows as `counts` says."""
    repeated = np.repeat(np.arange(table.num_rows), counts)
    keys = _keys(table, labels).take(repeated).reset_index(drop=True)
    return pd.concat([keys, pd.DataFrame(columns)], axis=1)
