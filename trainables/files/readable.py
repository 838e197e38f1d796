"""What of a folder this user may read: a fault of one file or folder is a sentence, and the rest is
read.

Several people read one study, and not each may read every file of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from trainables.files.outages import StoreOutage
from trainables.files.storage import Folder, reason

MOST_NAMED: Final = 20
"""Files that are named one by one; how many more there are is one sentence."""


def listed(folder: Folder, under: str) -> tuple[list[str], list[str]]:
    """Return the names in a folder below another, and a sentence where they cannot be listed."""
    try:
        return folder.names(under), []
    except StoreOutage:  # what waits for its store is told, see `outages`
        raise
    except OSError as error:
        return [], [f"{under}: cannot be read ({reason(error)})"]


def few(faults: Sequence[str], under: str) -> list[str]:
    """Return the first `MOST_NAMED` of some sentences on files of a folder, and how many follow."""
    more = len(faults) - MOST_NAMED
    if more <= 0:
        return list(faults)
    return [*faults[:MOST_NAMED], f"{under}: {more} more of its files cannot be read"]
