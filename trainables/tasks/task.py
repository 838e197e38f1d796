"""The Task contract: all that the engine knows of what is learnt.

A task says which data there are, which network learns from them, what its loss is and what is
measured. It knows neither studies nor stages nor files of results; the engine owns the order of
the data, the optimiser, the masks and the clock.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

import torch
from torch import Tensor, nn
from torch.utils.data import default_collate

from trainables.data.in_memory import InMemory
from trainables.data.parts import Groups, Splits
from trainables.pruning.prunable import feed_forward, trained_weights
from trainables.pruning.work import Inputs
from trainables.vocabulary.declarations import LOSS, Declarations, Metric

Forward = Callable[..., Any]
"""The network, or its compiled form: what `loss` and `score` call."""

WEIGHT: Final = "weight"
"""Under which `finish` gets the sum of `weight`."""


class Task(ABC):
    """A network, its data, its loss and its metrics. `splits`, `model` and `score` must be given.

    In a study file: `task: {use: "my_task:Shapes", width: 16}`. The typed keywords of `__init__`
    are the study file's keys: they are checked, hashed, and may hold domains. A keyword `root` is
    the study's `data.root` and is not hashed.

        class Shapes(Task):
            metrics = {"accuracy": Metric("more", percent=True)}
            counts = "images"

            def __init__(self, root: Path, width: int = 16) -> None: ...
            def splits(self) -> Splits: ...
            def model(self) -> nn.Module: ...
            def score(self, model, batch) -> dict[str, Tensor]: ...

    Attributes:
        metrics: what is measured beside the loss, by name; the first is what choices go by. A name
            is made of a-z, 0-9 and _, without the parts test, val, dense, pruned, train.
        counts: a plural noun for what `weight` counts: images, pixels, tokens.
        loss_unit: the sign of the loss's unit, such as nat; empty for none.
        evaluation_batch: examples per batch of an evaluation; None leaves it to the engine.
    """

    metrics: ClassVar[Mapping[str, Metric]] = {}
    counts: ClassVar[str] = "examples"
    loss_unit: ClassVar[str] = ""
    evaluation_batch: ClassVar[int | None] = None

    @abstractmethod
    def splits(self) -> Splits:
        """Return the data sets to train on, to validate and, if there is one, to test.

        Map-style: `len` and items by index. Asked for once per process, and kept. An `InMemory`
        stays on the device; any other goes through torch's DataLoader. A length may depend on
        keywords that the study fixes, or lists in `grid` or `choice`.
        """

    @abstractmethod
    def model(self) -> nn.Module:
        """Return a new network, initialised by torch's generator, which the engine has seeded."""

    @abstractmethod
    def score(self, model: Forward, batch: Any) -> dict[str, Any]:
        """Return what one forward on a batch adds to the measures; called without gradients.

        Tensors and numbers are summed over the batches (use int64 or float64 where exact sums
        matter), lists are joined in the order of the data. `loss` is the sum over the batch of the
        loss, weighted as `weight` says and without any smoothing. No entry may be called `weight`.
        """

    def finish(self, sums: Mapping[str, Any]) -> dict[str, float]:
        """Return every declared metric and the loss from the sums of `score` over a whole part.

        `sums["weight"]` is the sum of `weight`. The default divides each sum by it.
        """
        weight = sums[WEIGHT]
        return {name: float(sums[name]) / weight for name in (*self.metrics, LOSS)}

    def loss(self, model: Forward, batch: Any) -> Tensor:
        """Return the loss to be minimised: a mean over `weight(batch)`, with gradients.

        The default is the loss of `score` over the weight.
        """
        total: Tensor = self.score(model, batch)[LOSS]
        return total / self.weight(batch)

    def weight(self, batch: Any) -> int | Tensor:
        """Return how many images, pixels or tokens the batch holds.

        A tensor [] of an integer type is read once per epoch, so that no step waits for the device.
        The default is the length of the batch's first tensor.
        """
        return len(first_tensor(batch))

    def collate(self, items: Sequence[Any]) -> Any:
        """Return a batch of items; torch's default collation unless overridden."""
        return default_collate(list(items))

    def groups(self) -> Groups | None:
        """Return the batches of an epoch, formed once; None for batches of `dense.batch_size`.

        Each batch is the indices of its training items, and every item is in one batch. An epoch
        takes all of them in a new order, and `dense.batch_size` must be absent: how large they are
        is the task's to say. Text forms its batches by length, so that little of them is padding.
        """
        return None

    def example(self) -> Inputs:
        """Return a batch of one input without its label: `model(x)`, `model(*x)` or `model(**x)`.

        For counting, checking and exporting. The default takes the first training item; of a tuple
        of two or more its first entry.
        """
        return _first_input(self, self.splits())

    def prunable(self, name: str, parameter: nn.Parameter, module: nn.Module) -> bool:
        """Whether a weight may be pruned, at each place where it stands.

        The default: weights of convolutions and linear layers and attention's projections, save
        what is tied to an embedding, and frozen weights.
        """
        return trained_weights(name, parameter, module)

    def feed_forward(self, name: str, module: nn.Module) -> tuple[str, str] | None:
        """Return which two linear layers in a module are a feed-forward block, by names in it.

        The first makes the hidden units that `prune.structure: hidden` takes, and the second alone
        reads them; None for a module that is no such block. The default: `linear1` and `linear2` of
        torch's Transformer layers.
        """
        return feed_forward(name, module)

    def removable(self, name: str, module: nn.Module) -> bool:
        """Whether an export may take filters, or hidden units, out of a layer.

        `name` is the layer's, without `.weight`. Whatever this says, only what a forward proves to
        be zero or unheard goes. The default: every layer.
        """
        return True

    def trained(self, name: str) -> Mapping[str, Tensor]:
        """Return the weights of a trained network by the names of `model`'s state.

        Asked for where a study file names `task:NAME` under `dense.weights` or `dense.start`, once,
        before anything starts; the study folder keeps what it gives.
        """
        raise NotImplementedError(f"{type(self).__name__} gives no trained weights, got {name!r}")

    @classmethod
    def declarations(cls) -> Declarations:
        """Return what the class declares of its numbers; ValueError for a name that cannot be."""
        return Declarations(dict(cls.metrics), cls.counts, cls.loss_unit)


