"""A user's own folder of images as a data set of the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.config.datasets import Dataset, FolderParameters
from trainables.data.balance import Balance
from trainables.folders.division import folder_parts, require_whole

if TYPE_CHECKING:
    from trainables.data.parts import Splits


@dataclass(frozen=True)
class FolderSource:
    """The `Source` of a folder of images."""

    download: Callable[[str, Path], None] | None = None

    def check(self, _dataset: Dataset, options: FolderParameters, root: Path) -> None:
        """Divide the files and open the header of each: DataFormatError where some are broken."""
        parts = folder_parts(options, root)
        if options.broken == "refuse":
            require_whole(parts, "; task.dataset.broken: skip leaves them out")

    def facts(self, _dataset: Dataset, options: FolderParameters, root: Path) -> dict[str, Any]:
        """Return what only the folder knows of its trials, by the names of `Facts`."""
        parts = folder_parts(options, root)
        lengths = {f"n_{part}": len(files) for part, files in parts.in_order.items()}
        listings = {"task.dataset": parts.listing}
        return {**lengths, "n_classes": len(parts.classes), "listings": listings}

    def balance(self, _dataset: Dataset, options: FolderParameters, root: Path) -> Balance:
        """Count the classes of the parts, by the names of their folders."""
        parts = folder_parts(options, root)
        return Balance(parts.classes, parts.counts(), parts.left_out)

    def splits(self, _dataset: Dataset, options: FolderParameters, root: Path) -> Splits:
        """Return the parts as items that are decoded when they are asked for."""
        from trainables.folders.items import on_disk

        return on_disk(folder_parts(options, root), options)


SOURCE = FolderSource()
"""The source that the data set's record names."""
