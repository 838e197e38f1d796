"""Weights in files: dense, or sparse as a bitmask or CSR, each also compressed by zstd.

Every file is in safetensors format, so that any reader of it finds the parts; `-zstd` is such a
file as one zstd frame. Per sparse tensor, with n entries flat, row by row:

    bitmask   NAME:bitmask  uint8 [ceil(n / 8)], entry i at bit i % 8 of byte i // 8, lowest first
              NAME:values   the stored entries in order
    csr       NAME:rows     [out + 1], where each row of the matrix [out, n / out] begins
              NAME:columns  column of each stored entry
              NAME:values   the stored entries in order

Stored is every entry that is not +0, so that reading gives the tensors back to the bit. Rows and
columns are of the smallest of uint8, uint16 and uint32 that holds them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping
from typing import Any, Final, Literal, get_args

import numpy as np
import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.torch import load
from torch import Tensor

Layout = Literal["dense", "bitmask", "csr"]
Encoding = Literal["dense", "bitmask", "csr", "dense-zstd", "bitmask-zstd", "csr-zstd"]
ENCODINGS: Final[tuple[Encoding, ...]] = get_args(Encoding)

LEVEL: Final = 9
"""zstd's level: higher ones gain a few per cent on weights and take several times as long."""

LEAST_BYTES: Final = 256 * 2**20
"""So much room in memory the weights of any file may take."""

MOST_TIMES: Final = 1000
"""So many times its own bytes those of a larger one may."""

_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_SPARSE: Final = "sparse"
"""Under which the header keeps shape and type of each sparse tensor, as JSON."""

_PARTS: Final = {"bitmask": ("bitmask", "values"), "csr": ("rows", "columns", "values")}
_INDICES: Final = (np.uint8, np.uint16, np.uint32)
_BITS: Final = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class EncodingError(ValueError):
    """A file that does not hold weights in one of these encodings."""


def encoded(
    tensors: Mapping[str, Tensor],
    sparse: Collection[str],
    encoding: Encoding,
    header: Mapping[str, str],
) -> bytes:
    """Return the file of some tensors on the CPU; those named in `sparse` are laid out sparsely.

    `header` are texts that the file keeps beside them.
    """
    layout, zstd = split_encoding(encoding)
    if layout == "dense":
        return compressed(safetensors_file(tensors, header), zstd)
    parts: dict[str, Tensor] = {}
    shapes = {}
    for name, tensor in sorted(tensors.items()):
        if name in sparse:
            shapes[name] = {"shape": list(tensor.shape), "layout": layout}
            parts |= {f"{name}:{part}": t for part, t in packed(tensor, layout).items()}
        else:
            parts[name] = tensor
    return compressed(safetensors_file(parts, {**header, _SPARSE: json.dumps(shapes)}), zstd)


def decoded(data: bytes) -> dict[str, Tensor]:
    """Return the tensors of a file, dense and to the bit as they were encoded.

    Raises:
        EncodingError: the bytes are no such file, or not a whole one.
    """
    try:
        plain = _decompressed(data)
        shapes = json.loads(header_of(plain).get(_SPARSE, "{}"))
        parts = load(plain)
        _refuse_large(shapes, parts, len(data))
        places = {
            name: {part: f"{name}:{part}" for part in _PARTS[entry["layout"]]}
            for name, entry in shapes.items()
        }
        taken = {key for keys in places.values() for key in keys.values()}
        tensors = {name: tensor for name, tensor in parts.items() if name not in taken}
        for name, keys in places.items():
            own = {part: parts[key] for part, key in keys.items()}
            tensors[name] = unpacked(own, shapes[name]["shape"], shapes[name]["layout"])
    except (
        SafetensorError, pa.ArrowException, OSError, ValueError, KeyError, TypeError,
    ) as error:  # fmt: skip
        raise EncodingError(f"a file of weights must be whole, got a fault: {error}") from error
    return tensors


def header_of(data: bytes) -> dict[str, str]:
    """Return the texts that a file keeps beside its tensors; ValueError where it is none."""
    plain = _decompressed(data)
    size = int.from_bytes(plain[:8], "little")
    return dict(json.loads(plain[8 : 8 + size]).get("__metadata__", {}))


def header_bytes(data: bytes) -> int:
    """Return how many bytes of an uncompressed file stand before its tensors."""
    return 8 + int.from_bytes(data[:8], "little")


def split_encoding(encoding: Encoding) -> tuple[Layout, bool]:
    """Return an encoding's layout, and whether zstd is on top."""
    layout: Any = encoding.removesuffix("-zstd")
    return layout, encoding.endswith("-zstd")


