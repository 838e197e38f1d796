from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainables.code.ledger import LEDGER, canonical, declare_same, read_ledger
from trainables.vocabulary.refusal import Refusal


class Files(dict[str, bytes]):
    """A study folder in memory that counts what is written."""

    n_written = 0

    def read(self, name: str) -> bytes:
        try:
            return self[name]
        except KeyError:
            raise FileNotFoundError(name) from None

    def write(self, name: str, data: bytes) -> None:
        self.n_written += 1
        self[name] = data

    def declare(self, old: str, new: str) -> dict[str, str]:
        return declare_same(old, new, self.read, self.write)


def test_without_declarations_each_code_is_its_own() -> None:
    assert read_ledger(Files().read) == {}
    assert canonical("a", {}) == "a"


def test_chains_lead_to_the_oldest() -> None:
    files = Files()
    files.declare("a", "b")
    ledger = files.declare("b", "c")
    assert ledger == read_ledger(files.read) == {"b": "a", "c": "b"}
    assert [canonical(digest, ledger) for digest in "abcd"] == ["a", "a", "a", "d"]


def test_what_is_known_is_not_written_again() -> None:
    files = Files()
    files.declare("a", "b")
    files.declare("b", "c")
    assert files.declare("a", "b") == files.declare("a", "c") == {"b": "a", "c": "b"}
    assert files.n_written == 2


def test_two_changes_of_one_code_count_as_it_both() -> None:
    files = Files()
    files.declare("a", "b")
    ledger = files.declare("a", "c")
    assert canonical("b", ledger) == canonical("c", ledger) == "a"


def test_contradictions_are_refused() -> None:
    files = Files()
    files.declare("a", "b")
    files.declare("b", "c")
    before = files.n_written
    with pytest.raises(
        Refusal, match=r"^code/same\.json must count newer code as older, got a as c$"
    ):
        files.declare("c", "a")
    with pytest.raises(Refusal, match="must count newer code as older, got a as a"):
        files.declare("a", "a")
    with pytest.raises(Refusal, match="must count c as one code only, got x beside b"):
        files.declare("x", "c")
    assert files.n_written == before


@pytest.mark.parametrize("text", [b"", b"[]", b'{"same": [{"new": "a"}]}', b"\xff"])
def test_a_damaged_ledger_is_refused(text: bytes) -> None:
    files = Files({LEDGER: text})
    with pytest.raises(Refusal, match=r"^code/same\.json must be a list of pairs of digests, got "):
        read_ledger(files.read)


def test_a_circle_is_refused() -> None:
    text = b'{"same": [{"old": "a", "new": "b"}, {"old": "b", "new": "a"}]}'
    with pytest.raises(Refusal, match=r"^code/same\.json must not lead round, got b -> a -> b$"):
        read_ledger(Files({LEDGER: text}).read)


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from("abcdef")), max_size=12))
def test_whatever_is_declared_codes_fall_into_classes(pairs: list[tuple[str, str]]) -> None:
    """Accepted pairs share their oldest, which is its own; refused ones change nothing."""
    files = Files()
    accepted = []
    for old, new in pairs:
        before = read_ledger(files.read)
        try:
            files.declare(old, new)
            accepted.append((old, new))
        except Refusal:
            assert read_ledger(files.read) == before
    ledger = read_ledger(files.read)
    assert all(canonical(old, ledger) == canonical(new, ledger) for old, new in accepted)
    assert all(canonical(digest, ledger) not in ledger for digest in "abcdef")
