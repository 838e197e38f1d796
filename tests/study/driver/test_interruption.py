"""Ctrl-C during a run: the first is answered and ends it tidily, the second ends it at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from study.driver.interruption import STOPPING, interruptible
from study.driver.run_end import ends_as_interrupts


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


@pytest.fixture
def hangups() -> Iterator[None]:
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.mark.usefixtures("hangups")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("background", [False, True])
def test_other_ends_do_what_ctrl_c_does(number: signal.Signals, background: bool) -> None:
    before = signal.getsignal(number)
    if background:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    with ends_as_interrupts(), pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)
    assert signal.getsignal(number) is before


@pytest.mark.usefixtures("hangups")
def test_a_hangup_under_nohup_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    with ends_as_interrupts():
        signal.raise_signal(signal.SIGHUP)
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_in_the_background_a_second_sigterm_ends_at_once(heard: list[int]) -> None:
    """A shell has a process in the background ignore Ctrl-C."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    answers: list[str] = []
    with ends_as_interrupts(), interruptible(answers.append):
        signal.raise_signal(signal.SIGTERM)
        assert (answers, heard) == ([STOPPING], [signal.SIGUSR1])
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGTERM)
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
