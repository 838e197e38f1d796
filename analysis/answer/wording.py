"""Names, places and numbers as a practitioner says them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from analysis.columns.labels import (
    difference,
    difference_unit,
    in_percent,
    number,
    scale,
    shown,
    sign,
    telling,
    words,
)
from analysis.selection.series import SPARSITY
from trainables.vocabulary.wording import counted

_PLURALS: Final[Mapping[str, str]] = {
    "method": "methods",
    "retrain.schedule": "schedules",
    "prune.structure": "structures",
    "prune.criterion": "criteria",
    "prune.scope": "scopes",
    "retrain.norm": "norms",
    "retrain.discount": "discounts",
    "prune.cycles": "numbers of cycles",
    "budget.dense_fraction": "splits",
}

_SMALL: Final = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine",
                 "ten", "eleven", "twelve")  # fmt: skip


def listed(texts: Sequence[str], last: str = "and") -> str:
    """Return texts as a list in a sentence, `a, b or c`; "" for none."""
    if len(texts) < 2:
        return "".join(texts)
    return f"{', '.join(texts[:-1])} {last} {texts[-1]}"


def in_letters(n: int) -> str:
    """Return a count as a word up to twelve, in digits beyond."""
    return _SMALL[n] if n < len(_SMALL) else str(n)


def kinds(by: str) -> str:
    """Return what the values of a column are called, in the plural."""
    return _PLURALS.get(by, "settings")


def kind(by: str) -> str:
    """Return what one value of a column is called."""
    return {"criteria": "criterion", "numbers of cycles": "number of cycles"}.get(
        kinds(by), kinds(by).removesuffix("s")
    )


def name_of(by: str, value: Any) -> str:
    """Return who is compared by the name that people use: `CLR`, `BIMP`, `2 cycles`."""
    if by in ("retrain.schedule", "method"):
        return shown(by, value)
    if by == "prune.cycles":
        return counted(int(value), "cycle")
    if by == "retrain.discount":
        return "the adaptive discount" if value == "adaptive" else f"d = {number(value, 2)}"
    if isinstance(value, str):
        return value
    return f"{words(by)} {shown(by, value)}"


def names_of(by: str, values: Iterable[Any], last: str = "and") -> str:
    """Return several names as a list: `SLR, CLR and LLR`; `last` stands before the last."""
    return listed([name_of(by, value) for value in values], last)


_PARTS: Final[Mapping[str, str]] = {"budget.epochs": "{} in all"}


def part_words(column: str, value: Any) -> str:
    """Return one part of a place: `95 %`, `20 epochs in all`, `no data set`, `width of the task 4`.

    What a task is called stands for itself; its numbers and lists do not.
    """
    if value is None:
        return f"no {words(column)}"
    text = shown(column, value)
    if column.startswith("task.") and not isinstance(value, str):
        return f"{words(column)} {text}"
    return _PARTS.get(column, "{}").replace("{}", text)


def place_words(at: Mapping[str, Any]) -> str:
    """Return a place as it stands behind "at": `95 % and 3 epochs`; "" for no place."""
    return listed([part_words(c, v) for c, v in telling(at).items()])


def places_words(places: Sequence[Mapping[str, Any]]) -> str:
    """Return several places, budgets gathered by what they share: `80 % (1 and 3 epochs)`."""
    heads = groupby(map(telling, places), key=lambda at: tuple(at.items())[: _depth(at)])
    texts = []
    for head, group in heads:
        rest = [dict(tuple(at.items())[len(head) :]) for at in group]
        budgets = [place_words(one) for one in rest if one]
        before = listed([part_words(c, v) for c, v in head])
        texts.append(f"{before} ({shared_unit(budgets)})" if before and budgets else before or
                     shared_unit(budgets))  # fmt: skip
    return listed(texts)


def _depth(at: Mapping[str, Any]) -> int:
    """How many of a place's parts come up to its sparsity."""
    return list(at).index(SPARSITY) + 1 if SPARSITY in at else 0


def shared_unit(texts: Sequence[str], last: str = "and") -> str:
    """Return a list with the unit that its values share said once: `80, 90 and 95 %`.

    `last` stands before the last: of two ends "to".
    """
    parts = [text.split(" ", 1) for text in texts]
    units = {part[-1].replace("epochs", "epoch") for part in parts}
    if len(texts) > 1 and len(units) == 1 and all(len(part) == 2 for part in parts):
        return f"{listed([number_ for number_, _ in parts], last)} {parts[-1][1]}"
    return listed(texts, last)


def bare(metric: str, value: float) -> str:
    """Return a metric's value without its unit: a tenth of a per cent, or four digits."""
    if in_percent(metric):
        return f"{scale(metric) * value:.1f}"
    return number(value)


def amount(metric: str, value: float) -> str:
    """Return a metric's value with its unit: `94.4 %`."""
    return f"{bare(metric, value)} {sign(metric)}".strip()


def span(metric: str, values: Sequence[float]) -> str:
    """Return from where to where values lie: `94.4 to 94.9 %`, one where they look alike."""
    low, high = bare(metric, min(values)), bare(metric, max(values))
    return f"{low if low == high else f'{low} to {high}'} {sign(metric)}".strip()


def gap(metric: str, value: float) -> str:
    """Return the size of a difference: `9.8 points`."""
    return f"{bare_gap(metric, value)} {difference_unit(metric)}".strip()


def bare_gap(metric: str, value: float) -> str:
    """Return the size of a difference without its unit."""
    return difference(metric, abs(value), 1 if in_percent(metric) else 2).lstrip("+")


def signed_bare_gap(metric: str, value: float) -> str:
    """Return a difference with a minus where it is below zero, without its unit."""
    size = bare_gap(metric, value)
    return f"−{size}" if value < 0 and any(digit in size for digit in "123456789") else size


def signed_gap(metric: str, value: float) -> str:
    """Return a difference with a minus where it is below zero: `−0.3 points`."""
    return f"{signed_bare_gap(metric, value)} {difference_unit(metric)}".strip()


def interval_words(metric: str, lo: float, hi: float) -> str:
    """Return the ends of a difference's interval in brackets: `[−0.3 to 1.1]`; "" without one."""
    digits = 1 if in_percent(metric) else 2
    ends = [difference(metric, end, digits).lstrip("+") for end in (lo, hi)]
    return f" [{ends[0]} to {ends[1]}]" if lo == lo and hi == hi else ""
