"""A folder of images: how it is divided, what only it knows, and what is said of broken files."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.trainables.folders.pictures import cut, folder_of, noise
from trainables.config.datasets import FolderParameters
from trainables.data import sources
from trainables.data.raw import DataFormatError, DataMissingError
from trainables.folders.division import FolderParts, folder_parts


def parts(root: Path, **options: Any) -> FolderParts:
    return folder_parts(FolderParameters(path=".", **options), root)


def names(files: Any) -> set[str]:
    return {file.name for file in files}


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    """Three classes of 10, 20 and 30 images."""
    return folder_of(tmp_path / "flat", {"a": 10, "b": 20, "c": 30})


# parts


def test_a_tenth_is_held_out_class_by_class(flat: Path) -> None:
    divided = parts(flat)
    assert divided.counts() == {"train": [9, 18, 27], "val": [1, 2, 3]}
    assert divided.test is None
    assert divided.classes == ("a", "b", "c")
    assert not names(divided.train) & names(divided.val)


def test_a_test_part_is_held_out_where_it_is_wanted(flat: Path) -> None:
    divided = parts(flat, test=0.2, val=0.1)
    assert divided.counts() == {"train": [7, 14, 21], "val": [1, 2, 3], "test": [2, 4, 6]}
    assert len(names(divided.train) | names(divided.val) | names(divided.test)) == 60


def test_the_same_seed_holds_out_the_same_images(flat: Path) -> None:
    one, again, other = (parts(flat, split={"seed": seed}) for seed in (0, 0, 1))
    assert one == again
    assert names(one.val) != names(other.val)
    assert one.counts() == other.counts()


def test_a_random_split_does_not_look_at_classes(flat: Path) -> None:
    """RandomState(0).permutation(60) begins 26 35 59 28 11 2: of a 1, of b 3, of c 2."""
    divided = parts(flat, split={"kind": "random"})
    assert sorted(names(divided.val)) == [
        "a/002.png", "b/001.png", "b/016.png", "b/018.png", "c/005.png", "c/029.png",
    ]  # fmt: skip
    assert divided.counts()["val"] == [1, 3, 2]


def test_folders_of_parts_are_used_as_they_are(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train/a": 3, "train/b": 2, "val/a": 1, "val/b": 1, "test/b": 4})
    divided = parts(tmp_path)
    assert divided.counts() == {"train": [3, 2], "val": [1, 1], "test": [0, 4]}


def test_validation_is_held_out_of_train_where_no_folder_holds_it(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train/a": 10, "train/b": 10, "test/b": 4})
    divided = parts(tmp_path, val=0.3)
    assert divided.counts() == {"train": [7, 7], "val": [3, 3], "test": [0, 4]}


def test_subsets_are_stratified_and_fixed(flat: Path) -> None:
    divided = parts(flat, n_train=6, n_val=3)
    assert divided.counts() == {"train": [1, 2, 3], "val": [1, 1, 1]}
    assert names(divided.train) < names(parts(flat).train)
    assert divided == parts(flat, n_train=6, n_val=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"val": 0.004}, r"val must take an image or more from 60 and leave some, got 0\.004"),
        ({"val": 0.999}, "val must leave|val must take an image or more"),
        ({"n_train": 2}, r"n_train must be in \[3, 54\], .*, got 2"),
        ({"n_train": 55}, r"n_train must be in \[3, 54\], .*, got 55"),
        ({"n_val": 7}, r"n_val must be in \[3, 6\], .*, got 7"),
    ],
)
def test_impossible_shares_and_subsets(flat: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"task\.dataset\.{message}"):
        parts(flat, **options)


@pytest.mark.parametrize("key", ["val", "test"])
def test_a_share_beside_a_folder_is_refused(tmp_path: Path, key: str) -> None:
    folder_of(tmp_path, {"train/a": 3, f"{key}/a": 2})
    with pytest.raises(ValueError, match=rf"{key} must be absent where the folder holds {key}/"):
        parts(tmp_path, **{key: 0.2})


def test_a_class_that_would_lose_all_its_images_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a": 1, "b": 1, "c": 8})
    with pytest.raises(ValueError, match=r"val must leave every class .*got 0\.5, which takes a/0"):
        parts(tmp_path, val=0.5)


def test_empty_classes_and_parts_are_named(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train/a": 3, "train/b": 0, "train/c": 0, "val/a": 0})
    with pytest.raises(DataFormatError, match=f"of every class, got none of b, c in {tmp_path}"):
        parts(tmp_path)
    folder_of(tmp_path, {"train/b": 1, "train/c": 1})
    with pytest.raises(DataFormatError, match="must hold images in val/, got none"):
        parts(tmp_path)


# broken files


@pytest.fixture
def broken(flat: Path) -> Path:
    """The flat folder with a truncated JPEG and a text file of that name in it."""
    cut(noise(flat / "b" / "cut.jpg", 7, (40, 40)), 200)
    (flat / "c" / "text.JPG").write_text("not an image")
    return flat


def check(root: Path, **options: Any) -> None:
    sources.check_available("image-folder", {"path": ".", **options}, root)
    sources.prepare("image-folder", {"path": ".", **options}, root)


def test_broken_files_are_counted_and_named(broken: Path) -> None:
    with pytest.raises(DataFormatError) as raised:
        check(broken)
    message = str(raised.value)
    assert message.startswith(
        "task.dataset.path must hold images that can be read, got 2 of 62 that"
    )
    assert "cannot: b/cut.jpg (" in message
    assert message.endswith(
        "c/text.JPG (no image of a known format); task.dataset.broken: skip leaves them out"
    )


def test_few_of_many_broken_files_are_named(flat: Path) -> None:
    for number in range(8):
        (flat / "a" / f"x{number}.png").write_text("no")
    with pytest.raises(DataFormatError, match=r"8 of 68 that cannot: a/x0.* and 3 more; task"):
        check(flat)


def test_broken_files_are_left_out_where_that_is_wanted(broken: Path, flat: Path) -> None:
    check(broken, broken="skip")
    left = parts(broken, broken="skip")
    assert {**left.counts()} == {"train": [9, 18, 27], "val": [1, 2, 3]}
    assert set(left.left_out) == {"b/cut.jpg", "c/text.JPG"}
    assert left.listing != parts(broken).listing


def test_left_out_files_are_not_in_the_digest(broken: Path) -> None:
    skipped = parts(broken, broken="skip").listing
    for name in ("b/cut.jpg", "c/text.JPG"):
        (broken / name).unlink()
    assert parts(broken).listing == skipped


def test_a_class_of_broken_files_alone_is_empty(tmp_path: Path) -> None:
    folder_of(tmp_path, {"a": 2})
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "1.png").write_text("no")
    with pytest.raises(DataFormatError, match="got none of b"):
        parts(tmp_path, broken="skip")


def test_a_missing_folder_is_named_whole(tmp_path: Path) -> None:
    with pytest.raises(DataMissingError, match=str(tmp_path / "none")):
        sources.check_available("image-folder", {"path": "none"}, tmp_path)


def test_an_absolute_path_needs_no_root(flat: Path) -> None:
    given = {"path": str(flat)}
    assert sources.facts_of("image-folder", given, Path("/nowhere"))["n_train"] == 54


def test_facts_are_lengths_classes_and_the_listing(flat: Path) -> None:
    facts = sources.facts_of("image-folder", {"path": "flat"}, flat.parent)
    assert facts == {
        "n_train": 54, "n_val": 6, "n_classes": 3,
        "listings": {"task.dataset": parts(flat).listing},
    }  # fmt: skip


def test_a_known_data_set_needs_no_facts(tmp_path: Path) -> None:
    assert sources.facts_of("digits", {}, tmp_path) == {}


def test_looking_at_a_folder_imports_neither_torch_nor_torchvision(flat: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from trainables.data import sources\n"
        f"given, root = {{'path': 'flat', 'broken': 'skip'}}, Path({str(flat.parent)!r})\n"
        "sources.facts_of('image-folder', given, root)\n"
        "sources.check_available('image-folder', given, root)\n"
        "sources.prepare('image-folder', given, root)\n"
        "sys.exit(bool({'torch', 'torchvision'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# parameters


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mean": (0.5, 0.5, 0.5)}, "mean must be given with std"),
        ({"mean": (0.5,) * 3, "std": (0.5, 0, 0.5)}, r"std must be > 0, got \[0\.5, 0\.0, 0\.5\]"),
        ({"mean": (0.5,) * 3, "std": (1,) * 3, "normalise": "unit"}, "mean must be absent unless"),
        ({"augment": False, "flip": False}, "flip must be absent where .*augment is false"),
        ({"augment": False, "area": 0.5}, "area must be absent where"),
        ({"val": 0.5, "test": 0.5}, "val must leave images to train on"),
    ],
)
def test_parameters_that_do_not_fit(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"task\.dataset\.{message}"):
        FolderParameters(path=".", **options)
