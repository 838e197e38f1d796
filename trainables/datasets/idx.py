"""A strict reader of IDX files, the format of MNIST and the data sets shaped like it.

Needs only numpy. The format is described at the foot of LeCun's MNIST page: two zero bytes, a type,
the number of dimensions, each dimension as a big-endian 32-bit number, then the data.
"""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainables.data.raw import DataFormatError

_GZIP = b"\x1f\x8b"
_UNSIGNED_BYTES = 0x08


def read_idx(path: Path, n_dims: int) -> NDArray[np.uint8]:
    """Return the unsigned bytes in an IDX file, gzipped or plain, as a read-only array.

    Whether the file is gzipped is told from its first bytes, not from its name. Raises
    DataFormatError, naming the file and the reason, unless it holds unsigned bytes in exactly
    `n_dims` dimensions and is exactly as long as its header says.
    """
    content = _content(path)
    shape = _shape(path, content, n_dims)
    data = memoryview(content)[4 + 4 * n_dims :]
    if len(data) != math.prod(shape):
        raise DataFormatError(
            f"{path}: the header announces {'x'.join(map(str, shape))} = {math.prod(shape)} "
            f"bytes of data, the file holds {len(data)}"
        )
    return np.frombuffer(data, dtype=np.uint8).reshape(shape)


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    if not content.startswith(_GZIP):
        return content
    try:
        return gzip.decompress(content)
    except (OSError, EOFError, zlib.error) as error:
        raise DataFormatError(f"{path}: broken gzip file: {error}") from error


def _shape(path: Path, content: bytes, n_dims: int) -> tuple[int, ...]:
    expected = struct.pack(">HBB", 0, _UNSIGNED_BYTES, n_dims)
    magic = content[:4]
    if magic != expected:
        raise DataFormatError(
            f"{path}: must begin with {expected.hex(' ')} (IDX, unsigned bytes, dimensions: "
            f"{n_dims}), begins with {magic.hex(' ') or 'nothing'}"
        )
    header = content[4 : 4 + 4 * n_dims]
    if len(header) < 4 * n_dims:
        raise DataFormatError(f"{path}: ends within its header, after {len(content)} bytes")
    return struct.unpack(f">{n_dims}I", header)
