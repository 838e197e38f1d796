"""One sweep: what the trackers lack of a study's trials is written to them.

Trackers are asked what they hold, so a sweep after any other, after a crash, or over a copy of the
study folder writes each trial once. One that failed is written as such, and again once it is
settled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from analysis.frames.study_frames import StudyFrames, read
from study.trackers.entries import ended, entries
from study.trackers.mlflow_tracker import MlflowTracker
from study.trackers.tensorboard_tracker import TensorboardTracker
from study.trackers.tracker import SETTLED, Tracker
from study.trackers.wandb_tracker import WandbTracker
from trainables.files.leases import Leases, is_local
from trainables.files.storage import is_remote, open_folder
from trainables.vocabulary.homes import without_scheme
from trainables.vocabulary.wording import counted

LEASE: Final = "run/trackers"
"""Two sweeps at once would both find a trial missing, and both write it."""


@dataclass(frozen=True)
class Swept:
    """What a sweep came to at one tracker: trials written now, and those that are still missing.

    `fault` is why it did not go on, "" where it did.
    """

    kind: str
    target: str
    written: int
    missing: int
    fault: str = ""


def sweep(
    location: str, targets: Mapping[str, str], go_on: Callable[[], bool] = lambda: True
) -> list[Swept]:
    """Write the trials of a study folder where they are missing, as long as `go_on` says so.

    A tracker that cannot be written is left for the next sweep, and the others are swept.
    Raises FileNotFoundError where there is no study.
    """
    leases = Leases(open_folder(location))
    if any(is_local(text) for text in leases.others(LEASE).values()):
        fault = "another process writes to the trackers now"
        return [Swept(kind, target, 0, 0, fault) for kind, target in targets.items()]
    leases.beat(LEASE)
    try:
        frames = read(location)
        return [_sweep(frames, kind, target, go_on) for kind, target in targets.items()]
    finally:
        leases.release(LEASE)


def _sweep(frames: StudyFrames, kind: str, target: str, go_on: Callable[[], bool]) -> Swept:
    wanted = ended(frames)
    missing = {name for versions in wanted.values() for name in versions}
    written = 0
    try:
        tracker = _opened(kind, target, frames.locations[0])
        for study, versions in wanted.items():
            missing -= current(versions, tracker.written(study))
        for entry in entries(frames, missing) if missing else ():
            if not go_on():
                break
            tracker.write(entry)
            written += 1
    except Exception as error:  # whatever a client raises: the study goes on without it
        return Swept(kind, target, written, len(missing) - written, _in_words(error))
    return Swept(kind, target, written, len(missing) - written)


def current(versions: Mapping[str, str], there: Mapping[str, str]) -> set[str]:
    """Return the trials of which a tracker holds the newest version.

    What is settled there is never replaced: another folder may hold a failed attempt of it.
    """
    return {name for name in versions if there.get(name) in (SETTLED, versions[name])}


def _opened(kind: str, target: str, location: str) -> Tracker:
    if kind == "mlflow":
        return MlflowTracker(target)
    if kind == "tensorboard":
        return TensorboardTracker(target)
    here = Path.cwd() if is_remote(location) else Path(without_scheme(location))
    return WandbTracker(target, here)


def _in_words(error: Exception) -> str:
    """The first line of what went wrong."""
    text = " ".join(str(error).split()[:40])
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def sentences(outcomes: Iterable[Swept], location: str) -> list[str]:
    """Return what a sweep came to, one sentence per tracker."""
    return [_sentence(one, location) for one in outcomes]


def _sentence(one: Swept, location: str) -> str:
    done = f"{one.kind} ({one.target}): {counted(one.written, 'trial')} written"
    if not one.fault:
        return f"{done}, {one.missing} missing" if one.missing else f"{done}, none missing"
    return f"{done}, {one.missing} missing ({one.fault}); bimp track {location} writes them"
