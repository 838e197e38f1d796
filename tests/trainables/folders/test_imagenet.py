"""ImageNet's folders, with a record of small numbers: parts, transforms, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.trainables.folders.pictures import folder_of
from trainables.config.datasets import ImageNetParameters, KnownDataset, known
from trainables.data.raw import DataFormatError, DataMissingError
from trainables.data.sources import source_of
from trainables.folders.imagenet import SOURCE
from trainables.folders.items import IMAGENET, FolderItems, View

SMALL = KnownDataset("imagenet", ImageNetParameters, "small", "", 20, 6, (3, 16, 16), 2)
COUNTS = {"train/n01": 10, "train/n02": 10, "val/n01": 3, "val/n02": 3}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder_of(tmp_path / "imagenet", COUNTS)
    return tmp_path


def options(**given: Any) -> ImageNetParameters:
    return ImageNetParameters(**given)


def test_the_source_is_the_record_s() -> None:
    assert source_of("imagenet") is SOURCE


def test_validation_is_of_train_and_test_is_val(root: Path) -> None:
    SOURCE.check(SMALL, options(), root)
    balance = SOURCE.balance(SMALL, options(), root)
    assert balance.counts == {"train": [9, 9], "val": [1, 1], "test": [3, 3]}
    splits = SOURCE.splits(SMALL, options(), root)
    assert {name: len(part) for name, part in splits.in_order.items()} == {
        "train": SMALL.n_train({}), "val": SMALL.n_val, "test": 6,
    }  # fmt: skip
    assert (splits.n_classes, splits.listing) == (2, None)


def test_transforms_are_the_usual_ones(root: Path) -> None:
    splits = SOURCE.splits(SMALL, options(), root)
    assert isinstance(splits.train, FolderItems)
    assert isinstance(splits.test, FolderItems)
    assert splits.train.view == View(16, 0.875, 0.08, True, IMAGENET)
    assert splits.test.view == View(16, 0.875, scale=IMAGENET)
    plain = SOURCE.splits(SMALL, options(augment=False), root)
    assert isinstance(plain.train, FolderItems)
    assert plain.train.view == splits.test.view


def test_subsets_and_another_split(root: Path) -> None:
    balance = SOURCE.balance(SMALL, options(n_train=4), root)
    assert balance.counts["train"] == [2, 2]
    one, other = (SOURCE.splits(SMALL, options(split={"seed": seed}), root).val for seed in (0, 1))
    assert isinstance(one, FolderItems)
    assert isinstance(other, FolderItems)
    assert set(one.names) != set(other.names)


def test_numbers_of_images_and_classes_are_the_record_s(root: Path) -> None:
    (root / "imagenet/train/n02/000.png").unlink()
    message = (
        "task.dataset.path must hold 20 images in train/ and 6 images in val/ of 2 classes for"
        f" imagenet, got 19 images in train/ and 6 images in val/ of 2 classes in {root}/imagenet"
    )
    with pytest.raises(DataFormatError, match=message):
        SOURCE.check(SMALL, options(), root)
    real = known("imagenet")
    assert real is not None
    with pytest.raises(DataFormatError, match="must hold 1,281,167 images in train/ and 50,000"):
        SOURCE.check(real, options(), root)


def test_broken_and_missing_files(root: Path) -> None:
    (root / "imagenet/val/n01/000.png").write_text("no")
    with pytest.raises(DataFormatError, match=r"got 1 of 26 that cannot: val/n01/000\.png"):
        SOURCE.prepare(SMALL, options(), root)
    with pytest.raises(DataMissingError, match=f"got {root}/elsewhere"):
        SOURCE.check(SMALL, options(path="elsewhere"), root)
