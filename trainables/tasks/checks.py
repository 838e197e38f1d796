"""What a user's task must do, tried on two examples before anything starts.

Each check either passes or raises a `Refusal`: one sentence with the rule, what was got, and the
file and line of the user's code that is at fault.
"""

from __future__ import annotations

import io
import math
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import combinations
from typing import Any

import torch
from torch import Tensor, nn

from trainables.config.sections import LeftOut
from trainables.data.balance import of_labels
from trainables.data.in_memory import InMemory
from trainables.data.keeping import undecoded
from trainables.data.parts import Splits, labels_of
from trainables.formulas.structures import Bundle
from trainables.pruning.bundles import every_bundle
from trainables.pruning.cuts import matrices
from trainables.pruning.prunable import Prunable, prunable
from trainables.pruning.work import call, work_of
from trainables.tasks.building import Building
from trainables.tasks.classification import Classification
from trainables.tasks.decoding import check_decoding
from trainables.tasks.grouping import check_groups
from trainables.tasks.overlap import shared_items
from trainables.tasks.score_checks import require_declared, require_loss, require_sums
from trainables.tasks.sentences import Sentences, UserCode
from trainables.tasks.task import WEIGHT, Task, example_of, first_batch
from trainables.vocabulary.declarations import LOSS, Metric
from trainables.vocabulary.refusal import Refusal

_RATE = 1e-3


@dataclass(frozen=True)
class Findings:
    """What the checks learnt: lengths of the parts, sizes, and which weights may be pruned.

    `weights` and `dense` are numbers of weights by name, prunable ones and those that a rule keeps
    dense; `kinds` the types of the modules that hold the prunable ones, `order` these as the
    forward meets them, `unmet` those that a forward of the example does not use, `matrices` rows
    and columns of each, which tell what a structure divides, and `bundles` by kind of structure the
    weights that it cuts together. `classes` are
    numbers of examples of each class by part, of a classification whose labels can be seen.
    `listing` is that of the splits, `left_out` what they leave out, as `LeftOut` has it.
    `n_batches` is the number of the batches that the task forms itself.
    `undecoded` are parts that are not in memory and have no `decode`, so that none can be kept.
    """

    lengths: dict[str, int]
    n_parameters: int
    weights: dict[str, int]
    kinds: dict[str, str]
    dense: dict[str, int]
    order: tuple[str, ...]
    unmet: tuple[str, ...]
    classes: dict[str, list[int]]
    matrices: dict[str, tuple[int, int]]
    listing: str | None = None
    undecoded: tuple[str, ...] = ()
    bundles: dict[str, list[Bundle]] = field(default_factory=dict)
    n_batches: int | None = None
    left_out: dict[str, Any] | None = None


def check_task(make: Callable[[], Task], code: UserCode) -> Findings:
    """Try a task that `make` builds anew; Refusal for the first check that fails.

    `code` knows the user's files.
    """
    try:
        task, other = make(), make()
    except Refusal:
        raise
    except (Exception, SystemExit) as error:
        raise Refusal(f"task must be made without a fault, got {code.words(error)}") from error
    return _Checks(Sentences(code, task), task).run(other)


