"""Data sets: file formats, splits, normalisation, and what is said about missing files."""

from __future__ import annotations

import gzip
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from torch import Tensor

from trainables import data
from trainables.catalog import DATASETS, resolve
from trainables.datasets import cifar, mnist
from trainables.datasets.idx import read_idx
from trainables.datasets.normalisation import Statistics, normalised, statistics, value_table
from trainables.datasets.raw import DataFormatError, DataMissingError, RawImages, check_content
from trainables.datasets.splits import class_quotas, stratified

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
@pytest.mark.parametrize("content", [THREE_BYTES, gzip.compress(THREE_BYTES)], ids=["plain", "gz"])
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
    (gzip.compress(THREE_BYTES)[:-9], "broken gzip file"),
    (gzip.compress(THREE_BYTES)[:-8] + bytes(8), "broken gzip file"),
    (b"\x1f\x8b" + bytes(20), "broken gzip file"),
    (gzip.compress(THREE_BYTES[:-1]), "the file holds 23"),
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


# splits


@pytest.mark.parametrize(
    ("counts", "n_held", "quotas"),
    [
        ([5, 3, 2], 5, [3, 1, 1]),  # exact shares 2.5, 1.5, 1: of equal remainders the lower class
        ([10, 10, 10], 10, [4, 3, 3]),
        ([1, 1, 98], 10, [0, 0, 10]),  # .1, .1, 9.8
        ([6, 6, 88], 10, [1, 0, 9]),  # .6, .6, 8.8: one unit for .8, one for the lower .6
        ([4, 0, 4], 3, [2, 0, 1]),
        ([4, 3], 0, [0, 0]),
        ([4, 3], 7, [4, 3]),
        ([], 0, []),
    ],
)
def test_class_quotas_by_hand(counts: list[int], n_held: int, quotas: list[int]) -> None:
    assert class_quotas(np.array(counts, dtype=np.int64), n_held).tolist() == quotas


@pytest.mark.parametrize("n_held", [-1, 8])
def test_class_quotas_refuse_what_cannot_be_held(n_held: int) -> None:
    with pytest.raises(ValueError, match=rf"n_held must be in \[0, 7\], got {n_held}"):
        class_quotas(np.array([4, 3]), n_held)


def test_stratified_by_hand() -> None:
    """RandomState(0) shuffles ten as 2 8 4 9 1 6 7 3 0 5: evens 2 8 .., odds 9 1 .. come first."""
    held, rest = stratified(np.array([0, 1] * 5), 4, seed=0)
    assert held.tolist() == [1, 2, 8, 9]
    assert rest.tolist() == [0, 3, 4, 5, 6, 7]


@settings(max_examples=100, deadline=None)
@given(
    labels=hnp.arrays(np.int64, st.integers(0, 60), elements=st.integers(0, 6)),
    share=st.floats(0, 1),
    seed=st.integers(0, 2**32 - 1),
)
def test_stratified_divides_every_class_in_proportion(
    labels: NDArray[np.int64], share: float, seed: int
) -> None:
    n_held = round(share * len(labels))
    held, rest = stratified(labels, n_held, seed)
    assert len(held) == n_held
    assert sorted([*held, *rest]) == list(range(len(labels)))
    assert held.tolist() == sorted(held)
    assert rest.tolist() == sorted(rest)
    for label in set(labels.tolist()):
        exact = (labels == label).sum() * n_held / len(labels)
        assert abs((labels[held] == label).sum() - exact) < 1
    again, _ = stratified(labels, n_held, seed)
    assert np.array_equal(held, again)


def test_another_seed_holds_out_other_images() -> None:
    labels = np.arange(1000) % 10
    assert not np.array_equal(stratified(labels, 100, 0)[0], stratified(labels, 100, 1)[0])


# normalisation


def test_statistics_by_hand() -> None:
    """Channel 0 holds 0, 0, 4, 4; channel 1 holds 1, 1, 1, 3; the brightest of 5 levels is 4."""
    images = np.array([[[[0, 4]], [[1, 1]]], [[[4, 0]], [[3, 1]]]], dtype=np.uint8)
    scale = statistics(images, levels=5)
    assert scale.mean == (0.5, 0.375)
    assert scale.std == pytest.approx((0.5, np.sqrt(0.75) / 4))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 600), st.integers(0, 2**31))
