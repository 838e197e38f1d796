"""Words and units of columns and values, as plain text: what draws it escapes it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Real
from typing import Any, Final

from trainables.config.catalog import METHODS
from trainables.formulas.schedules import RETRAIN_SCHEDULES
from trainables.vocabulary.schema import METRICS, spelled

MISSING: Final = "–"

_WORDS: Final[dict[str, tuple[str, str]]] = {
    "prune.sparsity": ("sparsity", "% of the prunable weights"),
    "prune.cycles": ("number of cycles", "count"),
    "prune.structure": ("structure", ""),
    "retrain.epochs": ("retraining", "epochs"),
    "retrain.budget": ("retraining", "% of the dense epochs"),
    "retrain.discount": ("discount d", "share of the top rate"),
    "retrain.init": ("initial learning rate", "no unit"),
    "retrain.warmup": ("warm-up", "% of the cycle's steps"),
    "retrain.schedule": ("schedule", ""),
    "budget.epochs": ("training budget", "epochs"),
    "budget.dense_fraction": ("dense share of the budget", "%"),
    "dense.epochs": ("dense run", "epochs"),
    "dense.lr": ("dense learning rate", "no unit"),
    "lr": ("learning rate", "no unit"),
    "seed": ("seed", ""),
    "retrain_seed": ("retraining seed", ""),
    "retrain_epochs": ("retraining", "epochs"),
    "epochs": ("training", "epochs"),
    "total_epoch": ("training so far", "epochs"),
    "train_s": ("training time", "seconds"),
    "dense_train_s": ("training time of the dense run", "seconds"),
    "eval_s": ("evaluation time", "seconds"),
    "bn_s": ("time for BatchNorm statistics", "seconds"),
    "wall_s": ("time on the worker", "seconds"),
    "latency_ms": ("measured latency", "ms"),
    "gpu_memory_bytes": ("peak GPU memory", "bytes"),
    "n_parameters": ("parameters", "count"),
    "n_prunable": ("prunable weights", "count"),
    "multiply_adds": ("multiply-adds of the dense model", "count"),
    "sparsity_all_parameters": ("sparsity of all parameters", "%"),
    "d_adaptive": ("adaptive discount", "share of the top rate"),
    "d": ("discount in use", "share of the top rate"),
    "dense.batch_size": ("batch size", "count"),
    "dense.weight_decay": ("weight decay", "no unit"),
    "prune.criterion": ("pruning criterion", ""),
    "prune.scope": ("scope of the prune", ""),
    "retrain.norm": ("norm of the discount", ""),
    "task.dataset": ("data set", ""),
    "task.model": ("model", ""),
    "task.use": ("task", ""),
    "origin.block": ("search", ""),
    "origin.number": ("place in the search", "count"),
}
"""Words and unit of columns that are no metrics, and where a metric's own name says too little."""

_OF_SECTION: Final[dict[str, str]] = {
    "task.dataset.": "of the data set",
    "task.model.": "of the model",
    "task.": "of the task",
    "dense.": "of the dense run",
    "method.": "of the method",
    "prune.": "of the prune",
    "retrain.": "of retraining",
    "budget.": "of the budget",
    "compute.": "of the computation",
}
"""What stands behind the words of a setting without words of its own, by where its key begins."""

_SHARES: Final = frozenset(
    {"prune.sparsity", "retrain.budget", "retrain.warmup", "budget.dense_fraction"}
)
_UNITS: Final = {"1": "ratio", "x": "times", "1/s": "images/s", "s": "seconds", "epoch": "epochs",
                 "step": "steps", "B": "bytes", "nat": "nats"}  # fmt: skip
_COUNTS: Final = frozenset({"n_parameters", "n_prunable", "multiply_adds"})


def brief(text: object, limit: int = 60) -> str:
    """Return text on one line, an overlong one cut."""
    plain = " ".join((_list(text) if isinstance(text, tuple) else str(text)).split())
    return plain if len(plain) <= limit else plain[: limit - 1] + "…"


