"""Where each data set's images come from, and whether they are there; knows no torch.

Scikit-learn and torchvision, slow to import, are imported only when a data set is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from trainables.config.catalog import DATASETS, Dataset, ImageParameters, unknown
from trainables.data import cifar, digits, mnist
from trainables.data.normalisation import Statistics
from trainables.data.raw import RawImages


@dataclass(frozen=True)
class Source:
    """Where a data set's images come from and how they are normalised and augmented.

    `locate` returns the folder of its files below a data folder or raises DataMissingError; `read`
    returns training and test images. `levels`: pixels are 0 to `levels` - 1. `scale`: fixed
    statistics, or None to compute them from the training part. `padding` and `flip`: of
    `Augmentation`. `download` fetches the files to a data folder, None where nothing is needed.
    """

    locate: Callable[[str, Path], Path]
    read: Callable[[str, Path], tuple[RawImages, RawImages]]
    levels: int
    scale: Statistics | None
    padding: int
    flip: bool
    download: Callable[[str, Path], None] | None


def check_available(name: str, params: Mapping[str, object], root: Path) -> None:
    """Raise what `load` would raise for a wrong name, a wrong parameter or missing files.

    Cheap: looks whether files exist, not into them, and imports nothing slow. DataMissingError
    names the folders and files looked for and how to get them.
    """
    _, source, _ = checked(name, params)
    source.locate(name, root)


def download(name: str, root: Path | str) -> None:
    """Fetch the files of data set `name` below `root`, through torchvision; digits needs none."""
    source = _source(name)
    if source.download is not None:
        source.download(name, Path(root))


def _source(name: str) -> Source:
    if name not in SOURCES:
        raise ValueError(unknown("task.dataset", name, SOURCES))
    return SOURCES[name]


def checked(name: str, params: Mapping[str, object]) -> tuple[Dataset, Source, ImageParameters]:
    """Return facts, source and parameters of a data set; ValueError for a wrong one."""
    source, entry = _source(name), DATASETS[name]
    options = cast(ImageParameters, entry.parameters.model_validate(dict(params)))
    given = options.model_dump()
    for key, n in (("n_train", entry.n_train(given)), ("n_val", entry.n_validated(given))):
        if n < entry.n_classes:
            raise ValueError(
                f"task.dataset.{key} must be >= {entry.n_classes} for {name}, one image a class, "
                f"got {n}"
            )
    return entry, source, options


_CIFAR10_SCALE = Statistics((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
_CIFAR100_SCALE = Statistics((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))

SOURCES: dict[str, Source] = {
    "digits": Source(
        digits.locate, digits.read, levels=17, scale=None, padding=1, flip=False, download=None
    ),
    "mnist": Source(
        mnist.locate,
        mnist.read,
        levels=256,
        scale=None,
        padding=4,
        flip=False,
        download=mnist.download,
    ),
    "fashion-mnist": Source(
        mnist.locate,
        mnist.read,
        levels=256,
        scale=None,
        padding=4,
        flip=True,
        download=mnist.download,
    ),
    "cifar10": Source(
        cifar.locate,
        cifar.read,
        levels=256,
        scale=_CIFAR10_SCALE,
        padding=4,
        flip=True,
        download=cifar.download,
    ),
    "cifar100": Source(
        cifar.locate,
        cifar.read,
        levels=256,
        scale=_CIFAR100_SCALE,
        padding=4,
        flip=True,
        download=cifar.download,
    ),
}
"""Where each data set of the catalog comes from, by name."""
