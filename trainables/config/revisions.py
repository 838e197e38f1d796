"""Which computations behind a name were mended, and which trials are of an older one.

A name of the catalog means one computation for good, since what is settled stays settled. Where one
had to be mended, its record's `revision` goes up. Above 1 a revision is hashed, into fingerprints
and stages, and stands in the record; so trials of before stay readable, are not taken for newer
ones, and are known as older. Records that name no revision are of the first.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from trainables.config.catalog import METHODS
from trainables.config.settings import Settings
from trainables.config.tasks import built_in
from trainables.formulas.structures import KINDS, kind_named

_NAMED = {"task": "use", "method": "name", "prune": "structure"}
"""By section the key that holds the name."""


def revisions(config: Settings) -> dict[str, int]:
    """Return by section the revision of what it names, where that is above 1."""
    return named_revisions(
        config.task.use, config.method.name, config.prune.form.kind, retrains=config.retrains
    )


def named_revisions(task: Any, method: str, kind: str, *, retrains: bool) -> dict[str, int]:
    """Return the same by names: of a whole task or None, of a method, of a kind of structure.

    A kind's revision is of what retraining after its prunes goes by, and of no other method.
    """
    names = {"task": built_in(task), "method": METHODS.get(method), "prune": KINDS.get(kind)}
    counts = {name: record.revision for name, record in names.items() if record is not None}
    return {
        section: count
        for section, count in counts.items()
        if count > 1 and (section != "prune" or retrains)
    }


def older(record: Mapping[str, Any]) -> dict[str, str]:
    """Return by section the names of which a record's configuration has an older revision."""
    prune, method, task = (_section(record, name) for name in ("prune", "method", "task"))
    now = named_revisions(
        task.get("use"),
        str(method.get("name")),
        kind_named(str(prune.get("structure"))),
        retrains="retrain" in record,
    )
    return {
        section: str(record[section][_NAMED[section]])
        for section, count in now.items()
        if _revision(record[section]) < count
    }


def _revision(section: Mapping[str, Any]) -> int:
    number = section.get("revision", 1)
    return number if isinstance(number, int) else 1


def _section(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A section of a record's configuration; none where the record is a stranger's."""
    section = record.get(name)
    return section if isinstance(section, Mapping) else {}