def _list(values: tuple[Any, ...]) -> str:
    """A list as people write it: `(64)`, `(8, 16)`."""
    return f"({', '.join(brief(value) for value in values)})"


def capital(text: str) -> str:
    """Return text with a capital first letter, the rest as it stands: `Mean IoU`."""
    return text[:1].upper() + text[1:]


def in_percent(column: str) -> bool:
    """Whether a ratio is shown as per cent: accuracies, sparsities and shares of a budget."""
    parts = column.split("_")
    if column in METRICS:
        return METRICS[column].percent or column in _SHARES or "sparsity" in parts
    return column in _SHARES or "accuracy" in parts


def scale(column: str) -> float:
    """Return the factor from a column's stored value to the shown one: 100 or 1."""
    return 100.0 if in_percent(column) else 1.0


def words(column: str) -> str:
    """Return a column's name in words: `test_accuracy` gives `test accuracy`."""
    if column in _WORDS:
        return _WORDS[column][0]
    if pace_of(column):
        return "training speed"
    if column in METRICS:
        parts = ("validation" if part == "val" else part for part in column.split("_"))
        return spelled(column, " ".join(parts))
    for begin, of_it in _OF_SECTION.items():
        if column.startswith(begin):
            return brief(f"{column.removeprefix(begin).replace('_', ' ')} {of_it}")
    return brief(column)


def unit(column: str) -> str:
    """Return the unit in which a column is shown; "" for names."""
    if column in _WORDS:
        return _WORDS[column][1]
    if pace_of(column):
        return f"{pace_of(column)}/s"
    if in_percent(column):
        return "%"
    if column in _COUNTS:
        return "count"
    own = METRICS[column].unit if column in METRICS else None
    return "as configured" if own is None else _UNITS.get(own, own)


def sign(column: str) -> str:
    """Return the short unit of a column, for narrow places: `%` without what it is a share of."""
    long = unit(column)
    return "" if long in ("as configured", "no unit") else long.split(" of ")[0]


def pace_of(column: str) -> str:
    """Return what `train_images_per_s` counts, `images`; "" for other columns."""
    found = _PACE.fullmatch(column)
    return found[1].replace("_", " ") if found else ""


_PACE: Final = re.compile(r"train_(\w+)_per_s")


def axis_title(column: str) -> str:
    """Return an axis title, words with the unit in parentheses."""
    return titled(words(column), unit(column))


def titled(what: str, unit_of_it: str) -> str:
    """Return `what (unit)`, or `what` alone where it has no unit."""
    return f"{what} ({unit_of_it})" if unit_of_it else what


def number(value: float, digits: int = 4) -> str:
    """Return a number with that many significant digits; the missing one as a dash.

    Whole numbers, and what has more digits before the point, have all of these.
    """
    if value is None or not math.isfinite(value):
        return MISSING
    if (value == int(value) or abs(value) >= 10**digits - 0.5) and abs(value) < 1e15:
        return f"{round(value):,}".replace(",", " ").replace("-", "−")
    return f"{value:.{digits}g}".replace("-", "−")


_UNIT: Final = re.compile(r"(?<=\d) (?=[%±]|\d{3}\b)|(?<=[±=]) (?=\d)|(?<=\b[dnp]) (?==)")
"""Spaces that no line ends at: before a per cent sign, around ±, within a number, in `d = 0.5`."""


def unbroken(text: str) -> str:
    """Return text whose numbers no line ends within, nor between them and a per cent sign."""
    return _UNIT.sub("\u00a0", text)


SPOKEN: Final[Mapping[str, str]] = {
    **{name: name.upper() for name in METHODS},
    **{name: name.upper() for name, one in RETRAIN_SCHEDULES.items() if one.title},
}
"""Methods and schedules whose names are abbreviations, as people write them: `ALLR`, `BIMP`."""

_NAMING: Final = frozenset({"retrain.schedule", "method", "of"})
"""Columns, and the control of a figure, whose values are methods or schedules."""


