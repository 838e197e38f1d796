"""Data sets by name: what a study may set of each, what is known of it, and what loads it.

A data set is one record here and one file in `trainables.data`, whose `Source` the record names as
"module:attribute". Pure standard library and pydantic, so that a study is checked without torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from trainables.config.catalog import Finite, Parameters, Positive
from trainables.vocabulary.refusal import Refusal


@dataclass(frozen=True)
class Dataset:
    """A data set: what it is called, what a study may set of it, and what loads it."""

    name: str
    parameters: type[Parameters]
    source: str
    loader: str


@dataclass(frozen=True)
class Statistics:
    """Mean and standard deviation of each channel, with black at 0 and the brightest level at 1."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class Pixels:
    """How the images of a data set are kept, normalised and augmented.

    Pixels are 0 to `levels` - 1. `scale`: fixed statistics, or None to compute them from the
    training part. `padding` in pixels, `flip` and `turn` in degrees are those of `Augmentation`.
    """

    levels: int
    padding: int
    flip: bool
    scale: Statistics | None = None
    turn: int = 0


@dataclass(frozen=True)
class KnownDataset(Dataset):
    """A data set of images whose numbers are known before its files are there.

    `n_full` counts the training images before 10 % of them are held out for validation; `pixels`
    describes those that are held in memory, `release` as the authors' release has them.
    """

    n_full: int
    n_test: int
    in_shape: tuple[int, int, int]
    n_classes: int
    pixels: Pixels | None = None
    release: Pixels | None = None

    @property
    def n_val(self) -> int:
        """Images held out for validation: a tenth, rounded."""
        return round(self.n_full / 10)

    def n_train(self, parameters: Mapping[str, Any]) -> int:
        """Training images left after the split, or the subset that `n_train` asks for."""
        return self._subset("n_train", parameters, self.n_full - self.n_val)

    def n_validated(self, parameters: Mapping[str, Any]) -> int:
        """Images that validation is measured on: those held out, or the subset of `n_val`."""
        return self._subset("n_val", parameters, self.n_val)

    def _subset(self, key: str, parameters: Mapping[str, Any], available: int) -> int:
        subset = parameters.get(key)
        if subset is None:
            return available
        if subset > available:
            raise ValueError(
                f"task.dataset.{key} must be <= {available} for {self.name}, got {subset}"
            )
        return int(subset)


@dataclass(frozen=True)
class FolderDataset(Dataset):
    """A data set of images whose numbers only its folder knows: they are among a trial's facts."""

    def image_shape(self, parameters: Mapping[str, Any]) -> tuple[int, int, int]:
        """The shape [C, H, W] in which a network gets an image."""
        return 3, parameters["size"], parameters["size"]


class SplitParameters(Parameters):
    """How examples are held out: `stratified` by class, or at `random`; `seed` of the one draw."""

    kind: Literal["stratified", "random"] = "stratified"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0


class ImageParameters(Parameters):
    """`n_train`, `n_val`: fixed stratified subsets of the training and of the validation images;
    `augment`: crops and flips."""

    n_train: Positive | None = None
    n_val: Positive | None = None
    augment: bool = False


class ArrayParameters(ImageParameters):
    """`normalise`: by mean and standard deviation, to [0, 1], or not at all; `split`: how a tenth
    is held out for validation."""

    LATER: ClassVar = frozenset({"normalise", "split"})

    normalise: Literal["standard", "unit", "none"] = "standard"
    split: SplitParameters = SplitParameters()


class CifarParameters(ArrayParameters):
    """As `ArrayParameters`, with augmentation unless told otherwise; `transforms`: constants and
    augmentation of this project, or those of the authors' release."""

    LATER: ClassVar = ArrayParameters.LATER | {"transforms"}

    augment: bool = True
    transforms: Literal["standard", "release"] = "standard"


class ImageNetParameters(ImageParameters):
    """As `ImageParameters`, with augmentation unless told otherwise: a random crop and a flip.

    `path`: the folder with `train` and `val`, or with their archives; `split`: how a tenth of
    `train` is held out.
    """

    UNHASHED: ClassVar = frozenset({"path"})
    LATER: ClassVar = frozenset({"path", "split"})

    augment: bool = True
    path: Annotated[str, Field(min_length=1)] = "imagenet"
    split: SplitParameters = SplitParameters()


Share = Annotated[float, Field(gt=0, le=1)]
HeldShare = Annotated[float, Field(gt=0, lt=1)]
Channels = tuple[Finite, Finite, Finite]


