"""Every node of a Ray cluster, looked at from a driver: by `bimp doctor --address`, and by runs."""

from __future__ import annotations

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from trainables.workers.inspection import Inspection, Observation, clock_s, inspect

LOOK_S: Final = 180.0
"""How long nodes have for their answers, torch's import on a slow disk included."""

SKEW_S: Final = 5.0
COLUMNS: Final = (
    "host", "versions", "folder", "free", "shm", "data", "CUDA", "ports", "clock",
)  # fmt: skip


@dataclass(frozen=True)
class NodeRow:
    """One node: Ray's name of it, what it offers to trials, and what was seen on it.

    `fits`: whether a trial of the study has room there.
    """

    node: str
    cpus: float
    gpus: float
    fits: bool
    seen: tuple[Observation, ...]

    @property
    def host(self) -> str:
        """What the node calls itself, or Ray's name of one that gave no answer."""
        return next((one.value for one in self.seen if one.what == "host"), self.node[:12])

    @property
    def faults(self) -> list[Observation]:
        """What is wrong with it."""
        return [one for one in self.seen if one.fault]

    @property
    def usable(self) -> bool:
        """Whether trials can run there."""
        return not any(one.needed for one in self.faults)


def node_rows(
    question: Inspection, cpus: float = 0.0, only: Container[str] | None = None
) -> list[NodeRow]:
    """Return a row for each live node of the cluster that this process has joined.

    `cpus` is what a trial takes, with the GPUs of the question; `only` names the nodes to look at.
    A node that does not answer in time has a row that says so.
    """
    import ray

    alive = [n for n in ray.nodes() if n["Alive"]]  # type: ignore[no-untyped-call]
    nodes = [n for n in alive if only is None or n["NodeID"] in only]
    if not nodes:
        return []
    looks = {n["NodeID"]: _on(n["NodeID"], inspect, question.plain()) for n in nodes}
    ray.wait(list(looks.values()), num_returns=len(looks), timeout=LOOK_S)
    rows = []
    for node in nodes:
        name, resources = node["NodeID"], node["Resources"]
        offers = resources.get("CPU", 0.0), resources.get("GPU", 0.0)
        fits = 0 < cpus <= offers[0] and question.gpus <= offers[1]
        rows.append(NodeRow(name, *offers, fits, _answer(looks[name], name)))
    return sorted(rows, key=lambda row: (row.host, row.node))


def _on(node: str, function: Any, *arguments: Any) -> Any:
    """Call a function on a node, beside whatever runs there."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    place = NodeAffinitySchedulingStrategy(node, soft=False)
    task: Any = ray.remote(function)
    return task.options(num_cpus=0, max_retries=0, scheduling_strategy=place).remote(*arguments)


def _answer(look: Any, node: str) -> tuple[Observation, ...]:
    import ray

    try:
        seen = [Observation(**one) for one in ray.get(look, timeout=0)]
        return (*seen, _clock(node))
    except ray.exceptions.GetTimeoutError:
        return (
            Observation("answer", "none", f"it must answer within {LOOK_S:.0f} s, got nothing"),
        )
    except Exception as error:  # whatever keeps a node from looking is what is to be told of it
        reason = str(getattr(error, "cause", None) or error).strip().splitlines()[-1]
        return (Observation("answer", "none", f"it must be able to look, got {reason}"),)


def _clock(node: str, tries: int = 3) -> Observation:
    """How far a node's clock is from this machine's, by the quickest of some answers."""
    import ray

    best: tuple[float, float] | None = None
    for _ in range(tries):
        begun = time.time()
        there = ray.get(_on(node, clock_s), timeout=LOOK_S)
        ended = time.time()
        if best is None or ended - begun < best[0]:
            best = ended - begun, there - (begun + ended) / 2
    assert best is not None
    return skew(best[1], best[0] / 2)


def skew(seconds: float, unsure: float) -> Observation:
    """Return what a clock's difference is worth, known to within `unsure` seconds."""
    value = f"{seconds:+.1f} s" if abs(seconds) > unsure else "as here"
    fault = ""
    if abs(seconds) - unsure > SKEW_S:
        fault = (
            f"its clock must be within {SKEW_S:.0f} s of this one, got {seconds:+.1f} s:"
            " times in records and in bimp status would be off"
        )
    return Observation("clock", value, fault, needed=False)


def table(rows: Sequence[NodeRow]) -> str:
    """Return one row per node for a terminal, and below it a line for each thing that is wrong."""
    from tabulate import tabulate

    shown = [name for name in COLUMNS if any(name in _values(row) for row in rows)]
    cells = [
        [f"{row.cpus:g}", f"{row.gpus:g}", *(_values(row).get(name, "-") for name in shown)]
        for row in rows
    ]
    headers = ["CPUs", "GPUs", *shown]
    lines = [tabulate(cells, headers, tablefmt="simple", disable_numparse=True)]
    return "\n".join([*lines, *fault_lines(rows)])


def _values(row: NodeRow) -> Mapping[str, str]:
    return {one.what: one.value for one in row.seen}


def fault_lines(rows: Iterable[NodeRow]) -> list[str]:
    """Return a line for each thing that is wrong with a node."""
    return [
        f"{'missing' if one.needed else 'note'}: {row.host}: {one.fault}"
        for row in rows
        for one in row.faults
    ]
