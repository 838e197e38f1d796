"""Images with their masks on disk: listed by part, checked, and decoded.

`decode` is a function of the files alone, `transform` draws from torch's generator: so decoded
items may be kept, and whether they are changes no bit.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.folders.decoding import decoding_faults
from trainables.folders.image_files import decoded
from trainables.segmentation.masks import KEY, pair_fault, read_mask
from trainables.vocabulary.refusal import Refusal

MOST_NAMED: Final = 5
_DIGITS: Final = 16

Move = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]
"""What becomes of an image uint8 [3, H, W] and its mask uint8 [H, W]: the same for both."""


class Pair(NamedTuple):
    """Names of an image and of its mask below the root of the data."""

    image: str
    mask: str


@dataclass(frozen=True)
class Listing:
    """The pairs of the parts `train` and `val` as their makers published them, below `root`."""

    root: Path
    train: tuple[Pair, ...]
    val: tuple[Pair, ...]

    @property
    def digest(self) -> str:
        """16 hexadecimal digits, equal for equal names and sizes, wherever the root lies."""
        names = (name for pair in (*self.train, *self.val) for name in pair)
        lines = (f"{name}\0{_size(self.root / name)}\n" for name in names)
        text = "".join(lines).encode("utf-8", "surrogateescape")
        return hashlib.sha256(text).hexdigest()[:_DIGITS]


def require_whole(root: Path, pairs: Sequence[Pair], classes: NDArray[np.int16]) -> None:
    """Decode all files, once; Refusal counts and names pairs that cannot be used.

    `classes` is that of `PairItems`. Raises DataFormatError for files that this machine may not
    read.
    """

    def look(names: Sequence[str]) -> str | None:
        image, mask = names
        return pair_fault(root / image, root / mask, classes)

    what = f"pairs {hashlib.sha256(classes.tobytes()).hexdigest()}"
    faults = decoding_faults(root, pairs, look, what)
    if not faults:
        return
    named = [f"{name} ({reason})" for name, reason in sorted(faults.items())[:MOST_NAMED]]
    more = f" and {len(faults) - MOST_NAMED} more" if len(faults) > MOST_NAMED else ""
    raise Refusal(
        f"{KEY} must hold images with masks of their size, got {len(faults)} of {len(pairs)} that"
        f" cannot be used: {', '.join(named)}{more}"
    )


@dataclass(frozen=True, eq=False)
class PairItems:
    """Some pairs as items (image float32 [3, H, W], mask uint8 [H, W]).

    `names` are encoded paths below `root` [N, 2], one array, which loader processes share.
    `classes` int16 [256]: the class of each level of a mask file, -1 for a level that it may not
    have. `move` is what training does to both; without it they stay whole.
    """

    root: Path
    names: NDArray[np.bytes_]
    classes: NDArray[np.int16]
    finish: Callable[[Tensor], Tensor]
    move: Move | None = None

    @classmethod
    def of(
        cls,
        root: Path,
        pairs: Sequence[Pair],
        classes: NDArray[np.int16],
        finish: Callable[[Tensor], Tensor],
        move: Move | None = None,
    ) -> PairItems:
        """Return the items of some pairs."""
        names = np.array([[os.fsencode(name) for name in pair] for pair in pairs], dtype=np.bytes_)
        return cls(root, names, classes, finish, move)

    @property
    def samples(self) -> list[str]:
        """The files of the images, by which parts that share some are told."""
        return [str(self.root / os.fsdecode(image)) for image in self.names[:, 0]]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        return self.transform(self.decode(index))

    def decode(self, index: int) -> tuple[Tensor, Tensor]:
        """Return the image as it is in its file, uint8 [3, H, W], and its mask uint8 [H, W]."""
        image, mask = (self.root / os.fsdecode(name) for name in self.names[index])
        pixels = torch.from_numpy(decoded(image, KEY)).permute(2, 0, 1).contiguous()
        return pixels, torch.from_numpy(read_mask(mask, self.classes))

    def transform(self, item: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Return a decoded item as the network gets it."""
        image, mask = item if self.move is None else self.move(*item)
        return self.finish(image), mask


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # named as missing where its header is opened
        return -1
