"""Settings that every test shares; read by Ray and by torch when they start, so set at import."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

os.environ.setdefault("OMP_NUM_THREADS", "1")  # tests run side by side
os.environ["RAY_AUTH_MODE"] = "disabled"  # else a new local cluster writes a token into the home
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"

settings.register_profile("without deadlines", deadline=None)  # machines are busy at times
settings.load_profile("without deadlines")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip the tests that need a CUDA device where there is none."""
    needing = [item for item in items if item.get_closest_marker("gpu")]
    if not needing:
        return
    import torch

    if not torch.cuda.is_available():
        for item in needing:
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device"))


@pytest.fixture(autouse=True)
def no_garbage_of_ray(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let what a test leaves of Ray end here, not in a process that a later test forks."""
    yield
    if request.node.get_closest_marker("ray"):
        gc.collect()
