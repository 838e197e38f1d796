"""What a study would run: trials, stages, epochs asked and after sharing, and an estimated time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from study.definition.locations import folder_of, opened, store_of
from study.definition.space import Trial, blocks, check_search_space, grid_trials
from study.definition.studyfile import StudyFile
from study.points.suggestions import taken_up
from study.views.standing import grid_standing, optuna_standing
from trainables.config.chain import StageSpec, stage_chain
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder
from trainables.vocabulary.wording import counted, duration


@dataclass(frozen=True)
class Plan:
    """The work of a study.

    Epochs count training epochs; `epochs_asked` as if every trial ran alone, `epochs_shared` with
    each stage made once, `epochs_left` without the stages and trials that the folder already has.
    `seconds_left` is a worker's time, None where no stage was measured. None stands for what a
    search decides as it goes. `seeds` are those at which every configuration runs, `confirmations`
    the trials of the best ones at the others.
    """

    name: str
    strategy: str
    configurations: int
    seeds: int
    trials: int
    settled: int
    failed: int
    dense_runs: int | None
    stages: int | None
    epochs_asked: float | None
    epochs_shared: float | None
    epochs_left: float | None
    seconds_left: float | None
    confirmations: int = 0

    @property
    def sharing(self) -> float | None:
        """Epochs asked over epochs after sharing."""
        if not self.epochs_asked or not self.epochs_shared:
            return None
        return self.epochs_asked / self.epochs_shared


def plan(study: StudyFile, out: str | None = None) -> Plan:
    """Return the plan of a study; Refusal when it breaks a rule. Starts and writes nothing."""
    location = folder_of(study, out)
    opened(location, "--out")
    folder = StudyFolder(location)
    store = opened(store_of(study, folder), "stage_store")
    records = folder.records().records
    if study.search.strategy == "optuna":
        return _search_plan(study, taken_up(study, folder.folder, records)[0])
    trials = grid_trials(study)
    stands = grid_standing(trials, records)
    settled = {r.fingerprint for r in records if r.settled}
    every = _stages(trials)
    left = _stages(t for t in trials if t.fingerprint not in settled)
    missing = [s for s in left.values() if not manifests.exists(store, s.hash)]
    return Plan(
        name=study.name,
        strategy="grid",
        configurations=len(trials) // len(study.seeds),
        seeds=len(study.seeds),
        trials=len(trials),
        settled=stands.settled,
        failed=stands.failed,
        dense_runs=sum(s.kind == "dense" for s in every.values()),
        stages=len(every),
        epochs_asked=sum(_epochs(t) for t in trials),
        epochs_shared=sum(s.epochs for s in every.values()),
        epochs_left=sum(s.epochs for s in missing),
        seconds_left=_seconds(missing, store, "cuda" if study.resources.gpus else "cpu"),
    )


def _search_plan(study: StudyFile, records: Iterable[Any]) -> Plan:
    check_search_space(study)
    keys = [block.key for block in blocks(study)]
    stands = optuna_standing(study, keys, records)
    configurations = len(keys) * (study.search.trials or 0)
    return Plan(
        study.name, "optuna", configurations, len(study.search_seeds), stands.wanted,
        stands.settled, stands.failed, None, None, None, None, None, None,
        confirmations=stands.wanted - configurations * len(study.search_seeds),
    )  # fmt: skip


def _stages(trials: Iterable[Trial]) -> dict[str, StageSpec]:
    return {s.hash: s for t in trials for s in stage_chain(t.config, t.seed)}


def _epochs(trial: Trial) -> float:
    return sum(stage.epochs for stage in stage_chain(trial.config, trial.seed))


def _seconds(stages: list[StageSpec], store: Folder, device: str) -> float | None:
    """Estimated seconds of one worker, from the mean cost of an epoch of the same task, model and
    device; None where some stage has no measured likeness."""
    measured = _measured(store, device) if stages else {}
    costs = [measured.get(stage.likeness) for stage in stages]
    if None in costs:
        return None
    return sum(cost * s.epochs for cost, s in zip(costs, stages, strict=True) if cost is not None)


def _measured(store: Folder, device: str) -> dict[str, float]:
    """Mean seconds of training an epoch, by likeness, over the stages in the store."""
    spent: dict[str, list[float]] = {}
    for m in manifests.every(store):
        if not isinstance(m, Manifest) or m.likeness is None or not m.epochs:
            continue
        if "train_s" in m.metrics and m.provenance.get("device") == device:
            sums = spent.setdefault(m.likeness, [0.0, 0.0])
            sums[0] += m.metrics["train_s"]
            sums[1] += m.epochs
    return {likeness: seconds / epochs for likeness, (seconds, epochs) in spent.items()}


def _count(p: Plan) -> str:
    text = f"{p.trials} = {p.configurations} configurations x {counted(p.seeds, 'seed')}"
    return text + (f" + {p.confirmations} to confirm the best" if p.confirmations else "")


def _time_left(p: Plan) -> str:
    if p.settled >= p.trials:
        return "none"
    if p.epochs_asked is None:
        return "unknown: the search decides as it goes"
    if p.seconds_left is None:
        return "unknown: nothing like it was measured in this stage store"
    return f"{duration(p.seconds_left)} of one worker's training"


def table(planned: Plan) -> str:
    """Return a plan as lines of words and numbers."""
    p = planned
    lines = [
        ("study", f"{p.name} ({p.strategy})"),
        ("trials", _count(p)),
        ("settled already", f"{p.settled}" + (f", {p.failed} failed" if p.failed else "")),
    ]
    if p.epochs_asked is None:
        lines.append(("stages, epochs", "unknown: the search decides as it goes"))
    else:
        assert p.epochs_shared is not None and p.epochs_left is not None
        lines += [
            ("stages", f"{p.stages}, of them {p.dense_runs} dense runs"),
            ("epochs asked", f"{p.epochs_asked:g}"),
            ("epochs after sharing", f"{p.epochs_shared:g} ({p.sharing:.1f} times fewer)"),
            ("epochs left to train", f"{p.epochs_left:g}"),
        ]
    lines.append(("time left", _time_left(p)))
    width = max(len(name) for name, _ in lines)
    return "\n".join(f"{name:<{width}}  {value}" for name, value in lines)
