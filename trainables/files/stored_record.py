"""Records of a compacted table, whose nested fields are read and decoded when first asked for.

Of twenty thousand records a command looks at the fingerprint, the state and perhaps one number of
each; decoding all of them takes seconds and a gigabyte, and reading all columns 150 MB.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from sys import intern
from typing import TYPE_CHECKING, Any, Final, Protocol, Self

import pyarrow as pa

from trainables.files.parquet import read_brief, read_parquet, schema_of
from trainables.files.trial_record import TABLE, Record, RecordError, require_field
from trainables.vocabulary.refusal import shortened, shown
from trainables.vocabulary.schema import SCHEMA_VERSION, STATES
from trainables.vocabulary.wording import in_one_line

NESTED: Final = ("config", "cycles", "layers", "error", "provenance", "origin", "declared")
"""Fields that a table holds as canonical JSON text."""

REPEATED: Final = ("config", "layers", "provenance", "declared")
"""Nested fields that trials have in common, as the seeds of a configuration do: what is decoded of
equal texts is one object, which nobody may change."""

_GIVEN = ("schema", "fingerprint", "study", "seed", "state", "attempt")
_FLAT = (*_GIVEN, "message")
_NAMES = tuple(field.name for field in fields(Record))


def _metrics(cell: pa.Scalar) -> dict[str, float]:
    return dict(cell.as_py())


def _stages(cell: pa.Scalar) -> list[str]:
    return list(cell.as_py())


def _nested(cell: pa.Scalar) -> Any:
    return json.loads(cell.as_py())


def decoded(name: str, text: Any) -> Any:
    """Return what a nested field holds as JSON text; RecordError where no record holds it."""
    return _sound(name, json.loads, text)


def _sound(name: str, decode: Callable[[Any], Any], cell: Any) -> Any:
    try:
        value = decode(cell)
        if name != "declared" and not (name == "error" and value is None):  # asked before, or usual
            require_field(name, value)
    except RecordError:
        raise
    except (ValueError, TypeError, RecursionError) as error:
        fault = shortened(str(error))
        raise RecordError(f"{TABLE}: a row holds no {name} of a record ({fault})") from error
    return value


def require_flat(flat: Mapping[str, Sequence[Any]]) -> None:
    """Raise ValueError for flat columns of a table that no records have."""
    for name in _GIVEN:
        if None in flat[name]:
            raise ValueError(f"{name} must stand in each row, got a row without")
    if len(set(flat["fingerprint"])) < len(flat["fingerprint"]):
        raise ValueError("each trial must have one row, got two of one fingerprint")
    if SCHEMA_VERSION in flat["schema"]:
        pairs = zip(flat["state"], flat["schema"], strict=True)
        states = {state for state, schema in pairs if schema == SCHEMA_VERSION}
        if wrong := sorted(states - set(STATES)):
            raise ValueError(f"state must be one of {', '.join(STATES)}, got {shown(wrong[0])}")


_LATER: Mapping[str, Callable[[pa.Scalar], Any]] = {
    "metrics": _metrics,
    "stages": _stages,
    **dict.fromkeys((name for name in NESTED if name != "error"), _nested),
}
"""Fields that are decoded on demand. They have no default in the class, so that Python asks
`__getattr__` for them."""


class Columns(Protocol):
    """The columns of a table of records: a `pa.Table`, or a file of which each is read when it is
    first asked for."""

    @property
    def column_names(self) -> list[str]: ...

    def column(self, name: str) -> pa.ChunkedArray: ...


class FileColumns:
    """The columns of a Parquet file that is held as bytes, each read when it is first asked for."""

    def __init__(self, data: bytes, name: str) -> None:
        self._data, self._name = data, name
        self.schema = schema_of(data)
        self._read: dict[str, pa.ChunkedArray] = {}

    @property
    def column_names(self) -> list[str]:
        """The names of the columns, in order."""
        return list(self.schema.names)

    def column(self, name: str) -> pa.ChunkedArray:
        """Return a column; RecordError where the file is damaged there."""
        if name not in self._read:
            try:
                read = read_brief if name in REPEATED else read_parquet
                self._read[name] = read(self._data, [name]).column(name)
            except (pa.ArrowException, OSError, ValueError) as error:
                fault = in_one_line(error)  # Arrow's are of several lines
                raise RecordError(f"{self._name}: cannot be read ({fault})") from error
        return self._read[name]


class _Cells:
    """The nested cells of columns, decoded; equal texts of what is `REPEATED` once."""

    def __init__(self, columns: Columns) -> None:
        self._columns = columns
        self._names = frozenset(columns.column_names)
        self._values: dict[tuple[str, Any], Any] = {}

    def value(self, name: str, row: int) -> Any:
        """Return a cell; {} where there is no such column."""
        if name not in self._names:
            return {}
        cell = self._columns.column(name)[row]
        if name not in REPEATED:
            return _sound(name, _LATER[name], cell)
        key = name, cell.as_py()
        if key not in self._values:
            self._values[key] = decoded(*key)
        return self._values[key]


class StoredRecord(Record):
    """A row of a table of records; equal to the record that it was made of."""

    @classmethod
    def of(cls, cells: _Cells, row: int, flat: Mapping[str, Any]) -> Self:
        """Return the record of a row, whose flat fields are given."""
        record = cls.__new__(cls)
        vars(record).update(flat, _cells=cells, _row=row)
        return record

    if not TYPE_CHECKING:  # else any name would do for the type checker

        def __getattr__(self, name: str) -> Any:
            if name not in _LATER or "_cells" not in vars(self):
                raise AttributeError(name)
            vars(self)[name] = value = self._cells.value(name, self._row)
            return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _NAMES)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process, or a copy, gets an ordinary record."""
        return Record, tuple(getattr(self, name) for name in _NAMES)


def flat_of(columns: Columns) -> dict[str, list[Any]]:
    """Return the fields of all rows that are plain values, by name."""
    return {name: columns.column(name).to_pylist() for name in _FLAT}


def stored_records(columns: Columns) -> list[Record]:
    """Return the records of the rows of `tables.RECORD_TABLE`, in order.

    The column `declared` may be absent: then nothing is. Raises as `require_flat`, and RecordError
    for errors that are none.
    """
    flat = flat_of(columns)
    require_flat(flat)
    flat |= {name: list(map(intern, flat[name])) for name in ("study", "state")}
    flat["error"] = [decoded("error", text) for text in columns.column("error").to_pylist()]
    cells = _Cells(columns)
    return [
        StoredRecord.of(cells, number, dict(zip(flat, row, strict=True)))
        for number, row in enumerate(zip(*flat.values(), strict=True))
    ]
