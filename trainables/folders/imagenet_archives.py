"""The archives in which ImageNet's 2012 challenge is published, unpacked into folders of classes.

`train` is a tar of one tar for each class, `val` a tar of images whose classes the development kit
tells. torchvision reads that kit; its own unpacking leaves half a folder behind where it is ended,
and takes it for a whole one. Here a class, and then a part, gets its name when it is whole.
"""

from __future__ import annotations

import errno
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePath
from typing import IO, Final

from trainables.data.raw import DataFormatError

TRAIN: Final = "ILSVRC2012_img_train.tar"
VAL: Final = "ILSVRC2012_img_val.tar"
KIT: Final = "ILSVRC2012_devkit_t12.tar.gz"
ARCHIVES: Final = f"{TRAIN}, {VAL} and {KIT}"

_TAR_OF: Final = {"train": TRAIN, "val": VAL}
_KEY: Final = "task.dataset.path"
_UNFINISHED: Final = ".bimp-unpacking"
"""Hidden, so that nobody takes what is in it for a class."""


def packed(folder: Path) -> list[str]:
    """Return the parts, `train` and `val`, of which a folder holds the archive alone."""
    return [
        part
        for part, archive in _TAR_OF.items()
        if (folder / archive).is_file() and not (folder / part).is_dir()
    ]


def unpack(folder: Path, n_classes: int) -> None:
    """Make folders of classes of the archives in a folder, where they are not there yet.

    Whatever ends it, the next call goes on with the classes that are left; several processes may
    call it at once. The archives stay.

    Raises:
        DataFormatError: an archive is cut short or another one, or the folder cannot be written.
    """
    for part in packed(folder):
        try:
            with _in_a_sentence(folder / _TAR_OF[part]):
                if part == "train":
                    _unpack_train(folder, n_classes)
                else:
                    _unpack_val(folder)
        except DataFormatError:
            if not (folder / part).is_dir():  # else another process was quicker
                raise
    if not packed(folder):
        shutil.rmtree(folder / _UNFINISHED, ignore_errors=True)


def _unpack_train(folder: Path, n_classes: int) -> None:
    classes = folder / _UNFINISHED / "train"
    classes.mkdir(parents=True, exist_ok=True)
    with tarfile.open(folder / TRAIN) as archive:
        for member in archive:
            name = PurePath(member.name)
            if not member.isfile() or name.suffix != ".tar":
                raise ValueError(f"{member.name} is no tar of a class")
            if (classes / name.stem).is_dir():
                continue
            file = _open(archive, member)
            with _scratch(folder, classes / name.stem) as new, tarfile.open(fileobj=file) as tar:
                for image in tar:
                    _write(tar, image, new)
    if (n := sum(1 for _ in classes.iterdir())) != n_classes:
        raise ValueError(f"{n} classes, not {n_classes}")
    classes.rename(folder / "train")


def _unpack_val(folder: Path) -> None:
    """Images stand in the kit's list in the order of their names."""
    classes = _classes_of_val(folder)
    (folder / _UNFINISHED).mkdir(exist_ok=True)
    with _scratch(folder, folder / "val") as scratch, tarfile.open(folder / VAL) as archive:
        images = sorted((m for m in archive if m.isfile()), key=lambda member: member.name)
        if len(images) != len(classes):
            raise ValueError(f"{len(images)} images, and {KIT} tells the class of {len(classes)}")
        class_of = dict(zip((image.name for image in images), classes, strict=True))
        for image in sorted(images, key=lambda member: member.offset):
            _write(archive, image, scratch / class_of[image.name])


def _classes_of_val(folder: Path) -> list[str]:
    """What torchvision reads of the kit, which it checks and unpacks where nobody else is."""
    if not (folder / KIT).is_file():
        rule = f"must hold {KIT}, which tells the classes of {VAL}"
        raise DataFormatError(f"{_KEY} {rule}, got {folder} without it")
    from torchvision.datasets.imagenet import load_meta_file, parse_devkit_archive

    with tempfile.TemporaryDirectory() as scratch:
        (Path(scratch) / KIT).symlink_to((folder / KIT).absolute())
        try:
            parse_devkit_archive(scratch)
        except RuntimeError as error:
            raise DataFormatError(f"{_KEY} must hold {KIT} as it is published, got another one in"
                                  f" {folder}") from error  # fmt: skip
        return list(load_meta_file(scratch)[1])


@contextmanager
def _scratch(folder: Path, place: Path) -> Iterator[Path]:
    """Within this context there is an empty folder; it gets its place at the end, unless another
    process has put the same one there."""
    scratch = Path(tempfile.mkdtemp(dir=folder / _UNFINISHED))
    scratch.chmod(0o755)
    try:
        yield scratch
        try:
            scratch.rename(place)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
                raise
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    """Write an image under the last part of its name."""
    folder.mkdir(exist_ok=True)
    with (folder / PurePath(member.name).name).open("wb") as file:
        shutil.copyfileobj(_open(archive, member), file)


def _open(archive: tarfile.TarFile, member: tarfile.TarInfo) -> IO[bytes]:
    file = archive.extractfile(member)
    if file is None:
        raise ValueError(f"{member.name} is no file")
    return file


@contextmanager
def _in_a_sentence(archive: Path) -> Iterator[None]:
    """Within this context what keeps an archive from being unpacked is a DataFormatError."""
    try:
        yield
    except DataFormatError:
        raise
    except (tarfile.TarError, EOFError, ValueError) as error:
        rule = f"must hold {archive.name} as it is published"
        raise DataFormatError(f"{_KEY} {rule}, got {archive} ({error})") from error
    except OSError as error:
        rule = f"must be a folder in which {archive.name} can be unpacked"
        raise DataFormatError(f"{_KEY} {rule}, got {archive.parent} ({error})") from error
