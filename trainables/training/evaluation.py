"""Evaluation: what a task's `score` gives on every batch of a part, summed, and `finish` of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from trainables.data.in_memory import InMemory
from trainables.data.isolation import reseed
from trainables.parallel.packing import Packed
from trainables.parallel.ranks import Order, Ranks
from trainables.pruning.work import moved
from trainables.tasks.task import Forward
from trainables.training.batches import in_order
from trainables.training.loaded import LoadedTask
from trainables.training.loader import Draw
from trainables.training.randomness import derived_seed

EVALUATION_BATCH = {"cpu": 200, "cuda": 1000}
"""Examples per forward of an evaluation in memory, by device: on a CPU larger batches fall out of
its caches. Part of what fixes the bits of a result."""

STREAMED_BATCH = 100
"""Examples per forward of an evaluation whose items go through a loader."""


@torch.inference_mode()
def evaluate(loaded: LoadedTask, part: str, forward: Forward | None = None) -> dict[str, float]:
    """Return the task's metrics and its loss of the model on a part, by their plain names.

    `forward` stands in the model's place, if given.
    """
    task = loaded.task
    network = loaded.model if forward is None else forward
    loaded.model.eval()
    if loaded.draws:
        reseed(derived_seed(0, "evaluation", 0, "dropout"), loaded.device)
    sums: dict[str, Any] = {}
    weight: int | Tensor = 0
    # What may draw does so in one process, in the order of the data, as it always has.
    alone = loaded.ranks is None or forward is not None or loaded.draws
    scored = _scored(loaded, part, network) if alone else _scored_together(loaded, part)
    for scores, counted in scored:
        for name, value in scores.items():
            sums[name] = value if name not in sums else sums[name] + value
        weight = weight + counted
    return dict(task.finish({**sums, "weight": int(weight)}))


Scores = tuple[Mapping[str, Any], int | Tensor]
"""What one batch adds, and its weight."""


def _scored(
    loaded: LoadedTask, part: str, network: Forward, first: int = 0, every: int = 1
) -> Iterator[Scores]:
    for batch in evaluation_batches(loaded, part, first, every):
        with loaded.autocast():
            scores = loaded.task.score(network, batch)
        yield scores, loaded.task.weight(batch)


def _scored_together(loaded: LoadedTask, part: str) -> Iterator[Scores]:
    """The same from rank 0, each rank at its turn's batches; in the order of the data, so that the
    sums are those of one process."""
    ranks = loaded.ranks
    assert ranks is not None
    ranks.tell(Order.EVALUATION, {"part": part})
    shares = ranks.gather(_share(loaded, ranks, part))
    for number in range(sum(map(len, shares))):
        yield moved(
            shares[number % ranks.size][number // ranks.size], lambda t: t.to(loaded.device)
        )


def lend_scores(loaded: LoadedTask, ranks: Ranks, part: str) -> None:
    """Do a rank's part of an evaluation that rank 0 has ordered."""
    loaded.model.eval()
    ranks.gather(_share(loaded, ranks, part))


def _share(loaded: LoadedTask, ranks: Ranks, part: str) -> list[Any]:
    """What this rank's batches add, at rank 0's weights."""
    model = loaded.model
    Packed([*model.parameters(), *model.buffers()]).spread_(ranks)
    with torch.inference_mode():
        scored = _scored(loaded, part, model, ranks.rank, ranks.size)
        return [moved(scores, lambda t: t.cpu()) for scores in scored]


def evaluation_batches(
    loaded: LoadedTask, part: str, first: int = 0, every: int = 1
) -> Iterator[Any]:
    """Yield the batches of an evaluation of a part, in the order of the data."""
    data, draw = loaded.splits.in_order[part], Draw(0, f"evaluation of {part}")
    return in_order(loaded, data, _size(loaded, data), draw, first, every)


def _size(loaded: LoadedTask, data: Any) -> int:
    if loaded.task.evaluation_batch is not None:
        return loaded.task.evaluation_batch
    memory = isinstance(data, InMemory)
    return EVALUATION_BATCH[loaded.device.type] if memory else STREAMED_BATCH


def evaluated(loaded: LoadedTask, prefix: str = "", test: bool = True) -> dict[str, float]:
    """Return the numbers of val and, if there is one and it is wanted, of test, by full name."""
    return {
        f"{prefix}{part}_{name}": value
        for part in loaded.parts
        if test or part != "test"
        for name, value in in_schema_order(evaluate(loaded, part)).items()
    }


def in_schema_order(numbers: Mapping[str, float]) -> dict[str, float]:
    """The loss first, then the metrics, as curves and records have always listed them."""
    return {"loss": numbers["loss"], **{k: v for k, v in numbers.items() if k != "loss"}}