def test_statistics_are_those_of_numpy_in_double_precision(n: int, seed: int) -> None:
    images = np.random.RandomState(seed).randint(0, 256, (n, 3, 2, 2)).astype(np.uint8)
    scale = statistics(images, 256)
    pixels = images / 255
    np.testing.assert_allclose(scale.mean, pixels.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(scale.std, pixels.std(axis=(0, 2, 3)), rtol=1e-10)


def test_a_channel_that_is_the_same_everywhere_is_refused() -> None:
    images = np.zeros((3, 2, 2, 2), dtype=np.uint8)
    images[0, 0, 0, 0] = 1
    with pytest.raises(DataFormatError, match="same value everywhere"):
        statistics(images, 256)


def test_normalised_by_hand() -> None:
    table = value_table(Statistics((0.5, 0.25), (0.5, 0.25)), levels=5)
    assert table.dtype == np.float32
    assert table.tolist() == [[-1, -0.5, 0, 0.5, 1], [-1, 0, 1, 2, 3]]
    images = np.array([[[[0, 4]], [[1, 3]]]], dtype=np.uint8)
    assert normalised(images, table).tolist() == [[[[-1, 1]], [[0, 2]]]]


@pytest.mark.parametrize("n", [1, 255, 256, 257, 513])
def test_every_image_is_normalised_whatever_their_number(n: int) -> None:
    images = np.random.RandomState(n).randint(0, 256, (n, 2, 2, 3)).astype(np.uint8)
    scale = Statistics((0.3, 0.6), (0.2, 0.4))
    expected = (images / 255 - np.array([[[0.3]], [[0.6]]])) / np.array([[[0.2]], [[0.4]]])
    result = normalised(images, value_table(scale, 256))
    assert np.array_equal(result, expected.astype(np.float32))


# digits


def digits(**params: Any) -> data.TaskData:
    return data.load("digits", params, Path("nowhere"))


def grey_levels(images: Tensor) -> Bytes:
    """Undo the normalisation of digits: 17 levels, black and white both occur."""
    step = (images.max() - images.min()) / 16
    return ((images - images.min()) / step).round().to(torch.uint8).numpy()


def test_digits_sizes_types_and_shapes() -> None:
    task = digits()
    assert (task.name, task.n_classes, task.in_shape) == ("digits", 10, (1, 8, 8))
    assert [len(part) for part in (task.train, task.val, task.test)] == [1293, 144, 360]
    for part in (task.train, task.val, task.test):
        assert part.images.shape == (len(part), 1, 8, 8)
        assert part.labels.shape == (len(part),)
        assert part.images.dtype == torch.float32
        assert part.labels.dtype == torch.int64
    assert task.augment is None


def test_digits_parts_are_disjoint_and_complete() -> None:
    """Together they are scikit-learn's images with their labels, each exactly once."""
    from sklearn.datasets import load_digits

    task, bunch = digits(), load_digits()
    parts = (task.train, task.val, task.test)
    pixels = grey_levels(torch.cat([part.images for part in parts])).reshape(-1, 64)
    labels = torch.cat([part.labels for part in parts]).numpy()
    ours = sorted(map(tuple, np.column_stack([pixels, labels]).tolist()))
    theirs = sorted(map(tuple, np.column_stack([bunch.data, bunch.target]).astype(int).tolist()))
    assert ours == theirs


def test_digits_classes_are_in_proportion() -> None:
    """Classes have 178 182 177 183 181 182 181 179 174 180 images of 1797."""
    task = digits()
    counts = torch.tensor([178, 182, 177, 183, 181, 182, 181, 179, 174, 180])
    test, val = (part.labels.bincount(minlength=10) for part in (task.test, task.val))
    assert torch.equal(task.train.labels.bincount() + val + test, counts)
    assert float((test - counts * 360 / 1797).abs().max()) < 1
    assert float((val - (counts - test) * 144 / 1437).abs().max()) < 1


def test_digits_are_normalised_by_the_training_part() -> None:
    images = digits().train.images.double()
    assert float(images.mean()) == pytest.approx(0, abs=1e-6)
    assert float(images.std(unbiased=False)) == pytest.approx(1, abs=1e-6)


def test_loading_twice_gives_the_same_bits() -> None:
    first, second = digits(n_train=100), digits(n_train=100)
    for part in ("train", "val", "test"):
        a, b = getattr(first, part), getattr(second, part)
        assert torch.equal(a.images, b.images)
        assert torch.equal(a.labels, b.labels)


def test_a_subset_is_stratified_and_normalised_as_the_whole() -> None:
    whole, part = digits(), digits(n_train=100)
    rows = {tuple(image.flatten().tolist()) for image in whole.train.images}
    assert all(tuple(image.flatten().tolist()) in rows for image in part.train.images)
    shares = whole.train.labels.bincount() * 100 / 1293
    assert float((part.train.labels.bincount() - shares).abs().max()) < 1
    assert torch.equal(part.val.images, whole.val.images)
    assert torch.equal(part.test.images, whole.test.images)


@pytest.mark.parametrize("n_train", [10, 1293])
def test_smallest_and_largest_subset(n_train: int) -> None:
    task = digits(n_train=n_train)
    assert len(task.train) == n_train
    assert len(set(task.train.labels.tolist())) == 10


@pytest.mark.parametrize(
    ("n_train", "message"),
    [(9, r"task\.dataset\.n_train must be >= 10 .* got 9"), (1294, "must be <= 1293 .* got 1294")],
)
def test_impossible_subsets_are_refused(n_train: int, message: str) -> None:
    for refuse in (data.load, data.check_available):
        with pytest.raises(ValueError, match=message):
            refuse("digits", {"n_train": n_train}, Path("nowhere"))


def test_augmentation_is_offered_for_digits() -> None:
    task = digits(augment=True)
    assert task.augment == data.Augmentation(1, False, (float(task.train.images.min()),))


@pytest.mark.parametrize("channels_last", [False, True])
def test_moving_keeps_numbers_and_sets_the_layout(channels_last: bool) -> None:
    images = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).view(2, 3, 2, 2)
    split = data.Split(images, torch.tensor([0, 1]))
    task = data.TaskData("t", 2, (3, 2, 2), split, split, split, None)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    moved = task.to("cpu", channels_last)
    for part in (moved.train, moved.val, moved.test):
        assert torch.equal(part.images, images)
        assert part.images.is_contiguous(memory_format=layout)


