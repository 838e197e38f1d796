"""What the driver asks Ray while a run goes on: what nodes offer, which workers are gone.

Where Ray does not answer, nothing is known: `head` judges that.
"""

from __future__ import annotations

from collections.abc import Set
from contextlib import suppress
from typing import Any

from ray.exceptions import RayError

_DEAD = "DEAD"


class Cluster:
    """The Ray of a run, asked for trials of one size."""

    def __init__(self, cpus: float, gpus: float) -> None:
        self._cpus, self._gpus = cpus, gpus

    def offers(self, avoided: Set[str]) -> bool:
        """Whether a live node beyond those avoided is large enough for a trial."""
        import ray

        try:
            nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        except RayError:
            return False
        return any(
            node["Alive"] and node["NodeID"] not in avoided and self._fits(node["Resources"])
            for node in nodes
        )

    def room(self) -> int:
        """Return how many trials the live nodes have room for, those at work included."""
        import ray

        try:
            nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
        except RayError:
            return 0
        return sum(self._holds(node["Resources"]) for node in nodes if node["Alive"])

    def _holds(self, resources: dict[str, float]) -> int:
        """How many trials one node has room for."""
        each = (("CPU", self._cpus), ("GPU", self._gpus))
        return min(int(resources.get(name, 0.0) / n + 1e-9) for name, n in each if n)

    def _fits(self, resources: dict[str, float]) -> bool:
        return resources.get("CPU", 0.0) >= self._cpus and resources.get("GPU", 0.0) >= self._gpus

    def is_gone(self, actor: str) -> bool:
        """Whether Ray knows that a worker of this cluster is no more."""
        return _entry(actor).get("State") == _DEAD

    def node_of(self, actor: str) -> str:
        """Return the node that a worker of this cluster is or was on; "" where it is not known."""
        return str(_entry(actor).get("Address", {}).get("NodeID", ""))

    def send_away(self, worker: Any) -> None:
        """Have a worker give up a trial for which it waits in vain (`StudyTrainable.leave`)."""
        with suppress(RayError):
            worker.leave.remote()

    def end(self, worker: Any) -> None:
        """End a worker, also one that is stopped: its node kills what has not ended in 5 s."""
        import ray

        with suppress(RayError):
            ray.kill(worker)


def _entry(actor: str) -> dict[str, Any]:
    """What Ray knows of a worker; nothing of one that is of no cluster or of another one."""
    from ray._private import state

    try:
        entry: dict[str, Any] | None = state.actors(actor) if actor else None
    except (RayError, ValueError):
        return {}
    return entry or {}
