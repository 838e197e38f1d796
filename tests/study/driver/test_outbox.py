"""The driver's writes: kept in memory while the store is out, in order, on a clock set by hand."""

from __future__ import annotations

from study.driver.outbox import Outbox
from trainables.waiting.patience import Patience


class Store:
    """A store that can be switched off, and a clock."""

    def __init__(self) -> None:
        self.now, self.out = 0.0, False
        self.written: list[str] = []
        self.said: list[OSError] = []
        self.outbox = Outbox(
            Patience(10, first_s=1, most_s=4, spread=0), self.said.append, lambda: self.now
        )

    def put(self, name: str, text: str) -> None:
        self.outbox.put(name, lambda: self.write(text))

    def write(self, text: str) -> None:
        if self.out:
            raise OSError("out")
        self.written.append(text)


def test_what_can_be_written_is_written_at_once() -> None:
    store = Store()
    store.put("a", "1")
    store.put("a", "2")
    assert (store.written, len(store.outbox), store.outbox.out) == (["1", "2"], 0, False)


def test_an_outage_is_said_once_and_nothing_is_lost_or_made_twice() -> None:
    store = Store()
    store.out = True
    for text in ("1", "2", "3"):
        store.put("a" if text != "2" else "b", text)
    assert (store.written, len(store.outbox), len(store.said)) == ([], 2, 1)
    store.out = False
    store.outbox.flush()
    assert store.written == [], "the next attempt is not due"
    store.now = 1.0
    store.outbox.flush()
    assert store.written == ["3", "2"], "the newer one of a name, in the older one's place"
    store.outbox.flush()
    assert (store.written, store.outbox.out) == (["3", "2"], False)


def test_patience_is_spent_ten_seconds_after_the_first_fault_in_a_row() -> None:
    store = Store()
    store.out = True
    store.put("a", "1")
    for store.now in (1.0, 3.0, 7.0, 9.9):
        store.outbox.flush()
        assert not store.outbox.spent
    store.now = 10.0
    assert store.outbox.spent
    store.out = False
    store.outbox.flush()
    assert not store.outbox.spent
    store.out, store.now = True, 100.0
    store.put("b", "2")
    assert (store.outbox.spent, len(store.said)) == (False, 2)


def test_draining_waits_and_gives_up() -> None:
    store = Store()
    store.out = True
    store.put("a", "1")

    def pause(seconds: float) -> None:
        store.now += seconds
        store.out = store.now < 6

    assert store.outbox.drain(pause)
    assert (store.written, store.now) == (["1"], 7.0)

    store = Store()
    store.out = True
    store.put("a", "1")

    def later(seconds: float) -> None:
        store.now += seconds

    assert not store.outbox.drain(later)
    assert (store.written, store.now) == ([], 10.0)
