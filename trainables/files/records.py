"""The files of a study folder, written and read: what a trial leaves behind.

One JSON record per trial under `records/`, one Parquet curve under `curves/`, and both compacted
into `tables/` by the one writer, the driver. Knows neither torch nor ray nor pandas.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Final, TypeVar

import pyarrow as pa

from trainables.files.outages import StoreOutage
from trainables.files.parquet import read_parquet
from trainables.files.readable import few, listed
from trainables.files.storage import Folder, in_order, open_folder, reason
from trainables.files.stored_record import NESTED, Columns, FileColumns, stored_records
from trainables.files.trial_record import Record, RecordError, decode, encode, undeclared
from trainables.vocabulary.schema import (
    EPOCH_KEYS,
    EPOCH_METRICS,
    SCHEMA_VERSION,
    SETTLED,
    State,
)

_Content = TypeVar("_Content")

_RECORDS: Final = "tables/records.parquet"
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


def parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def curve_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows of epochs as a table of `CURVE_SCHEMA` and of what else their task measures.

    Absent values become null.
    """
    plain = [dict(row) for row in rows]
    further = {name: pa.float64() for row in plain for name in row if name not in _CURVE_COLUMNS}
    schema = pa.schema([*CURVE_SCHEMA, *sorted(further.items())])
    return pa.Table.from_pylist(plain, schema=schema)


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


def _as_records(table: pa.Table) -> pa.Table:
    """Rows of `RECORD_TABLE`, all its columns; older ones declare nothing."""
    table = _record_columns(table)
    _refuse_undeclared(table)
    if "declared" in table.column_names:
        return table
    return table.append_column("declared", pa.array(["{}"] * table.num_rows, pa.string()))


def _file_records(data: bytes) -> list[Record]:
    """The records in the bytes of a Parquet file, which are kept and read as far as is asked."""
    columns = FileColumns(data, _RECORDS)
    plain = columns.schema.equals(_record_schema(columns.column_names))
    readable: Columns = columns if plain else _record_columns(read_parquet(data))
    _refuse_undeclared(readable)
    return stored_records(readable)


@dataclass(frozen=True)
class Reading:
    """Records of a folder, and one plain sentence for each that could not be read."""

    records: list[Record]
    warnings: list[str]


