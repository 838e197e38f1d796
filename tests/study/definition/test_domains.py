"""Domains: what they hold, and what is taken for one."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from study.definition.domains import Domain, is_domain, parse, refuse_near_domain
from trainables.vocabulary.refusal import Refusal


@pytest.mark.parametrize(
    ("raw", "kind", "values", "sampled"),
    [
        ({"grid": [3, 1, 2]}, "grid", (3, 1, 2), False),
        ({"grid": [[8], [16]]}, "grid", ([8], [16]), False),
        ({"choice": ["a", {"name": "b"}]}, "choice", ("a", {"name": "b"}), True),
        ({"uniform": [0, 1]}, "uniform", (0.0, 1.0), True),
        ({"loguniform": [0.001, 1]}, "loguniform", (0.001, 1.0), True),
        ({"int": [1, 3.0]}, "int", (1, 3), True),
    ],
)
def test_parsing(raw: dict[str, Any], kind: str, values: tuple[Any, ...], sampled: bool) -> None:
    domain = parse("key", raw)
    assert (domain.kind, domain.values, domain.sampled) == (kind, values, sampled)
    assert [type(v) for v in domain.values] == [type(v) for v in values]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"grid": []}, r"key\.grid must have at least one value, got \[\]"),
        ({"choice": 3}, r"key\.choice must be a list, got 3"),
        ({"grid": "abc"}, r"key\.grid must be a list, got 'abc'"),
        ({"grid": [1, 1.0]}, r"key\.grid must not repeat a value"),
        ({"grid": [{"choice": [1]}, 2]}, r"key\.grid must hold values, not domains"),
        ({"uniform": [1, 1]}, r"key\.uniform must have low < high, got \[1, 1\]"),
        ({"uniform": [2, 1]}, r"key\.uniform must have low < high, got \[2, 1\]"),
        ({"uniform": [0, 1, 2]}, r"key\.uniform must be two numbers"),
        ({"uniform": [False, True]}, r"key\.uniform must be two numbers"),
        ({"uniform": [0, float("inf")]}, r"key\.uniform must be two numbers"),
        ({"uniform": [0, float("nan")]}, r"key\.uniform must be two numbers"),
        ({"loguniform": [-1, 1]}, r"key\.loguniform must have low > 0, got \[-1, 1\]"),
        ({"int": [0, 1.5]}, r"key\.int must be two whole numbers, got \[0, 1\.5\]"),
    ],
)
def test_what_is_refused(raw: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal, match=message):
        parse("key", raw)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"grid": []}, True),
        ({"int": [1, 2]}, True),
        ({"grid": [1], "choice": [2]}, False),
        ({"name": "cnn"}, False),
        ({}, False),
        (["grid"], False),
        ("grid", False),
    ],
)
def test_what_is_a_domain(value: object, expected: bool) -> None:
    assert is_domain(value) is expected


@pytest.mark.parametrize(
    ("domain", "inside", "outside"),
    [
        (Domain("grid", (1, 2)), [1, 2, 1.0], [0, 1.5, "1"]),
        (Domain("choice", ("a", "b")), ["a"], ["c", 1]),
        (Domain("uniform", (0.0, 1.0)), [0, 0.5, 1.0], [-1e-9, 1.0000001, True, "0.5", None]),
        (Domain("int", (1, 3)), [1, 2.0, 3], [0, 4, 1.5, True, "2"]),
    ],
)
def test_what_a_domain_holds(domain: Domain, inside: list[Any], outside: list[Any]) -> None:
    assert all(domain.holds(value) for value in inside)
    assert not any(domain.holds(value) for value in outside)


@given(st.integers(-1000, 1000), st.integers(1, 1000))
def test_bounds_are_held_and_what_is_beyond_is_not(low: int, width: int) -> None:
    domain = parse("key", {"int": [low, low + width]})
    assert domain.holds(low)
    assert domain.holds(low + width)
    assert not domain.holds(low - 1)
    assert not domain.holds(low + width + 1)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"grid": [1], "choice": [2]}, "prune.sparsity must have only one of grid"),
        ({"gird": [1]}, "got 'gird'; did you mean grid?"),
        ({"chioce": [1]}, "got 'chioce'; did you mean choice?"),
        ({"loguniforn": [1, 2]}, "got 'loguniforn'; did you mean loguniform?"),
    ],
)
def test_near_domains_are_refused(value: dict[str, Any], message: str) -> None:
    with pytest.raises(Refusal) as refused:
        refuse_near_domain("prune.sparsity", value)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("retrain", {"init": [1]}),
        ("task.model", {"name": "mlp", "gird": [1]}),
        ("task.model", {"hidden": [1]}),
        ("prune.sparsity", {"gird": 1}),
    ],
)
def test_sections_are_not_taken_for_domains(key: str, value: dict[str, Any]) -> None:
    refuse_near_domain(key, value)
