"""The stage after the last one of training: weights in fewer bits, and what they measure."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from typing import Any

from trainables.config.chain import StageSpec
from trainables.config.trial import TrialConfig
from trainables.training.evaluation import evaluated
from trainables.training.loaded import LoadedTask
from trainables.trials.precision import Precision, as_trained, in_precision
from trainables.trials.stage_run import UNCUT
from trainables.trials.stage_store import Stage
from trainables.trials.task_cache import load_weights_
from trainables.vocabulary.schema import QUANTISED


def quantised_stage(
    config: TrialConfig,
    spec: StageSpec,
    loaded: LoadedTask,
    before: Stage,
    machine: Mapping[str, Any],
) -> Stage:
    """Return the stage that holds the weights of the one before it in int8.

    Its weights are levels and scales as `precision.in_precision` gives them; they are evaluated as
    what they stand for, in the trial's own arithmetic. The model is left with them. Zeros stay, so
    that the masks are those of the stage before, which keeps them.
    """
    precision: Precision | None = config.quantise.weights
    assert precision is not None
    weights = {name: tensor.detach().cpu() for name, tensor in before.weights.items()}
    stored = in_precision(weights, precision, "quantise.weights")
    load_weights_(loaded.model, as_trained(stored))
    start = time.perf_counter()
    metrics = evaluated(loaded, QUANTISED)
    seconds = time.perf_counter() - start
    known = {name: float(value) for name, value in metrics.items() if math.isfinite(value)}
    return Stage(
        hash=spec.hash,
        kind=spec.kind,
        state_name="done",
        metrics={**known, "eval_s": seconds},
        layers=before.layers,
        curve=[],
        weights=stored,
        provenance=dict(machine),
        facts={name: value for name, value in before.facts.items() if name == UNCUT},
    )