def example_of(task: Task, splits: Splits) -> Inputs:
    """Return the task's example; where it has none of its own, without asking for splits again."""
    if type(task).example is Task.example:
        return _first_input(task, splits)
    return task.example()


def first_batch(task: Task, splits: Splits, n: int) -> Any:
    """Return the first n training examples, augmented; the only one several times if need be."""
    train = splits.train
    places = [place % len(train) for place in range(n)]
    if not isinstance(train, InMemory):
        return task.collate([train[place] for place in places])
    batch = train.take(torch.tensor(places))
    if train.augment is None:
        return batch
    return train.augmented(batch, train.augment.draw(n, torch.Generator()).to("cpu"))


def _first_input(task: Task, splits: Splits) -> Inputs:
    batch = task.collate([splits.train[0]])
    if isinstance(batch, tuple | list) and len(batch) > 1:
        return batch[0]  # type: ignore[no-any-return]
    return batch  # type: ignore[no-any-return]


def first_tensor(batch: Any) -> Tensor:
    """Return the first tensor in a batch, depth first; TypeError where there is none."""
    if isinstance(batch, torch.Tensor):
        return batch
    inner = batch.values() if isinstance(batch, Mapping) else batch
    if isinstance(inner, str | bytes) or not hasattr(inner, "__iter__"):
        raise TypeError(f"a batch must hold a tensor, or the task define weight; got {type(batch)}")
    for part in inner:
        return first_tensor(part)
    raise TypeError("a batch must hold a tensor, or the task define weight; got an empty one")
