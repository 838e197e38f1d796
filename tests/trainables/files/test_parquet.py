"""Parquet files are read whole and to the bit, and what would fill the memory is refused."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trainables.files import parquet
from trainables.files.parquet import read_parquet


def written(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", write_page_checksum=True)
    return sink.getvalue()


def repeated(value: object, times: int) -> pa.Array:
    """An array that holds one value so many times, and takes no room for it."""
    return pa.DictionaryArray.from_arrays(np.zeros(times, np.int8), pa.array([value]))


def of_text(times: int, length: int) -> pa.Table:
    return pa.table({"config": repeated("x" * length, times)})


def of_lists(times: int, length: int) -> pa.Table:
    return pa.table({"stages": pa.ListArray.from_arrays([0, times], repeated("x" * length, times))})


GIB = 2**30
BOMBS: dict[str, Callable[[], pa.Table]] = {
    "a text in many rows": lambda: of_text(20_000, GIB // 20_000),
    "a list of a text": lambda: of_lists(20_000, GIB // 20_000),
    "a number in many rows": lambda: pa.table({"a": repeated(1.5, GIB // 8)}),
}


@pytest.mark.parametrize("kind", BOMBS)
def test_a_small_file_that_stands_for_a_gigabyte_is_refused(kind: str) -> None:
    data = written(BOMBS[kind]())
    assert len(data) < GIB // 500
    before = pa.total_allocated_bytes()
    with pytest.raises(ValueError, match=f"must take at most .* its {len(data):,} bytes, got more"):
        read_parquet(data)
    assert pa.total_allocated_bytes() - before < 64 * 2**20


def test_a_long_text_in_a_compressed_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet, "LEAST_BYTES", 2**20)
    data = written(pa.table({"config": ["x" * 2**23]}))
    assert len(data) * parquet.MOST_TIMES < 2**23
    with pytest.raises(ValueError, match="must take at most 1 MiB in memory, or 500 times its"):
        read_parquet(data)


@pytest.mark.parametrize("least", [0, 2**28])
def test_tables_are_read_to_the_bit_whichever_way(
    least: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "LEAST_BYTES", least)  # at 0 each is weighed before it is read
    rows = 300
    table = pa.table(
        {
            "n": pa.array([*range(rows - 1), None], pa.int64()),
            "x": pa.array(np.random.default_rng(0).normal(size=rows)),
            "text": pa.array(["täxt", None, ""] * (rows // 3)),
            "metrics": pa.array(
                [[("a", 0.1), ("b", None)], None, []] * (rows // 3),
                pa.map_(pa.string(), pa.float64()),
            ),
            "stages": pa.array([["h0", None], [], None] * (rows // 3)),
        }
    )
    again = read_parquet(written(table))
    assert again.schema.equals(table.schema)
    assert again.equals(table)


def test_a_page_that_was_damaged_is_found() -> None:
    plain = pa.table({"x": np.random.default_rng(0).normal(size=2000)})
    sink = io.BytesIO()
    pq.write_table(plain, sink, compression="none", use_dictionary=False, write_page_checksum=True)
    data = bytearray(sink.getvalue())
    data[len(data) // 2] ^= 1
    with pytest.raises(OSError, match=r"CRC|crc"):
        read_parquet(bytes(data))


def test_what_was_edited_is_refused() -> None:
    """By another program, or with the checksum of before kept; older files have none."""
    table = pa.table({"a": [0.25, 0.5], "b": ["x", "y"]})
    data = parquet.parquet(table)
    assert parquet.checked_against_edits(data) and read_parquet(data).equals(table)
    assert not parquet.checked_against_edits(written(table))
    noted = pq.read_schema(pa.BufferReader(data)).metadata or {}
    notes = {**noted, **pq.read_metadata(pa.BufferReader(data)).metadata}
    edited = pa.table({"a": [0.25, 0.75], "b": ["x", "y"]}).replace_schema_metadata(notes)
    with pytest.raises(ValueError, match="got another: it was edited or damaged"):
        parquet.checked_against_edits(written(edited))
    sink = io.BytesIO()
    edited.to_pandas().to_parquet(sink)
    with pytest.raises(ValueError, match="got what pandas has written"):
        parquet.checked_against_edits(sink.getvalue())


def test_the_checksum_covers_every_byte_before_the_end() -> None:
    data = parquet.parquet(pa.table({"a": list(range(50))}))
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    for at in (0, 4, end // 2, end - 1):
        damaged = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        with pytest.raises((ValueError, pa.ArrowException)):
            parquet.checked_against_edits(damaged)


def lying(data: bytes, size: int) -> bytes:
    """The file with an end that says of a column of `size` bytes that it has one byte."""
    number, true = size << 1, b""
    while number >= 0x80:
        true += bytes([number & 0x7F | 0x80])
        number >>= 7
    true += bytes([number])
    short = b"\x82" + b"\x80" * (len(true) - 2) + b"\x00"
    end = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    assert true in data[end:]
    return data[:end] + data[end:].replace(true, short)


@pytest.mark.parametrize(
    ("compression", "version", "dictionary"),
    [("zstd", "1.0", True), ("zstd", "2.0", False), ("gzip", "2.0", True), ("brotli", "1.0", True)],
)
def test_pages_are_weighed_where_the_end_of_the_file_lies(
    compression: str, version: str, dictionary: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet, "LEAST_BYTES", 2**20)
    sink = io.BytesIO()
    pq.write_table(
        pa.table({"config": ["x" * (32 * 2**20)]}), sink,
        compression=compression, data_page_version=version, use_dictionary=dictionary,
    )  # fmt: skip
    data = sink.getvalue()
    size = pq.read_metadata(pa.BufferReader(data)).row_group(0).column(0).total_uncompressed_size
    wrong = lying(data, size)
    chunk = pq.read_metadata(pa.BufferReader(wrong)).row_group(0).column(0)
    assert chunk.total_uncompressed_size == 1
    before = pa.total_allocated_bytes()
    with pytest.raises(ValueError, match="must take at most 1 MiB in memory"):
        read_parquet(wrong)
    assert pa.total_allocated_bytes() - before < 2**20


def test_pages_are_weighed_as_the_end_of_an_honest_file_says() -> None:
    """Headers of pages count as well there, and stand between them."""
    table = pa.table({"a": list(range(5000)), "b": [f"{n % 7}" for n in range(5000)]})
    for data in (parquet.parquet(table), written(table)):
        group = pq.read_metadata(pa.BufferReader(data)).row_group(0)
        for number in range(2):
            chunk = group.column(number)
            assert parquet._uncompressed(chunk, data) == chunk.total_uncompressed_size


@pytest.mark.parametrize("cut", [1, 2, 5, 30])
def test_a_torn_header_is_left_to_the_reader(cut: int) -> None:
    with pytest.raises((IndexError, ValueError)):
        parquet._compact_struct(b"\xff" * cut, 0)