class FolderParameters(Parameters):
    """`path`: a folder of class folders, or of such folders `train`, `val`, `test`; below data.root
    unless absolute. `size`: side of the square input; `crop`: share of the resized image's side
    that the centre crop of an evaluation keeps. `augment`: a random crop of at least the share
    `area` of the image, resized, and, with `flip`, mirrored half of the time. `normalise`: by
    `mean` and `std` or those of the training images, to [0, 1] alone, or by ImageNet's.
    `val`, `test`: shares held out by `split`, where no folder holds them: a tenth and none unless
    told otherwise. `n_train`, `n_val`: fixed stratified subsets. `broken`: what becomes of files
    that cannot be read."""

    UNHASHED: ClassVar = frozenset({"path", "broken"})
    LENGTHS: ClassVar = frozenset({"path", "val", "test", "split", "n_train", "n_val", "broken"})
    """Keys that decide how many examples there are, and so how long a trial is."""

    path: Annotated[str, Field(min_length=1)]
    size: Positive = 224
    crop: Share = 0.875
    augment: bool = True
    area: Share = 0.08
    flip: bool = True
    normalise: Literal["standard", "unit", "imagenet"] = "standard"
    mean: Channels | None = None
    std: Channels | None = None
    val: HeldShare | None = None
    test: HeldShare | None = None
    split: SplitParameters = SplitParameters()
    n_train: Positive | None = None
    n_val: Positive | None = None
    broken: Literal["refuse", "skip"] = "refuse"

    @model_validator(mode="after")
    def _keys_fit(self) -> Self:
        if (self.mean is None) != (self.std is None):
            raise Refusal("task.dataset.mean must be given with std, got one without the other")
        if self.std is not None and min(self.std) <= 0:
            raise Refusal(f"task.dataset.std must be > 0, got {list(self.std)}")
        if self.mean is not None and self.normalise != "standard":
            rule = "must be absent unless task.dataset.normalise is standard"
            raise Refusal(f"task.dataset.mean {rule}, got {list(self.mean)}")
        for key in ("area", "flip"):
            if not self.augment and key in self.model_fields_set:
                default = type(self).model_fields[key].default
                if (value := getattr(self, key)) != default:
                    rule = "must be absent where task.dataset.augment is false"
                    raise Refusal(f"task.dataset.{key} {rule}, got {value}")
        if (self.val or 0) + (self.test or 0) >= 1:
            rule = "must leave images to train on beside task.dataset.test"
            raise Refusal(f"task.dataset.val {rule}, got {self.val} and {self.test}")
        return self


_SOURCES = "trainables.datasets"
_CIFAR10_SCALE = Statistics((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
_CIFAR100_SCALE = Statistics((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
_CIFAR10_RELEASE = Statistics((0.4914, 0.4822, 0.4465), (0.2023, 0.1994, 0.2010))
_CIFAR100_RELEASE = Statistics((0.5071, 0.4867, 0.4408), (0.2675, 0.2565, 0.2761))

DATASETS: dict[str, Dataset] = {
    d.name: d
    for d in (
        KnownDataset(
            "digits", ArrayParameters, "Alpaydin and Kaynak 1998, as scikit-learn ships it",
            f"{_SOURCES}.digits:SOURCE", 1437, 360, (1, 8, 8), 10,
            Pixels(levels=17, padding=1, flip=False),
        ),
        KnownDataset(
            "mnist", ArrayParameters, "LeCun et al. 1998",
            f"{_SOURCES}.mnist:SOURCE", 60_000, 10_000, (1, 28, 28), 10,
            Pixels(levels=256, padding=4, flip=False),
        ),
        KnownDataset(
            "fashion-mnist", ArrayParameters, "Xiao et al. 2017",
            f"{_SOURCES}.mnist:SOURCE", 60_000, 10_000, (1, 28, 28), 10,
            Pixels(levels=256, padding=4, flip=True),
        ),
        KnownDataset(
            "cifar10", CifarParameters, "Krizhevsky 2009",
            f"{_SOURCES}.cifar:SOURCE", 50_000, 10_000, (3, 32, 32), 10,
            Pixels(levels=256, padding=4, flip=True, scale=_CIFAR10_SCALE),
            Pixels(levels=256, padding=4, flip=True, scale=_CIFAR10_RELEASE),
        ),
        KnownDataset(
            "cifar100", CifarParameters, "Krizhevsky 2009",
            f"{_SOURCES}.cifar:SOURCE", 50_000, 10_000, (3, 32, 32), 100,
            Pixels(levels=256, padding=4, flip=True, scale=_CIFAR100_SCALE),
            Pixels(levels=256, padding=4, flip=True, scale=_CIFAR100_RELEASE, turn=15),
        ),
        KnownDataset(
            "imagenet", ImageNetParameters, "Russakovsky et al. 2015",
            "trainables.folders.imagenet:SOURCE", 1_281_167, 50_000, (3, 224, 224), 1000,
        ),
        FolderDataset(
            "image-folder", FolderParameters, "your own images, in torchvision's layout",
            "trainables.folders.source:SOURCE",
        ),
    )
}  # fmt: skip


def folder(name: str | None) -> FolderDataset | None:
    """Return the record of a data set whose numbers only its folder knows; None for other names."""
    dataset = DATASETS.get(name) if name is not None else None
    return dataset if isinstance(dataset, FolderDataset) else None


def known(name: str | None) -> KnownDataset | None:
    """Return the record of a data set whose numbers are known here; None for any other name."""
    dataset = DATASETS.get(name) if name is not None else None
    return dataset if isinstance(dataset, KnownDataset) else None
