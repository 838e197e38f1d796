"""What the driver hands to a worker, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Context:
    """What all jobs of one launch share: places, resources and the pace.

    `loader_processes` and `memory` are the study's `data.processes` and `data.memory`. `token` is
    what the driver has left in its folders, "" for nothing; `store_patience` how many seconds a
    store that is out is waited for; `versions` are those of the driver's packages. `cpus` are those
    of each process that trains a trial, `gpus` those of all of them together.
    """

    study: str
    folder: str
    store: str
    data_root: str
    cpus: int = 1
    gpus: float = 0.0
    checkpoint_s: float = 60.0
    unit_s: float = 2.0
    git_commit: str | None = None
    loader_processes: int | None = None
    memory: Literal["auto", "on", "off"] = "auto"
    token: str = ""
    store_patience: float = 600.0
    versions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """One trial to run, or the dense run that several trials wait for.

    `expired` are texts of leases that the driver has seen unchanged for their timeout.
    """

    goal: Literal["dense", "trial"]
    config: Mapping[str, Any]
    seed: int
    fingerprint: str
    context: Context
    attempt: int = 1
    origin: Mapping[str, Any] = field(default_factory=dict)
    expired: tuple[str, ...] = ()

    @property
    def processes(self) -> int:
        """How many processes train the trial together."""
        return int(self.config.get("compute", {}).get("processes", 1))

    @property
    def gpus_each(self) -> float:
        """GPUs of each of these processes."""
        return self.context.gpus / self.processes

    def plain(self) -> dict[str, Any]:
        """Return the job as plain data."""
        return asdict(self)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> Job:
        """Return the job of plain data."""
        return cls(
            **{**raw, "context": Context(**raw["context"]), "expired": tuple(raw["expired"])}
        )
