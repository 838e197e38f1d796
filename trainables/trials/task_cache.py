"""What a worker keeps between trials: data in memory or on the GPU, and one model per task.

Trials load their weights into the model, so that building, compiling and reading data are paid once
per worker.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from trainables.code.import_path import ImportPath
from trainables.code.importing import importing_from
from trainables.code.loading import load
from trainables.code.reference import parse
from trainables.config.exclusions import excluded
from trainables.config.sections import Facts
from trainables.config.trial import TrialConfig
from trainables.data.in_memory import InMemory
from trainables.data.keeping import Keeping
from trainables.data.parts import Groups, Items, Splits
from trainables.formulas.structures import misfits
from trainables.networks import models
from trainables.networks.parameters import freeze_
from trainables.parallel.norms import Norm
from trainables.parallel.ranks import Ranks
from trainables.pruning.bundles import bundles_of
from trainables.pruning.cuts import matrices
from trainables.pruning.prunable import Prunable, prunable
from trainables.pruning.work import work_of
from trainables.tasks.making import make_task
from trainables.tasks.task import Task, example_of
from trainables.training.loaded import LoadedTask, Loading, WeightsFile, where_it_lay
from trainables.training.trainer import draws

_Kept = TypeVar("_Kept")

_Data = tuple[Splits, Loading, Groups | None]

DATA_KEPT = 2
MODELS_KEPT = 4
GRAPHS_KEPT = 64
"""Shapes that a compiled model may meet, two per batch size, before torch would stop compiling."""


class TaskCache:
    """Data sets and models of one worker, the most recently used ones kept.

    `ranks`: the processes that train together, this one among them; None for one alone.
    """

    def __init__(
        self,
        data_root: Path,
        device: str,
        threads: int,
        keeping: Keeping | None = None,
        copy_of: Callable[[str], Path] | None = None,
        weights_file: WeightsFile = where_it_lay,
        ranks: Ranks | None = None,
    ) -> None:
        self.ranks = ranks
        self._root, self._copy_of, self._weights_file = data_root, copy_of, weights_file
        self._copy: tuple[str, Path] | None = None
        self.device = torch.device(device)
        self._keeping = keeping or Keeping(cpus=threads)
        self._splits: OrderedDict[str, _Data] = OrderedDict()
        self._loaded: OrderedDict[str, LoadedTask] = OrderedDict()
        _settle(self.device, threads)

    def loaded(self, config: TrialConfig) -> LoadedTask:
        """Return the task of a trial as its compute options want it, made at its first use."""
        self._enter(config)
        key = _key(_task_key(config), *_model_key(config))
        loaded = _recall(self._loaded, key, MODELS_KEPT, lambda: self._load(config))
        if beside := [key for key in config.own_code if not key.startswith("task.")]:
            own = {key: self._own(key, config.own_code[key]) for key in beside}
            loaded = replace(loaded, own=own, draws=True)  # a method may draw as a task may
        if config.prune.exclude:
            names = excluded(loaded.weights.kinds, config.prune.exclude, loaded.work.order)
            loaded = replace(loaded, weights=loaded.weights.without(names))
        return _cut(config, loaded)

    def _load(self, config: TrialConfig) -> LoadedTask:
        compute, task = config.compute, self._task(config)
        splits, loading, groups = self._data(config, task)
        _require_files(config, splits)
        _require_batches(config, groups)
        plain = models.seeded(task.model, 0)
        still = freeze_(plain, config.dense.freeze)
        weights = _trained_weights(plain, task)
        work = work_of(weights, example_of(task, splits))
        model = plain.to(self.device)
        if compute.channels_last:
            model = model.to(memory_format=torch.channels_last)
        # One graph per shape: a graph for all shapes rounds otherwise, and which of them a batch
        # gets would hang on what the process saw before.
        forward = torch.compile(model, dynamic=False) if compute.compile else model
        if compute.compile:
            torch._dynamo.config.recompile_limit = GRAPHS_KEPT
        return LoadedTask(
            task=task,
            splits=splits,
            model=model,
            forward=forward,
            device=self.device,
            weights=_trained_weights(model, task),
            work=work,
            precision=compute.precision,
            draws=_draws(config, model),
            loading=loading,
            still=still,
            groups=groups,
            weights_file=self._weights_file,
            ranks=self.ranks,
            together=_together(config, model),
        )

    def _task(self, config: TrialConfig) -> Task:
        facts = config.facts or Facts()
        task = make_task(config.task, self._root, self._own, facts.n_classes)
        if config.dense.label_smoothing:
            task.smoothing = config.dense.label_smoothing  # type: ignore[attr-defined]
        return task

    def _enter(self, config: TrialConfig) -> None:
        """Import the user's code from the copy of this trial; what came from another one goes."""
        digest = config.facts.copy_digest if config.facts is not None else None
        if digest is None or (self._copy is not None and self._copy[0] == digest):
            return
        if self._copy_of is None:
            raise ValueError(f"the user's code {digest} needs a study folder to be read from")
        folder = self._copy_of(digest)
        importing_from(folder)
        self._loaded.clear()
        self._splits.clear()
        self._copy = digest, folder

    def _own(self, key: str, reference: str) -> Any:
        folders = [] if self._copy is None else [self._copy[1]]
        return load(parse(reference, key), ImportPath(folders))

    def _data(self, config: TrialConfig, task: Task) -> _Data:
        channels_last = config.compute.channels_last
        key = _key(_data_key(config), channels_last)

        def placed(part: Items) -> Items:
            return part.to(self.device, channels_last) if isinstance(part, InMemory) else part

        def made() -> _Data:
            splits, processes = self._keeping.placed(task.splits())
            return splits.map(placed), Loading(processes), task.groups()

        return _recall(self._splits, key, DATA_KEPT, made)