def label(value: Any) -> str:
    """Return a value of a series or category as a label: 1.0 gives `1`, `allr` gives `ALLR`.

    What is missing is a dash.
    """
    if value is None:
        return MISSING
    return number(float(value)) if _is_number(value) else brief(_spoken(value))


def _spoken(value: Any) -> Any:
    """A name as people write it, whatever stands behind it: `DPF (older revision)`."""
    if not isinstance(value, str):
        return value
    name, space, rest = value.partition(" ")
    return f"{SPOKEN.get(name, name)}{space}{rest}" if not rest or rest[0] == "(" else value


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


_SUFFIXES: Final = {"%": " %", "epochs": " epochs", "seconds": " s", "times": " times",
                    "nats": " nats", "points": " points"}  # fmt: skip


def shown(column: str, value: Any) -> str:
    """Return a column's value as a reader wants it: `90 %`, `3 epochs`, `ALLR`."""
    if not _is_number(value):
        own = _spoken(value) if column in _NAMING else value
        return brief(MISSING if own is None else own)
    text = number(float(value) * scale(column))
    own = f" {unit(column)}" if pace_of(column) else ""
    suffix = _SUFFIXES.get(unit(column).split(" ")[0], own)
    if text == MISSING:
        return MISSING
    return f"{text} epoch" if text == "1" and suffix == " epochs" else text + suffix


def points(value: float, digits: int = 2) -> str:
    """Return a signed difference of accuracies, given as ratios, in per cent points."""
    if not math.isfinite(value):
        return MISSING
    text = f"{100 * value:+.{digits}f}".replace("-", "−")
    return text[1:] if float(text[1:]) == 0 else text


def amount(column: str, value: float, std: float = math.nan) -> str:
    """Return a value with its spread and unit, `97.1 ± 0.2 %`; a dash where it is missing."""
    if not math.isfinite(value):
        return MISSING
    factor, of_it = scale(column), sign(column)
    spread = f" ± {number(factor * std, 2)}" if math.isfinite(std) else ""
    return f"{number(factor * value)}{spread} {of_it}".strip()


def difference(column: str, value: float, digits: int = 2) -> str:
    """Return a signed difference of two values of a column, in points where it is in per cent."""
    if in_percent(column):
        return points(value, digits)
    if not math.isfinite(value):
        return MISSING
    text = f"{value:+.{digits + 1}g}".replace("-", "−")
    return text[1:] if float(text[1:]) == 0 else text


def difference_unit(column: str) -> str:
    """Return what differences of a column are counted in: points, its unit, or nothing."""
    return "points" if in_percent(column) else sign(column)


_PHRASES: Final = {
    "prune.sparsity": "{} sparse",
    "retrain.epochs": "{} of retraining",
    "retrain.budget": "retrained for {} of the dense epochs",
    "budget.epochs": "{} in all",
    "task.dataset": "{}",
    "task.model": "{}",
}


def block_words(block: Mapping[str, Any]) -> str:
    """Return a block in words: `90 % sparse, 3 epochs of retraining`; "" for no block."""
    return ", ".join(
        f"no {words(column)}" if value is None else _phrase(column, shown(column, value))
        for column, value in telling(block).items()
    )


def telling(block: Mapping[str, Any]) -> dict[str, Any]:
    """Return of a block what tells it from others; None for a value that is missing.

    A task that has no data set, or a network without widths, is told by what it has. Where it has
    nothing, one of what is missing is kept.
    """
    known = {column: value for column, value in block.items() if not _is_missing(value)}
    lacking = [column for column in block if column not in known]
    told = any(column.startswith("task.") for column in known)
    return {lacking[0]: None, **known} if lacking and not told else known


def _is_missing(value: Any) -> bool:
    return value is None or (_is_number(value) and math.isnan(value))


def _phrase(column: str, value: str) -> str:
    # Never `format`: the names of settings, and their values, may hold braces.
    phrase = _PHRASES.get(column)
    return phrase.replace("{}", value) if phrase else f"{words(column)} {value}"
