"""What a search has come to: in each block the configurations that no other one beats."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from study.definition.replicates import Replicate
from study.definition.studyfile import StudyFile
from study.points.winners import beyond
from trainables.vocabulary.declarations import Declarations
from trainables.vocabulary.schema import METRICS
from trainables.vocabulary.wording import counted

if TYPE_CHECKING:
    from trainables.files.trial_record import Record

MOST_SHOWN = 20


@dataclass(frozen=True)
class BestConfiguration:
    """One configuration of a search with its means over all seeds.

    `block` are the values of the grids, `params` those that were sampled. `means` are by metric:
    the objectives, the metrics with bounds, and the deciding metric on test, which chooses nothing.
    `within`: whether every seed is within the bounds.
    """

    method: str
    block: Mapping[str, Any]
    params: Mapping[str, Any]
    means: Mapping[str, float]
    within: bool = True


def unbeaten(
    study: StudyFile, wanted: Container[str], records: Iterable[Record]
) -> list[list[BestConfiguration]]:
    """Return for each of the blocks with these keys its unbeaten configurations.

    They stand in the order of the first objective, the best first. One objective has one best
    configuration (several when they tie); several have a front. Configurations with a seed that is
    missing or did not end well are left out, and those beyond a bound of the search where others of
    their block are within.
    """
    objectives = study.search.objectives
    blocks: dict[str, list[tuple[float, BestConfiguration]]] = {}
    searched = [r for r in records if r.origin.get("block_key") in wanted]
    for (block, _), found in _configurations(searched).items():
        retrains = next(iter(found.values())).retrains
        ends = [found.get(replicate) for replicate in study.replicates.of(retrains)]
        done = [r for r in ends if r is not None and r.state == "done"]
        if len(done) == len(ends) and all(o in r.metrics for o in objectives for r in done):
            reported = f"test_{Declarations.of(done[0].declared).deciding}"
            metrics = list(dict.fromkeys([*objectives, *study.search.constraints, reported]))
            excess = beyond(study.search, done[0].config, done)
            blocks.setdefault(block, []).append((excess, _means(done, metrics, excess <= 0)))
    return [_unbeaten(_nearest(entries), objectives) for entries in blocks.values()]


def _nearest(entries: Sequence[tuple[float, BestConfiguration]]) -> list[BestConfiguration]:
    """Those within their bounds; where there are none, those that are least beyond them."""
    least = min(beyond for beyond, _ in entries)
    return [f for beyond, f in entries if beyond == least]


def _configurations(records: Iterable[Record]) -> dict[tuple[str, int], dict[Replicate, Record]]:
    """Each configuration's records by replicate; blocks in the order of their grids' values."""
    grouped: dict[tuple[str, int], dict[Replicate, Record]] = {}
    for r in sorted(records, key=lambda r: (_sortable(r.origin["block"]), r.origin["number"])):
        grouped.setdefault((r.origin["block_key"], r.origin["number"]), {})[r.replicate] = r
    return grouped


def _sortable(block: Mapping[str, Any]) -> list[tuple[bool, float, str]]:
    """Numbers by size, everything else by its text."""
    return [
        (False, v, "") if isinstance(v, int | float) else (True, 0.0, str(v))
        for v in block.values()
    ]


def _means(done: Sequence[Record], metrics: Iterable[str], within: bool) -> BestConfiguration:
    means = {
        m: fmean(r.metrics[m] for r in done) for m in metrics if all(m in r.metrics for r in done)
    }
    first = done[0]
    method = str(first.config.get("method", {}).get("name", ""))
    return BestConfiguration(method, first.origin["block"], first.origin["params"], means, within)


def _unbeaten(
    complete: Sequence[BestConfiguration], objectives: Mapping[str, str]
) -> list[BestConfiguration]:
    """Those that no other beats: as good in every objective and better in one."""
    signs = {name: 1.0 if way == "max" else -1.0 for name, way in objectives.items()}
    scores = [[signs[o] * f.means[o] for o in objectives] for f in complete]
    front = [
        (score, f)
        for score, f in zip(scores, complete, strict=True)
        if not any(_beats(other, score) for other in scores)
    ]
    return [f for _, f in sorted(front, key=lambda pair: pair[0], reverse=True)]


def _beats(a: Sequence[float], b: Sequence[float]) -> bool:
    return a != b and all(x >= y for x, y in zip(a, b, strict=True))


def table(study: StudyFile, blocks: Iterable[Iterable[BestConfiguration]]) -> str:
    """Return each block's unbeaten configurations as a plain table; "" when there are none."""
    from tabulate import tabulate

    every = [f for block in blocks for f in block]
    if not every:
        return ""
    rows, names = _rows(every[:MOST_SHOWN])
    lines = [_caption(study), "", tabulate(rows, headers=names, disable_numparse=True)]
    if (more := len(every) - MOST_SHOWN) > 0:
        lines.append(f"... and {more} more")
    if not all(f.within for f in every):
        lines += ["", "* beyond a bound, as is every configuration there."]
    if on_test := [name for name in names if name in METRICS and METRICS[name].on_test]:
        lines += ["", f"Nothing is chosen by {', '.join(on_test)}."]
    return "\n".join([*lines, ""])


def _rows(configurations: Sequence[BestConfiguration]) -> tuple[list[list[str]], list[str]]:
    """Cells and their headings; the methods only where there are several."""
    several = len({f.method for f in configurations}) > 1
    keys = list(
        dict.fromkeys(k for f in configurations for k in (*f.block, *f.params) if k != "method")
    )
    metrics = list(dict.fromkeys(m for f in configurations for m in f.means))
    rows = [
        [f.method] * several
        + [_value({**f.block, **f.params}.get(k, "-")) for k in keys]
        + [_mean(m, f.means.get(m)) + ("" if f.within else " *") for m in metrics]
        for f in configurations
    ]
    return rows, ["method"] * several + keys + metrics


def _caption(study: StudyFile) -> str:
    what = "best" if len(study.search.objectives) == 1 else "unbeaten"
    aims = ", ".join(f"{name} {way}" for name, way in study.search.objectives.items())
    over = counted(len(study.seeds), "seed")
    if study.retrains_one_network:
        over = f"{counted(len(study.seeds), 'retraining')} of one dense network"
    if (again := len(study.retrain_seeds)) > 1:
        over += f", {again} retrainings of each"
    return f"{what.capitalize()} configurations of each search by {aims}; means over {over}"


def _value(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _mean(metric: str, value: float | None) -> str:
    if value is None:
        return "-"
    in_per_cent = metric in METRICS and METRICS[metric].percent
    return f"{100 * value:.2f} %" if in_per_cent else f"{value:.4g}"
