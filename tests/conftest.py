"""Settings that every test shares; read by Ray and by torch when they start, so set at import."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from trainables.vocabulary.schema import METRICS

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side
os.environ["RAY_AUTH_MODE"] = "disabled"  # else a new local cluster writes a token into the home
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

settings.register_profile("without deadlines", deadline=None)  # machines are busy at times
settings.load_profile("without deadlines")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Give all files that start Ray to one process, so that no two clusters share the machine."""
    from xdist.scheduler import LoadFileScheduling

    class OneClusterAtATime(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file = str(super()._split_scope(nodeid))
            return "ray" if _starts_ray(config.rootpath / file) else file

    return OneClusterAtATime(config, log) if config.getvalue("dist") == "loadfile" else None


@cache
def _starts_ray(file: Path) -> bool:
    return "mark.ray" in file.read_text(encoding="utf-8")


def _longest_first(items: list[pytest.Item]) -> None:
    """Put the files that start Ray first, then those with slow tests: nothing long is last."""
    slow = {
        i.path for i in items if i.get_closest_marker("slow") or i.get_closest_marker("browser")
    }
    items.sort(key=lambda item: (not _starts_ray(item.path), item.path not in slow))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the tests, and skip those that need a CUDA device where there is none."""
    _longest_first(items)
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if not needing:
        return
    import torch

    if not torch.cuda.is_available():
        for item in needing:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


_BUILT_IN = dict(METRICS)


@pytest.fixture(scope="module", autouse=True)
def metrics_of_no_other_module() -> None:
    """Know the built-in metrics alone: reading a task's records declares its own to the process."""
    METRICS.clear()
    METRICS.update(_BUILT_IN)


@pytest.fixture(autouse=True)
def no_garbage_of_ray(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let what a test leaves of Ray end here, not in a process that a later test forks."""
    yield
    if request.node.get_closest_marker("ray"):
        gc.collect()
