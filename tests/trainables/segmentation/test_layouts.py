"""PASCAL VOC and Cityscapes on disk: what is listed, how masks are read, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.trainables.folders.pictures import scrambled
from tests.trainables.segmentation.datasets import VOID, cityscapes, mask, picture, voc
from trainables.data.raw import DataFormatError
from trainables.segmentation.layouts import (
    cityscapes_levels,
    cityscapes_listing,
    voc_levels,
    voc_listing,
)
from trainables.segmentation.masks import read_mask
from trainables.segmentation.on_disk import Cityscapes, VocSegmentation
from trainables.vocabulary.refusal import Refusal

SMALL = {"network": "unet", "width": 2, "crop": 8}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return voc(tmp_path)


def task(root: Path) -> VocSegmentation:
    return VocSegmentation(root, **SMALL)  # type: ignore[arg-type]


def image_of(root: Path, number: int) -> Path:
    return root / "VOCdevkit" / "VOC2012" / "JPEGImages" / f"2012_{number:06}.jpg"


def mask_of(root: Path, number: int) -> Path:
    return root / "VOCdevkit" / "VOC2012" / "SegmentationClass" / f"2012_{number:06}.png"


def test_the_public_validation_part_is_the_test_part(root: Path) -> None:
    splits = task(root).splits()
    assert {name: len(part) for name, part in splits.in_order.items()} == {
        "train": 9, "val": 1, "test": 3,
    }  # fmt: skip
    files = [set(part.samples) for part in splits.in_order.values()]  # type: ignore[attr-defined]
    assert len(set.union(*files)) == 13
    assert files[2] == {str(image_of(root, number)) for number in (10, 11, 12)}


def test_an_item_is_an_image_and_its_mask(root: Path) -> None:
    splits = task(root).splits()
    image, labels = splits.test[0]  # type: ignore[index]
    assert (image.shape, image.dtype, labels.dtype) == ((3, 24, 20), torch.float32, torch.uint8)
    assert labels.tolist() == np.array(Image.open(mask_of(root, 10))).tolist()
    with Image.open(image_of(root, 10)) as file:
        green = np.array(file)[:, :, 1] / 255
    assert image[1].numpy() == pytest.approx((green - 0.456) / 0.224, abs=1e-5)
    image, labels = splits.train[0]
    assert (image.shape, labels.shape) == ((3, 8, 8), (8, 8))


def test_decoded_items_are_whole_and_as_they_are(root: Path) -> None:
    train = task(root).splits().train
    image, labels = train.decode(0)  # type: ignore[attr-defined]
    assert (image.dtype, labels.dtype) == (torch.uint8, torch.uint8)
    assert image.shape[1:] == labels.shape


def test_levels_of_voc() -> None:
    levels = voc_levels()
    assert [int(levels[i]) for i in (0, 20, 21, 254, 255)] == [0, 20, -1, -1, VOID]


def test_levels_of_cityscapes_are_its_training_ids() -> None:
    levels = cityscapes_levels()
    # unlabelled, ego vehicle, road, sidewalk, parking, wall, bus, caravan, bicycle, plate
    ids = (0, 1, 7, 8, 9, 12, 28, 29, 33, 34, 255)
    assert [int(levels[i]) for i in ids] == [255, 255, 0, 1, 255, 3, 15, 255, 18, -1, 255]


def test_cityscapes_by_cities(tmp_path: Path) -> None:
    task = Cityscapes(cityscapes(tmp_path), **SMALL)  # type: ignore[arg-type]
    splits = task.splits()
    assert [len(part) for part in splits.in_order.values()] == [5, 1, 2]
    assert set(np.unique(splits.test[0][1])) <= {0, 18, VOID}  # type: ignore[index]
    first = cityscapes_listing(tmp_path).train[0]
    assert first.image == "cityscapes/leftImg8bit/train/aachen/aachen_000000_000019_leftImg8bit.png"
    assert first.mask == ("cityscapes/gtFine/train/aachen/aachen_000000_000019_gtFine_labelIds.png")


def test_the_digest_is_of_names_and_sizes(tmp_path: Path) -> None:
    digests = [voc_listing(voc(tmp_path / name), "2012").digest for name in ("a", "b")]
    assert digests[0] == digests[1]
    with mask_of(tmp_path / "b", 3).open("ab") as file:
        file.write(b"\0")
    assert voc_listing(tmp_path / "b", "2012").digest != digests[0]


@pytest.mark.parametrize("mode", ["L", "CMYK"])
def test_a_grey_or_cmyk_image_is_read_in_colour(root: Path, mode: str) -> None:
    picture(image_of(root, 10), 10, (24, 20), mode)
    image, _ = task(root).splits().test.decode(0)  # type: ignore[union-attr]
    assert image.shape == (3, 24, 20)
    if mode == "L":
        assert torch.equal(image[0], image[1])


def refusal(root: Path) -> str:
    with pytest.raises(Refusal) as caught:
        task(root).splits()
    return str(caught.value)


def test_a_mask_that_is_missing_is_named(root: Path) -> None:
    mask_of(root, 3).unlink()
    assert refusal(root) == (
        "data.root must hold images with masks of their size, got 1 of 13 that cannot be used:"
        " VOCdevkit/VOC2012/JPEGImages/2012_000003.jpg (no mask 2012_000003.png)"
    )


def test_a_mask_of_another_size_is_named_with_both(root: Path) -> None:
    mask(mask_of(root, 4), 4, [0, 1], (20, 24))
    assert refusal(root).endswith(
        "got 1 of 13 that cannot be used: VOCdevkit/VOC2012/JPEGImages/2012_000004.jpg"
        " (the image is 20 x 24 and its mask 24 x 20)"
    )


def test_what_is_broken_is_counted_and_named(root: Path) -> None:
    image_of(root, 0).write_bytes(image_of(root, 0).read_bytes()[:200])
    image_of(root, 1).unlink()
    mask_of(root, 2).write_text("no image")
    Image.open(mask_of(root, 5)).convert("RGB").save(mask_of(root, 5))
    Image.fromarray(np.zeros((24, 20), np.uint16)).save(mask_of(root, 6))
    text = refusal(root)
    assert "got 5 of 13 that cannot be used" in text
    assert "2012_000001.jpg (no such file)" in text
    assert "2012_000002.jpg (mask 2012_000002.png: no image of a known format)" in text
    assert "(mask 2012_000005.png must have a palette or grey levels of 8 bits, got RGB)" in text
    assert "2012_000006.jpg (mask 2012_000006.png must have a palette or grey levels" in text


def test_more_than_five_are_counted(root: Path) -> None:
    for number in range(7):
        mask_of(root, number).unlink()
    assert refusal(root).endswith(" and 2 more")


def test_a_level_that_is_no_class_is_named_before_anything_is_trained(root: Path) -> None:
    mask(mask_of(root, 11), 11, [30])
    assert refusal(root).endswith("2012_000011.jpg (mask 2012_000011.png: level 30 is no class)")
    with pytest.raises(DataFormatError, match=r"got .*2012_000011\.png \(level 30 is no class\)$"):
        read_mask(mask_of(root, 11), voc_levels())


def test_what_breaks_off_in_its_middle_is_named_before_anything_is_trained(root: Path) -> None:
    scrambled(image_of(root, 3))
    scrambled(mask_of(root, 7))
    text = refusal(root)
    assert "got 2 of 13 that cannot be used" in text
    assert "2012_000003.jpg (broken data stream when reading image file), " in text
    assert "2012_000007.jpg (mask 2012_000007.png: " in text


def test_one_that_breaks_later_is_named(root: Path) -> None:
    test = task(root).splits().test
    scrambled(image_of(root, 11))
    with pytest.raises(DataFormatError, match=r"^data\.root must .* got .*2012_000011\.jpg \(brok"):
        test[1]  # type: ignore[index]


def test_folders_and_lists_that_are_missing_are_named(root: Path, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"data\.root must hold VOCdevkit/VOC2007, got"):
        VocSegmentation(root, year="2007").splits()
    (root / "VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt").unlink()
    with pytest.raises(Refusal, match=r"data.root must hold VOCdevkit/\S+/val.txt, got FileNot"):
        task(root).splits()
    with pytest.raises(Refusal, match=r"data\.root must hold cityscapes/leftImg8bit, got"):
        Cityscapes(root).splits()


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"scale": (2.0, 0.5)}, r"task.scale must be \[low, high\] with low <= high, got \[2.0"),
        ({"auxiliary": 0.2}, "task.auxiliary must be absent for unet, which has no auxiliary"),
        (
            {"network": "fcn_resnet50"},
            "task.width must be absent unless task.network is unet, got 2",
        ),
    ],
)
def test_keywords_that_do_not_fit(root: Path, keywords: dict[str, object], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        VocSegmentation(root, **{**SMALL, **keywords})  # type: ignore[arg-type]


def test_a_share_that_takes_nothing_is_refused(root: Path) -> None:
    with pytest.raises(Refusal, match=r"task\.val must take an image or more from 10 and"):
        VocSegmentation(root, network="unet", val=0.01).splits()
