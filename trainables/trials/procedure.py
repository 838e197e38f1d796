"""The state machine of a trial: a chain of stages, each found in the store or trained to its end.

`advance()` does one unit of work and returns where the trial stands; Tune's step calls it, and so
may a plain loop. The whole position is (stage, epoch, step), so a trial may end at any instruction
and be taken up by another process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import torch

from trainables.config.chain import StageSpec, stage_chain
from trainables.config.trial import TrialConfig
from trainables.files.leases import BEAT_EVERY_S, Leases
from trainables.jobs.provenance import BITS, machine
from trainables.trials.quantised import quantised_stage
from trainables.trials.stage_run import StageRun, begin, resume
from trainables.trials.stage_store import Partial, Stage, StageFault, StageStore
from trainables.trials.task_cache import TaskCache
from trainables.vocabulary.schema import QUANTISED, SCHEMA_VERSION

Goal = Literal["dense", "trial"]


@dataclass(frozen=True)
class Pace:
    """How often things happen that never change a result.

    `unit_s`: how long one `advance` goes on over short epochs; `partial_s`: least time between two
    partial states; `slice_s`: the longest stretch of training without a look at the clock;
    `beat_s`: least time between two heartbeats.
    """

    unit_s: float = 2.0
    partial_s: float = 60.0
    slice_s: float = BEAT_EVERY_S
    beat_s: float = BEAT_EVERY_S


@dataclass(frozen=True)
class Progress:
    """What one `advance` tells: where the trial stands.

    `state` is running, done, diverged or leased (another process is at work on `stage`; the trial
    has given up its turn). `epochs` counts epochs trained in this `advance`; `notes` are plain
    sentences about what was found on the way; `saved` counts what is safe in the store: finished
    stages, and steps of the one under way.
    """

    state: Literal["running", "done", "diverged", "leased"]
    stage: str
    epochs: float = 0.0
    row: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    saved: tuple[int, int] = (0, 0)


class Procedure:
    """One trial, or only its dense run, from wherever the store says it stands.

    An `advance` that the store's OSError ended can be called again: it goes on where it was, also
    with a stage that is trained and not stored yet.
    """

    def __init__(
        self,
        config: TrialConfig,
        seed: int,
        tasks: TaskCache,
        store: StageStore,
        leases: Leases,
        *,
        goal: Goal = "trial",
        pace: Pace | None = None,
        expired: frozenset[str] = frozenset(),
    ) -> None:
        chain = stage_chain(config, seed)
        self.config, self.seed = config, seed
        self.chain = chain[:1] if goal == "dense" else chain
        self.stages: list[Stage] = []
        self.trained: set[str] = set()
        self._clock = time.perf_counter()
        self._tasks, self._store, self._leases = tasks, store, leases
        self.pace = pace or Pace()
        self._expired = expired
        self._run: StageRun | None = None
        self._unsaved: Stage | None = None
        self._saved_step = 0
        self._saved_at = self._beaten_at = time.perf_counter()
        self._notes: list[str] = []
        self._noted: set[str] = set()
        if tasks.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(tasks.device)

    @property
    def wall_s(self) -> float:
        """Seconds since this process took the trial up."""
        return time.perf_counter() - self._clock

    def advance(self) -> Progress:
        """Do one unit of work: an epoch, or as many short ones as fit in the pace's unit."""
        if self._run is None:
            self._find_stages()
            if (end := self._ended()) is not None:
                return end
            if self._blocked():
                return self._told("leased")
            if self._spec.kind == "quantised":
                return self._quantise()
            self._open()
        return self._train()

    @property
    def _spec(self) -> StageSpec:
        """The stage that is due, the last one when all are there."""
        return self.chain[min(len(self.stages), len(self.chain) - 1)]

    def _find_stages(self) -> None:
        """Take finished stages from the store, as far as they go."""
        while len(self.stages) < len(self.chain) and not self._diverged():
            spec = self.chain[len(self.stages)]
            try:
                stage = self._store.load(spec.hash)
            except StageFault as fault:
                self._notes.append(f"{fault}; set aside, and made anew")
                self._store.set_aside(spec.hash)
                return
            if stage is None:
                return
            self.stages.append(stage)

    def _diverged(self) -> bool:
        return bool(self.stages) and self.stages[-1].diverged

    def _ended(self) -> Progress | None:
        if self._diverged():
            return self._told("diverged")
        return self._told("done") if len(self.stages) == len(self.chain) else None

    def _blocked(self) -> bool:
        """Whether another live process holds the stage that is due."""
        others = self._leases.others(self._spec.hash)
        return any(text not in self._expired for text in others.values())

    def _told(
        self, state: Literal["running", "done", "diverged", "leased"], **more: Any
    ) -> Progress:
        notes, self._notes = tuple(self._notes), []
        saved = len(self.stages), self._saved_step
        return Progress(state, self._spec.hash, notes=notes, saved=saved, **more)

    def _open(self) -> None:
        """Begin the stage that is due, or take up its furthest partial state."""
        spec, loaded = self._spec, self._tasks.loaded(self.config)
        if spec.kind != "cycle":
            self._beat()
        before = self.stages[-1] if self.stages else None
        partial = self._store.load_partial(spec.hash)
        if partial is None:
            self._run = begin(self.config, self.seed, spec, loaded, before)
            self._notes += self._run.notes
        else:
            self._note_other_bits(partial)
            self._run = resume(self.config, self.seed, spec, loaded, partial)
            self._saved_step = int(partial.facts["step"])
        self._saved_at = time.perf_counter()

    def _quantise(self) -> Progress:
        """Make the stage without training: the weights of the one before it in fewer bits."""
        spec = self._spec
        if self._unsaved is None:
            self._beat()
            loaded, before = self._tasks.loaded(self.config), self.stages[-1]
            here = machine(self._tasks.device)
            self._unsaved = quantised_stage(self.config, spec, loaded, before, here)
        return self._store_stage(spec, self._unsaved, {})

    def _note_other_bits(self, partial: Partial) -> None:
        here = machine(self._tasks.device)
        there = partial.facts["machine"]
        if differs := [key for key in BITS if here.get(key) != there.get(key)]:
            self._notes.append(
                f"stage {self._spec.hash} is resumed under another {', '.join(differs)}:"
                " its last bits may differ from an undisturbed run's"
            )

    def _train(self) -> Progress:
        """Train until the unit's time has passed or the stage has ended."""
        run = self._run
        assert run is not None
        end = time.perf_counter() + self.pace.unit_s
        first_step, row = run.trainer.position.step, {}
        while not run.trainer.done and not run.diverged:
            now_s = time.perf_counter()
            limit = min(now_s + self.pace.slice_s, self._saved_at + self.pace.partial_s)
            if run.trainer.run(max(limit, now_s)):
                row = run.close_epoch()
            self._keep(run)
            if time.perf_counter() >= end:
                break
        steps = run.trainer.position.step - first_step
        told = {
            "epochs": steps / run.spec.steps_per_epoch,
            "row": row,
        }
        if run.trainer.done or run.diverged:
            return self._close(run, told)
        return self._told("running", **told)

    def _keep(self, run: StageRun) -> None:
        """Give a heartbeat, and save a partial state when the last one is old enough."""
        if run.trainer.done or run.diverged:
            return
        clock = time.perf_counter()
        if clock - self._beaten_at >= min(self.pace.beat_s, self.pace.partial_s):
            self._beat()
        if clock - self._saved_at >= self.pace.partial_s:
            self._save_partial(run)

    def _beat(self) -> None:
        """Say that the stage is being made; training goes on where that cannot be said."""
        self._beaten_at = time.perf_counter()
        with self._noting("the lease"):
            self._leases.beat(self._spec.hash)

    def _save_partial(self, run: StageRun) -> None:
        facts = {"schema": SCHEMA_VERSION, "machine": machine(self._tasks.device)}
        tensors, position = run.snapshot()
        with self._noting("the partial state"):
            self._store.save_partial(run.spec.hash, Partial(tensors, {**facts, **position}))
            self._saved_step = int(position["step"])
        self._saved_at = time.perf_counter()

    @contextmanager
    def _noting(self, what: str) -> Iterator[None]:
        """Note that something could not be written, and go on; the same fault is noted once."""
        try:
            yield
        except OSError as error:
            note = f"{what} of stage {self._spec.hash} could not be written: {error}"
            if note not in self._noted:
                self._notes.append(note)
            self._noted.add(note)

    def _close(self, run: StageRun, told: dict[str, Any]) -> Progress:
        """Finish the stage, store it, and say whether the trial has ended with it."""
        if self._unsaved is None:
            self._unsaved = run.finish(machine(self._tasks.device))
        return self._store_stage(run.spec, self._unsaved, told)

    def _store_stage(self, spec: StageSpec, stage: Stage, told: dict[str, Any]) -> Progress:
        self._store.save(spec, stage)
        with suppress(OSError):  # nobody waits for a stage that is there
            self._leases.release(spec.hash)
        self.stages.append(stage)
        self.trained.add(stage.hash)
        self._run = self._unsaved = None
        self._saved_step = 0
        end = self._ended()
        return self._told(end.state if end else "running", **told)

    def give_up(self) -> None:
        """Release the stage under way, for others to take up: this process will not go on."""
        self._leases.release(self._spec.hash)

    def metrics(self) -> dict[str, float]:
        """Return the finished trial's numbers by the schema's names; missing ones are absent."""
        gathered = trial_metrics(self.config, self.stages)
        gathered["wall_s"] = self.wall_s
        if self._tasks.device.type == "cuda":
            gathered["gpu_memory_bytes"] = torch.cuda.max_memory_allocated(self._tasks.device)
        return {key: value for key, value in gathered.items() if math.isfinite(value)}


