"""What a search has asked for, kept beside the records, one small file per configuration.

Written before the first trial of a configuration is handed out. So a run that ends in the middle
forgets none, and a trial that another block, or another space, has run counts in every block that
asked for it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from study.definition.bounds import bounds_of
from study.definition.search import Search
from study.definition.space import Block, trials_of
from study.definition.studyfile import StudyFile
from trainables.config.trial import TrialConfig
from trainables.files.outages import StoreOutage
from trainables.files.readable import listed
from trainables.files.storage import Folder, reason

if TYPE_CHECKING:
    from trainables.files.trial_record import Record

FOLDER: Final = "asked"


@dataclass(frozen=True)
class Point:
    """A configuration that a search has asked for: its block, number, and the values sampled."""

    block_key: str
    number: int
    params: Mapping[str, Any]


def origin_of(
    block: Block, number: int, params: Mapping[str, Any], config: TrialConfig, search: Search
) -> dict[str, Any]:
    """Return where a search's trial comes from, as its record says."""
    origin = {
        "block": dict(block.cell),
        "block_key": block.key,
        "number": number,
        "params": dict(params),
    }
    if search.constraints:
        origin["bounds"] = bounds_of(search.constraints, config.resolved())
    return origin


def remember(folder: Folder, point: Point) -> None:
    """Keep a point in the study folder."""
    data = json.dumps(dict(point.params)).encode()
    folder.write(f"{FOLDER}/{point.block_key}-{point.number}.json", data)


def open_points(
    study: StudyFile, folder: Folder, records: Iterable[Record], wanted: Container[str]
) -> tuple[list[Point], list[str]]:
    """Return the points of the blocks `wanted` of which not every trial has a record of its own.

    And a sentence for each that cannot be read.
    """
    wished = study.replicates if study.search.confirm is None else study.searched
    there: Counter[tuple[str, Any]] = Counter()
    needed: dict[tuple[str, Any], int] = {}
    for record in records:
        replicates = wished.of(record.retrains)
        if "block_key" in record.origin and record.replicate in replicates:
            place = record.origin["block_key"], record.origin.get("number")
            there[place] += 1
            needed[place] = len(replicates)
    points = []
    names, warnings = listed(folder, FOLDER)
    for name in names:
        key, _, number = name.removesuffix(".json").partition("-")
        if key in wanted and number.isdecimal():
            place = key, int(number)
            if there[place] < needed.get(place, 1):
                try:
                    points.append(Point(*place, _params(folder, name)))
                except (FileNotFoundError, StoreOutage):
                    raise
                except (OSError, ValueError) as error:
                    warnings.append(f"{FOLDER}/{name}: cannot be read ({reason(error)})")
    return points, warnings


def _params(folder: Folder, name: str) -> Mapping[str, Any]:
    params = json.loads(folder.read(f"{FOLDER}/{name}"))
    if not isinstance(params, dict):
        raise ValueError(f"must be a mapping of values by key, got {params!r}")
    return params


def under_every_origin(
    study: StudyFile,
    blocks: Mapping[str, Block],
    records: Sequence[Record],
    points: Iterable[Point],
) -> list[Record]:
    """Return the records, those of the points' trials also under the points' own origins."""
    by_fingerprint = {record.fingerprint: record for record in records}
    more = []
    for point in points:
        block = blocks[point.block_key]
        config = block.space.config({**block.cell, **point.params})
        origin = origin_of(block, point.number, point.params, config, study.search)
        for trial in trials_of(config, study.replicates):
            record = by_fingerprint.get(trial.fingerprint)
            if record is not None and not _is_of(record, point):
                more.append(replace(record, origin=origin))
    return [*records, *more]


def _is_of(record: Record, point: Point) -> bool:
    origin = (record.origin.get("block_key"), record.origin.get("number"))
    return origin == (point.block_key, point.number)
