"""One image file: whether it can be read, and its pixels.

Pillow is imported when a file is opened.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.data.raw import DataFormatError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
"""What is tried, whatever a file's name says; Pillow alone would also run text as PostScript."""

_PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
_JPEG_END = b"\xff\xd9"


class Header(NamedTuple):
    """Pillow's name for the form of an image's pixels, and its sides in pixels."""

    mode: str
    width: int
    height: int


def fault_of(path: Path) -> str | None:
    """Return why a file cannot be read as an image, None where it can.

    Cheap, as `header_of` is.
    """
    try:
        header_of(path)
    except Exception as error:  # a file can be broken in any way; the reason is what is returned
        return reason_of(error)
    return None


def header_of(path: Path) -> Header:
    """Return what a file says of its image; whatever Pillow raises where it cannot be read.

    The header and the file's last bytes are read, and only a file whose end leaves a doubt is
    decoded.
    """
    with opened(path) as image:
        _require_mode(image)
        if not _ends_well(path, str(image.format)):
            image.load()
        return Header(image.mode, *image.size)


def decoded(path: Path, key: str = "task.dataset.path") -> NDArray[np.uint8]:
    """Return the pixels of an image file as [H, W, 3], red, green and blue.

    Greyscale, palettes and CMYK are converted, 16 bits cut to 8, transparency and the orientation
    that a camera noted are passed over, as torchvision does. `key`: where the study file says that
    the file should be.

    Raises:
        DataFormatError: the file cannot be decoded; the message names it and the reason.
    """
    try:
        with opened(path) as image:
            _require_mode(image)
            return np.array(_in_colour(image))
    except Exception as error:
        rule = "must hold images that can be decoded"
        raise DataFormatError(f"{key} {rule}, got {path} ({reason_of(error)})") from error


@contextmanager
def opened(path: Path) -> Iterator[Image]:
    """Open an image file as Pillow has it, its pixels not yet read."""
    from PIL import Image

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of metadata and sizes: the pixels are what counts
        with Image.open(path, formats=_readable()) as image:
            yield image


@cache
def _readable() -> tuple[str, ...]:
    """Those of `FORMATS` that this build of Pillow reads."""
    from PIL import Image

    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def reason_of(error: Exception) -> str:
    """Return in words why a file could not be read."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "no image of a known format"
    if isinstance(error, FileNotFoundError):
        return "no such file"
    return str(error) or type(error).__name__


def _require_mode(image: Image) -> None:
    if image.mode == "F":
        raise ValueError("pixels are floating-point numbers, not 8 or 16 bits")


def _ends_well(path: Path, form: str) -> bool:
    """Whether the last bytes show that the file is complete."""
    with path.open("rb") as file:
        if form == "WEBP":
            announced = int.from_bytes(file.read(8)[4:], "little") + 8
            return path.stat().st_size >= announced
        end = {"PNG": _PNG_END, "JPEG": _JPEG_END}.get(form)
        if end is None or path.stat().st_size < len(end):
            return False
        file.seek(-len(end), 2)
        return file.read() == end


def _in_colour(image: Image) -> Any:
    if image.mode.startswith("I"):  # Pillow would clip 16 bits at 255
        levels = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(levels[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")
