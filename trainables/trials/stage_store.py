"""The stage store: work common to several trials, computed once, stored once, found by whoever
needs it.

A stage is a folder named by its hash. Its manifest is written last and names each file with its
checksum, so a stage is either whole or not there. Files carry their writer's name, so that two
writers never touch one file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor

from trainables.config.chain import StageSpec
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.parquet import parquet, read_parquet
from trainables.files.storage import Folder
from trainables.files.tables import curve_table
from trainables.files.trial_record import RecordError
from trainables.vocabulary.schema import SCHEMA_VERSION, StageKind, StageState

# Not every OSError: a store that cannot be reached now says nothing about the stage.
_FAULTS = (FileNotFoundError, ValueError, KeyError, SafetensorError, pa.ArrowException)


class StageFault(ValueError):
    """A stage that is there but cannot be used: truncated, altered, or of another schema."""


@dataclass(frozen=True)
class Stage:
    """A finished stage.

    `metrics` are numbers by the schema's names; `facts` what the next stage must know;
    `weights` the model's state by name; `state` momentum, masks and the learning rates used;
    `curve` one mapping an epoch. A diverged stage has neither weights nor state.
    """

    hash: str
    kind: StageKind
    state_name: StageState
    metrics: dict[str, float]
    layers: dict[str, float]
    curve: list[dict[str, Any]]
    weights: dict[str, Tensor] = field(default_factory=dict, repr=False)
    state: dict[str, Tensor] = field(default_factory=dict, repr=False)
    provenance: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    message: str | None = None

    @property
    def diverged(self) -> bool:
        """Whether training ended with a non-finite loss or weight."""
        return self.state_name == "diverged"


@dataclass(frozen=True)
class Partial:
    """An unfinished stage: its tensors and the plain data of its position."""

    tensors: dict[str, Tensor] = field(repr=False)
    facts: dict[str, Any]


class StageStore:
    """Stages under one folder, by hash; shared by trials, workers and studies."""

    def __init__(self, folder: Folder, owner: str) -> None:
        self.folder = folder
        self.owner = owner

    def load(self, stage: str) -> Stage | None:
        """Return the stage, None when it is not there; StageFault when it is not whole.

        OSError when the store cannot be read: then nothing is known of the stage.
        """
        try:
            manifest = manifests.read(self.folder, stage)
        except FileNotFoundError:
            return None
        except RecordError as error:
            raise StageFault(f"stage {error}") from error
        try:
            return self._read(stage, manifest)
        except _FAULTS as error:
            raise StageFault(f"stage {stage}: {error}") from error

    def _read(self, stage: str, manifest: Manifest) -> Stage:
        data = {
            name: self._checked(stage, name, checksum) for name, checksum in manifest.files.items()
        }
        if manifest.curve is None:
            raise ValueError("its manifest names no curve")
        curve = read_parquet(data[manifest.curve]).to_pylist()
        return Stage(
            hash=stage,
            kind=manifest.kind,
            state_name=manifest.state,
            metrics=manifest.metrics,
            layers=manifest.layers,
            curve=[{k: v for k, v in row.items() if v is not None} for row in curve],
            weights=load_tensors(data[manifest.weights]) if manifest.weights else {},
            state=load_tensors(data[manifest.optimiser]) if manifest.optimiser else {},
            provenance=manifest.provenance,
            facts=manifest.facts,
            message=manifest.message,
        )

    def _checked(self, stage: str, name: str, checksum: str) -> bytes:
        for _ in range(2):  # what was altered on its way is whole the second time
            data = self.folder.read(f"{stage}/{name}")
            if hashlib.sha256(data).hexdigest() == checksum:
                return data
        raise ValueError(f"{name} does not have its checksum: truncated or altered")

    def save(self, spec: StageSpec, stage: Stage) -> None:
        """Store a finished stage, unless another writer was first: then theirs stays.

        OSError when the store is out; it may then be called again with the same stage.
        """
        if manifests.exists(self.folder, spec.hash):
            return
        roles: dict[str, bytes | None] = {
            "weights": save_tensors(_portable(stage.weights)) if stage.weights else None,
            "optimiser": save_tensors(_portable(stage.state)) if stage.state else None,
            "curve": parquet(curve_table(_labelled(stage.curve, spec.hash))),
        }
        names = {role: self._file(role) for role, data in roles.items() if data is not None}
        files = {}
        for role, name in names.items():
            data = roles[role] or b""
            self.folder.write(f"{spec.hash}/{name}", data)
            files[name] = hashlib.sha256(data).hexdigest()
        if not manifests.exists(self.folder, spec.hash):
            manifests.write(self.folder, _manifest(spec, stage, files, names))
        with suppress(OSError):  # the stage is whole; what is left of its making only takes room
            self._forget_partials(spec.hash)

    def _file(self, role: str) -> str:
        suffix = "parquet" if role == "curve" else "safetensors"
        return f"{role}-{self.owner}.{suffix}"

    def set_aside(self, stage: str) -> None:
        """Take a faulty stage out of the way, keeping its manifest under another name."""
        manifests.set_aside(self.folder, stage, self.owner)

    def save_partial(self, stage: str, partial: Partial) -> None:
        """Store an unfinished stage whole, replacing this owner's earlier one."""
        data = save_tensors(
            _portable(partial.tensors), metadata={"facts": json.dumps(partial.facts)}
        )
        self.folder.write(f"{stage}/partial-{self.owner}.safetensors", data)

    def load_partial(self, stage: str) -> Partial | None:
        """Return the furthest whole partial state of any writer, None when there is none."""
        found = [
            partial
            for name in self.folder.names(stage)
            if name.startswith("partial-") and (partial := self._read_partial(stage, name))
        ]
        return max(found, key=lambda p: int(p.facts["step"]), default=None)

    def _read_partial(self, stage: str, name: str) -> Partial | None:
        """A partial state is a saving, not a result: one that cannot be read is left out."""
        try:
            data = self.folder.read(f"{stage}/{name}")
            size = int.from_bytes(data[:8], "little")
            header = json.loads(data[8 : 8 + size])
            facts = json.loads(header["__metadata__"]["facts"])
            if facts.get("schema") != SCHEMA_VERSION:
                return None
            return Partial(load_tensors(data), facts)
        except _FAULTS:
            return None

    def _forget_partials(self, stage: str) -> None:
        for name in self.folder.names(stage):
            if name.startswith(("partial-", "lease-")):
                self.folder.delete(f"{stage}/{name}")


def _manifest(
    spec: StageSpec, stage: Stage, files: dict[str, str], names: Mapping[str, str]
) -> Manifest:
    """What is said of a stage whose files are written; `names` are those of its roles."""
    return Manifest(
        hash=spec.hash,
        kind=spec.kind,
        state=stage.state_name,
        steps=spec.steps,
        epochs=spec.epochs,
        parent=spec.parent,
        likeness=spec.likeness,
        label=spec.content,
        seed=spec.content.get("seed"),
        metrics=stage.metrics,
        layers=stage.layers,
        facts=stage.facts,
        message=stage.message,
        provenance=stage.provenance,
        files=files,
        weights=names.get("weights"),
        optimiser=names.get("optimiser"),
        curve=names.get("curve"),
    )


def _portable(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous copies on the CPU, each with memory of its own, as safetensors wants them."""
    return {
        name: t.detach().to("cpu").clone(memory_format=torch.contiguous_format)
        for name, t in tensors.items()
    }


def _labelled(rows: Sequence[Mapping[str, Any]], stage: str) -> list[dict[str, Any]]:
    return [{**row, "fingerprint": stage} for row in rows]
