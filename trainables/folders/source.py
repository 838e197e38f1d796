"""A user's own folder of images as a data set of the catalog."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trainables.config.datasets import Dataset, FolderParameters
from trainables.config.sections import LeftOut
from trainables.data.balance import Balance
from trainables.folders.division import folder_parts, require_whole

if TYPE_CHECKING:
    from trainables.data.parts import Splits


@dataclass(frozen=True)
class FolderSource:
    """The `Source` of a folder of images."""

    download: Callable[[str, Path], None] | None = None

    def check(self, _dataset: Dataset, options: FolderParameters, root: Path) -> None:
        """Divide the files."""
        folder_parts(options, root)

    def prepare(self, _dataset: Dataset, options: FolderParameters, root: Path) -> None:
        """Decode each file: DataFormatError where some are broken that are not left out."""
        parts = folder_parts(options, root)
        if options.broken == "refuse":
            require_whole(parts, "; task.dataset.broken: skip leaves them out")

    def facts(self, _dataset: Dataset, options: FolderParameters, root: Path) -> dict[str, Any]:
        """Return what only the folder knows of its trials, by the names of `Facts`."""
        parts = folder_parts(options, root)
        facts: dict[str, Any] = {f"n_{name}": len(files) for name, files in parts.in_order.items()}
        facts["n_classes"] = len(parts.classes)
        facts["listings"] = {"task.dataset": parts.listing}
        if parts.left_out:
            facts["left_out"] = {"task.dataset": LeftOut.of(parts.left_out).model_dump()}
        return facts

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
