"""Whatever stands on the command line, it is done or refused in words, and the option is named."""

from __future__ import annotations

import string
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from study.cli import VERBS
from study.cli.terminal import Finite
from tests.study.cli import folders
from tests.study.conftest import Command, Ended

SHARED = {"derandomize": True, "suppress_health_check": list(HealthCheck)}


def command_of(verb: str) -> click.Command:
    command: click.Command = import_module(f"study.cli.{verb}").command
    return command


def options() -> Iterator[tuple[str, click.Option]]:
    """Every option of every verb."""
    for verb in VERBS:
        for parameter in command_of(verb).params:
            if isinstance(parameter, click.Option):
                yield verb, parameter


def arguments(verb: str) -> list[str]:
    """Words for the arguments that a verb must have: of nothing that is there."""
    needed = [p for p in command_of(verb).params if isinstance(p, click.Argument) and p.required]
    return ["llr" if isinstance(p.type, click.Choice) else "/nowhere" for p in needed]


def wrong(kind: click.ParamType) -> st.SearchStrategy[str] | None:
    """Values that a kind of option does not take; None where it takes any text."""
    words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
    if isinstance(kind, click.Choice):
        return words.filter(lambda text: text not in kind.choices)
    if isinstance(kind, click.IntRange | click.FloatRange):
        return st.one_of(no_number(words), st.floats(width=32).map(str).filter(out_of(kind)))
    if isinstance(kind, click.types.IntParamType | click.types.FloatParamType):
        return no_number(words)
    if isinstance(kind, click.Path) and kind.exists:
        return words.map(lambda text: f"/nowhere/{text}")
    return None