# every data set


def test_every_loadable_data_set_of_the_catalog_has_a_source() -> None:
    loadable = {name for name, entry in DATASETS.items() if entry.loader is not None}
    assert set(data.SOURCES) == loadable
    assert all(resolve(str(DATASETS[name].loader)) is data.load for name in loadable)


@pytest.mark.parametrize(
    ("name", "message"),
    [("mnits", r"task\.dataset must be a known name, got 'mnits'; did you mean mnist"),
     ("imagenet", "got 'imagenet'")],
)  # fmt: skip
def test_unknown_data_sets_are_refused(tmp_path: Path, name: str, message: str) -> None:
    for refuse in (data.load, data.check_available):
        with pytest.raises(ValueError, match=message):
            refuse(name, {}, tmp_path)
    with pytest.raises(ValueError, match=message):
        data.download(name, tmp_path)


def test_unknown_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="flip"):
        data.check_available("digits", {"flip": True}, tmp_path)


def raw(n_images: int, n_labels: int, side: int = 2, label: int = 1) -> RawImages:
    return RawImages(np.zeros((n_images, 1, side, side), np.uint8), np.full(n_labels, label))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (raw(4, 4), "must be 5 images and as many labels, are 4 and 4"),
        (raw(5, 6), "are 5 and 6"),
        (raw(5, 5, side=3), r"must have shape \(1, 2, 2\), have \(1, 3, 3\)"),
        (raw(5, 5, label=3), r"labels must be in \[0, 3\), are from 3 to 3"),
        (raw(5, 5, label=-1), "are from -1 to -1"),
    ],
)
def test_content_that_is_not_the_catalog_s_is_refused(content: RawImages, message: str) -> None:
    with pytest.raises(DataFormatError, match=f"^those images: .*{message}"):
        check_content("those images", content, 5, (1, 2, 2), 3)


def test_content_as_in_the_catalog_passes() -> None:
    check_content("those images", raw(5, 5, label=2), 5, (1, 2, 2), 3)


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
    data.check_available(name, {}, tmp_path)
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
    (tmp_path / f"{mnist.FILES[2]}.gz").write_bytes(gzip.compress(plain.read_bytes()))
    plain.unlink()
    assert len(mnist.read("mnist", tmp_path)[1].images) == 3


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
@pytest.mark.parametrize("absent", mnist.FILES)
def test_a_missing_idx_file_is_said_with_folders_files_and_remedy(
    tmp_path: Path, name: str, absent: str
) -> None:
    write_idx_set(tmp_path / name, TINY)
    (tmp_path / name / absent).unlink()
    for refuse in (data.load, data.check_available):
        with pytest.raises(DataMissingError) as raised:
            refuse(name, {}, tmp_path)
        message = str(raised.value)
        assert all(file in message for file in mnist.FILES)
        assert str(tmp_path / name) in message
        assert f"download('{name}', '{tmp_path}')" in message
        assert ("dataset-fashion-mnist" in message) == (name == "fashion-mnist")


