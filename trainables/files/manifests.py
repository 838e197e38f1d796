"""The manifest of a finished stage: the one file that says that the stage is there, and what it is.

It is written last and never replaced, so a stage is either whole or not there. This module alone
knows the file's name and its form; needs neither torch nor the code that trains.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from typing import Any, get_args

from trainables.files.outages import StoreOutage
from trainables.files.readable import few, listed
from trainables.files.storage import Folder, in_order, is_remote, reason
from trainables.files.trial_record import RecordError, opened, sealed
from trainables.vocabulary.refusal import shown
from trainables.vocabulary.schema import SCHEMA_VERSION, StageKind, StageState

NAME = "stage.json"


@dataclass(frozen=True)
class Manifest:
    """What a finished stage says of itself.

    `label` is the content that the hash was taken of; `parent` the stage before it; `likeness` is
    equal for stages whose epochs cost about the same. `files` gives the checksum of each file by
    name; `weights`, `optimiser` and `curve` name those of that role, None where there is none.
    `facts` is what the next stage must know.
    """

    hash: str
    kind: StageKind
    state: StageState
    steps: int | None = None
    epochs: float | None = None
    parent: str | None = None
    likeness: str | None = None
    label: dict[str, Any] = field(default_factory=dict)
    seed: int | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    layers: dict[str, float] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    message: str | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    weights: str | None = None
    optimiser: str | None = None
    curve: str | None = None
    schema: int = SCHEMA_VERSION


_REQUIRED = ("schema", "hash", "kind", "state")
_FIELDS = {f.name for f in fields(Manifest)}
_MAPPINGS = ("label", "metrics", "layers", "facts", "provenance", "files")
_ALLOWED: dict[str, tuple[str, ...]] = {"kind": get_args(StageKind), "state": get_args(StageState)}


def exists(store: Folder, stage: str) -> bool:
    """Whether the stage is finished."""
    return store.exists(f"{stage}/{NAME}")


def finished(store: Folder) -> set[str]:
    """Return the hashes of all finished stages of a store, from one listing of it."""
    return stages_in(store.sizes())


def readable(store: Folder) -> tuple[set[str], list[str]]:
    """Return the finished stages that this user may read, and a sentence for each folder closed."""
    try:
        files = store.sizes()
    except StoreOutage:
        raise
    except OSError as error:
        return set(), [f"{store.location}: cannot be read ({reason(error)})"]
    stages = stages_in(files)
    return stages, few(closed(store, {name.partition("/")[0] for name in files}), store.location)


def closed(store: Folder, seen: Container[str]) -> list[str]:
    """Return a sentence for each folder of a local store that cannot be listed: none of those of
    which a file was seen."""
    if is_remote(store.location):
        return []
    unseen = [name for name in store.names() if name not in seen]
    return [fault for name in unseen for fault in listed(store, name)[1]]


def stages_in(files: Iterable[str]) -> set[str]:
    """Return the hashes of the finished stages among the names of a store's files."""
    parts = (name.rpartition("/") for name in files)
    return {stage for stage, _, name in parts if name == NAME and stage and "/" not in stage}


def read(store: Folder, stage: str) -> Manifest:
    """Return a stage's manifest.

    Raises FileNotFoundError when the stage is not finished, RecordError when the manifest is
    truncated, foreign or of another schema version, another OSError when the store is out of reach.
    """
    return decode(store.read(f"{stage}/{NAME}"), f"{stage}/{NAME}")


def every(store: Folder) -> Iterator[Manifest | RecordError]:
    """Yield each manifest of a store, or why it is unusable; unfinished stages are left out."""
    yield from of(store, finished(store))


def of(store: Folder, stages: Iterable[str]) -> Iterator[Manifest | RecordError]:
    """Yield the manifests of some finished stages, or why they are unusable, in order of hashes."""
    yield from filter(None, in_order(partial(_reading, store), sorted(stages), store))


def _reading(store: Folder, stage: str) -> Manifest | RecordError | None:
    try:
        return read(store, stage)
    except RecordError as fault:
        return fault
    except FileNotFoundError:  # gone meanwhile
        return None
    except StoreOutage:
        raise
    except OSError as error:
        return RecordError(f"{stage}/{NAME}: cannot be read ({reason(error)})")


def write(store: Folder, manifest: Manifest) -> None:
    """Write a manifest, after all files that it names."""
    plain = {key: value for key, value in asdict(manifest).items() if _kept(key, value)}
    store.write(f"{manifest.hash}/{NAME}", sealed(plain))


def set_aside(store: Folder, stage: str, owner: str) -> None:
    """Make a faulty stage unfinished, keeping its manifest under another name."""
    try:
        data = store.read(f"{stage}/{NAME}")
    except OSError:
        return
    store.write(f"{stage}/stage-faulty-{owner}.json", data)
    store.delete(f"{stage}/{NAME}")


def decode(data: bytes, source: str) -> Manifest:
    """Return the manifest held in JSON; RecordError names `source` and the fault."""
    raw = opened(data, source, ("manifest", "stage"), _REQUIRED)
    _check(raw, source)
    return Manifest(**{key: value for key, value in raw.items() if key in _FIELDS})


def _check(raw: Mapping[str, Any], source: str) -> None:
    for key, allowed in _ALLOWED.items():
        if raw[key] not in allowed:
            listed = ", ".join(allowed)
            raise RecordError(f"{source}: {key} must be one of {listed}, got {shown(raw[key])}")
    for key in _MAPPINGS:
        if not isinstance(raw.get(key, {}), dict):
            raise RecordError(f"{source}: {key} must be a mapping, got {shown(raw[key])}")


def _kept(key: str, value: Any) -> bool:
    """Whether a field is written: a role without a file is left out."""
    return value is not None or key not in ("weights", "optimiser", "curve")