def no_number(words: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return words.filter(lambda text: not is_number(text))


def is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def out_of(kind: click.IntRange | click.FloatRange) -> Any:
    """A test of whether a text is no number of a range."""

    def test(text: str) -> bool:
        value = float(text)
        if isinstance(kind, click.IntRange) and (not value.is_integer() or "e" in text):
            return True
        low, high = kind.min, kind.max
        below = low is not None and (value < low or (kind.min_open and value == low))
        above = high is not None and (value > high or (kind.max_open and value == high))
        return bool(below or above)

    return test


TYPED = [(verb, option) for verb, option in options() if wrong(option.type) is not None]


def refused(ended: Ended, named: str) -> None:
    """A refusal names what is wrong, in words, and nothing was done."""
    assert ended.status == 2 and ended.out == ""
    assert "Traceback" not in ended.err
    assert named in ended.err


@pytest.mark.parametrize(
    ("verb", "option"), TYPED, ids=[f"{verb}{option.opts[-1]}" for verb, option in TYPED]
)
@settings(max_examples=12, **SHARED)
@given(data=st.data())
def test_a_wrong_value_names_its_option(
    verb: str, option: click.Option, data: st.DataObject, bimp: Command
) -> None:
    strategy = wrong(option.type)
    assert strategy is not None
    refused(
        bimp(verb, f"{option.opts[-1]}={data.draw(strategy)}", *arguments(verb)), option.opts[-1]
    )


FLOATS = [(v, o) for v, o in TYPED if isinstance(o.type, Finite)]


@pytest.mark.parametrize("value", ["nan", "inf", "-inf", "1e999"])
@pytest.mark.parametrize(("verb", "option"), FLOATS, ids=[f"{v}{o.opts[-1]}" for v, o in FLOATS])
def test_what_is_no_finite_number_is_refused(
    verb: str, option: click.Option, value: str, bimp: Command
) -> None:
    refused(bimp(verb, f"{option.opts[-1]}={value}", *arguments(verb)), option.opts[-1])


@pytest.mark.parametrize("verb", VERBS)
@settings(max_examples=8, **SHARED)
@given(name=st.text(string.ascii_lowercase + "-", min_size=1, max_size=12))
def test_an_unknown_option_is_named(verb: str, name: str, bimp: Command) -> None:
    known = {word for p in command_of(verb).params for word in p.opts} | {"--help", "-h"}
    option = f"--x{name}"
    assert option not in known
    refused(bimp(verb, *arguments(verb), option), option)


@pytest.mark.parametrize("verb", VERBS)
def test_what_lacks_and_what_is_too_much_is_named(verb: str, bimp: Command) -> None:
    given_ = arguments(verb)
    if given_:
        refused(bimp(verb), "Missing argument")
    every = command_of(verb).params
    positions = [p for p in every if isinstance(p, click.Argument)]
    free = any(p.nargs == -1 or (p.required and p not in positions) for p in every)
    if not free:  # else it takes more, or lacks an option first
        refused(bimp(verb, *given_, *["more"] * (len(positions) + 1)), "more")
    named = [p for p in every if isinstance(p, click.Option)]
    for option in named:
        if not option.is_flag:
            refused(bimp(verb, *given_, option.opts[-1]), option.opts[-1])
    if needed := [option.opts[-1] for option in named if option.required]:
        refused(bimp(verb, *given_), needed[0])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("any") / "study"
    folders.write(place, ("done",) * 6)
    return place


TEXTS = st.one_of(
    st.text(st.characters(exclude_characters="\0"), max_size=12),
    st.text("()[]<>=!&|`'\"~+-*/%.,:;@# 01ae", max_size=16),
    st.sampled_from([
        "seed", "-seed", "prune.*", "*", "val_accuracy", "retrain.schedule", "seed == 0",
        "prune.sparsity > 0.8 and seed", "retrain.schedule == 3", "seed / 0 > 1", "9**9**9 > 1",
        "retrain.schedule.contains(3)", "(" * 300 + "seed" + ")" * 300, "not " * 500 + "seed",
        "seed.__class__", "message.isna()", "prune.sparsity=0.9", "=", "a=b=c", "\udcff",
        "seed == 10000000000000000000000", "seed % 0 == 1", "seed in seed", "[seed] == 1",
    ]),
)  # fmt: skip
FREE = {
    "results": ("--where", "--columns", "--sort", "--group-by"),
    "table": ("--where", "--metrics"),
    "figure": ("--at", "--metric", "--by", "--of", "--x", "--y", "--level", "--along", "--view"),
    "note": ("--trial",),
}
CASES = [(verb, option) for verb, names in FREE.items() for option in names]


@pytest.mark.parametrize(("verb", "option"), CASES, ids=["".join(case) for case in CASES])
@settings(max_examples=25, **SHARED)
@given(text=TEXTS)
@example(text="\ud800")
@example(text="seed == '" + "x" * 10_000)
def test_any_text_is_an_answer_or_a_refusal(
    verb: str, option: str, text: str, folder: Path, bimp: Command
) -> None:
    more = ["accuracy_by_sparsity", "-o", f"{folder}.json"] if verb == "figure" else []
    ended = bimp(verb, folder, *more, f"{option}={text}")
    assert ended.status in (0, 2)
    if ended.status == 2:
        *warnings, line = ended.err.split("\n")[:-1]
        assert line.startswith("bimp: ") and ended.out == "", ended.err
        assert all(one.startswith("warning: ") for one in warnings), ended.err


@settings(max_examples=60, **SHARED)
@given(words=st.lists(TEXTS, max_size=4))
def test_any_words_at_all(words: list[str], bimp: Command) -> None:
    if words and words[0] in VERBS:
        return
    ended = bimp(*words)
    assert ended.status in (0, 2) and "Traceback" not in ended.err


def test_wrong_numbers_are_made() -> None:
    """What the tests above call wrong is wrong."""
    assert out_of(click.IntRange(0, 65535))("-1.0") and out_of(click.IntRange(0, 9))("0.5")
    assert out_of(click.FloatRange(min=0, min_open=True))("0.0")
    assert not out_of(click.FloatRange(min=0))("0.0")
    assert len(TYPED) > 20
