"""What a trial takes of a machine, and how many processes train it together: as a study says, or
one for each of a trial's GPUs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field, field_validator

from trainables.config.sections import Count, Number, PositiveNumber, Section, WholeNumber
from trainables.vocabulary.refusal import Refusal, shown

KEY = "compute.processes"

MOST_GPUS = 1024
"""Those of a trial; no machine has so many."""

LEAST_SHARE = 1e-4
"""The smallest share of a GPU that Ray knows."""


class Resources(Section):
    """What a trial gets: CPU cores of each of its processes (also torch's threads), and GPUs (0, 1,
    a share 1/n, or n of them with one process each).

    `max_concurrent`: most trials at once; `retries`: how often a trial whose process was lost is
    started again without getting on between; `checkpoint_s`: least seconds between two partial
    states of a stage; `store_patience`: seconds that a store which is out is waited for.
    """

    cpus: Count = 1
    gpus: Annotated[Number, Field(ge=0, le=MOST_GPUS)] = 0
    max_concurrent: Count | None = None
    retries: WholeNumber = 3
    checkpoint_s: PositiveNumber = 60.0
    store_patience: PositiveNumber = 600.0

    @field_validator("gpus")
    @classmethod
    def _share(cls, value: float) -> float:
        if 0 < value < LEAST_SHARE:
            raise ValueError(f"must be 0 or at least {LEAST_SHARE:g}")
        parts = value if value > 1 else 1 / value if value else 0.0
        if abs(parts - round(parts)) > 1e-6:
            raise ValueError("must be 0, a share 1/n, or a whole number")
        return value


def with_processes(space: Mapping[str, Any], resources: object) -> dict[str, Any]:
    """Return a space with one process for each GPU of a trial, where it does not say how many."""
    gpus = resources.get("gpus") if isinstance(resources, Mapping) else None
    compute = space.get("compute", {})
    several = isinstance(gpus, int | float) and 1 < gpus <= MOST_GPUS and gpus == int(gpus)
    if not several or not isinstance(compute, Mapping) or "processes" in compute:
        return dict(space)
    assert gpus is not None
    return {**space, "compute": {**compute, "processes": int(gpus)}}


def numbers_of_processes(spaces: Iterable[Mapping[str, Any]]) -> tuple[int, ...]:
    """Return all numbers of processes that some spaces name, (1,) where they name none.

    Refusal for a number that is sampled: what a trial takes must be known beforehand.
    """
    found = [number for space in spaces for number in _numbers(space)]
    return tuple(dict.fromkeys(found)) or (1,)


def _numbers(space: Mapping[str, Any]) -> Iterator[int]:
    compute = space.get("compute")
    if not isinstance(compute, Mapping) or "processes" not in compute:
        return
    value = compute["processes"]
    if isinstance(value, Mapping):
        if list(value) != ["grid"] or not isinstance(value["grid"], list | tuple):
            rule = "must be a whole number or {grid: [...]}, known before a search starts"
            raise Refusal(f"{KEY} {rule}, got {shown(value)}")
        value = value["grid"]
    for number in value if isinstance(value, list | tuple) else [value]:
        if isinstance(number, int) and number >= 1:  # else it is refused as any other key
            yield number


def refuse_unshared(gpus: float, numbers: Iterable[int]) -> None:
    """Refuse numbers of processes that do not have a GPU each, where a trial has GPUs."""
    each = max(1, int(gpus))
    for number in numbers:
        if gpus and number != each:
            rule = f"must be {each} with resources.gpus {gpus:g}, one for each GPU of a trial"
            raise Refusal(f"{KEY} {rule}, got {number}")
