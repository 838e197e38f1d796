"""What weights take on a disk: every encoding in every precision, whole and by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from torch import Tensor

from trainables.deploy.encodings import (
    ENCODINGS,
    Encoding,
    compressed,
    encoded,
    header_bytes,
    packed,
    raw_bytes,
    split_encoding,
)
from trainables.deploy.weights import MaskedWeights
from trainables.trials.precision import SCALE, Precision, available, in_precision

WHOLE: Final = "(file)"
OTHERS: Final = "(other tensors)"
HEADER: Final = "(header)"
"""Rows beside those of layers: the file as written; what is not pruned; names and texts."""


@dataclass(frozen=True)
class Size:
    """Bytes of one encoding in one precision: of the whole file, or of a layer in it.

    `layer` is a pruned weight's name, or one of `WHOLE`, `OTHERS`, `HEADER`. Without zstd the
    others add up to the whole. Under zstd each layer is compressed by itself, the file as one.
    """

    precision: Precision
    encoding: Encoding
    layer: str
    bytes: int

    def plain(self) -> dict[str, Any]:
        """Return the row as plain data."""
        return asdict(self)


def file_of(
    weights: MaskedWeights, precision: Precision, encoding: Encoding, header: Mapping[str, str]
) -> bytes:
    """Return the file of a network's weights in a precision and an encoding."""
    stored = in_precision(weights.tensors, precision)
    texts = {**header, "precision": precision, "encoding": encoding}
    return encoded(stored, weights.masks.keys(), encoding, texts)


def sizes_of(weights: MaskedWeights, header: Mapping[str, str]) -> list[Size]:
    """Return the sizes of every file that `file_of` can make here of a network, with layers'."""
    return [
        size
        for precision in available()
        for encoding in ENCODINGS
        for size in _sizes(weights, precision, encoding, header)
    ]


def _sizes(
    weights: MaskedWeights, precision: Precision, encoding: Encoding, header: Mapping[str, str]
) -> Iterator[Size]:
    layout, zstd = split_encoding(encoding)
    stored = in_precision(weights.tensors, precision)
    file = file_of(weights, precision, encoding, header)
    yield Size(precision, encoding, WHOLE, len(file))
    scales = {name: f"{name}:{SCALE}" for name in weights.masks}
    for name, scale in scales.items():
        beside = [stored[scale]] if scale in stored else []
        parts = [*packed(stored[name], layout).values(), *beside]
        yield Size(precision, encoding, name, _bytes(parts, zstd))
    rest = [v for name, v in stored.items() if name not in {*scales, *scales.values()}]
    yield Size(precision, encoding, OTHERS, _bytes(rest, zstd))
    if not zstd:
        yield Size(precision, encoding, HEADER, header_bytes(file))


def _bytes(parts: Iterable[Tensor], zstd: bool) -> int:
    """Bytes of some tensors one after another, compressed together under zstd."""
    return len(compressed(b"".join(map(raw_bytes, parts)), zstd))
