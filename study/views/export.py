"""A trial's pruned weights as one safetensors file, with what it takes to know them again."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from study.definition.locations import existing, readable_store_of
from trainables.files.storage import open_folder
from trainables.files.trial_record import Record
from trainables.vocabulary.constraints import meets
from trainables.vocabulary.refusal import Refusal
from trainables.vocabulary.schema import METRICS, at_level, declare

MOST_LISTED = 5


@dataclass(frozen=True)
class Export:
    """The bytes of a safetensors file, the trial they come from, and what they hold.

    `ties` counts the other trials that were as good by the metric it was chosen by.
    """

    data: bytes
    record: Record
    n_tensors: int
    zeros: int
    prunable: int
    ties: int = 0


def by_prefix(records: Sequence[Record], prefix: str) -> Record:
    """Return the one finished trial whose fingerprint begins with a prefix; Refusal otherwise."""
    matches = [r for r in records if r.fingerprint.startswith(prefix)]
    if not prefix or not matches:
        known = ", ".join(r.fingerprint for r in records[:MOST_LISTED]) or "none"
        raise Refusal(f"--trial must be the fingerprint of a trial, got {prefix!r}; some: {known}")
    if len(matches) > 1:
        names = ", ".join(r.fingerprint for r in matches[:MOST_LISTED])
        raise Refusal(f"--trial must name one trial, got {prefix!r}, which begins {names}")
    if matches[0].state != "done":
        raise Refusal(
            f"--trial must be a trial that is done, got {matches[0].fingerprint},"
            f" which is {matches[0].state}"
        )
    return matches[0]


def best(records: Sequence[Record], metric: str) -> list[Record]:
    """Return the finished trials with the best value of a metric that is not measured on test.

    More than one when they tie, in the order of their fingerprints. Trials beyond the bounds of
    their search stand back while one is within. Refusal for a metric that is measured on test, has
    no better direction, or was not recorded.
    """
    for record in records:
        declare(record.declared)
    if metric not in at_level("trial"):
        names = ", ".join(m for m in at_level("trial") if _choosable(m))
        raise Refusal(f"--best must be a metric of a trial, got {metric!r}; offered are {names}")
    if METRICS[metric].on_test:
        raise Refusal(f"--best must not be measured on test data, got {metric!r}")
    if METRICS[metric].direction is None:
        raise Refusal(f"--best must be a metric of which more or less is better, got {metric!r}")
    done = [r for r in records if r.state == "done" and metric in r.metrics]
    if not done:
        raise Refusal(f"--best must be recorded by a trial that is done, got {metric!r}, by none")
    done = [r for r in done if within_bounds(r)] or done
    choose = max if METRICS[metric].direction == "max" else min
    top = choose(r.metrics[metric] for r in done)
    return sorted((r for r in done if r.metrics[metric] == top), key=lambda r: r.fingerprint)


def within_bounds(record: Record) -> bool:
    """Whether a trial keeps to the bounds of the search that asked for it, if there are any."""
    return meets(record.origin.get("bounds", {}), record.metrics)


def _choosable(metric: str) -> bool:
    return not METRICS[metric].on_test and METRICS[metric].direction is not None


def export(location: str, *, trial: str | None = None, metric: str | None = None) -> Export:
    """Return the weights of a trial, or of the best by a metric, with its masks applied.

    The file's header holds `fingerprint`, `study`, `seed`, `config`, `metrics` and `provenance`,
    the last three as JSON. Of equally good trials it is the one with the lowest fingerprint.
    Refusal when there is no such trial, or its last stage is gone.
    """
    folder, study = existing(location)
    records = folder.records().records
    if trial is not None:
        matches = [by_prefix(records, trial)]
    else:
        assert metric is not None
        matches = best(records, metric)
    return _of(matches[0], readable_store_of(study, folder), ties=len(matches) - 1)


def _of(record: Record, store: str, ties: int) -> Export:
    from safetensors.torch import save

    from trainables.trials.stage_store import StageFault, StageStore

    try:
        stage = StageStore(open_folder(store), "reader").load(record.stages[-1])
    except StageFault as fault:
        raise Refusal(f"stage_store must hold the trial's stages whole, got {fault}") from fault
    if stage is None:
        raise Refusal(f"stage_store must hold stage {record.stages[-1]}, got {store} without it")
    masks = {
        name.removeprefix("mask."): mask
        for name, mask in stage.state.items()
        if name.startswith("mask.")
    }
    weights = {
        name: value * masks[name].to(value.dtype) if name in masks else value
        for name, value in stage.weights.items()
    }
    zeros = sum(int((weights[name] == 0).sum()) for name in masks)
    prunable = sum(mask.numel() for mask in masks.values())
    data = save(weights, metadata=_header(record))
    return Export(data, record, len(weights), zeros, prunable, ties)


def _header(record: Record) -> dict[str, str]:
    """What safetensors keeps as text beside the tensors."""
    plain: dict[str, Any] = {
        "config": record.config,
        "metrics": record.metrics,
        "provenance": record.provenance,
    }
    texts = {key: json.dumps(value, sort_keys=True) for key, value in plain.items()}
    identity = {"fingerprint": record.fingerprint, "study": record.study, "seed": str(record.seed)}
    return {"format": "pt", **identity, **texts}


def sentence(exported: Export, output: str, metric: str | None = None) -> str:
    """Return in words what was written."""
    record = exported.record
    task = record.config["task"]
    model = task["use"] if "use" in task else task["model"]["name"]
    choice = ""
    if metric is not None:
        ties = f", as are {exported.ties} others" if exported.ties else ""
        beyond = "" if within_bounds(record) else ", beyond its search's bounds, as are all"
        choice = f", the best by {metric} ({record.metrics[metric]:.6g}{ties}){beyond}"
    sparsity = exported.zeros / exported.prunable if exported.prunable else 0.0
    return (
        f"wrote {output}: {exported.n_tensors} tensors of {model}, trial {record.fingerprint}"
        f" (seed {record.seed}){choice}; {exported.zeros} of {exported.prunable} prunable weights"
        f" are zero ({sparsity:.4f})"
    )
