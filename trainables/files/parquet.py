"""Parquet files of a bounded size: a few hundred bytes of one can stand for gigabytes.

Rows that are all alike and texts that many rows share take next to no room in a file.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterable, Sequence
from typing import Any, Final

import pyarrow as pa

LEAST_BYTES: Final = 256 * 2**20
"""So much room in memory any file may take."""

MOST_TIMES: Final = 500
"""So many times its own bytes a larger file may take; a study's tables take some 5 to 60."""

CHECKSUM: Final = "bimp-study.checksum"
"""The note at the end of a file that holds its checksum."""

_WIDTH: Final = 8
"""Bytes of a value of fixed width; some are narrower, which is no matter here."""

_TEXT: Final = "BYTE_ARRAY"


def read_parquet(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Return the table that the bytes of a Parquet file hold, or some columns of it.

    Raises ValueError where it takes more room than `LEAST_BYTES` and than `MOST_TIMES` its own
    bytes, ArrowException and OSError where it is no whole file or a page lacks its checksum.
    """
    file = _opened(data)
    chunks = _chunks(file.metadata, columns)
    if sum(_at_most(chunk, data) for chunk in chunks) <= LEAST_BYTES:
        _refuse_large(chunks, data)
        return _checked(file.read(columns))
    # Each text once, with numbers in its place: so the whole is weighed before it is written out.
    brief = read_brief(data, columns)
    parts = (part for column in brief.columns for part in column.chunks)
    if sum(map(_written_out, parts)) > _most(data):
        raise _too_large(data)
    names = file.schema_arrow.names if columns is None else columns
    return brief.cast(pa.schema([file.schema_arrow.field(name) for name in names]))


def read_brief(data: bytes, columns: Sequence[str] | None = None) -> pa.Table:
    """Return what `read_parquet` does, with each text of a column held once: as a dictionary."""
    chunks = _chunks(_opened(data).metadata, columns)
    _refuse_large(chunks, data)
    texts = [chunk.path_in_schema for chunk in chunks if chunk.physical_type == _TEXT]
    return _checked(_opened(data, list(dict.fromkeys(texts))).read(columns))


def checked_against_edits(data: bytes) -> bool:
    """Return whether a file is as it was written here; False for one of before there were
    checksums.

    Raises ValueError for one that was edited since, ArrowException where it is no whole file. The
    checksum is over all but the end, which holds it; it is no signature.
    """
    notes = _opened(data).metadata.metadata or {}
    if b"pandas" in notes:
        raise ValueError("must be as it was written here, got what pandas has written")
    if (checksum := notes.get(CHECKSUM.encode())) is None:
        return False
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")  # a length and four letters
    if checksum.decode(errors="replace") != _digest(data[:end]):
        rule = "must have the content that its checksum was taken of"
        raise ValueError(f"{rule}, got another: it was edited or damaged")
    return True


def parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file, a checksum at its end."""
    import pyarrow.parquet as pq

    sink = io.BytesIO()
    writer = pq.ParquetWriter(sink, table.schema, compression="zstd", write_page_checksum=True)
    with writer:
        writer.write_table(table)
        writer.add_key_value_metadata({CHECKSUM: _digest(sink.getvalue())})
    return sink.getvalue()


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def schema_of(data: bytes) -> pa.Schema:
    """Return the schema of a Parquet file, its metadata left out."""
    return _opened(data).schema_arrow


def _opened(data: bytes, brief: Sequence[str] = ()) -> Any:
    """A Parquet file; the columns at the paths `brief` are read as dictionaries."""
    import pyarrow.parquet as pq

    # One file at a time: `read_table` costs three times as much, for partitioned sets.
    return pq.ParquetFile(
        pa.BufferReader(data), read_dictionary=list(brief), page_checksum_verification=True
    )


def _most(data: bytes) -> int:
    return max(LEAST_BYTES, MOST_TIMES * len(data))


def _refuse_large(chunks: Iterable[Any], data: bytes) -> None:
    if sum(_least(chunk, data) for chunk in chunks) > _most(data):
        raise _too_large(data)


def _checked(table: pa.Table) -> pa.Table:
    """The table, whose texts are text; ArrowException where they are not."""
    table.validate(full=True)
    return table


def _chunks(metadata: Any, columns: Sequence[str] | None) -> list[Any]:
    """What a file says of each column of each of its groups of rows, some columns' alone."""
    groups = map(metadata.row_group, range(metadata.num_row_groups))
    chunks = (group.column(n) for group in groups for n in range(group.num_columns))
    if columns is None:
        return list(chunks)
    wanted = set(columns)
    return [chunk for chunk in chunks if chunk.path_in_schema.partition(".")[0] in wanted]


def _least(chunk: Any, data: bytes) -> int:
    """Bytes that a column takes with each of its texts once."""
    return int(chunk.num_values * _WIDTH + _uncompressed(chunk, data))


def _at_most(chunk: Any, data: bytes) -> int:
    """Bytes that a column can take: none of its texts is longer than all of it."""
    longest = _uncompressed(chunk, data) if chunk.physical_type == _TEXT else 0
    return int(chunk.num_values * (_WIDTH + longest))


def _uncompressed(chunk: Any, data: bytes) -> int:
    """Bytes of a column's pages once they are no longer compressed.

    The end of a file may lie of them; a page's own header cannot, as no page is made longer than
    it says.
    """
    starts = [one for one in (chunk.dictionary_page_offset, chunk.data_page_offset) if one]
    at, whole = min(starts, default=0), 0
    end = min(len(data), at + chunk.total_compressed_size)
    while at < end:
        try:
            fields, at = _compact_struct(data, at)
        except IndexError:  # a torn page, which the reader names
            break
        whole += max(0, fields.get(_UNCOMPRESSED, 0))
        at += max(0, fields.get(_COMPRESSED, 0))
    return max(whole, int(chunk.total_uncompressed_size))


_UNCOMPRESSED, _COMPRESSED = 2, 3
"""Fields of a page's header: lengths of the page, which comes behind it."""


def _compact_struct(data: bytes, at: int) -> tuple[dict[int, int], int]:
    """Return the whole numbers of a struct in Thrift's compact protocol, by field, and where it
    ends; IndexError where the bytes end first, ValueError for what no page's header holds."""
    numbers: dict[int, int] = {}
    field = 0
    while (head := data[at]) != 0:
        at += 1
        kind, step = head & 0x0F, head >> 4
        if step:
            field += step
        else:
            zigzag, at = _varint(data, at)
            field = zigzag >> 1 ^ -(zigzag & 1)
        if kind in (1, 2):  # true and false stand in the head
            continue
        if kind == 3:
            at += 1
        elif kind in (4, 5, 6):
            zigzag, at = _varint(data, at)
            numbers[field] = zigzag >> 1 ^ -(zigzag & 1)
        elif kind == 7:
            at += 8
        elif kind == 8:
            length, at = _varint(data, at)
            at += length
        elif kind == 12:
            _, at = _compact_struct(data, at)
        else:
            raise ValueError("must be a file of Parquet, got a page of another kind")
    return numbers, at + 1


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """An unsigned whole number, seven bits a byte, and where it ends."""
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        if (shift := shift + 7) > 63:
            raise ValueError("must be a file of Parquet, got a number without an end")


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
