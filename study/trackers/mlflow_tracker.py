"""MLflow: an experiment per study, a run per trial.

A run that is written whole is ended; one of a trial that still counts as running was broken off,
and is deleted before the trial is written again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from study.trackers.tracker import CURVE, Entry
from trainables.vocabulary.schema import State

T = TypeVar("T")

FINGERPRINT: Final = "bimp.fingerprint"
_MOST: Final = {"metrics": 1000, "params": 100}
"""Most entries of one request, as MLflow's servers set them."""

_LONGEST: Final = 6000
"""Characters of a value; longer ones are refused by MLflow."""

_ENDS: Final[dict[State, str]] = {"done": "FINISHED", "diverged": "FAILED", "stopped": "KILLED"}

_WAITS: Final = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1"}
"""A server that is out shall be found to be out at once; the next sweep tries again."""


class MlflowTracker:
    """Writes trials through an MLflow client."""

    def __init__(self, uri: str) -> None:
        for name, value in _WAITS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self._client = MlflowClient(tracking_uri=uri)
        self._experiments: dict[str, str] = {}
        self._torn: dict[str, list[str]] = {}

    def written(self, study: str) -> set[str]:
        """Return the trials whose runs have ended; runs of others are remembered as torn."""
        whole = set()
        for run in self._runs(self._experiment(study)):
            name = run.data.tags.get(FINGERPRINT)
            if name is None:
                continue
            if run.info.status in _ENDS.values():
                whole.add(name)
            else:
                self._torn.setdefault(name, []).append(run.info.run_id)
        return whole

    def _experiment(self, study: str) -> str:
        if study not in self._experiments:
            there = self._client.get_experiment_by_name(study)
            self._experiments[study] = (
                self._client.create_experiment(study) if there is None else there.experiment_id
            )
        return self._experiments[study]

    def _runs(self, experiment: str) -> Iterator[Any]:
        token: str | None = None
        while True:
            page = self._client.search_runs([experiment], max_results=1000, page_token=token)
            yield from page
            token = page.token
            if not token:
                return

    def write(self, entry: Entry) -> None:
        """Write a trial as a run and end it."""
        from mlflow.entities import Metric, Param

        for torn in self._torn.pop(entry.fingerprint, ()):
            self._client.delete_run(torn)
        start, end = _milliseconds(entry.started), _milliseconds(entry.finished)
        tags = {
            FINGERPRINT: entry.fingerprint, "bimp.study": entry.study, "bimp.state": entry.state,
            "mlflow.source.name": "bimp-study",
        }  # fmt: skip
        experiment = self._experiment(entry.study)
        run = self._client.create_run(experiment, start, tags, entry.name).info.run_id
        params = [Param(key, str(value)[:_LONGEST]) for key, value in entry.settings.items()]
        metrics = [
            Metric(name, value, end or 0, step)
            for step, numbers in _series(entry)
            for name, value in numbers.items()
        ]
        for part in _parts(params, _MOST["params"]):
            self._client.log_batch(run, params=part)
        for part in _parts(metrics, _MOST["metrics"]):
            self._client.log_batch(run, metrics=part)
        self._client.set_terminated(run, _ENDS[entry.state], end)


def _series(entry: Entry) -> Iterator[tuple[int, dict[str, float]]]:
    """The numbers of the trial at step 0, and those of its epochs under names of their own."""
    yield 0, dict(entry.numbers)
    for epoch, numbers in entry.curve:
        yield epoch, {f"{CURVE}{name}": value for name, value in numbers.items()}


def _milliseconds(moment: Any) -> int | None:
    return None if moment is None else int(1000 * moment.timestamp())


def _parts(items: Iterable[T], most: int) -> Iterator[list[T]]:
    rest = iter(items)
    while part := list(islice(rest, most)):
        yield part
