"""The files of a study folder, written and read: what a trial leaves behind.

One JSON record a trial under `records/`, one Parquet curve under `curves/`, and both compacted
into `tables/` by the one writer, the driver. Knows neither torch nor ray nor pandas.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from trainables.schema import EPOCH_KEYS, EPOCH_METRICS, SCHEMA_VERSION, SETTLED, STATES
from trainables.storage import Folder, open_folder


class RecordError(ValueError):
    """A record that cannot be read: truncated, foreign, or of another schema version."""


@dataclass(frozen=True)
class Record:
    """What one trial left behind.

    `config` is the resolved configuration, nested; `metrics` and every entry of `cycles` hold names
    of `schema.METRICS`, a missing value being absent; `stages` are the hashes of the stages
    that the trial is made of, the dense run first; `error` has type, message and traceback of a
    failure; `provenance` says where and with what it ran; `origin` where a search took it from.
    """

    fingerprint: str
    study: str
    config: dict[str, Any]
    seed: int
    state: str
    attempt: int = 1
    metrics: dict[str, float] = field(default_factory=dict)
    cycles: list[dict[str, Any]] = field(default_factory=list)
    layers: dict[str, float] = field(default_factory=dict)
    stages: list[str] = field(default_factory=list)
    message: str | None = None
    error: dict[str, str] | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    origin: dict[str, Any] = field(default_factory=dict)
    schema: int = SCHEMA_VERSION

    @property
    def settled(self) -> bool:
        """Whether the trial needs no further run."""
        return self.state in SETTLED


_FIELDS = {f.name for f in fields(Record)}
_REQUIRED = ("schema", "fingerprint", "study", "config", "seed", "state")


def encode(record: Record) -> bytes:
    """Return the record as JSON; NaN and infinities are refused (a missing value is absent)."""
    return json.dumps(asdict(record), allow_nan=False, sort_keys=True).encode()


def decode(data: bytes | str, source: str) -> Record:
    """Return the record held in JSON; RecordError names `source` and the fault."""
    try:
        raw = json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise RecordError(f"{source}: not a whole JSON record ({error})") from error
    if not isinstance(raw, dict) or any(key not in raw for key in _REQUIRED):
        raise RecordError(f"{source}: not a record of this project")
    if raw["schema"] != SCHEMA_VERSION:
        raise RecordError(
            f"{source}: schema version must be {SCHEMA_VERSION}, got {raw['schema']!r};"
            " it was written by another version of bimp-study"
        )
    if unknown := set(raw) - _FIELDS:
        raise RecordError(f"{source}: unknown fields {sorted(unknown)}")
    if raw["state"] not in STATES:
        raise RecordError(f"{source}: state must be one of {', '.join(STATES)}, got {raw['state']}")
    return Record(**raw)


_CURVE_COLUMNS = (*EPOCH_KEYS, *EPOCH_METRICS)
_TEXT = {"fingerprint", "phase"}
_INTEGER = {"cycle", "epoch", "step"}


def _arrow_type(column: str) -> pa.DataType:
    if column in _TEXT:
        return pa.string()
    return pa.int64() if column in _INTEGER else pa.float64()


CURVE_SCHEMA = pa.schema([(name, _arrow_type(name)) for name in _CURVE_COLUMNS])
"""One row an epoch; a missing value is null."""

_RECORD_TABLE = pa.schema(
    [("fingerprint", pa.string()), ("attempt", pa.int64()), ("state", pa.string()),
     ("record", pa.string())]
)  # fmt: skip


def parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    return sink.getvalue()


def curve_table(rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    """Return rows of epochs as a table of `CURVE_SCHEMA`; absent values become null."""
    return pa.Table.from_pylist([dict(row) for row in rows], schema=CURVE_SCHEMA)


@dataclass(frozen=True)
class Reading:
    """Records of a folder, and one plain sentence for each that could not be read."""

    records: list[Record]
    warnings: list[str]


class StudyFolder:
    """Records, curves and tables of one study, at a local path or in an object store."""

    def __init__(self, location: str) -> None:
        self.folder: Folder = open_folder(location)

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
        return decode(data, name)

    def write_curve(self, fingerprint: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Write the epochs of one trial, without those of its dense run."""
        labelled = [{**row, "fingerprint": fingerprint} for row in rows]
        self.folder.write(f"curves/{fingerprint}.parquet", parquet(curve_table(labelled)))

    def loose_fingerprints(self) -> list[str]:
        """Fingerprints that have a record file, sorted."""
        return _stems(self.folder.names("records"), ".json")

    def records(self) -> Reading:
        """Return all records, from the tables where they cover, else from the loose files.

        A row of the table covers its record unless it failed: only failed records are replaced.
        """
        rows, warnings = self._table_records()
        records = {}
        for row in rows:
            try:
                record = decode(row["record"], f"tables/records.parquet, {row['fingerprint']}")
            except RecordError as error:
                warnings.append(str(error))
            else:
                records[record.fingerprint] = record
        for fingerprint in self.loose_fingerprints():
            covered = records.get(fingerprint)
            if covered is not None and covered.settled:
                continue
            try:
                loose = self.read_record(fingerprint)
            except RecordError as error:
                warnings.append(str(error))
                continue
            if loose is not None and (covered is None or loose.attempt >= covered.attempt):
                records[fingerprint] = loose
        return Reading([records[key] for key in sorted(records)], warnings)

    def _table_records(self) -> tuple[list[dict[str, Any]], list[str]]:
        table, warnings = self._read_table("tables/records.parquet", _RECORD_TABLE)
        return table.to_pylist(), warnings

    def _read_table(self, name: str, schema: pa.Schema) -> tuple[pa.Table, list[str]]:
        """Return a table, empty when absent or unreadable, with a warning in the latter case."""
        try:
            table = pq.read_table(io.BytesIO(self.folder.read(name)))
            return table.select(schema.names).cast(schema), []
        except FileNotFoundError:
            return schema.empty_table(), []
        except (pa.ArrowException, KeyError, OSError, ValueError) as error:
            return schema.empty_table(), [f"{name}: cannot be read ({error})"]

    def curves(self) -> tuple[pa.Table, list[str]]:
        """Return the epochs of all trials as one table of `CURVE_SCHEMA`, and warnings."""
        table, warnings = self._read_table("tables/curves.parquet", CURVE_SCHEMA)
        covered = set(table.column("fingerprint").unique().to_pylist())
        parts = [table]
        for fingerprint in _stems(self.folder.names("curves"), ".parquet"):
            if fingerprint not in covered:
                part, faults = self._read_table(f"curves/{fingerprint}.parquet", CURVE_SCHEMA)
                parts.append(part)
                warnings.extend(faults)
        return pa.concat_tables(parts), warnings

    def read_curve(self, fingerprint: str) -> pa.Table:
        """Return one trial's epochs; an empty table when it has no curve."""
        table, _ = self._read_table(f"curves/{fingerprint}.parquet", CURVE_SCHEMA)
        return table

    def compact(self) -> None:
        """Rewrite the tables from all settled records and their curves. For the driver alone.

        Failed records stay loose, since a retry replaces them; so do curves of unsettled trials.
        """
        settled = [record for record in self.records().records if record.settled]
        rows = [
            {"fingerprint": r.fingerprint, "attempt": r.attempt, "state": r.state,
             "record": encode(r).decode()}
            for r in settled
        ]  # fmt: skip
        curves, _ = self.curves()
        mask = pc.is_in(
            curves.column("fingerprint"),
            value_set=pa.array([r.fingerprint for r in settled], pa.string()),
        )
        self.folder.write("tables/curves.parquet", parquet(curves.filter(mask)))
        table = pa.Table.from_pylist(rows, schema=_RECORD_TABLE)
        self.folder.write("tables/records.parquet", parquet(table))


def _stems(names: Iterable[str], suffix: str) -> list[str]:
    return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
