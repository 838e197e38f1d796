"""Small image files and folders of them, as tests need them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image

Levels = tuple[int, int, int]


def plain(path: Path, colour: Levels = (10, 20, 30), size: tuple[int, int] = (8, 6)) -> Path:
    """Write an image of one colour, `size` wide and high; the ending gives the format."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)
    return path


def noise(path: Path, seed: int, size: tuple[int, int] = (12, 10)) -> Path:
    """Write an image of random pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def cut(path: Path, lost: int = 40) -> Path:
    """Take bytes off the end of a file."""
    path.write_bytes(path.read_bytes()[:-lost])
    return path


def scrambled(path: Path) -> Path:
    """Put what begins another JPEG among the pixels of an image: its header and end stay whole."""
    content = bytearray(path.read_bytes())
    place = len(content) * 7 // 8
    content[place : place + 2] = b"\xff\xd8"
    path.write_bytes(content)
    return path


def folder_of(root: Path, counts: Mapping[str, int]) -> Path:
    """Write so many images of noise into each folder below `root`, and return it."""
    seed = 0
    for name, n in counts.items():
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(n):
            noise(root / name / f"{number:03}.png", seed)
            seed += 1
    return root
