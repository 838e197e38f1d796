"""Records of a compacted table, whose nested fields are decoded when they are first asked for.

Of twenty thousand records a command looks at the fingerprint, the state and perhaps one number of
each; decoding all of them takes seconds and a gigabyte.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Final, Self

import pyarrow as pa

from trainables.files.trial_record import Record

NESTED: Final = ("config", "cycles", "layers", "error", "provenance", "origin", "declared")
"""Fields that a table holds as canonical JSON text."""

_FLAT = ("schema", "fingerprint", "study", "seed", "state", "attempt", "message")
_NAMES = tuple(field.name for field in fields(Record))


def _metrics(cell: pa.Scalar) -> dict[str, float]:
    return dict(cell.as_py())


def _stages(cell: pa.Scalar) -> list[str]:
    return list(cell.as_py())


def _nested(cell: pa.Scalar) -> Any:
    return json.loads(cell.as_py())


_LATER: Mapping[str, Callable[[pa.Scalar], Any]] = {
    "metrics": _metrics,
    "stages": _stages,
    **dict.fromkeys((name for name in NESTED if name != "error"), _nested),
}
"""Fields that are decoded on demand. They have no default in the class, so that Python asks
`__getattr__` for them."""


class StoredRecord(Record):
    """A row of a table of records; equal to the record that it was made of."""

    @classmethod
    def of(cls, table: pa.Table, row: int, flat: Mapping[str, Any]) -> Self:
        """Return the record of a row, whose flat fields are given."""
        record = cls.__new__(cls)
        vars(record).update(flat, _table=table, _row=row)
        return record

    if not TYPE_CHECKING:  # else any name would do for the type checker

        def __getattr__(self, name: str) -> Any:
            if name not in _LATER or "_table" not in vars(self):
                raise AttributeError(name)
            table: pa.Table = self._table
            there = name in table.column_names
            value = _LATER[name](table.column(name)[self._row]) if there else {}
            vars(self)[name] = value
            return value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return all(getattr(self, name) == getattr(other, name) for name in _NAMES)

    __hash__ = None  # type: ignore[assignment]

    def __reduce__(self) -> tuple[Any, ...]:
        """Another process, or a copy, gets an ordinary record."""
        return Record, tuple(getattr(self, name) for name in _NAMES)


def stored_records(table: pa.Table) -> list[Record]:
    """Return the records of the rows of `records.RECORD_TABLE`, in order.

    The column `declared` may be absent: then nothing is.
    """
    columns = [table.column(name).to_pylist() for name in _FLAT]
    errors = map(json.loads, table.column("error").to_pylist())
    rows = zip(*columns, errors, strict=True)
    names = (*_FLAT, "error")
    return [
        StoredRecord.of(table, number, dict(zip(names, row, strict=True)))
        for number, row in enumerate(rows)
    ]