def _cut(config: TrialConfig, loaded: LoadedTask) -> LoadedTask:
    """The task without the weights that the trial's structure does not divide."""
    form, weights = config.prune.form, loaded.weights
    reasons = misfits(form, matrices(weights), bundles_of(weights, form))
    if not reasons:
        return loaded
    if len(reasons) == len(weights):
        named = ", ".join(f"{name}: {reason}" for name, reason in reasons.items())
        raise ValueError(f"{form.name} must divide a weight, got none ({named})")
    return replace(loaded, weights=weights.without(list(reasons)), uncut=tuple(reasons))


def initial_weights(loaded: LoadedTask, seed: int) -> dict[str, Tensor]:
    """Return the state of a freshly initialised model: a function of the seed alone."""
    return dict(models.seeded(loaded.task.model, seed).state_dict())


def _task_key(config: TrialConfig) -> Any:
    facts = config.facts or Facts()
    return [config.task.model_dump(mode="json"), facts.codes, facts.listings]


def _model_key(config: TrialConfig) -> list[Any]:
    """What decides, beside the task, how the model stands in memory and what of it is trained."""
    compute = config.compute.model_dump(mode="json", exclude={"micro_batch", "processes"})
    return [compute, config.dense.freeze, config.dense.label_smoothing]


def _trained_weights(model: nn.Module, task: Task) -> Prunable:
    """The prunable weights; what is frozen stays as it is, whatever the task says."""
    weights = prunable(
        model,
        lambda name, p, m: p.requires_grad and task.prunable(name, p, m),
        task.feed_forward,
    )
    if not weights:
        raise ValueError("dense.freeze must leave a prunable weight that is trained, got none")
    return weights


def _data_key(config: TrialConfig) -> Any:
    """What decides the data: the data set alone where it is one of the catalog's."""
    dataset = config.catalog_dataset
    if dataset is None:
        return _task_key(config)
    listings = config.facts.listings if config.facts is not None else {}
    return [dataset.model_dump(mode="json"), listings]


def _require_batches(config: TrialConfig, groups: Groups | None) -> None:
    """Refuse other batches than were counted: every length hangs on their number."""
    planned = config.facts.n_batches if config.facts is not None else None
    formed = None if groups is None else len(groups)
    if planned != formed:
        raise ValueError(
            f"task.use must form the batches that were counted when the study was planned"
            f" ({planned}), got {formed}: what decides them must be fixed, or listed in grid or"
            " choice"
        )


def _require_files(config: TrialConfig, splits: Splits) -> None:
    """Refuse a folder that has changed since the trial was planned: another one is hashed."""
    listings = config.facts.listings if config.facts is not None else {}
    key, named = ("task.dataset", "task.dataset.path")
    if config.task.use is not None:
        key = named = "task.use"
    planned = listings.get(key)
    if planned != splits.listing:
        raise ValueError(
            f"{named} must hold what it held when the study was planned ({planned}),"
            f" got other files ({splits.listing}): run the study again"
        )


def _draws(config: TrialConfig, model: nn.Module) -> bool:
    """A whole task may draw where nobody sees it; the networks of the catalog are known."""
    own = any(key.startswith("task.") for key in config.own_code)
    return own or config.task.use is not None or draws(model)


def _together(config: TrialConfig, model: nn.Module) -> tuple[Norm, ...]:
    """The BatchNorm layers that see the batches of all processes."""
    if config.compute.batch_norm == "local" or config.compute.processes == 1:
        return ()
    return tuple(module for module in model.modules() if isinstance(module, Norm))


def _key(*parts: Any) -> str:
    return json.dumps(parts, sort_keys=True)


def _recall(kept: OrderedDict[str, _Kept], key: str, most: int, make: Callable[[], _Kept]) -> _Kept:
    """Return what is kept under the key, made now if need be; drop the least recently used."""
    if key not in kept:
        while len(kept) >= most:
            kept.popitem(last=False)
        kept[key] = make()
    kept.move_to_end(key)
    return kept[key]


def _settle(device: torch.device, threads: int) -> None:
    """Set what the process as a whole must have for results to repeat to the bit."""
    torch.set_num_threads(threads)
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.backends.cudnn.benchmark = False
        torch.use_deterministic_algorithms(True, warn_only=True)


def load_weights_(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy a saved state into the model, in place, and drop its gradients."""
    with torch.no_grad():
        model.load_state_dict(dict(weights))
    for parameter in model.parameters():
        parameter.grad = None
