"""ImageNet's archives, made small: unpacked once into its folders, whatever ends that."""

from __future__ import annotations

import hashlib
import io
import os
import shutil
import signal
import tarfile
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
from torchvision.datasets.imagenet import ARCHIVE_META

from tests.trainables.folders.pictures import folder_of
from tests.trainables.folders.test_imagenet import COUNTS, SMALL, options
from trainables.data.raw import DataFormatError, DataMissingError
from trainables.folders import imagenet_archives
from trainables.folders.imagenet import SOURCE
from trainables.folders.imagenet_archives import KIT, TRAIN, VAL, packed, unpack

CLASSES = ["n02", "n01", "n01", "n02", "n02", "n01"]
"""Of the public validation images, in the order of their names."""


def tar(path: Path, files: dict[str, bytes], mode: str = "w") -> None:
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def kit(path: Path) -> None:
    """The development kit's list of classes, one of them no leaf, and of the validation images'."""
    from scipy.io import savemat

    fields = ("ILSVRC2012_ID", "WNID", "words", "gloss", "num_children")
    rows = [(1, "n01", "tench", "", 0), (2, "n02", "goldfish", "", 0), (3, "n00", "fish", "", 2)]
    synsets = np.array([rows], dtype=[(field, object) for field in fields]).T
    meta, base = io.BytesIO(), "ILSVRC2012_devkit_t12/data"
    savemat(meta, {"synsets": synsets})
    truth = "".join(f"{int(name[1:])}\n" for name in CLASSES)
    tar(
        path,
        {
            f"{base}/meta.mat": meta.getvalue(),
            f"{base}/ILSVRC2012_validation_ground_truth.txt": truth.encode(),
        },
        "w:gz",
    )


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three archives of `COUNTS` images."""
    images = folder_of(tmp_path_factory.mktemp("images"), COUNTS)
    folder = tmp_path_factory.mktemp("archives")
    train = {}
    for name in ("n02", "n01"):
        files = sorted((images / "train" / name).iterdir())
        tar(scratch := folder / "class", {f"{name}_{p.name}": p.read_bytes() for p in files})
        train[f"{name}.tar"] = scratch.read_bytes()
        scratch.unlink()
    tar(folder / TRAIN, train)
    public = sorted((images / "val").rglob("*.png"))
    names = [f"ILSVRC2012_val_{number:08}.png" for number in range(1, 7)]
    content = dict(zip(names, (path.read_bytes() for path in public), strict=True))
    tar(folder / VAL, dict(sorted(content.items(), key=lambda item: item[0][::-1])))
    kit(folder / KIT)
    return folder


@pytest.fixture
def folder(archives: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The archives in a folder of their own, the kit's checksum made that of the small one."""
    shutil.copytree(archives, tmp_path / "imagenet")
    checksum = hashlib.md5((archives / KIT).read_bytes()).hexdigest()
    monkeypatch.setitem(ARCHIVE_META, "devkit", (KIT, checksum))
    return tmp_path / "imagenet"


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*.png"))


EXPECTED = sorted(
    [f"train/{c}/{c}_{n:03}.png" for c in ("n01", "n02") for n in range(10)]
    + [f"val/{c}/ILSVRC2012_val_{n:08}.png" for n, c in enumerate(CLASSES, 1)]
)


def test_a_run_unpacks_them_once_and_reads_what_torchvision_would(folder: Path) -> None:
    root = folder.parent
    assert packed(folder) == ["train", "val"]
    SOURCE.check(SMALL, options(), root)
    with pytest.raises(DataMissingError, match=f"or the archives {TRAIN}, {VAL} and {KIT} to be"):
        SOURCE.balance(SMALL, options(), root)
    assert names(folder) == []
    SOURCE.prepare(SMALL, options(), root)
    assert names(folder) == EXPECTED
    assert {path.name for path in folder.iterdir()} == {
        "train", "val", TRAIN, VAL, KIT, ".bimp-decoded.json",
    }  # fmt: skip
    balance = SOURCE.balance(SMALL, options(), root)
    assert balance.counts == {"train": [9, 9], "val": [1, 1], "test": [3, 3]}
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    SOURCE.prepare(SMALL, options(), root)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == times


