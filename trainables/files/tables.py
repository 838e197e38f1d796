"""Records and curves as Arrow tables, and as the Parquet files of a study folder.

Importing Arrow takes longer than all else that a command does at its start: what reads no table
imports nothing of this.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

import pyarrow as pa

from trainables.files.parquet import checked_against_edits, read_parquet
from trainables.files.stored_record import (
    NESTED,
    Columns,
    FileColumns,
    decoded,
    flat_of,
    require_flat,
    stored_records,
)
from trainables.files.trial_record import Record, require_sound, undeclared
from trainables.vocabulary.refusal import shortened, shown
from trainables.vocabulary.schema import EPOCH_KEYS, EPOCH_METRICS, SCHEMA_VERSION, SETTLED

_CURVE_COLUMNS = (*EPOCH_KEYS, *EPOCH_METRICS)
_TEXT = {"fingerprint", "phase"}
_INTEGER = {"cycle", "epoch", "step"}


def _arrow_type(column: str) -> pa.DataType:
    if column in _TEXT:
        return pa.string()
    return pa.int64() if column in _INTEGER else pa.float64()


CURVE_SCHEMA = pa.schema([(name, _arrow_type(name)) for name in _CURVE_COLUMNS])
"""One row per epoch; a missing value is null."""

RECORD_TABLE = pa.schema(
    [("schema", pa.int64()), ("fingerprint", pa.string()), ("study", pa.string()),
     ("config", pa.string()), ("seed", pa.int64()), ("state", pa.string()),
     ("attempt", pa.int64()), ("metrics", pa.map_(pa.string(), pa.float64())),
     ("cycles", pa.string()), ("layers", pa.string()), ("stages", pa.list_(pa.string())),
     ("message", pa.string()), ("error", pa.string()), ("provenance", pa.string()),
     ("origin", pa.string()), ("declared", pa.string())]
)  # fmt: skip
"""One row per record, one column per field. Nested fields but the metrics are canonical JSON text,
so that ten thousand trials are read without decoding what is not asked for."""


def record_table(records: Iterable[Record]) -> pa.Table:
    """Return records as rows of `RECORD_TABLE`."""
    return pa.Table.from_pylist([_row(record) for record in records], schema=RECORD_TABLE)


def _row(record: Record) -> dict[str, Any]:
    plain = {field.name: getattr(record, field.name) for field in fields(record)}
    nested = {name: json.dumps(plain[name], sort_keys=True) for name in NESTED}
    return {**plain, **nested, "metrics": list(record.metrics.items())}


def table_records(table: pa.Table) -> list[Record]:
    """Return the records of rows of `RECORD_TABLE`, decoded as they are asked for."""
    return stored_records(table)


def curve_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows of epochs as a table of `CURVE_SCHEMA` and of what else their task measures.

    Absent values become null.
    """
    plain = [dict(row) for row in rows]
    further = {name: pa.float64() for row in plain for name in row if name not in _CURVE_COLUMNS}
    schema = pa.schema([*CURVE_SCHEMA, *sorted(further.items())])
    return pa.Table.from_pylist(plain, schema=schema)


def curves_in(data: bytes) -> pa.Table:
    """Return the curves in the bytes of a Parquet file, as `as_curves` does.

    ValueError where it was edited.
    """
    checked_against_edits(data)
    return as_curves(read_parquet(data))


def records_in(data: bytes) -> pa.Table:
    """Return the rows of `RECORD_TABLE` in the bytes of a Parquet file, as `as_records` does.

    ValueError where it was edited, or where another program wrote rows that are no records.
    """
    table = read_parquet(data)
    return as_records(table if checked_against_edits(data) else _sound(table))


def _sound(table: pa.Table) -> pa.Table:
    """The table, each of whose rows is a record; ValueError where one is none."""
    table = _record_columns(table)
    for row in _rows(table):
        if row["schema"] != SCHEMA_VERSION:  # left out, and named
            continue
        try:
            nested: dict[str, Any] = {name: json.loads(row[name]) for name in NESTED if name in row}
            metrics = dict(row["metrics"])
            require_sound({**row, **nested, "metrics": metrics}, "a row")
        except (ValueError, TypeError, RecursionError) as error:
            fault = shortened(str(error))
            where = shown(row["fingerprint"])
            raise ValueError(f"the row of {where} is no record: {fault}") from error
    return table


