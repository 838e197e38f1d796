"""Trying again: how long, how often, and by whom it is noticed."""

from __future__ import annotations

import time

import pytest

from trainables.waiting import patience
from trainables.waiting.patience import AT_ONCE, AT_START, BELIEVED_S, Attempts, Patience, hopeless


class Requests:
    """Requests that fail so many times in a row."""

    def __init__(self, faults: int, fault: OSError | None = None) -> None:
        self.faults, self.fault, self.made = faults, fault or OSError(5, "I/O error"), 0

    def __call__(self) -> str:
        self.made += 1
        if self.made <= self.faults:
            raise self.fault
        return "answer"


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds slept, which pass at once; a clock that only sleep moves."""
    pauses: list[float] = []
    monkeypatch.setattr(time, "sleep", pauses.append)
    monkeypatch.setattr(time, "monotonic", lambda: sum(pauses))
    return pauses


def test_a_pause_is_between_half_of_it_and_all() -> None:
    drawn = [Patience(60, first_s=1.0).drawn_s(3) for _ in range(200)]
    assert 2.0 <= min(drawn) < 2.5 and 3.5 < max(drawn) <= 4.0
    assert Patience(60, first_s=1.0, spread=0.0).drawn_s(3) == 4.0


def test_first_pauses_are_moments_and_later_ones_leave_a_store_in_peace() -> None:
    pauses = [Patience(600).pause_s(n) for n in range(1, 13)]
    assert pauses[:3] == [0.02, 0.04, 0.08] and pauses[-2:] == [15.0, 15.0]
    assert sum(pauses[:5]) < 0.7


def test_chance_is_not_the_one_that_is_computed_with() -> None:
    import random

    random.seed(3)
    before = random.getstate()
    Patience(60).drawn_s(2)
    assert random.getstate() == before


def test_a_request_that_fails_is_made_again(slept: list[float]) -> None:
    request = Requests(3)
    assert Attempts(Patience(60, first_s=0.1, spread=0.0)).of(request) == "answer"
    assert (request.made, slept) == (4, pytest.approx([0.1, 0.2, 0.4]))


def test_after_one_in_vain_each_is_made_once_until_one_succeeds(slept: list[float]) -> None:
    attempts, vain = Attempts(Patience(1.0, first_s=0.1, spread=0.0)), Requests(100)
    with pytest.raises(OSError, match="I/O error"):
        attempts.of(vain)
    assert (vain.made, sum(slept)) == (5, pytest.approx(1.0)), "0.1, 0.2, 0.4, and what is left"
    with pytest.raises(OSError, match="I/O error"):
        attempts.of(vain)
    assert vain.made == 6
    assert attempts.of(Requests(0)) == "answer"
    assert attempts.of(Requests(2)) == "answer"


def test_that_a_file_is_absent_is_an_answer_and_ends_an_outage(slept: list[float]) -> None:
    attempts = Attempts(Patience(0.0))
    with pytest.raises(OSError, match="I/O error"):
        attempts.of(Requests(1))
    absent = Requests(1, FileNotFoundError())
    with pytest.raises(FileNotFoundError):
        attempts.of(absent)
    assert (absent.made, slept) == (1, [])


def test_a_request_that_took_its_time_is_not_made_again_and_silence_is_believed_for_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: clock[0])

    def slow() -> None:
        clock[0] += 5.0
        raise OSError("timeout was reached")

    attempts = Attempts(AT_ONCE)

    def end_of_one_more() -> float:
        with pytest.raises(OSError, match="timeout"):
            attempts.of(slow)
        return clock[0]

    assert [end_of_one_more() for _ in range(4)] == [5.0, 10.0, 10.0, 10.0]
    clock[0] += BELIEVED_S
    assert end_of_one_more() == 20.0
    clock[0] += BELIEVED_S
    assert attempts.of(Requests(0)) == "answer"
    assert end_of_one_more() == 30.0 and end_of_one_more() == 35.0


def test_what_waiting_cannot_mend_is_not_tried_again(slept: list[float]) -> None:
    wrong = OSError("When uploading: AWS Error NO_SUCH_BUCKET during PutObject operation")
    request = Requests(1, wrong)
    with pytest.raises(OSError, match="NO_SUCH_BUCKET"):
        Attempts().of(request)
    assert (request.made, slept, hopeless(wrong), AT_START.hopeful) == (1, [], True, False)
    assert not hopeless(OSError("AWS Error ACCESS_DENIED during PutObject operation"))
    assert patience.Patience(600).hopeful, "within a run it is waited for all the same"
