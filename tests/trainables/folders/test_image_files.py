"""Image files: pixels by value in every mode, and what makes a file broken."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.trainables.folders.pictures import cut, noise, plain, scrambled
from trainables.data.raw import DataFormatError
from trainables.folders.image_files import decoded, fault_of, header_of, silent


def saved(path: Path, image: Any, **options: Any) -> Path:
    image.save(path, **options)
    return path


def one(mode: str, value: Any) -> Any:
    """An image of 2 x 1 pixels of one value."""
    return Image.new(mode, (2, 1), value)


def test_colours_are_in_order(tmp_path: Path) -> None:
    pixels = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    path = saved(tmp_path / "a.png", Image.fromarray(pixels))
    assert decoded(path).tolist() == pixels.tolist()


@pytest.mark.parametrize(
    ("mode", "value", "colour"),
    [
        ("RGB", (1, 2, 3), [1, 2, 3]),
        ("L", 77, [77, 77, 77]),
        ("1", 1, [255, 255, 255]),
        ("RGBA", (1, 2, 3, 4), [1, 2, 3]),
        ("LA", (9, 0), [9, 9, 9]),
        ("I;16", 0x7F80, [0x7F, 0x7F, 0x7F]),
    ],
)
def test_modes_of_png(tmp_path: Path, mode: str, value: Any, colour: list[int]) -> None:
    path = saved(tmp_path / "a.png", one(mode, value))
    assert decoded(path).tolist() == [[colour, colour]]
    assert fault_of(path) is None


def test_a_palette_with_transparency(tmp_path: Path) -> None:
    image = Image.new("P", (2, 1), 1)
    image.putpalette([0, 0, 0, 5, 6, 7])
    path = saved(tmp_path / "a.png", image, transparency=bytes([0, 128]))
    assert decoded(path).tolist() == [[[5, 6, 7], [5, 6, 7]]]


@pytest.mark.parametrize(
    ("mode", "value", "colour"),
    [("CMYK", (0, 0, 0, 0), 255), ("CMYK", (0, 0, 0, 255), 0), ("L", 128, 128)],
)
def test_modes_of_jpeg(tmp_path: Path, mode: str, value: Any, colour: int) -> None:
    path = saved(tmp_path / "a.jpg", Image.new(mode, (8, 8), value), quality=95)
    assert decoded(path).shape == (8, 8, 3)
    assert np.abs(decoded(path).astype(int) - colour).max() <= 1
    assert fault_of(path) is None


def test_cyan_ink_is_no_red_light(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", Image.new("CMYK", (8, 8), (255, 0, 0, 0)), quality=100)
    red, green, blue = decoded(path)[4, 4].astype(int)
    assert red < 5
    assert min(green, blue) > 250


@pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".bmp", ".ppm", ".tiff"])
def test_whole_files_have_no_fault_and_cut_ones_do(tmp_path: Path, ending: str) -> None:
    path = noise(tmp_path / f"a{ending}", 0, (40, 30))
    assert fault_of(path) is None
    cut(path, 300)
    assert fault_of(path)
    with pytest.raises(DataFormatError, match=rf"^task\.dataset\.path .*{path}"):
        decoded(path)


def test_the_format_is_told_from_the_content(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", one("RGB", (1, 2, 3)), format="PNG")
    assert fault_of(path) is None
    assert decoded(path)[0, 0].tolist() == [1, 2, 3]


@pytest.mark.parametrize("ending", [".jpg", ".png"])
def test_a_file_that_breaks_off_in_its_middle_has_a_fault(tmp_path: Path, ending: str) -> None:
    path = scrambled(noise(tmp_path / f"a{ending}", 0, (40, 30)))
    assert header_of(path) == ("RGB", 40, 30)
    assert fault_of(path) == "broken data stream when reading image file"
    with pytest.raises(DataFormatError, match=rf"^task\.dataset\.path .*{path} \(broken data"):
        decoded(path)


def test_a_fault_of_the_machine_is_none_of_the_file(tmp_path: Path) -> None:
    """A link to itself stands for whatever the system refuses to open."""
    path = tmp_path / "a.png"
    path.symlink_to(path)
    rule = r"^data\.root must hold files that this machine can read, got .*a\.png \(.*Errno"
    with pytest.raises(DataFormatError, match=rule):
        fault_of(path, "data.root")


def test_warnings_are_silent_in_all_threads_and_come_back() -> None:
    before, within = warnings.filters[:], Barrier(2)

    def look() -> None:
        with silent():
            within.wait(10)
            warnings.warn("of metadata", UserWarning, stacklevel=1)

    with ThreadPoolExecutor(2) as pool:
        for one in [pool.submit(look), pool.submit(look)]:
            one.result()
    assert warnings.filters == before


def junk_after_a_jpeg(path: Path) -> Path:
    plain(path, size=(16, 16))
    path.write_bytes(path.read_bytes() + b"junk at the end")
    return path


def test_bytes_after_the_end_are_no_fault(tmp_path: Path) -> None:
    assert fault_of(junk_after_a_jpeg(tmp_path / "a.jpg")) is None


def text(path: Path) -> None:
    path.write_text("not an image")


def postscript(path: Path) -> None:
    path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 2 2\n%%EOF\n")


def floats(path: Path) -> None:
    Image.new("F", (2, 2), 0.5).save(path, format="TIFF")


def lone_link(path: Path) -> None:
    path.symlink_to(path.parent / "gone.jpg")


BROKEN: dict[Callable[[Path], None], str] = {
    text: "no image of a known format",
    postscript: "no image of a known format",
    Path.touch: "no image of a known format",
    floats: "floating-point numbers",
    lone_link: "no such file",
}


@pytest.mark.parametrize("write", BROKEN)
def test_broken_files(tmp_path: Path, write: Callable[[Path], None]) -> None:
    path = tmp_path / "a.jpg"
    write(path)
    assert BROKEN[write] in str(fault_of(path))
    with pytest.raises(DataFormatError, match=BROKEN[write]):
        decoded(path)
