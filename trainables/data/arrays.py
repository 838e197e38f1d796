"""Data sets whose images are read whole into one array: split and counted. Needs only numpy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.config.datasets import ArrayParameters, Dataset, ImageParameters, KnownDataset
from trainables.data.balance import Balance, of_arrays
from trainables.data.raw import RawImages, RawParts, check_content
from trainables.data.splits import held_out

if TYPE_CHECKING:
    from trainables.data.parts import Splits


@dataclass(frozen=True)
class ArraySource:
    """The `Source` of data sets that are held in memory as tensors.

    `locate` returns the folder of a data set's files below a data folder or raises
    DataMissingError; `read` returns training and test images.
    """

    locate: Callable[[str, Path], Path]
    read: Callable[[str, Path], tuple[RawImages, RawImages]]
    download: Callable[[str, Path], None] | None = None

    def check(self, dataset: Dataset, options: Any, root: Path) -> None:
        """Look whether the files exist, not into them."""
        require_images(_known(dataset), options)
        self.locate(dataset.name, root)

    def splits(self, dataset: Dataset, options: Any, root: Path) -> Splits:
        """Return the parts, normalised; the training part carries the augmentation."""
        from trainables.data.tensors import in_memory

        known = _known(dataset)
        require_images(known, options)
        return in_memory(known, options, self.parts(known, options, root))

    def balance(self, dataset: Dataset, options: Any, root: Path) -> Balance:
        """Count the classes of the parts, subsets taken."""
        known = _known(dataset)
        require_images(known, options)
        parts = self.parts(known, options, root)
        train, val = parts.train.subset(options.n_train), parts.val.subset(options.n_val)
        return of_arrays(RawParts(train, val, parts.test), known.n_classes)

    def parts(self, dataset: KnownDataset, options: ArrayParameters, root: Path) -> RawParts:
        """Return training, validation and test images, in the numbers that the record states.

        Whole parts: `n_train` and `n_val` are left to who uses them.
        """
        full, test = self.read(dataset.name, root)
        for part, raw, n in (("training", full, dataset.n_full), ("test", test, dataset.n_test)):
            what = f"{dataset.name} below {root}, {part} images"
            check_content(what, raw, n, dataset.in_shape, dataset.n_classes)
        held, kept = held_out(full.labels, dataset.n_val, options.split.kind, options.split.seed)
        return RawParts(full.take(kept), full.take(held), test)


def require_images(dataset: KnownDataset, options: ImageParameters) -> None:
    """Raise ValueError for a subset with more images than there are, or fewer than classes."""
    given = options.model_dump()
    for key, n in (("n_train", dataset.n_train(given)), ("n_val", dataset.n_validated(given))):
        if n < dataset.n_classes:
            raise ValueError(
                f"task.dataset.{key} must be >= {dataset.n_classes} for {dataset.name}, one image a"
                f" class, got {n}"
            )


def _known(dataset: Dataset) -> KnownDataset:
    if not isinstance(dataset, KnownDataset):
        raise TypeError(f"{dataset.name} must have known numbers to be held in memory")
    return dataset