@dataclass(frozen=True)
class _Checks:
    say: Sentences
    task: Task

    def run(self, other: Task) -> Findings:
        """Run every check in order."""
        self._declares()
        splits = self._splits()
        n_batches = check_groups(self.say, self.task, len(splits.train))
        check_decoding(self.say, splits)
        building = Building(self.say, self.task)
        shared = building.shared_state(other)
        model = building.equal_builds(other)
        batch = self._batch(splits, 2)
        weights = self._prunable(model)
        self._trains(model, batch, weights)
        self._scores(model, splits, batch, self._batch(splits, 3))
        building.require_round_trip(model, batch)
        building.require_unchanged(shared)
        self._pickles(splits, batch)
        return replace(self._findings(splits, building.build()), n_batches=n_batches)

    # --- declarations and data ---

    def _declares(self) -> None:
        say, task = self.say, self.task
        for name, metric in task.metrics.items():
            if not isinstance(metric, Metric):
                raise say.refusal("metrics", f"give {name} as a Metric", repr(metric))
            if name == WEIGHT:
                raise say.refusal("metrics", f"leave {WEIGHT!r} to the engine's sum", name)
        try:
            task.declarations()
        except ValueError as error:
            raise Refusal(f"{say.key('metrics')}: metrics {error}{say.at('metrics')}") from None
        size = task.evaluation_batch
        if size is not None and not (isinstance(size, int) and size >= 1):
            raise say.refusal("evaluation_batch", "be a whole number >= 1 or None", repr(size))

    def _splits(self) -> Splits:
        say = self.say
        with say.naming("splits", "return its data"):
            splits = self.task.splits()
        if not isinstance(splits, Splits):
            raise say.refusal("splits", "return Splits", type(splits).__name__)
        for name, part in splits.in_order.items():
            with say.naming("splits", "have a length", f"the {name} part"):
                n = len(part)
            if n == 0:
                raise say.refusal("splits", f"give {name} an item or more", 0)
        for (one, a), (two, b) in combinations(splits.in_order.items(), 2):
            if n := shared_items(a, b):
                items = "item" if n == 1 else "items"
                raise say.refusal("splits", f"keep {one} and {two} apart", f"{n} shared {items}")
        return splits

    def _batch(self, splits: Splits, n: int) -> Any:
        with self.say.naming("splits", "make a batch", "the first training items"):
            return first_batch(self.task, splits, n)

    def _pickles(self, splits: Splits, batch: Any) -> None:
        """Loader processes are sent the data and send back batches."""
        sent: dict[str, Any] = {
            f"the {name} part": part
            for name, part in splits.in_order.items()
            if not isinstance(part, InMemory)
        }
        if not sent:
            return
        for what, value in {**sent, "collate": self.task.collate, "a batch": batch}.items():
            with self.say.naming("splits", "be picklable, for loader processes", what):
                pickle.Pickler(_Nowhere()).dump(value)

    # --- training and evaluation ---

    def _prunable(self, model: nn.Module) -> Prunable:
        with self.say.naming("prunable", "judge every weight"):
            weights = prunable(model, self.task.prunable)
        if not weights:
            raise self.say.refusal("prunable", "leave a weight that may be pruned", "none")
        return weights

    def _trains(self, model: nn.Module, batch: Any, weights: Prunable) -> None:
        """One forward, backward and step, on two examples, in training mode."""
        say, task = self.say, self.task
        model.train()
        if type(task).loss is Task.loss:
            require_loss(say, self._scored(model, batch))
        torch.manual_seed(0)
        with say.naming("loss", "judge a batch"):
            loss = task.loss(model, batch)
        if not isinstance(loss, Tensor) or loss.dim() != 0:
            raise say.refusal("loss", "return a scalar tensor, of shape []", _kind(loss))
        if not math.isfinite(value := loss.item()):
            raise say.refusal("loss", "be finite on the first two examples", value)
        if not loss.requires_grad:
            raise say.refusal("loss", "have a gradient", "a tensor without one")
        with say.naming("loss", "have a gradient"):
            loss.backward()  # type: ignore[no-untyped-call]
        for name, weight in weights.items():
            if weight.grad is None:
                rule = f"reach every prunable weight or prunable leave {name} out"
                raise say.refusal("loss", rule, f"no gradient at {name}")
        with torch.no_grad():  # by hand: to import torch's optimisers takes seconds
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=_RATE)
        self._weighs(batch)

    def _weighs(self, batch: Any) -> None:
        with self.say.naming("weight", "count a batch"):
            weight = self.task.weight(batch)
        rule = "return a whole number > 0: an int, or a tensor [] of an integer type"
        if isinstance(weight, Tensor):
            if weight.dim() or weight.is_floating_point():
                raise self.say.refusal("weight", rule, f"{_kind(weight)} of {weight.dtype}")
        elif not isinstance(weight, int) or isinstance(weight, bool):
            raise self.say.refusal("weight", rule, repr(weight))
        if int(weight) <= 0:
            raise self.say.refusal("weight", rule, int(weight))

    def _scores(self, model: nn.Module, splits: Splits, *batches: Any) -> None:
        """What `score` gives on batches of unequal lengths is summed, and `finish` takes it."""
        sums: dict[str, Any] = {}
        weight = 0
        model.eval()
        with torch.inference_mode():
            for batch in batches:
                scores = self._scored(model, batch)
                with self.say.naming("score", "return what can be summed over batches"):
                    sums = {name: sums[name] + v if sums else v for name, v in scores.items()}
                weight += int(self.task.weight(batch))
            require_declared(self.say, self.task, sums)
            with self.say.naming("finish", "make metrics of the sums"):
                numbers = self.task.finish({**sums, WEIGHT: weight})
            with self.say.naming("score", "judge equal examples"):
                require_sums(self.say, self.task, model, splits, self._scored)
        self._require_declared(numbers)

    def _scored(self, model: nn.Module, batch: Any) -> Mapping[str, Any]:
        with self.say.naming("score", "judge a batch"):
            scores = self.task.score(model, batch)
        if not isinstance(scores, Mapping):
            raise self.say.refusal("score", "return a mapping", type(scores).__name__)
        if WEIGHT in scores:
            raise self.say.refusal("score", f"leave {WEIGHT!r} to the engine's sum", WEIGHT)
        for name, value in scores.items():
            if not isinstance(value, Tensor | int | float | list) or isinstance(value, bool):
                rule = f"give {name} as a tensor or number to sum, or a list to join"
                raise self.say.refusal("score", rule, type(value).__name__)
        return scores

    def _require_declared(self, numbers: Any) -> None:
        names = (*self.task.metrics, LOSS)
        if not isinstance(numbers, Mapping):
            raise self.say.refusal("finish", "return a mapping", type(numbers).__name__)
        for name in names:
            value = numbers.get(name)
            if not isinstance(value, int | float) or isinstance(value, bool):
                got = "nothing" if value is None else f"{value!r}, a {type(value).__name__}"
                raise self.say.refusal("finish", f"give {name} as a number", got)
        if extra := sorted(map(str, numbers.keys() - {*names})):
            rule = "give declared metrics and the loss alone"
            raise self.say.refusal("finish", rule, ", ".join(extra))

    # --- what is learnt ---

    def _findings(self, splits: Splits, model: nn.Module) -> Findings:
        weights = prunable(model, self.task.prunable, self.task.feed_forward)
        with self.say.naming("feed_forward", "name two linear layers in a module, or return None"):
            bundles = every_bundle(weights)
        with self.say.naming("example", "be one input of the network"):
            example = example_of(self.task, splits)
            with torch.no_grad():
                call(model.eval(), example)
            work = work_of(weights, example)
        counts = {name: p.numel() for name, p in model.named_parameters()}
        return Findings(
            {name: len(part) for name, part in splits.in_order.items()},
            sum(counts.values()),
            {name: weight.numel() for name, weight in weights.items()},
            weights.kinds,
            {name: n for name, n in counts.items() if name not in weights},
            work.order,
            tuple(name for name in weights if name not in work.order),
            self._classes(splits),
            matrices(weights),
            splits.listing,
            undecoded(splits),
            bundles,
            left_out=LeftOut.of(splits.left_out).model_dump() if splits.left_out else None,
        )

    def _classes(self, splits: Splits) -> dict[str, list[int]]:
        if not isinstance(self.task, Classification):
            return {}
        labels = {name: labels_of(part) for name, part in splits.in_order.items()}
        seen = {name: part for name, part in labels.items() if part is not None}
        return {name: list(counts) for name, counts in of_labels(seen).counts.items()}


class _Nowhere(io.RawIOBase):
    """Takes what is pickled and keeps nothing, however large the data are."""

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        return len(data)


def _kind(value: object) -> str:
    return f"shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
