"""Ctrl-C during a run: the first is answered and ends it tidily, the second ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from study.driver.interruption import STOPPING, interruptible


@pytest.fixture(autouse=True)
def pythons_own_handler() -> Iterator[None]:
    """Ctrl-C as in a terminal: a process that a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def heard() -> Iterator[list[int]]:
    """Signals that a Tune run would end its loop on."""
    signals: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: signals.append(number))
    yield signals
    signal.signal(signal.SIGUSR1, before)


def test_the_first_is_answered_and_the_second_ends_at_once(heard: list[int]) -> None:
    answers: list[str] = []
    with interruptible(answers.append):
        assert os.environ["TUNE_DISABLE_SIGINT_HANDLER"] == "1"
        signal.raise_signal(signal.SIGINT)
        assert (answers, heard) == ([STOPPING], [signal.SIGUSR1])
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert "TUNE_DISABLE_SIGINT_HANDLER" not in os.environ


@pytest.fixture
def deaf() -> Iterator[None]:
    """No Tune run listens; one that has ended in this process leaves its handler there."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.usefixtures("deaf")
def test_before_tune_listens_it_ends_at_once() -> None:
    answers: list[str] = []
    with interruptible(answers.append), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert answers == []


def test_what_was_set_before_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TUNE_DISABLE_SIGINT_HANDLER", "0")
    with interruptible(print):
        pass
    assert os.environ["TUNE_DISABLE_SIGINT_HANDLER"] == "0"


def test_another_thread_catches_nothing() -> None:
    handlers = []

    def run() -> None:
        with interruptible(print):
            handlers.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert handlers == [signal.default_int_handler]
