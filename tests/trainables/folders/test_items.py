"""Items of a folder: pixels by value in evaluation and training, normalisation, and draws."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainables.folders.pictures import cut, folder_of, noise, plain
from trainables.config.datasets import Statistics
from trainables.data import sources
from trainables.data.parts import Splits
from trainables.data.raw import DataFormatError
from trainables.folders.image_files import decoded
from trainables.folders.items import IMAGENET, FolderItems, View


def load(root: Path, **options: Any) -> Splits:
    return sources.load("image-folder", {"path": ".", **options}, root)


def write(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two classes, red in training and green in validation."""
    plain(tmp_path / "train/a/1.png", (255, 0, 51))
    plain(tmp_path / "train/b/1.png", (0, 255, 51))
    plain(tmp_path / "val/b/1.png", (51, 102, 255))
    return tmp_path


def test_an_image_of_the_right_size_is_seen_as_it_is(tmp_path: Path) -> None:
    pixels = np.arange(4 * 4 * 3).reshape(4, 4, 3) * 5
    write(tmp_path / "train/a/1.png", pixels)
    write(tmp_path / "val/a/1.png", pixels)
    splits = load(tmp_path, size=4, crop=1.0, augment=False, normalise="unit")
    expected = torch.from_numpy(pixels).permute(2, 0, 1) / 255
    for part in (splits.train, splits.val):
        image, label = part[0]
        assert image.dtype == torch.float32
        torch.testing.assert_close(image, expected.float(), rtol=1e-6, atol=0)
        assert label == 0


def test_the_middle_of_the_resized_image_is_kept(tmp_path: Path) -> None:
    """6 wide and 4 high is resized to 6 x 4, of which the middle 2 x 2 is kept at crop 1/2."""
    pixels = np.zeros((4, 6, 3))
    pixels[1:3, 2:4] = [[[51] * 3, [102] * 3], [[153] * 3, [204] * 3]]
    write(tmp_path / "train/a/1.png", pixels)
    write(tmp_path / "val/a/1.png", pixels)
    image, _ = load(tmp_path, size=2, crop=0.5, normalise="unit").val[0]
    torch.testing.assert_close(image[0], torch.tensor([[0.2, 0.4], [0.6, 0.8]]))


def test_grey_images_have_three_equal_channels(tmp_path: Path) -> None:
    for part in ("train", "val"):
        write(tmp_path / part / "a/1.png", np.arange(16).reshape(4, 4) * 10)
    image, _ = load(tmp_path, size=4, crop=1.0, normalise="unit").val[0]
    assert torch.equal(image[0], image[1])
    assert torch.equal(image[0], image[2])


