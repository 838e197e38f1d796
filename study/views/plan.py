"""What a study would run: trials, stages, epochs asked and after sharing, and an estimated time."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence, Set
from dataclasses import dataclass

from study.checks.structures import (
    out_of_reach_in_words,
    refuse_empty_networks,
    uncut_in_words,
    unknown_in_words,
)
from study.definition.locations import folder_of, opened, opened_store, store_of
from study.definition.space import Trial
from study.definition.studyfile import StudyFile
from study.points.resolved_study import ResolvedStudy
from study.views.examples import examples_in_words
from study.views.intentions import older_revisions
from study.views.named_lines import named_lines
from study.views.weights import weights_in_words
from trainables.config.chain import StageSpec
from trainables.files import manifests
from trainables.files.manifests import Manifest
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder
from trainables.files.trial_record import RecordError
from trainables.files.trust import distrust, received
from trainables.vocabulary.wording import counted, duration


@dataclass(frozen=True)
class Training:
    """The training of a study, in stages and epochs.

    `epochs_asked` as if every trial ran alone, `epochs_shared` with each stage made once,
    `epochs_left` without the stages and trials that the folder already has. `seconds_left` is a
    worker's time, None where no stage like one of them was measured. `loaded` counts trained
    networks from files, which stand in place of a dense run.
    """

    dense_runs: int
    stages: int
    epochs_asked: float
    epochs_shared: float
    epochs_left: float
    seconds_left: float | None
    loaded: int = 0

    @property
    def sharing(self) -> float:
        """Epochs asked over epochs after sharing."""
        return self.epochs_asked / self.epochs_shared


@dataclass(frozen=True)
class Plan:
    """The work of a study.

    `seeds` are those at which every configuration runs, `retrainings` those of each dense network
    where the method has any, `confirmations` the trials of the best ones at the other seeds.
    `seeds_in_words` says what seeds stand for where they are no dense networks. `training` is None
    where a search decides as it goes. `examples` says in words what the data hold, `weights` which
    weights of the user's own network are pruned, and which a structure does not divide.
    `resolution` says what the seeds of the folder's records find, "" where there are none. `older`
    says which of them are of an older revision.
    `processes` are the most that train one trial together. `warnings` say what could not be read.
    """

    name: str
    strategy: str
    configurations: int
    seeds: int
    confirmations: int
    trials: int
    settled: int
    failed: int
    training: Training | None
    seeds_in_words: str = ""
    examples: Sequence[tuple[str, str]] = ()
    weights: Sequence[tuple[str, str]] = ()
    retrainings: int = 1
    resolution: str = ""
    older: Sequence[str] = ()
    processes: int = 1
    warnings: Sequence[str] = ()


_ONE_NETWORK = (
    "retrainings of one dense network: intervals over them say nothing of other dense networks"
)


def plan(resolved: ResolvedStudy, out: str | None = None, margin: float | None = None) -> Plan:
    """Return the plan of a study; Refusal when it breaks a rule. Starts and writes nothing.

    `margin` is the difference that seeds are counted for, in the shown unit of what is reported.
    """
    resolved.check()
    study = resolved.study
    location = folder_of(study, out)
    opened(location, "--out")
    folder = StudyFolder(received(location))
    store, distrusted = _store(study, folder)
    refuse_empty_networks(resolved)
    reading = folder.records()
    earlier = resolved.earlier(folder.folder, reading.records)
    records = earlier.records
    standing = resolved.standing(records)
    warnings = [*reading.warnings, *earlier.warnings, *distrusted]
    training = None
    if resolved.trials is not None:
        settled = {record.fingerprint for record in records if record.settled}
        device = "cuda" if study.resources.gpus else "cpu"
        left = any(trial.fingerprint not in settled for trial in resolved.trials)
        finished, faults = manifests.readable(store) if left else (set(), [])
        training = _training(resolved.trials, settled, store, finished, device)
        warnings += faults
    return Plan(
        name=study.name,
        strategy=study.search.strategy,
        configurations=resolved.n_configurations,
        seeds=len(resolved.seeds),
        confirmations=resolved.n_confirmations,
        trials=standing.wanted,
        settled=standing.settled,
        failed=standing.failed,
        training=training,
        seeds_in_words=_ONE_NETWORK if study.retrains_one_network else "",
        examples=examples_in_words(resolved),
        weights=[
            *weights_in_words(resolved),
            *uncut_in_words(resolved),
            *out_of_reach_in_words(resolved),
            *unknown_in_words(resolved),
        ],
        retrainings=len(study.retrain_seeds),
        resolution=_resolution(location, margin) if standing.settled else "",
        older=older_revisions(records),
        processes=study.processes,
        warnings=warnings,
    )


def _store(study: StudyFile, folder: StudyFolder) -> tuple[Folder, list[str]]:
    """The stage store, and nothing; the folder's own, and why, where the study's is not asked."""
    location = store_of(study, folder)
    if (sentence := distrust(location, folder.location)) is None:
        opened_store(study, location)
        return received(location), []
    return folder.folder.child("stages"), [f"stages that are there do not count: {sentence}"]


def _resolution(location: str, margin: float | None) -> str:
    """What the seeds of a folder's records resolve, in words."""
    from analysis.findings.resolution import seeds_sentence
    from analysis.frames.study_frames import read

    return seeds_sentence(read(location).trials, margin)


