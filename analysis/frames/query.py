"""Rows, columns and groups of a frame by dotted names, as the command line and figures ask.

An expression is read by a small evaluator of its own, never executed as Python, so that one typed
into a dashboard can do nothing but compare columns.
"""

from __future__ import annotations

import ast
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from functools import reduce
from typing import Any

import pandas as pd

from analysis.columns.names import codes, nearest, require_columns
from trainables.formulas.levels import level, levelled

Values = Any
"""What a part of an expression stands for: a column, or a constant."""


def select(frame: pd.DataFrame, columns: Sequence[str]) -> pd.DataFrame:
    """Return the named columns in that order; `prune.*` stands for all that match.

    Raises ValueError, naming the nearest columns, for a name or pattern that matches none.
    """
    chosen: dict[str, None] = {}
    for name in columns:
        matching = [c for c in frame.columns if fnmatchcase(c, name)]
        require_columns(frame, matching or [name])
        chosen.update(dict.fromkeys(matching or [name]))
    return frame[list(chosen)]


def sort(frame: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Return the rows sorted by columns, a leading `-` meaning downwards; missing values last."""
    names = [name.removeprefix("-") for name in by]
    require_columns(frame, names)
    ascending = [not name.startswith("-") for name in by]
    order = frame.sort_values(names, ascending=ascending, kind="stable", key=codes)
    return order.reset_index(drop=True)


def group(frame: pd.DataFrame, by: Sequence[str], metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row per (group, metric): the group, `metric`, then its summary.

    Columns of the summary: mean, std (ddof 1), n, lo, hi, n_missing, n_failed, n_diverged,
    n_stopped. Only trials that are done count in the first five; the interval is Student's t at
    95 % (bootstrap-t for seconds, bytes and rates), missing where n is 1. Missing keys form groups
    of their own.
    """
    from analysis.stats import summaries

    require_columns(frame, [*by, *metrics])
    return sort(summaries(frame, by, metrics), [*by, "metric"])


def where(frame: pd.DataFrame, expression: str) -> pd.DataFrame:
    """Return the rows for which an expression over columns holds.

    `prune.sparsity > 0.8 and retrain.schedule in ["allr", "llr"]`: comparisons, chained ones,
    `and`/`or`/`not` (also `&`, `|`, `~`), arithmetic, `in`, and `.isna()`, `.notna()`,
    `.contains("x")`, `.startswith("x")`. A list on the right of `==` means any of its values. A
    column that mixes numbers and words is ordered by its numbers alone.
    Raises ValueError naming the nearest columns, or what is not understood.
    """
    try:
        mask = _Evaluator(frame, *_parsed(expression)).condition()
    except RecursionError:
        raise ValueError("the expression is nested too deeply") from None
    except ArithmeticError as error:
        raise ValueError(f"cannot compute the expression {expression!r}: {error}") from None
    return frame[mask].reset_index(drop=True)


def names_in(expression: str) -> list[str]:
    """Return the dotted names that stand in an expression, columns or not; [] for an empty one."""
    if not expression.strip():
        return []
    tree, names = _parsed(expression)
    dotted = [n for n in ast.walk(tree) if isinstance(n, ast.Name | ast.Attribute)]
    return [names.get(text, text) for text in map(ast.unparse, dotted)]


_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|`([^`]*)`|([&|])""")


def _parsed(expression: str) -> tuple[ast.expr, dict[str, str]]:
    """Return the syntax tree, and the column that each placeholder for `backticks` stands for."""
    names: dict[str, str] = {}

    def replaced(match: re.Match[str]) -> str:
        text, column, sign = match.groups()
        if text is not None:
            return str(text)
        if sign is not None:
            return " and " if sign == "&" else " or "
        names[f"_column_{len(names)}"] = column
        return f"_column_{len(names) - 1}"

    try:
        return ast.parse(_QUOTED.sub(replaced, expression).strip(), mode="eval").body, names
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else error
        raise ValueError(f"cannot read the expression {expression!r}: {reason}") from None


_COMPARISONS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_ARITHMETIC: Mapping[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}


def _of_text(test: Callable[[str, str], bool]) -> Callable[..., pd.Series[Any]]:
    """A method of a column that tests its words against a text; numbers do not pass."""
    return lambda column, text: column.map(
        lambda value: isinstance(value, str) and test(value, text)
    ).astype(bool)


def _between(column: pd.Series[Any], low: float, high: float) -> pd.Series[Any]:
    return pd.to_numeric(column, errors="coerce").between(low, high)


_METHODS: Mapping[str, tuple[Callable[..., pd.Series[Any]], tuple[Any, ...]]] = {
    "isna": (lambda column: column.isna(), ()),
    "notna": (lambda column: column.notna(), ()),
    "contains": (_of_text(operator.contains), (str,)),
    "startswith": (_of_text(str.startswith), (str,)),
    "isin": (lambda column, values: column.isin(list(values)), (list | tuple,)),
    "between": (_between, (int | float, int | float)),
}
"""Methods of a column, and the types of their arguments."""


class _Evaluator:
    """Evaluates one parsed expression over a frame's columns."""

    def __init__(self, frame: pd.DataFrame, tree: ast.expr, names: Mapping[str, str]) -> None:
        self.frame = frame
        self.tree = tree
        self.names = names

    def condition(self) -> pd.Series[bool]:
        return self._truth(self.tree)

    def _truth(self, node: ast.expr) -> pd.Series[bool]:
        """The rows for which a part holds; ValueError when it is no condition."""
        value = self._value(node)
        if isinstance(value, bool):
            return pd.Series(value, index=self.frame.index, dtype=bool)
        if isinstance(value, pd.Series):
            if value.dtype == bool:
                return value
            if value.isin([True, False]).all():
                return value.astype(bool)
            if value.dropna().map(lambda one: isinstance(one, bool)).all():
                return value.isin([True])  # a setting that some trials do not have
        raise ValueError(
            f"{self._shown(node)} is not a condition; compare it, as in prune.sparsity > 0.8"
        )

    def _shown(self, node: ast.AST) -> str:
        text = ast.unparse(node)
        for placeholder, column in self.names.items():
            text = text.replace(placeholder, column)
        return repr(text)

    def _value(self, node: ast.expr) -> Values:
        match node:
            case ast.Constant(value=value) if isinstance(value, bool | int | float | str):
                return levelled(value)
            case ast.List(elts=items) | ast.Set(elts=items):
                return [self._value(item) for item in items]
            case ast.Tuple(elts=items):
                return tuple(self._value(item) for item in items)
            case ast.Name() | ast.Attribute():
                return self._column(node)
            case ast.BoolOp(op=ast.And(), values=parts):
                return reduce(operator.and_, map(self._truth, parts))
            case ast.BoolOp(values=parts):
                return reduce(operator.or_, map(self._truth, parts))
            case ast.UnaryOp(op=ast.Not() | ast.Invert(), operand=part):
                return ~self._truth(part)
            case ast.UnaryOp(op=ast.USub(), operand=part):
                return -self._number(part)
            case ast.BinOp(left=left, op=sign, right=right) if type(sign) in _ARITHMETIC:
                return _level(_ARITHMETIC[type(sign)](self._number(left), self._number(right)))
            case ast.Compare():
                return self._comparison(node)
            case ast.Call(func=ast.Attribute() as function, args=arguments, keywords=[]):
                return self._call(function, arguments)
        raise ValueError(f"{self._shown(node)} is not understood in an expression")

    def _column(self, node: ast.expr) -> pd.Series[Any]:
        dotted = self.names.get(ast.unparse(node), ast.unparse(node))
        if dotted in self.frame.columns:
            return self.frame[dotted]
        hint = nearest(dotted, self.frame.columns)
        raise ValueError(f"unknown column {dotted!r}; {hint}; a text value needs quotes")

    def _number(self, node: ast.expr) -> Values:
        value = self._value(node)
        numeric = pd.api.types.is_numeric_dtype(value) if isinstance(value, pd.Series) else (
            isinstance(value, int | float)
        )  # fmt: skip
        if not numeric:
            raise ValueError(f"{self._shown(node)} is not a number")
        return value

    def _call(self, function: ast.Attribute, arguments: list[ast.expr]) -> pd.Series[Any]:
        owner = function.value
        if isinstance(owner, ast.Attribute) and owner.attr == "str":
            owner = owner.value
        values = [self._value(argument) for argument in arguments]
        method, kinds = _METHODS.get(function.attr, (None, ()))
        fits = len(values) == len(kinds) and all(
            isinstance(value, kind) for kind, value in zip(kinds, values, strict=True)
        )
        if method is None or not fits:
            known = (
                ".isna(), .notna(), .contains(text), .startswith(text), .isin(list),"
                " .between(low, high)"
            )
            raise ValueError(f"{self._shown(function)} is not understood; known are {known}")
        return method(self._column(owner), *values)

    def _comparison(self, node: ast.Compare) -> Values:
        parts = [node.left, *node.comparators]
        pairs = zip(parts, node.ops, parts[1:], strict=False)
        return reduce(operator.and_, (self._compare(*pair) for pair in pairs))

    def _require_alike(self, node: ast.expr, value: Values, other: Values) -> None:
        """Refuse a column of numbers against a text, and one of words against a number: no row
        would ever fit."""
        if not isinstance(value, pd.Series) or value.dropna().empty:
            return
        given = list(other) if isinstance(other, list | tuple | set) else [other]
        if not given or not all(isinstance(one, bool | int | float | str) for one in given):
            return
        texts = sum(isinstance(one, str) for one in given)
        if pd.api.types.is_numeric_dtype(value) and texts == len(given):
            raise ValueError(f"{self._shown(node)} holds numbers, and no text such as {given[0]!r}")
        words = value.dropna().map(lambda one: isinstance(one, str)).all()
        if words and not texts:
            raise ValueError(f"{self._shown(node)} holds words, and no number such as {given[0]}")

    def _compare(self, left: ast.expr, sign: ast.cmpop, right: ast.expr) -> Values:
        one, other = self._value(left), self._value(right)
        if isinstance(sign, ast.Eq | ast.NotEq | ast.In | ast.NotIn):
            self._require_alike(left, one, other)
            self._require_alike(right, other, one)
        if isinstance(one, pd.Series) and isinstance(other, list | tuple):
            return _among(one, sign, other)
        if isinstance(sign, ast.In | ast.NotIn | ast.Is | ast.IsNot):
            raise ValueError(f"{self._shown(right)} is not a list of values")
        if not isinstance(sign, ast.Eq | ast.NotEq):
            one, other = _comparable(one, other), _comparable(other, one)
        try:
            return _COMPARISONS[type(sign)](one, other)
        except TypeError:
            raise ValueError(
                f"{self._shown(left)} and {self._shown(right)} cannot be compared"
            ) from None


def _among(column: pd.Series[Any], sign: ast.cmpop, values: list[Any] | tuple[Any, ...]) -> Values:
    """`in` and a list's `==` mean any of its values; a tuple's `==` means that very tuple."""
    if isinstance(values, tuple) and isinstance(sign, ast.Eq | ast.NotEq):
        mask = column.map(lambda value: value == values).astype(bool)
    elif isinstance(sign, ast.Eq | ast.NotEq | ast.In | ast.NotIn):
        mask = column.isin(list(values))
    else:
        raise ValueError(f"a list {list(values)!r} cannot be ordered; use in or ==")
    return ~mask if isinstance(sign, ast.NotEq | ast.NotIn) else mask


def _level(value: Values) -> Values:
    """A computed number, or column of them, without what rounding adds: 1 - .7 is .3."""
    if isinstance(value, pd.Series) and pd.api.types.is_float_dtype(value):
        return value.map(level)
    return levelled(value)


def _comparable(value: Values, other: Values) -> Values:
    """A column of mixed types as numbers, where it is ordered against a number."""
    is_number = isinstance(other, int | float) and not isinstance(other, bool)
    if isinstance(value, pd.Series) and value.dtype == object and is_number:
        return pd.to_numeric(value, errors="coerce")
    return value