def test_a_part_whose_folder_is_there_needs_no_archive(folder: Path) -> None:
    unpack(folder, 2)
    for archive in (TRAIN, VAL, KIT):
        (folder / archive).unlink()
    splits = SOURCE.splits(SMALL, options(), folder.parent)
    assert [len(part) for part in splits.in_order.values()] == [18, 2, 6]


def test_a_worker_unpacks_where_no_run_has(folder: Path) -> None:
    splits = SOURCE.splits(SMALL, options(), folder.parent)
    assert [len(part) for part in splits.in_order.values()] == [18, 2, 6]


def deadly(folder: str, n: int, checksum: tuple[str, str]) -> None:
    """Unpack, and end by SIGKILL at the n-th image."""
    write, count = imagenet_archives._write, 0

    def killing(*arguments: object) -> None:
        nonlocal count
        count += 1
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)
        write(*arguments)  # type: ignore[arg-type]

    ARCHIVE_META["devkit"] = checksum
    imagenet_archives._write = killing
    unpack(Path(folder), 2)


@pytest.mark.parametrize("n", [1, 10, 11, 20, 21, 26])
def test_sigkill_at_an_image_leaves_no_half_part_and_the_next_goes_on(folder: Path, n: int) -> None:
    arguments = (str(folder), n, ARCHIVE_META["devkit"])
    child = get_context("fork").Process(target=deadly, args=arguments)
    child.start()
    child.join(60)
    assert child.exitcode == -signal.SIGKILL
    whole = {"train"} if n > 20 else set()
    assert {part for part in ("train", "val") if (folder / part).exists()} == whole
    first = folder / ".bimp-unpacking" / "train" / "n02"
    before = first.stat().st_ino if first.exists() else None
    assert (before is not None) == (10 < n <= 20)
    unpack(folder, 2)
    assert names(folder) == EXPECTED
    assert before in (None, (folder / "train" / "n02").stat().st_ino)
    assert not (folder / ".bimp-unpacking").exists()


def test_two_processes_at_once_make_one_folder(folder: Path) -> None:
    arguments = (str(folder), 0, ARCHIVE_META["devkit"])
    both = [get_context("fork").Process(target=deadly, args=arguments) for _ in range(2)]
    for child in both:
        child.start()
    for child in both:
        child.join(60)
        assert child.exitcode == 0
    assert names(folder) == EXPECTED


def refusal(folder: Path) -> str:
    with pytest.raises(DataFormatError) as caught:
        unpack(folder, 2)
    assert not (folder / "train").exists() or not (folder / "val").exists()
    return str(caught.value)


def test_an_archive_that_is_cut_short_is_named(folder: Path) -> None:
    content = (folder / TRAIN).read_bytes()
    (folder / TRAIN).write_bytes(content[: len(content) * 2 // 3])
    assert refusal(folder).startswith(
        f"task.dataset.path must hold {TRAIN} as it is published, got"
    )
    (folder / TRAIN).write_bytes(content)
    unpack(folder, 2)
    assert names(folder) == EXPECTED


def test_an_archive_of_other_content_is_named(folder: Path) -> None:
    with pytest.raises(DataFormatError, match=r"ILSVRC2012_img_train\.tar \(2 classes, not 1000\)"):
        unpack(folder, 1000)
    tar(folder / TRAIN, {"n01/1.png": b"no tar"})
    assert refusal(folder).endswith("(n01/1.png is no tar of a class)")
    (folder / TRAIN).unlink()
    tar(folder / VAL, {"1.png": b""})
    assert f"(1 images, and {KIT} tells the class of 6)" in refusal(folder)


def test_a_kit_that_is_missing_or_another_is_named(folder: Path) -> None:
    with (folder / KIT).open("ab") as file:
        file.write(b"\0")
    assert refusal(folder).startswith(f"task.dataset.path must hold {KIT} as it is published, got")
    (folder / KIT).unlink()
    assert f"must hold {KIT}, which tells the classes of {VAL}, got {folder}" in refusal(folder)