def _training(
    trials: Sequence[Trial],
    settled: Container[str],
    store: Folder,
    finished: Set[str],
    device: str,
) -> Training:
    epochs_asked = 0.0
    every: dict[str, StageSpec] = {}
    left: dict[str, StageSpec] = {}
    for trial in trials:
        chain = {stage.hash: stage for stage in trial.chain}
        epochs_asked += sum(stage.epochs for stage in chain.values())
        every |= chain
        if trial.fingerprint not in settled:
            left |= chain
    missing = [stage for stage in left.values() if stage.hash not in finished]
    dense = [s for s in every.values() if s.kind == "dense"]
    loaded = sum(s.steps == 0 for s in dense)
    return Training(
        dense_runs=len(dense) - loaded,
        stages=len(every),
        epochs_asked=epochs_asked,
        epochs_shared=sum(s.epochs for s in every.values()),
        epochs_left=sum(s.epochs for s in missing),
        seconds_left=_seconds(missing, store, finished, device),
        loaded=loaded,
    )


def _seconds(
    stages: list[StageSpec], store: Folder, finished: Set[str], device: str
) -> float | None:
    """Estimated seconds of one worker, from the mean cost of an epoch of the same task, model and
    device; None where some stage has no measured likeness."""
    measured = _measured(manifests.of(store, finished), device) if stages else {}
    costs = [measured.get(stage.likeness) for stage in stages]
    if None in costs:
        return None
    return sum(cost * s.epochs for cost, s in zip(costs, stages, strict=True) if cost is not None)


def _measured(stages: Iterable[Manifest | RecordError], device: str) -> dict[str, float]:
    """Mean seconds of training an epoch, by likeness, over finished stages."""
    sums_by_likeness: dict[str, list[float]] = {}
    for m in stages:
        if not isinstance(m, Manifest) or m.likeness is None or not m.epochs:
            continue
        if "train_s" in m.metrics and m.provenance.get("device") == device:
            sums = sums_by_likeness.setdefault(m.likeness, [0.0, 0.0])
            sums[0] += m.metrics["train_s"]
            sums[1] += m.epochs
    return {likeness: seconds / epochs for likeness, (seconds, epochs) in sums_by_likeness.items()}


def _count(p: Plan) -> str:
    """The trials as a product; as a list where some methods retrain nothing."""
    whole = p.configurations * p.seeds * p.retrainings + p.confirmations
    times = " x " if whole == p.trials else ", "
    factors = [counted(p.configurations, "configuration"), counted(p.seeds, "seed")]
    if p.retrainings > 1:
        factors.append(f"{p.retrainings} retrainings")
    text = f"{p.trials} {'=' if whole == p.trials else 'of'} {times.join(factors)}"
    if whole != p.trials:
        text += " where the method retrains"
    return text + (f" + {p.confirmations} to confirm the best" if p.confirmations else "")


def _stage_words(t: Training) -> str:
    """How many stages there are, and what the chains begin with."""
    first = [counted(t.dense_runs, "dense run")] if t.dense_runs or not t.loaded else []
    first += [f"{counted(t.loaded, 'trained network')} loaded"] if t.loaded else []
    return f"{t.stages}, of them {' and '.join(first)}"


def _time_left(p: Plan) -> str:
    if p.settled >= p.trials:
        return "none"
    if p.training is None:
        return "unknown: the search decides as it goes"
    if p.training.seconds_left is None:
        return "unknown: nothing like it was measured in this stage store"
    return f"{duration(p.training.seconds_left)} of one worker's training"


def table(planned: Plan, width: int | None = None) -> str:
    """Return a plan as lines of words and numbers, of at most `width` characters if given."""
    p = planned
    lines = [
        ("study", f"{p.name} ({p.strategy})"),
        ("trials", _count(p)),
        ("settled already", f"{p.settled}" + (f", {p.failed} failed" if p.failed else "")),
    ]
    if (t := p.training) is None:
        lines.append(("stages, epochs", "unknown: the search decides as it goes"))
    else:
        lines += [
            ("stages", _stage_words(t)),
            ("epochs asked", f"{t.epochs_asked:g}"),
            ("epochs after sharing", f"{t.epochs_shared:g} ({t.sharing:.1f} times fewer)"),
            ("epochs left to train", f"{t.epochs_left:g}"),
        ]
    lines.append(("time left", _time_left(p)))
    if p.seeds_in_words:
        lines.append(("seeds", p.seeds_in_words))
    if p.processes > 1:
        lines.append(("each trial", f"trained by {p.processes} processes together, on one node"))
    lines += [*p.examples, *p.weights]
    lines += [("older trials", sentence.removeprefix("keeping: ")) for sentence in p.older]
    if p.resolution:
        lines.append(("what seeds find", p.resolution))
    text = named_lines(lines, width)
    return "\n".join([text, *(f"warning: {warning}" for warning in p.warnings)])
