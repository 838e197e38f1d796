"""Refusals: pydantic's faults in one plain sentence each."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from trainables.vocabulary.refusal import Refusal, first_refusal, refuse_unknown, shown


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    share: Annotated[float, Field(ge=0, lt=1)] = 0.5
    count: Annotated[int, Field(gt=0, le=9)] = 1
    word: Literal["red", "green"] = "red"
    switch: bool = True
    mixed: float | str = 1.0


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    inner: Inner
    maybe: Inner | None = None
    numbers: Annotated[tuple[int, ...], Field(min_length=2)] = (1, 2)
    text: str = ""

    @model_validator(mode="after")
    def _own_rule(self) -> Outer:
        if self.text == "wrong":
            raise Refusal("text must not be wrong, got 'wrong'")
        return self


def sentence(raw: object, at: str = "") -> str:
    with pytest.raises(ValidationError) as caught:
        Outer.model_validate(raw)
    return str(first_refusal(caught.value, at))


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"inner": {"share": 1}}, "inner.share must be < 1.0, got 1"),
        ({"inner": {"share": -0.5}}, "inner.share must be >= 0.0, got -0.5"),
        ({"inner": {"share": "x"}}, "inner.share must be a number, got 'x'"),
        ({"inner": {"count": 0}}, "inner.count must be > 0, got 0"),
        ({"inner": {"count": 10}}, "inner.count must be <= 9, got 10"),
        ({"inner": {"count": 1.5}}, "inner.count must be a whole number, got 1.5"),
        ({"inner": {"count": "x"}}, "inner.count must be a whole number, got 'x'"),
        ({"inner": {"switch": "x"}}, "inner.switch must be true or false, got 'x'"),
        ({"inner": {"word": "blue"}}, "inner.word must be 'red' or 'green', got 'blue'"),
        ({"inner": {"word": "gren"}},
         "inner.word must be 'red' or 'green', got 'gren'; did you mean green?"),
        ({"inner": 3}, "inner must be a mapping, got 3"),
        ({"inner": {}, "maybe": {"count": 0}}, "maybe.count must be > 0, got 0"),
        ({"inner": {}, "numbers": 3}, "numbers must be a list, got 3"),
        ({"inner": {}, "numbers": [1]}, "numbers must hold 2 or more entries, got [1]"),
        ({"inner": {}, "numbers": [1, "x"]}, "numbers.1 must be a whole number, got 'x'"),
        ({"inner": {}, "text": 3}, "text must be text, got 3"),
        ({"inner": {}, "text": "wrong"}, "text must not be wrong, got 'wrong'"),
        ({}, "inner must be given, got nothing"),
        (3, "the study must be a mapping, got 3"),
    ],
)  # fmt: skip
def test_sentences(raw: object, expected: str) -> None:
    assert sentence(raw) == expected


def test_the_branch_of_a_union_is_no_part_of_the_key() -> None:
    assert sentence({"inner": {"mixed": [1]}}) == "inner.mixed must be a number, got [1]"


def test_the_path_of_the_root_comes_first() -> None:
    assert sentence({"inner": {"count": 0}}, at="task.model").startswith("task.model.inner.count ")


def test_an_unknown_key_is_named_before_what_is_missing() -> None:
    assert sentence({"iner": {}}).startswith("iner must be a known key")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ({"iner": {}}, "iner must be a known key, got {}; did you mean inner?"),
        ({"inner": {"shar": 1}}, "inner.shar must be a known key, got 1; did you mean share?"),
        ({"maybe": {"cout": 1}}, "maybe.cout must be a known key, got 1; did you mean count?"),
        ({"zzz": 1},
         "zzz must be a known key, got 1; known are inner, maybe, numbers, text"),
    ],
)  # fmt: skip
def test_unknown_keys_are_found_in_sections(raw: dict[str, Any], expected: str) -> None:
    with pytest.raises(Refusal) as refused:
        refuse_unknown(Outer, raw)
    assert str(refused.value) == expected


@pytest.mark.parametrize("raw", [{}, {"inner": {"share": "x"}}, {"inner": 3}, 3, None])
def test_known_keys_are_left_to_validation(raw: object) -> None:
    refuse_unknown(Outer, raw)


def test_long_values_are_cut() -> None:
    assert shown("a" * 200) == "'" + "a" * 76 + "..."
    assert shown("a" * 78) == "'" + "a" * 78 + "'"
    assert shown([1, 2]) == "[1, 2]"
