"""Files of data sets: IDX, where they are looked for, and what broken or missing ones say."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from trainables.data import sources
from trainables.data.augmentation import Augmentation
from trainables.data.raw import DataFormatError, DataMissingError, how_to_download
from trainables.datasets import cifar, mnist
from trainables.datasets.idx import read_idx

Bytes = NDArray[np.uint8]

DEBIAN = Path("/usr/share/datasets")
needs_fashion = pytest.mark.skipif(
    not (DEBIAN / "fashion-mnist").is_dir(), reason="needs Debian's dataset-fashion-mnist"
)


def idx(array: Bytes) -> bytes:
    """The bytes of an IDX file."""
    header = struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape)
    return header + array.tobytes()


def write_idx_set(
    folder: Path, parts: list[tuple[Bytes, Bytes]], pack: Callable[[bytes], bytes] | None = None
) -> None:
    """Write images and labels of the training and the test part under their names."""
    folder.mkdir(parents=True, exist_ok=True)
    arrays = [array for part in parts for array in part]
    for name, array in zip(mnist.FILES, arrays, strict=True):
        content = idx(array)
        if pack is None:
            (folder / name).write_bytes(content)
        else:
            (folder / f"{name}.gz").write_bytes(pack(content))


# IDX files

THREE_IMAGES = np.arange(3 * 2 * 4, dtype=np.uint8).reshape(3, 2, 4)
THREE_BYTES = bytes.fromhex("00000803 00000003 00000002 00000004") + bytes(range(24))


def test_idx_bytes_of_this_test_are_as_written_out() -> None:
    assert idx(THREE_IMAGES) == THREE_BYTES


@pytest.mark.parametrize("name", ["images", "images.gz"])
@pytest.mark.parametrize(
    "content", [THREE_BYTES, gzip.compress(THREE_BYTES, mtime=0)], ids=["plain", "gz"]
)
def test_idx_is_read_gzipped_or_plain_whatever_its_name(
    tmp_path: Path, name: str, content: bytes
) -> None:
    (tmp_path / name).write_bytes(content)
    images = read_idx(tmp_path / name, 3)
    assert images.dtype == np.uint8
    assert images.tolist() == THREE_IMAGES.tolist()


def test_idx_labels(tmp_path: Path) -> None:
    (tmp_path / "labels").write_bytes(bytes.fromhex("00000801 00000003 07 00 09"))
    assert read_idx(tmp_path / "labels", 1).tolist() == [7, 0, 9]


BROKEN_FILES = [
    (THREE_BYTES[:-1], "announces 3x2x4 = 24 bytes of data, the file holds 23"),
    (THREE_BYTES + b"\0", "announces 3x2x4 = 24 bytes of data, the file holds 25"),
    (THREE_BYTES[:16], "announces 3x2x4 = 24 bytes of data, the file holds 0"),
    (THREE_BYTES[:15], "ends within its header, after 15 bytes"),
    (THREE_BYTES[:4], "ends within its header, after 4 bytes"),
    (THREE_BYTES[:3], "must begin with 00 00 08 03 .* begins with 00 00 08$"),
    (b"", "begins with nothing"),
    (b"\x00\x00\x08\x01" + THREE_BYTES[4:], "dimensions: 3.* begins with 00 00 08 01"),
    (b"\x00\x00\x0d\x03" + THREE_BYTES[4:], "unsigned bytes.* begins with 00 00 0d 03"),
    (b"\x01\x00\x08\x03" + THREE_BYTES[4:], "begins with 01 00 08 03"),
    (b"<html>not found", "begins with 3c 68 74 6d"),
    (gzip.compress(THREE_BYTES, mtime=0)[:-9], "broken gzip file"),
    (gzip.compress(THREE_BYTES, mtime=0)[:-8] + bytes(8), "broken gzip file"),
    (b"\x1f\x8b" + bytes(20), "broken gzip file"),
    (gzip.compress(THREE_BYTES[:-1], mtime=0), "the file holds 23"),
]


@pytest.mark.parametrize(("content", "message"), BROKEN_FILES)
def test_broken_idx_files_are_refused_with_file_and_reason(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(content)
    with pytest.raises(DataFormatError, match=message) as raised:
        read_idx(path, 3)
    assert str(raised.value).startswith(f"{path}: ")


# MNIST and Fashion-MNIST

TINY = [(THREE_IMAGES, np.array([0, 1, 2], dtype=np.uint8))] * 2
IDX_LAYOUTS = [
    ("mnist", "mnist"),
    ("mnist", "."),
    ("mnist", "MNIST/raw"),
    ("fashion-mnist", "fashion-mnist"),
    ("fashion-mnist", "."),
    ("fashion-mnist", "FashionMNIST/raw"),
]


@pytest.mark.parametrize("pack", [None, gzip.compress], ids=["plain", "gz"])
@pytest.mark.parametrize(("name", "folder"), IDX_LAYOUTS)
def test_idx_files_are_found_in_each_layout(
    tmp_path: Path, name: str, folder: str, pack: Callable[[bytes], bytes] | None
) -> None:
    write_idx_set(tmp_path / folder, TINY, pack)
    sources.check_available(name, {}, tmp_path)
    assert mnist.locate(name, tmp_path) == tmp_path / folder
    train, test = mnist.read(name, tmp_path)
    assert train.images.shape == test.images.shape == (3, 1, 2, 4)
    assert train.labels.tolist() == [0, 1, 2]


def test_the_folder_of_that_name_comes_before_the_others(tmp_path: Path) -> None:
    for folder in (".", "MNIST/raw", "mnist"):
        write_idx_set(tmp_path / folder, TINY)
    assert mnist.locate("mnist", tmp_path) == tmp_path / "mnist"
    assert mnist.locate("fashion-mnist", tmp_path) == tmp_path


def test_gzipped_and_plain_files_may_be_mixed(tmp_path: Path) -> None:
    write_idx_set(tmp_path, TINY)
    plain = tmp_path / mnist.FILES[2]
    (tmp_path / f"{mnist.FILES[2]}.gz").write_bytes(gzip.compress(plain.read_bytes(), mtime=0))
    plain.unlink()
    assert len(mnist.read("mnist", tmp_path)[1].images) == 3


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("absent", mnist.FILES)
def test_a_missing_idx_file_is_said_with_folders_files_and_remedy(
    tmp_path: Path, name: str, absent: str
) -> None:
    write_idx_set(tmp_path / name, TINY)
    (tmp_path / name / absent).unlink()
    for refuse in (sources.load, sources.check_available):
        with pytest.raises(DataMissingError) as raised:
            refuse(name, {}, tmp_path)
        message = str(raised.value)
        assert all(file in message for file in mnist.FILES)
        assert str(tmp_path / name) in message
        assert f"download('{name}', '{tmp_path}')" in message
        assert ("dataset-fashion-mnist" in message) == (name == "fashion-mnist")


def test_the_advice_on_downloading_can_be_followed(tmp_path: Path) -> None:
    advice = how_to_download("mnist", tmp_path).partition('"')[2].rstrip('"')
    imports, _, call = advice.partition("; ")
    names: dict[str, object] = {}
    exec(imports, names)
    assert names["download"] is sources.download
    assert call == f"download('mnist', '{tmp_path}')"


def test_other_numbers_of_images_are_refused(tmp_path: Path) -> None:
    write_idx_set(tmp_path, TINY)
    sources.check_available("mnist", {}, tmp_path)
    message = f"mnist below {tmp_path}, training images: must be 60000 images .* are 3 and 3"
    with pytest.raises(DataFormatError, match=message):
        sources.load("mnist", {}, tmp_path)


MNIST_PER_CLASS = (5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949)


def shuffled_labels(per_class: tuple[int, ...]) -> Bytes:
    labels = np.repeat(np.arange(10, dtype=np.uint8), per_class)
    return np.random.RandomState(0).permutation(labels)


@pytest.fixture(scope="module")
def mnist_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A full set in MNIST's format: image i is i mod 251 everywhere but in its first pixel, 0."""
    root = tmp_path_factory.mktemp("data")
    parts = []
    for labels in (shuffled_labels(MNIST_PER_CLASS), shuffled_labels((1000,) * 10)):
        images = np.empty((len(labels), 28, 28), dtype=np.uint8)
        images[:] = (np.arange(len(labels)) % 251)[:, None, None]
        images[:, 0, 0] = 0
        parts.append((images, labels))
    write_idx_set(root / "mnist", parts)
    return root


