"""The processes beside a worker as Ray actors, in the placement group of its trial."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy

from trainables.jobs.job import Job


class _Follower:
    """An actor at a rank; it ends with the worker that has made it."""

    def follow(self, port: int, rank: int, text: str) -> str:
        from trainables.networks.deferred_compiler import defer_compiler
        from trainables.workers.follower import follow

        defer_compiler()
        return follow(port, rank, text)


class RayOthers:
    """`crew.Others` in the bundles 1 and above of the placement group."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._actors: list[Any] = []
        self._results: dict[Any, int] = {}

    def start(self, port: int) -> None:
        context, text = self._job.context, json.dumps(self._job.plain())
        made = ray.remote(num_cpus=context.cpus, num_gpus=self._job.gpus_each)(_Follower)
        group = ray.util.get_current_placement_group()
        assert group is not None, "Tune gives every trial one"
        for rank in range(1, self._job.processes):
            place = PlacementGroupSchedulingStrategy(group, placement_group_bundle_index=rank)
            actor: Any = made.options(scheduling_strategy=place).remote()
            self._actors.append(actor)
            self._results[actor.follow.remote(port, rank, text)] = rank

    def ended(self, seconds: float) -> dict[int, str | None]:
        results = list(self._results)
        ready, _ = ray.wait(results, num_returns=len(results), timeout=seconds)
        return {self._results[result]: _text(result) for result in ready}

    def close(self) -> None:
        for actor in self._actors:
            with suppress(RayError):
                ray.kill(actor)


def _text(result: Any) -> str | None:
    try:
        return str(ray.get(result))
    except RayError:
        return None