def packed(tensor: Tensor, layout: Layout) -> dict[str, Tensor]:
    """Return the parts of a tensor by the names that follow its own; itself as "" when dense."""
    if layout == "dense":
        return {"": tensor}
    flat = tensor.contiguous().reshape(-1)
    stored = (flat.view(_BITS[flat.element_size()]) != 0).numpy()
    values = flat[torch.from_numpy(stored)]
    if layout == "bitmask":
        bits = np.packbits(stored, bitorder="little")
        return {"bitmask": torch.from_numpy(bits), "values": values}
    outputs = len(tensor) if tensor.ndim else 1
    matrix = stored.reshape(outputs, len(stored) // outputs if outputs else 0)
    rows = np.concatenate([[0], np.cumsum(matrix.sum(1))])
    columns = np.nonzero(matrix)[1]
    width = max(matrix.shape[1] - 1, 0)
    return {
        "rows": torch.from_numpy(rows.astype(_index_type(int(rows[-1])))),
        "columns": torch.from_numpy(columns.astype(_index_type(width))),
        "values": values,
    }


def unpacked(parts: Mapping[str, Tensor], shape: list[int], layout: Layout) -> Tensor:
    """Return the dense tensor of `packed` parts."""
    values = parts["values"]
    n = int(np.prod(shape, dtype=np.int64))
    if layout == "bitmask":
        if len(parts["bitmask"]) != -(-n // 8):
            raise ValueError(f"a bitmask must have a bit per entry, got {shape}")
        stored = np.unpackbits(parts["bitmask"].numpy(), count=n, bitorder="little").astype(bool)
    else:
        rows = parts["rows"].numpy().astype(np.int64)
        counts = rows[1:] - rows[:-1]
        width = n // len(counts) if len(counts) else 0
        places = np.repeat(np.arange(len(counts)) * width, counts)
        stored = np.zeros(n, dtype=bool)
        stored[places + parts["columns"].numpy().astype(np.int64)] = True
    dense = torch.zeros(n, dtype=values.dtype)
    dense[torch.from_numpy(stored)] = values
    return dense.reshape(shape)


def compressed(data: bytes, zstd: bool = True) -> bytes:
    """Return the bytes as one zstd frame; as they are unless `zstd`."""
    if not zstd:
        return data
    return bytes(pa.Codec("zstd", compression_level=LEVEL).compress(data, asbytes=True))


def _decompressed(data: bytes) -> bytes:
    if not data.startswith(_ZSTD_MAGIC):
        return data
    most = _most_bytes(len(data))
    plain = pa.CompressedInputStream(pa.BufferReader(data), "zstd").read(most + 1)
    if len(plain) > most:
        raise ValueError(f"must take at most {most:,} bytes uncompressed, got more")
    return bytes(plain)


def _most_bytes(n: int) -> int:
    """Bytes that the weights in a file of n bytes may take."""
    return max(LEAST_BYTES, MOST_TIMES * n)


def _refuse_large(shapes: Mapping[str, Any], parts: Mapping[str, Tensor], n: int) -> None:
    """Refuse sparse tensors that take far more room than their file: it may be somebody else's."""
    total = sum(
        math.prod(entry["shape"]) * parts[f"{name}:values"].element_size()
        for name, entry in shapes.items()
    )
    if total > (most := _most_bytes(n)):
        raise ValueError(f"must take at most {most:,} bytes of weights, got {total:,}")


def _index_type(largest: int) -> Any:
    """The smallest unsigned type that holds 0 to `largest`."""
    return next(kind for kind in _INDICES if largest <= np.iinfo(kind).max)


_TYPES: Final = {
    torch.float64: "F64", torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8",
    torch.uint64: "U64", torch.uint32: "U32", torch.uint16: "U16", torch.uint8: "U8",
    torch.bool: "BOOL", torch.complex64: "C64",
}  # fmt: skip
"""safetensors' names of types."""


def safetensors_file(tensors: Mapping[str, Tensor], texts: Mapping[str, str]) -> bytes:
    """Return the file that holds tensors, and texts beside them: the same bytes for the same ones.

    The library's own writer shuffles the texts, so that a compressed file would have other bytes
    every time. Tensors come by the size of their entries, the largest first, then by name.
    """
    order = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    data = [raw_bytes(tensors[name]) for name in order]
    ends = np.cumsum([len(part) for part in data]).tolist()
    header: dict[str, Any] = {"__metadata__": dict(sorted(texts.items()))}
    for name, part, end in zip(order, data, ends, strict=True):
        header[name] = {
            "dtype": _TYPES[tensors[name].dtype],
            "shape": list(tensors[name].shape),
            "data_offsets": [end - len(part), end],
        }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return b"".join([len(text).to_bytes(8, "little"), text, *data])


def raw_bytes(tensor: Tensor) -> bytes:
    """Return a tensor's entries, row by row, as they stand in memory of little-endian machines."""
    flat = tensor.detach().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b""