def test_mnist_sizes_and_numbers(mnist_root: Path) -> None:
    task = sources.load("mnist", {}, mnist_root)
    assert [len(part) for part in (task.train, task.val, task.test)] == [54_000, 6_000, 10_000]
    assert task.train.augment is None
    shares = torch.tensor(MNIST_PER_CLASS) / 10
    assert float((task.val.labels.bincount() - shares).abs().max()) < 1
    mean, std = task.train.images.double().mean(), task.train.images.double().std(unbiased=False)
    assert float(mean) == pytest.approx(0, abs=1e-6)
    assert float(std) == pytest.approx(1, abs=1e-6)
    levels = task.test.images[:, 0, 1, 1] - task.test.images[:, 0, 0, 0]
    expected = torch.arange(10_000) % 251
    torch.testing.assert_close(levels / levels.max() * 250, expected.float(), rtol=0, atol=1e-3)


def test_mnist_subset_with_augmentation(mnist_root: Path) -> None:
    task = sources.load("mnist", {"n_train": 1000, "augment": True}, mnist_root)
    assert [len(part) for part in (task.train, task.val, task.test)] == [1_000, 6_000, 10_000]
    assert task.train.augment == Augmentation(4, False, (float(task.test.images.min()),))


def test_files_of_another_data_set_are_refused(mnist_root: Path) -> None:
    """Fashion-MNIST has the same file names, so a folder may hold the one when asked the other."""
    with pytest.raises(DataFormatError, match=r"than fashion-mnist, .*5923, 6742"):
        sources.load("fashion-mnist", {}, mnist_root / "mnist")


