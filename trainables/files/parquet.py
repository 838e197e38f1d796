"""Parquet files of a bounded size: a few hundred bytes of one can stand for gigabytes.

Rows that are all alike and texts that many rows share take next to no room in a file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import pyarrow as pa

LEAST_BYTES: Final = 256 * 2**20
"""So much room in memory any file may take."""

MOST_TIMES: Final = 500
"""So many times its own bytes a larger file may take; a study's tables take some 5 to 60."""

_WIDTH: Final = 8
"""Bytes of a value of fixed width; some are narrower, which is no matter here."""

_TEXT: Final = "BYTE_ARRAY"


def read_parquet(data: bytes) -> pa.Table:
    """Return the table that the bytes of a Parquet file hold.

    Raises ValueError where it takes more room than `LEAST_BYTES` and than `MOST_TIMES` its own
    bytes, ArrowException and OSError where it is no whole file or a page lacks its checksum.
    """
    import pyarrow.parquet as pq

    most = max(LEAST_BYTES, MOST_TIMES * len(data))
    # One file at a time: `read_table` costs three times as much, for partitioned sets.
    file = pq.ParquetFile(pa.BufferReader(data), page_checksum_verification=True)
    chunks = list(_chunks(file.metadata))
    if sum(map(_least, chunks)) > most:
        raise _too_large(data)
    if sum(map(_at_most, chunks)) <= LEAST_BYTES:
        return _checked(file.read())
    # Each text once, with numbers in its place: so the whole is weighed before it is written out.
    texts = [c.path_in_schema for c in chunks if c.physical_type == _TEXT]
    brief = pq.ParquetFile(
        pa.BufferReader(data),
        read_dictionary=list(dict.fromkeys(texts)),
        page_checksum_verification=True,
    ).read()
    if sum(_written_out(part) for column in brief.columns for part in column.chunks) > most:
        raise _too_large(data)
    return _checked(brief.cast(file.schema_arrow))


def _checked(table: pa.Table) -> pa.Table:
    """The table, whose texts are text; ArrowException where they are not."""
    table.validate(full=True)
    return table


def _chunks(metadata: Any) -> Iterator[Any]:
    """What a file says of each column of each of its groups of rows."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        yield from map(group.column, range(group.num_columns))


def _least(chunk: Any) -> int:
    """Bytes that a column takes with each of its texts once."""
    return int(chunk.num_values * _WIDTH + chunk.total_uncompressed_size)


def _at_most(chunk: Any) -> int:
    """Bytes that a column can take: none of its texts is longer than all of it."""
    longest = chunk.total_uncompressed_size if chunk.physical_type == _TEXT else 0
    return int(chunk.num_values * (_WIDTH + longest))


def _written_out(array: pa.Array) -> int:
    """Bytes of an array with all of its texts written out."""
    import pyarrow.compute as pc

    if pa.types.is_dictionary(array.type):
        lengths = pc.binary_length(array.dictionary).take(array.indices)
        return int(pc.sum(lengths).as_py() or 0) + _WIDTH * len(array)
    below = list(_below(array))
    return sum(map(_written_out, below)) if below else int(array.nbytes)


def _below(array: pa.Array) -> Iterable[pa.Array]:
    """The arrays that a nested one is made of; none where it holds plain values."""
    kind = array.type
    if pa.types.is_map(kind):
        return [array.keys, array.items]
    if pa.types.is_struct(kind):
        return list(array.flatten())
    return [array.flatten()] if pa.types.is_list(kind) or pa.types.is_large_list(kind) else []


def _too_large(data: bytes) -> ValueError:
    return ValueError(
        f"must take at most {LEAST_BYTES // 2**20} MiB in memory, or {MOST_TIMES} times its"
        f" {len(data):,} bytes, got more"
    )
