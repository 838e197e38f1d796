"""Keywords of the user's code: what each type accepts, what is refused, and in which words."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path
from typing import Any, Literal

import pytest
from torch import Tensor

from trainables.tasks.keywords import arguments, defaults, resolved
from trainables.vocabulary.refusal import Refusal


class Colour(enum.Enum):
    RED = "red"
    BLUE = "blue"


@dataclasses.dataclass
class Size:
    height: int


class Typed:
    """One keyword of every kind that a study file can hold."""

    def __init__(
        self,
        root: Path,
        width: int = 16,
        rate: float = 0.5,
        flag: bool = False,
        text: str = "x",
        kind: Literal["mean", "sum"] = "mean",
        widths: list[int] = [1, 2],  # noqa: B006 (what users write)
        pair: tuple[int, float] = (1, 2.0),
        depth: int | None = None,
        folder: Path = Path("data"),
        shares: dict[str, float] = {},  # noqa: B006
        pooling: float | Literal["auto"] = "auto",
        colour: Colour = Colour.RED,
        size: Size = Size(2),  # noqa: B008
        anything: Any = None,
        *arguments: int,
        **keywords: int,
    ) -> None: ...


DEFAULTS = {
    "width": 16, "rate": 0.5, "flag": False, "text": "x", "kind": "mean", "widths": [1, 2],
    "pair": [1, 2.0], "depth": None, "folder": "data", "shares": {}, "pooling": "auto",
    "colour": "red", "size": {"height": 2}, "anything": None,
}  # fmt: skip


def test_what_is_left_out_takes_its_default_and_all_is_plain_data() -> None:
    assert resolved(Typed, {}, "task") == DEFAULTS


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("width", 8, 8),
        ("width", 8.0, 8),  # a domain may hand out whole numbers as floats
        ("width", "8", 8),
        ("rate", 1, 1.0),
        ("flag", True, True),
        ("kind", "sum", "sum"),
        ("widths", [3, 4.0], [3, 4]),
        ("widths", (3,), [3]),
        ("pair", [2, 3], [2, 3.0]),
        ("depth", 3, 3),
        ("depth", None, None),
        ("folder", "~/images", "~/images"),
        ("shares", {"a": 1}, {"a": 1.0}),
        ("pooling", 2, 2.0),
        ("colour", "blue", "blue"),
        ("size", {"height": "4"}, {"height": 4}),
        ("anything", {"a": [1, None, True]}, {"a": [1, None, True]}),
    ],
)
def test_a_value_is_converted_to_its_type(name: str, given: Any, expected: Any) -> None:
    value = resolved(Typed, {name: given}, "task")[name]
    assert value == expected
    assert type(value) is type(expected)


NAMES = ", ".join(DEFAULTS)


@pytest.mark.parametrize(
    ("name", "given", "sentence"),
    [
        ("width", 1.5, "task.width must be a whole number, got 1.5"),
        ("width", "wide", "task.width must be a whole number, got 'wide'"),
        ("width", True, "task.width must be a number, got True"),
        ("width", None, "task.width must be a whole number, got None"),
        ("rate", False, "task.rate must be a number, got False"),
        ("rate", float("nan"), "task.rate must be a finite number, got nan"),
        ("flag", "perhaps", "task.flag must be true or false, got 'perhaps'"),
        ("text", 3, "task.text must be text, got 3"),
        ("kind", "summ", "task.kind must be 'mean' or 'sum', got 'summ'; did you mean sum?"),
        ("widths", 3, "task.widths must be a list, got 3"),
        ("widths", [1, "x"], "task.widths.1 must be a whole number, got 'x'"),
        ("widths", [1, True], "task.widths.1 must be a number, got True"),
        ("depth", True, "task.depth must be a number, got True"),
        ("shares", {"a": True}, "task.shares.a must be a number, got True"),
        ("pooling", True, "task.pooling must be a number, got True"),
        ("anything", float("inf"), "task.anything must be a finite number, got inf"),
        ("anything", [float("nan")], "task.anything.0 must be a finite number, got nan"),
        ("anything", {1, 2}, "task.anything must be typed as a list or tuple, which has an order,"
         " got a set"),
        ("size", {"width": 3}, "task.size.height must be given, got nothing"),
        ("widht", 3, "task.widht must be a known key, got 3; did you mean width?"),
        ("zzz", 3, f"task.zzz must be a known key, got 3; known are {NAMES}"),
        ("root", "/data", "task.root must be left out, as it is filled in, got '/data'"),
        ("keywords", 3, f"task.keywords must be a known key, got 3; known are {NAMES}"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused_in_one_sentence(name: str, given: Any, sentence: str) -> None:
    with pytest.raises(Refusal) as refusal:
        resolved(Typed, {name: given}, "task")
    assert str(refusal.value) == sentence


def untyped(width=3) -> None: ...


def needed(width: int) -> None: ...


def tensor(width: Tensor) -> None: ...


def positional(width: int, /) -> None: ...


def unreadable(width: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821


def colours(names: set[str]) -> None: ...


def versioned(version: str = "") -> None: ...


@pytest.mark.parametrize(
    ("target", "sentence"),
    [
        (untyped, "task.width must have a type in its signature, such as width: int"),
        (needed, "task.width must be given, got nothing"),
        (positional, "task.width must be a parameter that is given by its name, got one before the"
         " / of positional"),
        (unreadable, "task must have annotations that can be read, got NameError: name 'Nowhere' is"
         " not defined"),
        (versioned, "task.version must not be a parameter, for every such section has a key of that"
         " name, got one of versioned"),
        (3, "task must be a class or function, got 3 (3 is not a callable object)"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)  # fmt: skip
def test_a_signature_that_cannot_be_used_is_refused(target: Any, sentence: str) -> None:
    with pytest.raises(Refusal) as refusal:
        resolved(target, {}, "task", taken=("files", "version"))
    assert str(refusal.value) == sentence


@pytest.mark.parametrize(
    ("target", "given", "rule"),
    [
        (tensor, {"width": 1}, "task.width must have a type that a study file can hold, got"),
        (colours, {"names": ["b", "a"]}, "task.names must be typed as a list or tuple"),
    ],
)
def test_a_type_without_a_place_in_a_study_file_is_refused(
    target: Any, given: Any, rule: str
) -> None:
    with pytest.raises(Refusal, match=rule):
        resolved(target, given, "task")


@dataclasses.dataclass
class Data:
    width: int = 3
    widths: list[int] = dataclasses.field(default_factory=lambda: [1, 2])


def test_defaults_are_those_of_keywords_that_have_one() -> None:
    assert defaults(Typed, "task") == DEFAULTS
    assert defaults(needed, "task") == {}


def test_a_dataclass_has_its_fields_for_keywords() -> None:
    assert resolved(Data, {"width": 4}, "task") == {"width": 4, "widths": [1, 2]}


def test_a_class_without_a_signature_of_its_own_has_no_keywords() -> None:
    class Plain: ...

    assert resolved(Plain, {}, "task") == {}
    with pytest.raises(Refusal, match="known are none"):
        resolved(Plain, {"width": 1}, "task")


def test_the_users_code_is_called_with_the_types_that_it_asked_for() -> None:
    def build(
        in_shape: tuple[int, ...], folder: Path, pair: tuple[int, float], colour: Colour, size: Size
    ) -> None: ...

    plain = {"folder": "~/a", "pair": [1, 2.0], "colour": "blue", "size": {"height": 4}}
    filled = {"in_shape": (3, 8, 8), "n_classes": 10, "root": Path("/data")}
    assert arguments(build, plain, filled) == {
        "folder": Path("~/a").expanduser(),
        "pair": (1, 2.0),
        "colour": Colour.BLUE,
        "size": Size(4),
        "in_shape": (3, 8, 8),
    }
