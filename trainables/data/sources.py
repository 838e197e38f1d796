"""Where each data set of the catalog comes from, and whether it is there; knows no torch.

What is slow to import is imported only when a data set is read.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast, runtime_checkable

from trainables.config.catalog import resolve, unknown
from trainables.config.datasets import DATASETS, Dataset
from trainables.data.balance import Balance
from trainables.data.raw import DataMissingError

if TYPE_CHECKING:
    from trainables.data.parts import Splits


class Source(Protocol):
    """What a data set's record names as its loader.

    `options` are the data set's parameters, as its record types them; `root` is the folder below
    which data lie. `download` fetches the files to such a folder; None where nothing is needed.
    """

    @property
    def download(self) -> Callable[[str, Path], None] | None: ...

    def check(self, dataset: Dataset, options: Any, root: Path) -> None:
        """Raise what `splits` would raise for options that cannot be and for missing files."""
        ...

    def splits(self, dataset: Dataset, options: Any, root: Path) -> Splits:
        """Return the parts, on the CPU."""
        ...

    def balance(self, dataset: Dataset, options: Any, root: Path) -> Balance:
        """Return how many examples of each class each part has."""
        ...


@runtime_checkable
class KnowsFacts(Protocol):
    """A source of a data set whose numbers only its files know."""

    def facts(self, dataset: Dataset, options: Any, root: Path) -> dict[str, Any]:
        """Return the lengths of the parts, the classes and the listing, by the names of `Facts`."""
        ...


@runtime_checkable
class Prepares(Protocol):
    """A source of many files, which takes its time before the first of all runs."""

    def prepare(self, dataset: Dataset, options: Any, root: Path) -> None:
        """Unpack what is packed, and decode each file: DataFormatError where one cannot be."""
        ...


def check_available(name: str, params: Mapping[str, object], root: Path) -> None:
    """Raise what `load` would raise for a wrong name, a wrong parameter or missing files.

    Nothing slow is imported, and no image opened. DataMissingError names the folders and files
    looked for and how to get them.
    """
    source_of(name).check(DATASETS[name], _options(name, params), root)


def prepare(name: str, params: Mapping[str, object], root: Path) -> None:
    """Unpack archives, and decode every image on disk: DataFormatError by count and name where some
    cannot be.

    The first time this takes as long as an epoch without training; what was found is kept beside
    the images. Raises what `check_available` raises too.
    """
    source = source_of(name)
    if isinstance(source, Prepares):
        source.prepare(DATASETS[name], _options(name, params), root)


def load(name: str, params: Mapping[str, object], root: Path) -> Splits:
    """Return the parts of the data set `name`, read from below `root`, on the CPU.

    `params` are those of its record. Raises ValueError for an unknown name or an invalid parameter,
    DataMissingError and DataFormatError (a ValueError) for missing and for broken or foreign files.
    """
    return source_of(name).splits(DATASETS[name], _options(name, params), root)


def balance_of(name: str, params: Mapping[str, object], root: Path) -> Balance | None:
    """Return how many examples of each class each part of a data set has.

    None where its files are not there yet. Reads the labels; needs torch for CIFAR alone, whose
    files torchvision reads.
    """
    try:
        return source_of(name).balance(DATASETS[name], _options(name, params), root)
    except DataMissingError:
        return None


def facts_of(name: str, params: Mapping[str, object], root: Path) -> dict[str, Any]:
    """Return what only the files know of a data set, by the names of `Facts`; nothing of others.

    Raises what `load` raises for missing or foreign files.
    """
    source = source_of(name)
    if not isinstance(source, KnowsFacts):
        return {}
    return source.facts(DATASETS[name], _options(name, params), root)


def download(name: str, root: Path | str) -> None:
    """Fetch the files of data set `name` below `root`; digits needs none."""
    fetch = source_of(name).download
    if fetch is not None:
        fetch(name, Path(root))


def source_of(name: str) -> Source:
    """Return the source of a data set; ValueError for a name that is none."""
    if name not in DATASETS:
        raise ValueError(unknown("task.dataset", name, DATASETS))
    return cast(Source, resolve(DATASETS[name].loader))


def _options(name: str, params: Mapping[str, object]) -> Any:
    return DATASETS[name].parameters.model_validate(dict(params))