def test_other_numbers_of_images_are_refused(tmp_path: Path) -> None:
    write_idx_set(tmp_path, TINY)
    data.check_available("mnist", {}, tmp_path)
    message = f"mnist below {tmp_path}, training images: must be 60000 images .* are 3 and 3"
    with pytest.raises(DataFormatError, match=message):
        data.load("mnist", {}, tmp_path)


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
    task = data.load("mnist", {}, mnist_root)
    assert [len(part) for part in (task.train, task.val, task.test)] == [54_000, 6_000, 10_000]
    assert task.augment is None
    shares = torch.tensor(MNIST_PER_CLASS) / 10
    assert float((task.val.labels.bincount() - shares).abs().max()) < 1
    mean, std = task.train.images.double().mean(), task.train.images.double().std(unbiased=False)
    assert float(mean) == pytest.approx(0, abs=1e-6)
    assert float(std) == pytest.approx(1, abs=1e-6)
    levels = task.test.images[:, 0, 1, 1] - task.test.images[:, 0, 0, 0]
    expected = torch.arange(10_000) % 251
    torch.testing.assert_close(levels / levels.max() * 250, expected.float(), rtol=0, atol=1e-3)


def test_mnist_subset_with_augmentation(mnist_root: Path) -> None:
    task = data.load("mnist", {"n_train": 1000, "augment": True}, mnist_root)
    assert [len(part) for part in (task.train, task.val, task.test)] == [1_000, 6_000, 10_000]
    assert task.augment == data.Augmentation(4, False, (float(task.test.images.min()),))


def test_files_of_another_data_set_are_refused(mnist_root: Path) -> None:
    """Fashion-MNIST has the same file names, so a folder may hold the one when asked the other."""
    with pytest.raises(DataFormatError, match=r"than fashion-mnist, .*5923, 6742"):
        data.load("fashion-mnist", {}, mnist_root / "mnist")


@needs_fashion
def test_fashion_mnist_from_debian_s_package() -> None:
    data.check_available("fashion-mnist", {}, DEBIAN)
    task = data.load("fashion-mnist", {"augment": True}, DEBIAN)
    for part, per_class in ((task.train, 5400), (task.val, 600), (task.test, 1000)):
        assert part.images.shape[1:] == (1, 28, 28)
        assert part.labels.bincount().tolist() == [per_class] * 10
    assert float(task.train.images.double().mean()) == pytest.approx(0, abs=1e-6)
    assert task.augment is not None
    assert (task.augment.padding, task.augment.flip) == (4, True)


@needs_fashion
def test_fashion_mnist_is_not_taken_for_mnist() -> None:
    with pytest.raises(DataFormatError, match="another data set than mnist"):
        data.load("mnist", {"n_train": 100}, DEBIAN / "fashion-mnist")


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
    data.check_available("cifar100", {}, tmp_path)
    assert cifar.locate("cifar100", tmp_path) == tmp_path / folder


def test_a_missing_cifar_file_is_said(tmp_path: Path) -> None:
    fake_cifar_files(tmp_path, "cifar10")
    (tmp_path / cifar.FOLDERS["cifar10"] / "data_batch_4").unlink()
    with pytest.raises(DataMissingError, match=r"cifar10 is missing: .*data_batch_4.*download\("):
        data.check_available("cifar10", {}, tmp_path)


def test_a_wrong_checksum_is_said_with_the_folder(tmp_path: Path) -> None:
    fake_cifar_files(tmp_path, "cifar10")
    with pytest.raises(DataFormatError, match=f"{tmp_path / 'cifar-10-batches-py'}: .*corrupt"):
        data.load("cifar10", {}, tmp_path)


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
    task = data.load(name, {"n_train": 2 * n_classes}, tmp_path)
    assert [len(part) for part in (task.train, task.val, task.test)] == [
        2 * n_classes, 5_000, 10_000,
    ]  # fmt: skip
    assert task.train.labels.bincount().tolist() == [2] * n_classes
    assert task.val.labels.bincount().tolist() == [5_000 // n_classes] * n_classes
    assert task.train.images[7, :, 3, 5].tolist() == pytest.approx(white)
    assert task.augment is not None
    assert (task.augment.padding, task.augment.flip) == (4, True)
    assert list(task.augment.fill) == task.test.images[0, :, 0, 0].tolist()
    assert data.load(name, {"n_train": 100, "augment": False}, tmp_path).augment is None


# download and imports


@pytest.mark.parametrize(
    ("name", "kind"),
    [("mnist", "MNIST"), ("fashion-mnist", "FashionMNIST"), ("cifar10", "CIFAR10"),
     ("cifar100", "CIFAR100")],
)  # fmt: skip
def test_download_is_torchvision_s(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, kind: str
) -> None:
    calls: list[tuple[Path, bool]] = []
    monkeypatch.setattr(
        f"torchvision.datasets.{kind}", lambda root, download: calls.append((root, download))
    )
    data.download(name, str(tmp_path))
    assert calls == [(tmp_path, True)]


def test_slow_packages_are_not_imported_for_checking(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from trainables import data\n"
        f"root = Path({str(tmp_path)!r})\n"
        "data.check_available('digits', {}, root); data.download('digits', root)\n"
        "try: data.check_available('cifar10', {}, root)\n"
        "except data.DataMissingError: sys.exit(bool({'torchvision', 'sklearn'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
