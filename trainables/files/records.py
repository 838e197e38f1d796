"""The files of a study folder, written and read: what a trial leaves behind.

One JSON record per trial under `records/`, one Parquet curve under `curves/`, and both compacted
into `tables/` by the one writer, the driver. Knows neither torch nor ray nor pandas, and imports
Arrow where a table is read or written.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from trainables.files.outages import StoreOutage
from trainables.files.readable import few, listed
from trainables.files.storage import Folder, in_order, open_folder, reason
from trainables.files.trial_record import TABLE, Record, RecordError, decode, encode
from trainables.vocabulary.schema import SCHEMA_VERSION, SETTLED, State

if TYPE_CHECKING:
    import pyarrow as pa

_Content = TypeVar("_Content")

_CURVES: Final = "tables/curves.parquet"


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
        from trainables.files.parquet import parquet
        from trainables.files.tables import curve_table

        labelled = [{**row, "fingerprint": fingerprint} for row in rows]
        self.folder.write(f"curves/{fingerprint}.parquet", parquet(curve_table(labelled)))

    def records(self) -> Reading:
        """Return all records, sorted by fingerprint; what cannot be read becomes a warning.

        As `table` does, yet without Arrow's functions, at whose first use it imports pandas.
        """

        def content(data: bytes) -> list[Record]:
            from trainables.files.tables import file_records

            return file_records(data, TABLE)

        rows, warnings = self._read(TABLE, content)
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
        import pyarrow as pa

        from trainables.files.tables import RECORD_TABLE, record_table, records_in, settled_rows

        table, warnings = self._read(TABLE, records_in)
        table = RECORD_TABLE.empty_table() if table is None else table
        warnings += _foreign(table.column("schema").to_pylist())
        covered = settled_rows(table)
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
            data = self.folder.read(name)
        except FileNotFoundError:
            return None, []
        except StoreOutage:
            raise
        except (OSError, ValueError) as error:
            return None, [f"{name}: cannot be read ({reason(error)})"]
        from pyarrow import ArrowException

        try:
            return content(data), []
        except RecordError as error:
            return None, [str(error)]
        except (
            ArrowException,
            LookupError,
            OSError,
            RecursionError,
            TypeError,
            ValueError,
        ) as error:
            return None, [f"{name}: cannot be read ({reason(error)})"]

    def curves(self) -> tuple[pa.Table, list[str]]:
        """Return the epochs of all trials as one table of `CURVE_SCHEMA`, and warnings."""
        from trainables.files.tables import joined_curves

        table, warnings = self._read_curves(_CURVES)
        covered = set(table.column("fingerprint").unique().to_pylist())
        files, unlisted = listed(self.folder, "curves")
        names = [f for f in files if f.endswith(".parquet")]
        loose = [f"curves/{f}" for f in names if f.removesuffix(".parquet") not in covered]
        readings = list(in_order(self._read_curves, loose, self.folder))
        faults = few([fault for _, faults in readings for fault in faults], "curves")
        whole = joined_curves([table, *(part for part, _ in readings)])
        return whole, [*warnings, *unlisted, *faults]

    def _read_curves(self, name: str) -> tuple[pa.Table, list[str]]:
        from trainables.files.tables import CURVE_SCHEMA, curves_in

        table, warnings = self._read(name, curves_in)
        return (CURVE_SCHEMA.empty_table() if table is None else table), warnings

    def read_curve(self, fingerprint: str) -> pa.Table:
        """Return one trial's epochs; an empty table when it has no curve."""
        table, _ = self._read_curves(f"curves/{fingerprint}.parquet")
        return table

    def compact(self) -> None:
        """Rewrite the tables from all settled records and their curves. For the driver alone.

        Failed records stay loose, since a retry replaces them; so do curves of unsettled trials.
        """
        from trainables.files.parquet import parquet
        from trainables.files.tables import curves_of, settled_rows

        table, _ = self.table()
        settled = settled_rows(table)
        curves, _ = self.curves()
        self.folder.write(_CURVES, parquet(curves_of(curves, settled)))
        self.folder.write(TABLE, parquet(settled))


def _covers(schema: int, state: State) -> bool:
    """Whether a row of the compacted table stands for its record."""
    return schema == SCHEMA_VERSION and state in SETTLED


def _foreign(versions: Iterable[int]) -> list[str]:
    """A warning where a compacted table has rows of other schema versions."""
    foreign = set(versions) - {SCHEMA_VERSION}
    if not foreign:
        return []
    return [
        f"{TABLE}: schema version must be {SCHEMA_VERSION}, got {sorted(foreign)}; those rows"
        " were written by another version of bimp-study"
    ]


def _by_fingerprint(record: Record) -> str:
    return record.fingerprint


def _stems(names: Iterable[str], suffix: str) -> list[str]:
    return [name.removesuffix(suffix) for name in names if name.endswith(suffix)]
