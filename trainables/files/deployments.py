"""What is known of a trial's network where it is deployed: bytes, and metrics in fewer bits.

A table of its own in the study folder, one file per trial, `deployed/<fingerprint>.json`. Exports
write it, one after another; a later one adds to what an earlier one has found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from trainables.files.storage import Folder
from trainables.files.trial_record import RecordError, opened, sealed
from trainables.vocabulary.refusal import shown
from trainables.vocabulary.schema import SCHEMA_VERSION

FOLDER = "deployed"

Size = Mapping[str, Any]


@dataclass(frozen=True)
class Deployment:
    """What exports found of one trial.

    `metrics` holds by precision the task's metrics on val and test, by full name; `sizes` are rows
    of precision, encoding, layer and bytes; `versions` are those of the packages that measured.
    """

    fingerprint: str
    metrics: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    sizes: Sequence[Size] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    def joined(self, later: Deployment) -> Deployment:
        """Return both as one, the later one's finding where both have one."""
        sizes = {_key(row): row for row in (*self.sizes, *later.sizes)}
        return Deployment(
            self.fingerprint,
            {**self.metrics, **later.metrics},
            tuple(sizes.values()),
            {**self.versions, **later.versions},
        )


def read_deployment(folder: Folder, fingerprint: str) -> Deployment | None:
    """Return what is known of a trial, None where there is nothing.

    Raises:
        RecordError: the file is not a whole one of this project.
    """
    name = f"{FOLDER}/{fingerprint}.json"
    try:
        data = folder.read(name)
    except FileNotFoundError:
        return None
    raw = opened(data, name, ("file", "deployment"), ("schema", "fingerprint", "metrics", "sizes"))
    if raw["fingerprint"] != fingerprint:
        raise RecordError(f"{name}: is of another trial, {shown(raw['fingerprint'])}")
    if not _is_sound(raw):
        raise RecordError(f"{name}: not a deployment of this project")
    return Deployment(fingerprint, raw["metrics"], tuple(raw["sizes"]), raw.get("versions", {}))


def _is_sound(raw: Mapping[str, Any]) -> bool:
    """Whether the parts are of the types that tables are made of: the file may be anybody's."""
    metrics, sizes, versions = raw["metrics"], raw["sizes"], raw.get("versions", {})
    if not (isinstance(metrics, dict) and isinstance(sizes, list) and isinstance(versions, dict)):
        return False
    texts = ("precision", "encoding", "layer")
    return all(isinstance(of_one, dict) for of_one in metrics.values()) and all(
        isinstance(row, dict)
        and all(isinstance(row.get(key), str) for key in texts)
        and isinstance(row.get("bytes"), int)
        for row in sizes
    )


def write_deployment(folder: Folder, deployment: Deployment) -> None:
    """Add to what is known of a trial; what cannot be read is replaced."""
    try:
        before = read_deployment(folder, deployment.fingerprint)
    except RecordError:
        before = None
    whole = deployment if before is None else before.joined(deployment)
    plain = {
        "schema": SCHEMA_VERSION,
        "fingerprint": whole.fingerprint,
        "metrics": {key: dict(value) for key, value in whole.metrics.items()},
        "sizes": [dict(row) for row in whole.sizes],
        "versions": dict(whole.versions),
    }
    folder.write(f"{FOLDER}/{whole.fingerprint}.json", sealed(plain))


def deployed_fingerprints(folder: Folder) -> list[str]:
    """Return the fingerprints of trials of which something is known, sorted."""
    names = folder.names(FOLDER)
    return sorted(n.removesuffix(".json") for n in names if n.endswith(".json"))


def _key(row: Size) -> tuple[Any, ...]:
    return row["precision"], row["encoding"], row["layer"]