@needs_fashion
def test_fashion_mnist_from_debian_s_package() -> None:
    sources.check_available("fashion-mnist", {}, DEBIAN)
    task = sources.load("fashion-mnist", {"augment": True}, DEBIAN)
    for part, per_class in ((task.train, 5400), (task.val, 600), (task.test, 1000)):
        assert part.images.shape[1:] == (1, 28, 28)
        assert part.labels.bincount().tolist() == [per_class] * 10
    assert float(task.train.images.double().mean()) == pytest.approx(0, abs=1e-6)
    assert task.train.augment is not None
    assert (task.train.augment.padding, task.train.augment.flip) == (4, True)


@needs_fashion
def test_fashion_mnist_is_not_taken_for_mnist() -> None:
    with pytest.raises(DataFormatError, match="another data set than mnist"):
        sources.load("mnist", {"n_train": 100}, DEBIAN / "fashion-mnist")


# CIFAR


def fake_cifar_files(folder: Path, name: str) -> None:
    batches = folder / cifar.FOLDERS[name]
    batches.mkdir(parents=True)
    for file in cifar.FILES[name]:
        (batches / file).write_bytes(b"not a batch")


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar_folders_and_files_are_torchvision_s(name: str) -> None:
    from torchvision import datasets

    theirs = {"cifar10": datasets.CIFAR10, "cifar100": datasets.CIFAR100}[name]
    listed = [file for file, _ in theirs.train_list + theirs.test_list]
    assert cifar.FOLDERS[name] == theirs.base_folder
    assert sorted(cifar.FILES[name]) == sorted([*listed, theirs.meta["filename"]])


@pytest.mark.parametrize("folder", [".", "cifar100"])
def test_cifar_is_found_below_the_root_or_its_name(tmp_path: Path, folder: str) -> None:
    fake_cifar_files(tmp_path / folder, "cifar100")
    sources.check_available("cifar100", {}, tmp_path)
    assert cifar.locate("cifar100", tmp_path) == tmp_path / folder


def test_a_missing_cifar_file_is_said(tmp_path: Path) -> None:
    fake_cifar_files(tmp_path, "cifar10")
    (tmp_path / cifar.FOLDERS["cifar10"] / "data_batch_4").unlink()
    with pytest.raises(DataMissingError, match=r"cifar10 is missing: .*data_batch_4.*download\("):
        sources.check_available("cifar10", {}, tmp_path)


def test_a_wrong_checksum_is_said_with_the_folder(tmp_path: Path) -> None:
    fake_cifar_files(tmp_path, "cifar10")
    with pytest.raises(DataFormatError, match=f"{tmp_path / 'cifar-10-batches-py'}: .*corrupt"):
        sources.load("cifar10", {}, tmp_path)


def test_cifar_pixels_are_turned_channels_first() -> None:
    pixels = np.arange(2 * 2 * 3 * 3, dtype=np.uint8).reshape(2, 2, 3, 3)
    result = cifar.to_raw(pixels, [4, 9])
    assert result.images.shape == (2, 3, 2, 3)
    assert result.images[1, 2, 0].tolist() == [20, 23, 26]
    assert result.images.flags.c_contiguous
    assert result.labels.dtype == np.int64
    assert result.labels.tolist() == [4, 9]


@pytest.mark.parametrize(
    ("name", "n_classes", "white"),
    [
        ("cifar10", 10, [(1 - 0.4914) / 0.2470, (1 - 0.4822) / 0.2435, (1 - 0.4465) / 0.2616]),
        ("cifar100", 100, [(1 - 0.5071) / 0.2673, (1 - 0.4865) / 0.2564, (1 - 0.4409) / 0.2762]),
    ],
)
def test_cifar_split_scale_and_augmentation(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    n_classes: int,
    white: list[float],
) -> None:
    """Every pixel is white in the training part and black in the test part."""

    def parts(_root: Path, train: bool) -> SimpleNamespace:
        n, level = (50_000, 255) if train else (10_000, 0)
        pixels = np.broadcast_to(np.uint8(level), (n, 32, 32, 3))
        return SimpleNamespace(data=pixels, targets=[i % n_classes for i in range(n)])

    fake_cifar_files(tmp_path, name)
    monkeypatch.setattr(cifar, "_torchvision_class", lambda _name: parts)
    task = sources.load(name, {"n_train": 2 * n_classes}, tmp_path)
    assert [len(part) for part in (task.train, task.val, task.test)] == [
        2 * n_classes, 5_000, 10_000,
    ]  # fmt: skip
    assert task.train.labels.bincount().tolist() == [2] * n_classes
    assert task.val.labels.bincount().tolist() == [5_000 // n_classes] * n_classes
    assert task.train.images[7, :, 3, 5].tolist() == pytest.approx(white)
    assert task.train.augment is not None
    assert (task.train.augment.padding, task.train.augment.flip) == (4, True)
    assert list(task.train.augment.fill) == task.test.images[0, :, 0, 0].tolist()
    assert sources.load(name, {"n_train": 100, "augment": False}, tmp_path).train.augment is None
