"""What Tune tells while trials run, passed on to a function."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Self

from ray.tune import Callback


class Watch(Callback):
    """Calls a function with each result that a worker tells, and one whenever Tune has looked."""

    def __init__(
        self, on_told: Callable[[dict[str, Any]], None], on_step: Callable[[], None]
    ) -> None:
        self._on_told, self._on_step = on_told, on_step

    def __getstate__(self) -> dict[str, Any]:
        """Nothing: Tune pickles its inputs for a restore that is never made."""
        return {}

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        """The function called is of this process alone."""
        return self

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        """Pass on what the worker told."""
        self._on_told(json.loads(result["told"]))

    def on_step_end(self, iteration: int, trials: list[Any], **info: Any) -> None:
        """Let the run say that it is alive, also while all trials wait for a machine."""
        self._on_step()
