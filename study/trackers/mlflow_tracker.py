"""MLflow: an experiment per study, a run per trial.

A run that is written whole is ended. One that still counts as running was broken off; that, and the
run of an attempt that failed, is deleted before the trial is written again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Final, TypeVar

from study.trackers.tracker import CURVE, SETTLED, Entry, Outcome

T = TypeVar("T")

FINGERPRINT: Final = "bimp.fingerprint"
VERSION: Final = "bimp.version"
MESSAGE: Final = "bimp.message"
_MOST: Final = {"metrics": 1000, "params": 100}
"""Most entries of one request, as MLflow's servers set them."""

_LONGEST: Final = 5000
"""Characters of a value or a tag; longer ones are refused by MLflow."""

_ENDS: Final[dict[Outcome, str]] = {
    "success": "FINISHED", "failure": "FAILED", "broken off": "KILLED",
}  # fmt: skip

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
        self._there: dict[str, list[str]] = {}

    def written(self, study: str) -> dict[str, str]:
        """Return the trials whose runs have ended; all their runs are remembered."""
        whole: dict[str, str] = {}
        for run in self._runs(self._experiment(study)):
            name = run.data.tags.get(FINGERPRINT)
            if name is None:
                continue
            self._there.setdefault(name, []).append(run.info.run_id)
            if run.info.status in _ENDS.values() and whole.get(name) != SETTLED:
                whole[name] = run.data.tags.get(VERSION, SETTLED)
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

        for earlier in self._there.pop(entry.fingerprint, ()):
            self._client.delete_run(earlier)
        start, end = _milliseconds(entry.started), _milliseconds(entry.finished)
        tags = {
            FINGERPRINT: entry.fingerprint, "bimp.study": entry.study, "bimp.state": entry.state,
            "mlflow.source.name": "bimp-study",
        }  # fmt: skip
        tags |= {VERSION: entry.version} if entry.version != SETTLED else {}
        tags |= {MESSAGE: entry.message[:_LONGEST]} if entry.message else {}
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
        self._client.set_terminated(run, _ENDS[entry.outcome], end)


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
