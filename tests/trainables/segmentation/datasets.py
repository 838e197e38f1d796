"""Small folders in the layouts of PASCAL VOC and Cityscapes, written by tests."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

VOID = 255


def picture(path: Path, seed: int, size: tuple[int, int] = (20, 24), mode: str = "RGB") -> None:
    """Write noise, height and width as given, in a mode of Pillow's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.RandomState(seed).randint(0, 256, (*size, 3)).astype(np.uint8)
    Image.fromarray(pixels).convert(mode).save(path)


def mask(path: Path, seed: int, classes: list[int], size: tuple[int, int] = (20, 24)) -> None:
    """Write blocks of classes with a void cross between them, as a palette."""
    path.parent.mkdir(parents=True, exist_ok=True)
    drawn = np.random.RandomState(seed).choice(classes, 4)
    levels = np.empty(size, np.uint8)
    half = (size[0] // 2, size[1] // 2)
    levels[: half[0], : half[1]], levels[: half[0], half[1] :] = drawn[:2]
    levels[half[0] :, : half[1]], levels[half[0] :, half[1] :] = drawn[2:]
    levels[half[0]], levels[:, half[1]] = VOID, VOID
    image = Image.fromarray(levels).convert("P")
    image.putdata(levels.ravel().tolist())
    image.save(path)


def voc(root: Path, n_train: int = 10, n_val: int = 3) -> Path:
    """Write `VOCdevkit/VOC2012` below a folder; images 0, 1, ... in 20 x 24 and 24 x 20 pixels."""
    folder = root / "VOCdevkit" / "VOC2012"
    names = [f"2012_{number:06}" for number in range(n_train + n_val)]
    for number, name in enumerate(names):
        size = (20, 24) if number % 2 else (24, 20)
        picture(folder / "JPEGImages" / f"{name}.jpg", number, size)
        mask(folder / "SegmentationClass" / f"{name}.png", number, [0, 1, 20], size)
    lists = folder / "ImageSets" / "Segmentation"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(names[:n_train]) + "\n")
    (lists / "val.txt").write_text("\n".join(names[n_train:]) + "\n")
    return root


def cityscapes(root: Path, n_train: int = 6, n_val: int = 2) -> Path:
    """Write `cityscapes/leftImg8bit` and `cityscapes/gtFine` below a folder, two cities a part."""
    for part, n in (("train", n_train), ("val", n_val)):
        for number in range(n):
            city = ("aachen", "bonn")[number % 2]
            stem = f"{city}_{number:06}_000019"
            images, masks = (root / "cityscapes" / kind / part / city
                             for kind in ("leftImg8bit", "gtFine"))  # fmt: skip
            picture(images / f"{stem}_leftImg8bit.png", number)
            mask(masks / f"{stem}_gtFine_labelIds.png", number, [0, 7, 33])
            mask(masks / f"{stem}_gtFine_instanceIds.png", number, [1])
    return root
