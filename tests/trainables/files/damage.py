"""Files that a disk has lost a part of."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq


def damaged(data: bytes, name: str) -> bytes:
    """Return the bytes of a Parquet file in which those of one column are zeros."""
    group = pq.ParquetFile(pa.BufferReader(data)).metadata.row_group(0)
    chunks = (group.column(number) for number in range(group.num_columns))
    [chunk] = [chunk for chunk in chunks if chunk.path_in_schema == name]
    start, size = chunk.data_page_offset, chunk.total_compressed_size
    start = chunk.dictionary_page_offset or start
    return data[:start] + bytes(size) + data[start + size :]
