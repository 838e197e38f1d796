"""Rows of a table as plain objects, which many reads of single cells are faster on."""

from __future__ import annotations

from collections import namedtuple
from functools import cache
from typing import Any

import pandas as pd


def tuples(table: pd.DataFrame) -> list[Any]:
    """Return a table's rows as `itertuples` does; a column that is no identifier has no name."""
    row = _row_type(("Index", *map(str, table.columns)))
    columns = [table.index.tolist(), *(table[column].tolist() for column in table.columns)]
    return list(map(row._make, zip(*columns, strict=True)))


@cache
def _row_type(columns: tuple[str, ...]) -> Any:
    """A kind of row, made once: making one costs more than most tables do."""
    return namedtuple("Row", columns, rename=True)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a table's rows as mappings from column to value."""
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
