from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.code.reference import Reference, is_reference, parse
from trainables.vocabulary.refusal import Refusal

_NAME = st.from_regex(r"[a-zA-Z_][a-zA-Z0-9_]{0,6}x", fullmatch=True)
_DOTTED = st.lists(_NAME, min_size=1, max_size=3).map(".".join)


@given(_DOTTED, _DOTTED)
def test_a_reference_is_read_as_it_is_written(module: str, attribute: str) -> None:
    reference = parse(f"{module}:{attribute}", "task.use")
    assert reference == Reference("task.use", module, attribute)
    assert str(reference) == f"{module}:{attribute}"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("./code/my_task.py:Net", "code.my_task:Net"),
        ("folder/my_task:Net", "folder.my_task:Net"),
        ("my_task.Net", "my_task:Net"),
        ("my_task: Net", "my_task:Net"),
        ("my_task:", None),
        (":Net", None),
        ("my-task:Net", None),
        ("my_task:Net:Other", None),
        ("my_task:class", None),
        ("a..b:Net", None),
        ("", None),
    ],
)
def test_what_is_no_reference_is_refused_with_what_is_meant(text: str, hint: str | None) -> None:
    with pytest.raises(Refusal) as refusal:
        parse(text, "task.use")
    end = f"; did you mean {hint}?" if hint else ""
    assert str(refusal.value) == (
        f"task.use must be of the form module:attribute, got {text!r}{end}"
    )


def test_other_values_are_refused() -> None:
    with pytest.raises(Refusal, match=r"^task.use must be text of the form .*, got 3$"):
        parse(3, "task.use")
    with pytest.raises(Refusal, match="must name a module by its own name, got '__main__:Net'"):
        parse("__main__:Net", "task.use")


def test_known_names_are_no_references() -> None:
    assert is_reference("my_task:Net")
    assert not is_reference("resnet56")
    assert not is_reference({"name": "a:b"})
