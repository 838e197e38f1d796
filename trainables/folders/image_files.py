"""One image file: whether it can be read, and its pixels.

Pillow is imported when a file is opened.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainables.data.raw import DataFormatError

if TYPE_CHECKING:
    from PIL.Image import Image

KEY: Final = "task.dataset.path"
FORMATS: Final = ("JPEG", "PNG", "PPM", "BMP", "TIFF", "WEBP", "GIF")
"""What is tried, whatever a file's name says; Pillow alone would also run text as PostScript."""


class Header(NamedTuple):
    """Pillow's name for the form of an image's pixels, and its sides in pixels."""

    mode: str
    width: int
    height: int


def fault_of(path: Path, key: str = KEY) -> str | None:
    """Return why a file cannot be decoded as an image, None where it can; raises as `fault_in`."""
    return fault_in(_pixels, path, key)


def fault_in(read: Callable[[Path], object], path: Path, key: str = KEY) -> str | None:
    """Return why a file cannot be read by some function, None where it can.

    Raises:
        DataFormatError: what keeps it from being read is this machine, such as a permission, and
            says nothing of what is in the file.
    """
    try:
        read(path)
    except Exception as error:  # a file can be broken in any way; the reason is what is returned
        if _is_of_the_machine(error):
            rule = "must hold files that this machine can read"
            raise DataFormatError(f"{key} {rule}, got {path} ({reason_of(error)})") from error
        return reason_of(error)
    return None


def _is_of_the_machine(error: Exception) -> bool:
    """Pillow's own errors have no number of the system's."""
    if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
        return error.errno is not None
    return isinstance(error, MemoryError)


def header_of(path: Path) -> Header:
    """Return what a file says of its image; whatever Pillow raises where it has no header."""
    with opened(path) as image:
        return Header(image.mode, *image.size)


def decoded(path: Path, key: str = KEY) -> NDArray[np.uint8]:
    """Return the pixels of an image file as [H, W, 3], red, green and blue.

    Greyscale, palettes and CMYK are converted, 16 bits cut to 8, transparency and the orientation
    that a camera noted are passed over, as torchvision does. What libjpeg mends by itself, such as
    bits that belong to no code, counts as decoded, there as here. `key`: where the study file says
    that the file should be.

    Raises:
        DataFormatError: the file cannot be decoded; the message names it and the reason.
    """
    try:
        return _pixels(path)
    except Exception as error:
        rule = "must hold images that can be decoded"
        raise DataFormatError(f"{key} {rule}, got {path} ({reason_of(error)})") from error


def _pixels(path: Path) -> NDArray[np.uint8]:
    with opened(path) as image:
        if image.mode == "F":
            raise ValueError("pixels are floating-point numbers, not 8 or 16 bits")
        return np.array(_in_colour(image))


class _Silence:
    """Python's warnings off while any thread is within; its own context is for one thread."""

    def __init__(self) -> None:
        self._lock, self._depth = threading.Lock(), 0
        self._context = warnings.catch_warnings()

    @contextmanager
    def __call__(self) -> Iterator[None]:
        with self._lock:
            if self._depth == 0:
                self._context = warnings.catch_warnings()
                self._context.__enter__()
                warnings.simplefilter("ignore")
            self._depth += 1
        try:
            yield
        finally:
            with self._lock:
                self._depth -= 1
                if self._depth == 0:
                    self._context.__exit__(None, None, None)


silent = _Silence()
"""A context without warnings of metadata and sizes: the pixels are what counts."""


@contextmanager
def opened(path: Path) -> Iterator[Image]:
    """Open an image file as Pillow has it, its pixels not yet read."""
    from PIL import Image

    with silent(), Image.open(path, formats=_readable()) as image:
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


def _in_colour(image: Image) -> Any:
    if image.mode.startswith("I"):  # Pillow would clip 16 bits at 255
        levels = (np.asarray(image).astype(np.int64) >> 8).clip(0, 255).astype(np.uint8)
        return np.repeat(levels[:, :, None], 3, axis=2)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == "RGB" else image.convert("RGB")