def _rows(table: pa.Table) -> Iterator[dict[str, Any]]:
    """The rows as plain values, some at a time: all at once are many times the table."""
    for batch in table.to_batches(max_chunksize=500):
        yield from batch.to_pylist()


def as_curves(table: pa.Table) -> pa.Table:
    """Return a table that was read with the columns of `CURVE_SCHEMA` first and the others after.

    KeyError or ArrowException where a column is missing or of another type.
    """
    if table.schema.equals(CURVE_SCHEMA):
        return table
    further = sorted(name for name in table.column_names if name not in _CURVE_COLUMNS)
    schema = pa.schema([*CURVE_SCHEMA, *((name, pa.float64()) for name in further)])
    return table.select(schema.names).cast(schema)


def joined_curves(tables: Sequence[pa.Table]) -> pa.Table:
    """Return tables of curves as one; what some do not measure is null there."""
    whole = pa.concat_tables(tables, promote_options="default")
    return as_curves(whole)


def _record_schema(names: Container[str]) -> pa.Schema:
    """That of `RECORD_TABLE`; tables of before there were declarations have no column of them."""
    return pa.schema([f for f in RECORD_TABLE if f.name != "declared" or f.name in names])


def _record_columns(table: pa.Table) -> pa.Table:
    """Rows of `RECORD_TABLE`, whose column of declarations may be absent."""
    schema = _record_schema(table.column_names)
    return table if table.schema.equals(schema) else table.select(schema.names).cast(schema)


def _refuse_undeclared(columns: Columns) -> None:
    """ValueError where some record declares what no task can."""
    if "declared" not in columns.column_names:
        return
    for text in set(columns.column("declared").to_pylist()):
        if (fault := undeclared(json.loads(text))) is not None:
            raise ValueError(fault)


def _refuse_unsound(table: pa.Table) -> None:
    """RecordError where a configuration, origin, error, metric or stage is none of a record's.

    What else is nested is looked at when it is decoded.
    """
    import pyarrow.compute as pc

    for name in ("config", "origin", "error"):
        for text in table.column(name).unique().to_pylist():
            decoded(name, text)
    metrics, stages = (_whole(table, name) for name in ("metrics", "stages"))
    if metrics.null_count or stages.null_count or stages.flatten().null_count:
        raise ValueError("metrics and stages must stand in each row, got a row without")
    if not pc.all(pc.is_finite(metrics.items)).as_py():
        raise ValueError("metrics must be finite numbers, got one that is not")


def as_records(table: pa.Table) -> pa.Table:
    """Return a table that was read as rows of `RECORD_TABLE`, all its columns; older ones declare
    nothing.

    KeyError, ValueError or ArrowException where a column is missing or holds something else.
    """
    table = _record_columns(table)
    _refuse_undeclared(table)
    require_flat(flat_of(table))
    _refuse_unsound(table)
    if "declared" in table.column_names:
        return table
    return table.append_column("declared", pa.array(["{}"] * table.num_rows, pa.string()))


def file_records(data: bytes, name: str) -> list[Record]:
    """Return the records in a Parquet file, whose bytes are kept and read as far as is asked.

    `name` is the file's, for a fault that is met later. Raises as `as_records` does.
    """
    if not checked_against_edits(data):
        return stored_records(as_records(_sound(read_parquet(data))))
    columns = FileColumns(data, name)
    plain = columns.schema.equals(_record_schema(columns.column_names))
    readable: Columns = columns if plain else _record_columns(read_parquet(data))
    _refuse_undeclared(readable)
    return stored_records(readable)


def settled_rows(table: pa.Table) -> pa.Table:
    """Return the rows that stand for their records; the table itself, and no copy, where all do."""
    import pyarrow.compute as pc

    mask = _covering(table)
    return table if pc.all(mask).as_py() else table.filter(mask)


def curves_of(curves: pa.Table, records: pa.Table) -> pa.Table:
    """Return the epochs of those trials whose records are given."""
    import pyarrow.compute as pc

    trials = _whole(records, "fingerprint")
    return curves.filter(pc.is_in(curves.column("fingerprint"), value_set=trials))


def _covering(table: pa.Table) -> pa.Array:
    """Whether each row stands for its record: it is settled, and of this version."""
    import pyarrow.compute as pc

    current = pc.equal(_whole(table, "schema"), SCHEMA_VERSION)
    return pc.and_(current, pc.is_in(_whole(table, "state"), value_set=pa.array(sorted(SETTLED))))


def _whole(table: pa.Table, column: str) -> pa.Array:
    return table.column(column).combine_chunks()
