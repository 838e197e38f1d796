"""Each method learns: far above a network that trains as long under a random mask."""

from __future__ import annotations

from typing import Any

import pytest

from trainables.config import TrialConfig

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

# What reaches .9 here; the rest are defaults.
OWN: dict[str, dict[str, Any]] = {
    "gmp": {},
    "gsm": {},
    "lc": {},
    "dpf": {},
    "dnw": {"prune": {"scope": "layer"}},  # globally the last convolution starts empty
    "str": {},
    "cs": {},
    "dst": {},
}


def config(name: str, **over: Any) -> TrialConfig:
    raw: dict[str, Any] = {
        "task": {"dataset": "digits", "model": "cnn"},
        "method": name,
        "dense": {"lr": 0.1, "batch_size": 64},
        "budget": {"epochs": 20},
    }
    prune_section = {"sparsity": 0.9, **over.get("prune", {})}
    return TrialConfig.of({**raw, **over, "prune": prune_section})
