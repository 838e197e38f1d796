"""The whole answer of a study: from its folders, or from frames that were read already."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import pandas as pd

from analysis.answer.advice import advice
from analysis.answer.basis import basis
from analysis.answer.bests import PARTS, bests, is_split
from analysis.answer.card import card
from analysis.answer.costs import costs
from analysis.answer.front import front
from analysis.answer.leads import first_by_rank, lead, tasks
from analysis.answer.regrets import regrets
from analysis.answer.statements import Answer, Counts, most_seeds
from analysis.answer.wording import name_of
from analysis.columns.roles import REPORTED
from analysis.figures.discount import DISCOUNT
from analysis.findings.resolution import seeds_sentence
from analysis.frames.study_frames import StudyFrames, read
from analysis.selection.likeness import likeness_sentence
from analysis.selection.networks import seeds_note
from analysis.selection.objectives import declared_objectives
from analysis.selection.series import comparable, each_once, values
from analysis.selection.settings import configurations
from analysis.stats import FEWEST_SEEDS
from trainables.files.progress import live_run
from trainables.files.progress import read as read_progress
from trainables.files.trust import received

MANY_PLACES = 200
"""With more places than this sparsity or budget were sampled: nobody meets anybody in one."""


def answer_of(
    frame: pd.DataFrame,
    settings: Mapping[str, Mapping[str, Any]] | None = None,
    *,
    wanted: int | None = None,
    running: bool = False,
    most_places: int = MANY_PLACES,
    margin: float | None = None,
) -> Answer:
    """Return what a trials frame answers.

    `settings` are what the study files say, by location; `wanted` how many trials the run was to
    settle, and `running` whether one is at work. With more places than `most_places` no place is
    spoken of by itself. `margin` is the difference that does not matter, in the shown unit of what
    is reported: half a point of a per cent unless given, and else no likeness is claimed.
    """
    trials, files = comparable(frame), dict(settings or {})
    each = each_once(frame)
    ground = basis(trials)
    counts = counts_of(each, wanted, running)
    if ground is None:
        return Answer(card(trials, files, None), counts, margin=margin)
    regret = regrets(trials)
    elsewhere = (regret and ground.by == DISCOUNT) or (is_split(trials) and ground.by in PARTS)
    if elsewhere or len(ground.names) < 2:
        # What is compared is what they speak of, or nothing is: the rest is about the whole.
        ground = basis(trials, _whole(trials)) or ground
    firsts = [(task, first_by_rank(ground, task)) for task in tasks(ground)]
    leads = (lead(ground, task, first) for task, first in firsts)
    aims = declared_objectives(files, trials)  # where there are several, no one setting is best
    sampled = len(trials[list(ground.places)].drop_duplicates()) > most_places
    given = [] if sampled else advice(ground)
    judging = most_seeds(given)
    known = judging is None or judging >= FEWEST_SEEDS
    sized = known and not (sampled or aims)  # two seeds know no spread
    return Answer(
        card(trials, files, ground),
        counts,
        tuple(given),
        tuple(one for one in leads if one is not None),
        tuple(c for task, first in firsts if first for c in costs(ground, first[0], task)),
        tuple(regret),
        tuple([] if aims or any(one.why is None for one in regret) else bests(ground)),
        front(trials, aims),
        seeds_note(each),
        margin,
        likeness_sentence(trials, REPORTED, margin, ground.by, name_of) if sized else "",
        seeds_sentence(trials, margin) if sized else "",
    )


def _whole(trials: pd.DataFrame) -> str:
    """What names all trials of a study whose settings alone differ: its schedule, or its method."""
    schedules = values(trials, "retrain.schedule")
    return "retrain.schedule" if len(schedules) == 1 and _one_method(trials) else "method"


def _one_method(trials: pd.DataFrame) -> bool:
    return values(trials, "method") == ["imp"]


def counts_of(trials: pd.DataFrame, wanted: int | None = None, running: bool = False) -> Counts:
    """Return how far a study is."""
    states = dict(trials["state"].value_counts()) if len(trials) else {}
    collapsed = 0
    if "collapsed_layers" in trials and len(trials):
        done = trials[trials["state"] == "done"]
        collapsed = int((done["collapsed_layers"] > 0).sum())
    return Counts(
        len(trials),
        {str(state): int(n) for state, n in states.items()},
        configurations(trials).nunique() if len(trials) else 0,
        tuple(map(int, values(trials, "seed"))),
        collapsed,
        wanted,
        running,
    )


def answer(study: StudyFrames, margin: float | None = None) -> Answer:
    """Return what a study that was read answers, and whether it is at its end.

    `margin` as in `answer_of`.
    """
    wanted, running = 0, False
    now = datetime.now(UTC)
    for location in study.locations:
        folder = received(location)
        live = live_run(folder, now)
        running = running or (live is not None and not live.fault)
        latest = read_progress(folder)
        wanted += latest.wanted if latest is not None else 0
    return answer_of(
        study.trials, study.settings, wanted=wanted or None, running=running, margin=margin
    )


def answer_in(
    *locations: str,
    margin: float | None = None,
    warn: Callable[[str], object] | None = None,
) -> Answer:
    """Return what the study folders answer; FileNotFoundError where no study is.

    `margin` as in `answer_of`; `warn` is told each thing that could not be read.
    """
    study = read(*locations)
    found = answer(study, margin)
    if warn is not None:
        for sentence in study.warnings:
            warn(sentence)
    return found
