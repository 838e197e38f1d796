"""What a worker tells the driver of its job, after every unit of work, as one record.

Tune passes it on as JSON text. Standard library alone: a worker in which nothing else can be
imported still tells why.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal

Outcome = Literal["running", "done", "diverged", "failed", "leased"]
"""Of a job: `leased` gave up its turn, since another process is at work on its stage."""

Kind = Literal["trial", "node", "store"]
"""What a fault is of: the trial itself; the node that it ran on, so that it may succeed elsewhere;
or the store, which could not be read or written for too long."""

KEY = "report"
"""The name under which Tune's results hold a report."""


class NodeFault(RuntimeError):
    """A node lacks what every trial of the study needs: its folder, its store, or a device."""


@dataclass(frozen=True)
class Fault:
    """Why a job failed: the error's type, its text, the traceback where there is one, and what it
    is a fault of."""

    type: str
    message: str
    traceback: str = ""
    kind: Kind = "trial"

    @classmethod
    def of(cls, error: BaseException, kind: Kind = "trial") -> Fault:
        """Return the fault of an error that was raised."""
        trace = "".join(traceback.format_exception(error))
        return cls(type(error).__name__, str(error), trace, kind)

    @property
    def of_all_trials(self) -> bool:
        """Whether the node fails every trial of the study alike."""
        return self.type == NodeFault.__name__

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"


@dataclass(frozen=True)
class JobReport:
    """Where a job stands.

    `stage` is the hash of the stage under way, or of the one that another process holds; `epochs`
    counts those trained since the last report; `notes` are sentences for people. `saved` counts
    what would survive the loss of the process: finished stages, and steps of the one under way.
    `waits` says for what a job waits that could not go on, and `shut` that it has waited long, and
    its node cannot write even a small file where it must. `node` is where the worker is, as its
    cluster calls it. A job that ended well has `metrics` by the schema's names and the hashes of
    its `stages`; one that failed has its `fault`.
    """

    outcome: Outcome
    stage: str = ""
    epochs: float = 0.0
    notes: tuple[str, ...] = ()
    metrics: Mapping[str, float] = field(default_factory=dict)
    stages: tuple[str, ...] = ()
    fault: Fault | None = None
    saved: tuple[int, int] = (0, 0)
    waits: str = ""
    shut: bool = False
    node: str = ""

    @property
    def final(self) -> bool:
        """Whether the job's turn on its worker is over."""
        return self.outcome != "running"

    def to_json(self) -> str:
        """Return the report as JSON text."""
        return json.dumps(asdict(self))

    @classmethod
    def of_json(cls, text: str) -> JobReport:
        """Return the report of `to_json`'s text."""
        raw = json.loads(text)
        fault = None if raw["fault"] is None else Fault(**raw["fault"])
        lists = {key: tuple(raw[key]) for key in ("notes", "stages", "saved")}
        return cls(**{**raw, **lists, "fault": fault})
