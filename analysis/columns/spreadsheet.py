"""CSV that a spreadsheet shows as it stands: what it would take for a formula is marked as text."""

from __future__ import annotations

from typing import Any, Final

import pandas as pd

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def csv_text(table: pd.DataFrame) -> str:
    """Return a frame as CSV without its index, in full precision, a missing value being missing.

    Text that begins as a formula does gets an apostrophe before it, which spreadsheets do not show:
    names come from study files, and a file may be somebody else's. Numbers stay as they are.
    """
    safe = table.rename(columns=_as_text)
    texts = [n for n, kind in enumerate(safe.dtypes) if not pd.api.types.is_numeric_dtype(kind)]
    columns = [safe.iloc[:, n].map(_as_text) if n in texts else safe.iloc[:, n]
               for n in range(safe.shape[1])]  # fmt: skip
    whole = pd.concat(columns, axis=1) if columns else safe
    return str(whole.to_csv(index=False, lineterminator="\n"))


def _as_text(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA) and not _is_number(value):
        return f"'{value}"
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