@pytest.mark.parametrize(
    ("options", "mean", "std"),
    [
        ({"normalise": "unit"}, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        ({"normalise": "imagenet"}, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
        ({"mean": (0.1, 0.2, 0.3), "std": (0.5, 1, 2)}, (0.1, 0.2, 0.3), (0.5, 1, 2)),
    ],
)
def test_normalisation(two: Path, options: dict[str, Any], mean: Any, std: Any) -> None:
    image, label = load(two, size=4, **options).val[0]
    colour = torch.tensor([0.2, 0.4, 1.0])
    expected = (colour - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(image, expected[:, None, None].expand(3, 4, 4))
    assert label == 1


def test_standard_is_by_the_training_images(tmp_path: Path) -> None:
    """Red is 0 and 1, of mean and deviation 1/2; green .2 and .6; blue .2 and .8."""
    plain(tmp_path / "train/a/1.png", (0, 51, 51))
    plain(tmp_path / "train/a/2.png", (255, 153, 204))
    plain(tmp_path / "val/a/1.png", (255, 204, 0))
    splits = load(tmp_path, size=4)
    assert isinstance(splits.val, FolderItems)
    scale = splits.val.view.scale
    assert scale is not None
    assert scale.mean == pytest.approx((0.5, 0.4, 0.5))
    assert scale.std == pytest.approx((0.5, 0.2, 0.3))
    expected = torch.tensor([1.0, 2.0, -5 / 3])
    torch.testing.assert_close(splits.val[0][0][:, 0, 0], expected)


def test_one_colour_everywhere_cannot_be_standardised(tmp_path: Path) -> None:
    plain(tmp_path / "train/a/1.png")
    plain(tmp_path / "val/a/1.png")
    with pytest.raises(DataFormatError, match="same value everywhere"):
        load(tmp_path, size=4)


def test_splits_know_classes_listing_and_views(two: Path) -> None:
    splits = load(two, size=4, area=0.3, normalise="imagenet")
    assert splits.n_classes == 2
    assert splits.test is None
    assert splits.listing == sources.facts_of("image-folder", {"path": "."}, two)["listings"].get(
        "task.dataset"
    )
    train, val = splits.train, splits.val
    assert isinstance(train, FolderItems)
    assert isinstance(val, FolderItems)
    assert train.view == View(4, 0.875, 0.3, True, IMAGENET)
    assert val.view == View(4, 0.875, scale=IMAGENET)


# training


def drawn(view: View, image: torch.Tensor, seed: int) -> torch.Tensor:
    torch.manual_seed(seed)
    return view(image)


def test_training_views_are_functions_of_torch_s_generator() -> None:
    image = torch.randint(256, (3, 20, 30), dtype=torch.uint8)
    view = View(8, 0.875, 0.2, flip=True)
    assert torch.equal(drawn(view, image, 1), drawn(view, image, 1))
    assert not torch.equal(drawn(view, image, 1), drawn(view, image, 2))


def test_a_crop_has_at_least_its_area() -> None:
    """The image brightens by column from 0 to 1: a crop of all of it at area 1 keeps both ends."""
    ramp = torch.linspace(0, 255, 64).round().to(torch.uint8).expand(3, 64, 64)
    whole, small = View(64, 1.0, 1.0), View(64, 1.0, 0.05)
    spans = [
        [float(drawn(view, ramp, seed).max() - drawn(view, ramp, seed).min()) for seed in range(40)]
        for view in (whole, small)
    ]
    assert min(spans[0]) > 0.85
    assert min(spans[1]) < 0.5
    assert all(span > 0.05**0.5 / (4 / 3) ** 0.5 - 0.05 for span in spans[1])


def test_half_of_the_images_are_mirrored_and_none_without_flip() -> None:
    ramp = torch.linspace(0, 255, 16).round().to(torch.uint8).expand(3, 16, 16)
    for flip, low, high in ((True, 30, 70), (False, 0, 0)):
        view = View(16, 1.0, 1.0, flip)
        mirrored = sum(
            bool(image[0, 0, 0] > image[0, 0, -1])
            for image in (drawn(view, ramp, seed) for seed in range(100))
        )
        assert low <= mirrored <= high


def test_without_augmentation_training_is_seen_as_validation(two: Path) -> None:
    splits = load(two, size=4, augment=False, normalise="imagenet")
    assert isinstance(splits.train, FolderItems)
    assert isinstance(splits.val, FolderItems)
    assert splits.train.view == splits.val.view


# items


def test_an_item_is_its_decoded_form_transformed(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train/a": 2, "val/a": 1})
    items = load(tmp_path, size=4, normalise="unit").train
    assert isinstance(items, FolderItems)
    image, label = items.decode(1)
    assert (image.dtype, image.shape, label) == (torch.uint8, (3, 10, 12), 0)
    assert image.stride() == (1, 36, 3), "as it was decoded, without a copy"
    torch.manual_seed(0)
    whole = items[1][0]
    torch.manual_seed(0)
    assert torch.equal(items.transform((image, label))[0], whole)


def test_items_travel_to_loader_processes(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train/a": 2, "val/a": 1})
    val = load(tmp_path, size=4, normalise="unit").val
    before = val[0][0]  # also makes the transform
    assert torch.equal(pickle.loads(pickle.dumps(val))[0][0], before)


@pytest.mark.parametrize("sides", [(12, 10), (31, 47), (8, 8)])
@pytest.mark.parametrize("view", [View(8, 0.875), View(8, 1.0, 0.2, flip=True), View(8, 1.0)])
def test_how_decoded_pixels_lie_in_memory_changes_no_bit(
    tmp_path: Path, view: View, sides: tuple[int, int]
) -> None:
    image = torch.from_numpy(decoded(noise(tmp_path / "a.png", 3, sides))).permute(2, 0, 1)
    results = []
    for given in (image, image.contiguous()):
        torch.manual_seed(5)
        results.append(view(given))
    assert torch.equal(*results)
    assert results[0].stride() == results[1].stride() == (64, 8, 1)


def test_a_file_that_breaks_later_is_named(tmp_path: Path) -> None:
    folder_of(tmp_path, {"train/a": 1, "val/a": 1})
    path = noise(tmp_path / "train/a/big.jpg", 1, (60, 60))
    splits = load(tmp_path, size=4, normalise="unit")
    cut(path, 900)
    with pytest.raises(DataFormatError, match=rf"task\.dataset\.path must .* got {path} \("):
        splits.train[1]


def test_statistics_are_of_a_fixed_draw_of_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RandomState(0) draws the images 2 and 8 of ten first."""
    for number in range(10):
        plain(tmp_path / f"train/a/{number}.png", (number * 10,) * 3)
    plain(tmp_path / "val/a/1.png")
    monkeypatch.setattr("trainables.folders.items.MOST_MEASURED", 2)
    val = load(tmp_path, size=4).val
    assert isinstance(val, FolderItems)
    mean, deviation = (20 + 80) / 2 / 255, 30 / 255
    assert val.view.scale is not None
    assert val.view.scale == Statistics((pytest.approx(mean),) * 3, (pytest.approx(deviation),) * 3)