class StudyFolder:
    """Records, curves and tables of one study, at a local path or in an object store."""

    def __init__(self, at: str | Folder) -> None:
        self.folder: Folder = open_folder(at) if isinstance(at, str) else at

    @property
    def location(self) -> str:
        return self.folder.location

    def write_record(self, record: Record) -> None:
        """Write a record whole, replacing an earlier attempt's."""
        self.folder.write(f"records/{record.fingerprint}.json", encode(record))

    def read_record(self, fingerprint: str) -> Record | None:
        """Return the record, None when there is none; RecordError when it cannot be read."""
        name = f"records/{fingerprint}.json"
        try:
            data = self.folder.read(name)
        except FileNotFoundError:
            return None
        record = decode(data, name)
        if record.fingerprint != fingerprint:
            raise RecordError(f"{name}: is the record of another trial, {record.fingerprint}")
        return record

    def write_curve(self, fingerprint: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the epochs of one trial, without those of its dense run."""
        labelled = [{**row, "fingerprint": fingerprint} for row in rows]
        self.folder.write(f"curves/{fingerprint}.parquet", parquet(curve_table(labelled)))

    def records(self) -> Reading:
        """Return all records, sorted by fingerprint; what cannot be read becomes a warning.

        As `table` does, yet without Arrow's functions, at whose first use it imports pandas.
        """
        rows, warnings = self._read(_RECORDS, _file_records)
        rows = rows or []
        warnings += _foreign({record.schema for record in rows})
        covered = [record for record in rows if _covers(record.schema, record.state)]
        loose, faults = self._loose({record.fingerprint for record in covered})
        return Reading(sorted([*covered, *loose], key=_by_fingerprint), warnings + faults)

    def table(self) -> tuple[pa.Table, list[str]]:
        """Return all records as rows of `RECORD_TABLE` sorted by fingerprint, and warnings.

        They come from the compacted table where it covers, else from the loose files. A row covers
        its record unless it failed: only failed records are replaced.
        """
        table, warnings = self._read(_RECORDS, lambda data: _as_records(read_parquet(data)))
        table = RECORD_TABLE.empty_table() if table is None else table
        warnings += _foreign(table.column("schema").to_pylist())
        covered = _settled_rows(table)
        fingerprints = covered.column("fingerprint").to_pylist()
        loose, faults = self._loose(set(fingerprints))
        if not loose and fingerprints == sorted(fingerprints):  # as the driver has written it
            return covered, warnings + faults
        every = pa.concat_tables([covered, record_table(loose)])
        return every.sort_by("fingerprint"), warnings + faults

    def _loose(self, covered: Container[str]) -> tuple[list[Record], list[str]]:
        """The records of the loose files that no row covers, and warnings."""
        files, warnings = listed(self.folder, "records")
        names = [name for name in _stems(files, ".json") if name not in covered]
        readings = list(in_order(self._read_loose, names, self.folder))
        records = [reading for reading in readings if isinstance(reading, Record)]
        faults = [str(fault) for fault in readings if isinstance(fault, RecordError)]
        return records, [*warnings, *few(faults, "records")]

    def _read_loose(self, fingerprint: str) -> Record | RecordError | None:
        try:
            return self.read_record(fingerprint)
        except RecordError as error:
            return error
        except StoreOutage:  # a run waits for its store, and makes nothing anew meanwhile
            raise
        except OSError as error:
            return RecordError(f"records/{fingerprint}.json: cannot be read ({reason(error)})")

    def _read(
        self, name: str, content: Callable[[bytes], _Content]
    ) -> tuple[_Content | None, list[str]]:
        """What a table's file holds, None when absent or unreadable, with a warning in the latter
        case."""
        try:
            return content(self.folder.read(name)), []
        except FileNotFoundError:
            return None, []
        except RecordError as error:
            return None, [str(error)]
        except StoreOutage:
            raise
        except (pa.ArrowException, KeyError, OSError, ValueError) as error:
            return None, [f"{name}: cannot be read ({reason(error)})"]

    def curves(self) -> tuple[pa.Table, list[str]]:
        """Return the epochs of all trials as one table of `CURVE_SCHEMA`, and warnings."""
        table, warnings = self._read_curves("tables/curves.parquet")
        covered = set(table.column("fingerprint").unique().to_pylist())
        files, unlisted = listed(self.folder, "curves")
        names = [f for f in files if f.endswith(".parquet")]
        loose = [f"curves/{f}" for f in names if f.removesuffix(".parquet") not in covered]
        readings = list(in_order(self._read_curves, loose, self.folder))
        faults = few([fault for _, faults in readings for fault in faults], "curves")
        whole = joined_curves([table, *(part for part, _ in readings)])
        return whole, [*warnings, *unlisted, *faults]

    def _read_curves(self, name: str) -> tuple[pa.Table, list[str]]:
        table, warnings = self._read(name, lambda data: as_curves(read_parquet(data)))
        return (CURVE_SCHEMA.empty_table() if table is None else table), warnings

    def read_curve(self, fingerprint: str) -> pa.Table:
        """Return one trial's epochs; an empty table when it has no curve."""
        table, _ = self._read_curves(f"curves/{fingerprint}.parquet")
        return table

    def compact(self) -> None:
        """Rewrite the tables from all settled records and their curves. For the driver alone.

        Failed records stay loose, since a retry replaces them; so do curves of unsettled trials.
        """
        import pyarrow.compute as pc

        table, _ = self.table()
        settled = _settled_rows(table)
        curves, _ = self.curves()
        mask = pc.is_in(curves.column("fingerprint"), value_set=_whole(settled, "fingerprint"))
        self.folder.write("tables/curves.parquet", parquet(curves.filter(mask)))
        self.folder.write(_RECORDS, parquet(settled))


def _covers(schema: int, state: State) -> bool:
    """Whether a row of the compacted table stands for its record."""
    return schema == SCHEMA_VERSION and state in SETTLED


def _foreign(versions: Iterable[int]) -> list[str]:
    """A warning where a compacted table has rows of other schema versions."""
    foreign = set(versions) - {SCHEMA_VERSION}
    if not foreign:
        return []
    return [
        f"{_RECORDS}: schema version must be {SCHEMA_VERSION}, got {sorted(foreign)}; those rows"
        " were written by another version of bimp-study"
    ]


def _settled_rows(table: pa.Table) -> pa.Table:
    """The rows that stand for their records; the table itself, and no copy, where all do."""
    import pyarrow.compute as pc

    mask = _covering(table)
    return table if pc.all(mask).as_py() else table.filter(mask)


def _covering(table: pa.Table) -> pa.Array:
    """`_covers` of every row."""
    import pyarrow.compute as pc

    current = pc.equal(_whole(table, "schema"), SCHEMA_VERSION)
    return pc.and_(current, pc.is_in(_whole(table, "state"), value_set=pa.array(sorted(SETTLED))))


def _by_fingerprint(record: Record) -> str:
    return record.fingerprint


def _whole(table: pa.Table, column: str) -> pa.Array:
    return table.column(column).combine_chunks()


def _stems(names: Iterable[str], suffix: str) -> list[str]:
    return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
