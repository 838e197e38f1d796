"""Data sets: splits, normalisation, sizes, and what is refused before anything is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainables.config.catalog import resolve
from trainables.config.datasets import (
    DATASETS,
    ArrayParameters,
    CifarParameters,
    known,
)
from trainables.data import sources
from trainables.data.augmentation import Augmentation
from trainables.data.in_memory import InMemory
from trainables.data.parts import Splits
from trainables.data.raw import DataFormatError, RawImages, RawParts, check_content
from trainables.data.tensors import in_memory

Bytes = NDArray[np.uint8]


# digits


def digits(**params: Any) -> Splits:
    return sources.load("digits", params, Path("nowhere"))


def grey_levels(images: Tensor) -> Bytes:
    """Undo the normalisation of digits: 17 levels, black and white both occur."""
    step = (images.max() - images.min()) / 16
    return ((images - images.min()) / step).round().to(torch.uint8).numpy()


def test_digits_sizes_types_and_shapes() -> None:
    task = digits()
    assert task.n_classes == 10
    assert [len(part) for part in (task.train, task.val, task.test)] == [1293, 144, 360]
    for part in (task.train, task.val, task.test):
        assert part.images.shape == (len(part), 1, 8, 8)
        assert part.labels.shape == (len(part),)
        assert part.images.dtype == torch.float32
        assert part.labels.dtype == torch.int64
    assert task.train.augment is None


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


def test_a_subset_for_validation_leaves_the_rest_as_it_is() -> None:
    whole, part = digits(), digits(n_val=40)
    rows = {tuple(image.flatten().tolist()) for image in whole.val.images}
    assert len(part.val) == 40
    assert all(tuple(image.flatten().tolist()) in rows for image in part.val.images)
    assert (
        float((part.val.labels.bincount() - whole.val.labels.bincount() * 40 / 144).abs().max()) < 1
    )
    assert torch.equal(part.train.images, whole.train.images)


@pytest.mark.parametrize("n_train", [10, 1293])
def test_smallest_and_largest_subset(n_train: int) -> None:
    task = digits(n_train=n_train)
    assert len(task.train) == n_train
    assert len(set(task.train.labels.tolist())) == 10


@pytest.mark.parametrize(
    ("key", "n", "message"),
    [
        ("n_train", 9, r"task\.dataset\.n_train must be >= 10 .* got 9"),
        ("n_train", 1294, "must be <= 1293 .* got 1294"),
        ("n_val", 9, r"task\.dataset\.n_val must be >= 10 .* got 9"),
        ("n_val", 145, "must be <= 144 .* got 145"),
    ],
)
def test_impossible_subsets_are_refused(key: str, n: int, message: str) -> None:
    for refuse in (sources.load, sources.check_available):
        with pytest.raises(ValueError, match=message):
            refuse("digits", {key: n}, Path("nowhere"))


def test_augmentation_is_offered_for_digits() -> None:
    task = digits(augment=True)
    assert task.train.augment == Augmentation(1, False, (float(task.train.images.min()),))


@pytest.mark.parametrize("channels_last", [False, True])
def test_moving_keeps_numbers_and_sets_the_layout(channels_last: bool) -> None:
    images = torch.arange(2 * 3 * 2 * 2, dtype=torch.float32).view(2, 3, 2, 2)
    part = InMemory.of(images, torch.tensor([0, 1])).to("cpu", channels_last)
    layout = torch.channels_last if channels_last else torch.contiguous_format
    assert torch.equal(part.images, images)
    assert part.images.is_contiguous(memory_format=layout)


# options


def test_unit_is_the_share_of_the_brightest_level_in_single_precision() -> None:
    """As torchvision's ToTensor has it: the level over 255, divided in single precision."""
    dataset = known("mnist")
    assert dataset is not None
    levels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    part = RawImages(levels, np.array([0]))
    unit = in_memory(dataset, ArrayParameters(normalise="unit"), RawParts(part, part, part))
    expected = torch.arange(256, dtype=torch.float32) / 255
    assert torch.equal(unit.train.images.flatten(), expected)
    raw_levels = in_memory(dataset, ArrayParameters(normalise="none"), RawParts(part, part, part))
    assert torch.equal(raw_levels.train.images.flatten(), torch.arange(256.0))


def test_without_normalisation_digits_are_their_levels() -> None:
    images = digits(normalise="none").train.images
    assert sorted(set(images.flatten().tolist())) == list(range(17))
    assert torch.equal(digits(normalise="unit").train.images, images / 16)


def test_a_random_split_does_not_look_at_classes() -> None:
    standard, random, other = (
        digits(split=split) for split in ({}, {"kind": "random"}, {"kind": "random", "seed": 42})
    )
    assert torch.equal(standard.val.images, digits().val.images)
    counts = [part.val.labels.bincount(minlength=10).tolist() for part in (random, other)]
    assert counts[0] != counts[1]
    assert all(max(c) - min(c) > 2 for c in counts)
    for splits in (random, other):
        assert [len(splits.train), len(splits.val)] == [1293, 144]
        assert torch.equal(splits.test.labels, standard.test.labels)


def test_another_seed_holds_out_others_class_by_class() -> None:
    one, other = digits(normalise="none"), digits(normalise="none", split={"seed": 1})
    assert torch.equal(one.val.labels.bincount(), other.val.labels.bincount())
    assert not torch.equal(one.val.images, other.val.images)


@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_release_transforms(name: str) -> None:
    dataset = known(name)
    assert dataset is not None
    assert dataset.pixels is not None
    assert dataset.release is not None
    white = np.full((2, 3, 2, 2), 255, dtype=np.uint8)
    part = RawImages(white, np.array([0, 1]))
    options = CifarParameters(transforms="release")
    splits = in_memory(dataset, options, RawParts(part, part, part))
    mean, std = {
        "cifar10": ((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010)),
        "cifar100": ((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761)),
    }[name]
    expected = (1 - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(splits.val.images[0, :, 0, 0], expected)
    augment = splits.train.augment
    assert (augment.padding, augment.flip) == (4, True)
    assert augment.turn == {"cifar10": 0, "cifar100": 15}[name]
    black = -torch.tensor(mean) / torch.tensor(std)
    torch.testing.assert_close(torch.tensor(augment.fill), black)


# every data set


def test_every_loadable_data_set_of_the_catalog_has_a_source() -> None:
    for name, dataset in DATASETS.items():
        assert sources.source_of(name) is resolve(dataset.loader)
        assert callable(sources.source_of(name).splits)


@pytest.mark.parametrize(
    ("name", "message"),
    [("mnits", r"task\.dataset must be a known name, got 'mnits'; did you mean mnist"),
     ("image_folder", "did you mean image-folder")],
)  # fmt: skip
def test_unknown_data_sets_are_refused(tmp_path: Path, name: str, message: str) -> None:
    for refuse in (sources.load, sources.check_available):
        with pytest.raises(ValueError, match=message):
            refuse(name, {}, tmp_path)
    with pytest.raises(ValueError, match=message):
        sources.download(name, tmp_path)


def test_unknown_parameters_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="flip"):
        sources.check_available("digits", {"flip": True}, tmp_path)


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
    sources.download(name, str(tmp_path))
    assert calls == [(tmp_path, True)]


def test_slow_packages_are_not_imported_for_checking(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from trainables.data import sources\n"
        f"root = Path({str(tmp_path)!r})\n"
        "sources.check_available('digits', {}, root); sources.download('digits', root)\n"
        "try: sources.check_available('cifar10', {}, root)\n"
        "except FileNotFoundError:"
        " sys.exit(bool({'torchvision', 'sklearn'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