_SUMMED = ("train_s", "eval_s", "bn_s", "retrain_steps", "retrain_epochs")
_EVALUATED = ("val_", "test_")
"""How the names of what a task measures on a part of its data begin."""


def trained_stages(config: TrialConfig, stages: Sequence[Stage]) -> list[Stage]:
    """Return the stages in which a trial itself was trained: its cycles, or its one whole run."""
    own = stages[1:] if config.retrains else stages
    return [stage for stage in own if stage.kind != "quantised"]


def trial_metrics(config: TrialConfig, stages: list[Stage]) -> dict[str, float]:
    """Return a trial's numbers from its stages: those of the last one of training, sums over the
    cycles, the dense run's and those in fewer bits beside them."""
    own = trained_stages(config, stages)
    metrics: dict[str, float] = dict(own[-1].metrics) if own else {}
    rounded = [stage for stage in stages if stage.kind == "quantised"]
    for key in _SUMMED:
        if values := [s.metrics[key] for s in (*own, *rounded) if key in s.metrics]:
            metrics[key] = sum(values)
    if config.knows_dense_length:
        epochs = config.dense_steps / config.steps_per_epoch
        metrics["epochs"] = epochs + sum(config.cycle_steps) / config.steps_per_epoch
        if config.retrains:
            metrics["dense_epochs"] = epochs
    if config.retrains:
        dense = stages[0].metrics
        metrics |= {f"dense_{key}": v for key, v in dense.items() if key.startswith(_EVALUATED)}
        if "train_s" in dense:
            metrics["dense_train_s"] = dense["train_s"]
        for key in ("n_parameters", "n_prunable", "multiply_adds"):
            metrics.setdefault(key, dense.get(key, math.nan))
    for stage in rounded:
        metrics |= {k: v for k, v in stage.metrics.items() if k.startswith(QUANTISED)}
    if own and own[-1].diverged:
        metrics = {k: v for k, v in metrics.items() if not k.startswith(_EVALUATED)}
    return metrics
