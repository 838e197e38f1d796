"""What the nodes of a cluster are asked before a study runs there, and what follows from it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from study.definition.locations import folder_of, held_study, opened, store_of
from study.definition.own_code import kept_code
from study.definition.studyfile import Data, StudyFile
from study.machines.node_rows import NodeRow, node_rows
from study.points.resolve import resolve
from study.points.resolved_study import ResolvedStudy
from trainables.config.settings import FactsMissing
from trainables.config.trial import TrialConfig
from trainables.files import token
from trainables.files.records import StudyFolder
from trainables.files.storage import Folder, open_folder
from trainables.files.trial_record import Record
from trainables.jobs.job import Context
from trainables.jobs.provenance import versions
from trainables.vocabulary.homes import expanded
from trainables.vocabulary.refusal import Refusal
from trainables.workers.inspection import Inspection


def inspection(
    context: Context, configs: Iterable[TrialConfig], records: Iterable[Record]
) -> Inspection:
    """Return what a study asks of its nodes: its folders, its data and its share of a GPU.

    `records` of earlier trials tell how much of a GPU's memory one takes.
    """
    taken = (r.metrics.get("gpu_memory_bytes", 0.0) for r in records) if context.gpus else ()
    return Inspection(
        versions=context.versions,
        folder=context.folder,
        store=context.store,
        token=context.token,
        data_root=context.data_root,
        data=_data_sets(configs),
        gpus=context.gpus,
        gpu_bytes=int(max(taken, default=0.0)),
    )


def _data_sets(configs: Iterable[TrialConfig]) -> tuple[tuple[str, dict[str, Any]], ...]:
    """The catalog's data sets that configurations name, each once."""
    choices = (config.catalog_dataset for config in configs)
    named = [(choice.name, dict(choice.parameters)) for choice in choices if choice is not None]
    distinct = {json.dumps(one, sort_keys=True, default=str): one for one in named}
    return tuple(distinct.values())


def checkup(out: str | None, data_root: Path | None) -> list[NodeRow]:
    """Return a row for each node of the cluster that this process has joined.

    With `out` it is looked at for that folder, and for the study that was last run there if there
    is one: whether nodes share it and its store, have its data and devices. A token is left in them
    meanwhile. Refusal where the folder cannot be written from here.
    """
    root = expanded(data_root or Data().root).absolute()
    if out is None:
        return node_rows(Inspection(versions(), data_root=str(root)))
    study, resolved = _study_in(out)
    folder = StudyFolder(folder_of(study, out))
    store = store_of(study, folder)
    context = Context(
        study=study.name,
        folder=folder.location,
        store=store,
        data_root=str(root if data_root else study.data.folder),
        gpus=study.resources.gpus,
        token=token.new_token(),
        versions=versions(),
    )
    configs = _representatives(resolved) if resolved else ()
    records = folder.records().records if study.resources.gpus else []
    with _tokens(context):
        return node_rows(
            inspection(context, configs, records), study.resources.cpus * study.processes
        )


def _study_in(out: str) -> tuple[StudyFile, ResolvedStudy | None]:
    """The study that a folder was last run as; one of no trials where there is none yet."""
    folder = opened(folder_of(StudyFile(name="none"), out), "--out")
    try:
        text = folder.read("study.yaml").decode()
    except FileNotFoundError:
        return StudyFile(name="none"), None
    except OSError as error:
        raise Refusal(f"--out must be a folder that can be read, got {out} ({error})") from error
    study = held_study(text, out, "--out")
    return study, resolve(study, kept_code(folder.read))


def _representatives(resolved: ResolvedStudy) -> Sequence[TrialConfig]:
    """The configurations that name all data sets; none where only the user's code knows them."""
    try:
        return resolved.representatives
    except FactsMissing:
        return ()


@contextmanager
def _tokens(context: Context) -> Iterator[None]:
    """Within this context the folders hold the token of the context."""
    folders: list[Folder] = [
        open_folder(place) for place in token.places(context.folder, context.store).values()
    ]
    try:
        for folder in folders:
            token.leave(folder, context.token)
    except OSError as error:
        raise Refusal(
            f"--out must be a folder that can be written, got {context.folder} ({error})"
        ) from error
    try:
        yield
    finally:
        for folder in folders:
            token.take_away(folder, context.token)


def rows_seen_twice(
    question: Inspection, cpus: float, store_answers: Callable[[], None]
) -> list[NodeRow]:
    """Return a row for each node; those on which trials cannot run are looked at once more.

    A store that is out for a moment is out for every node, and a node that is gone by then has no
    row. `store_answers` returns once the driver itself can write.
    """
    rows = node_rows(question, cpus)
    if all(row.usable for row in rows):
        return rows
    store_answers()
    again = node_rows(question, cpus, {row.node for row in rows if not row.usable})
    later = {row.node: row for row in again}
    return [later.get(row.node, row) for row in rows if row.usable or row.node in later]


def left_out(rows: Iterable[NodeRow]) -> dict[str, str]:
    """Return the nodes of a trial's size on which none can run, each with the first reason."""
    return {
        row.node: next(one.fault for one in row.faults if one.needed)
        for row in rows
        if row.fits and not row.usable
    }


def require_a_node(rows: Sequence[NodeRow]) -> None:
    """Refuse a cluster on whose nodes of a trial's size none can run; one may grow without any."""
    large = [row for row in rows if row.fits]
    if large and not any(row.usable for row in large):
        first = next(one for row in large for one in row.faults if one.needed)
        raise Refusal(first.fault)
