"""Samples in turns, under a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable

from trainables.deploy.stopwatch import Pace, in_turns


class Clock:
    """Time that passes as functions say."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def __call__(self) -> float:
        return self.now

    def spends(self, name: str, seconds: float) -> Callable[[], object]:
        def call() -> None:
            self.order.append(name)
            self.now += seconds

        return call


def test_every_round_turns_the_order_and_a_sample_is_long_enough() -> None:
    clock = Clock()
    calls = {"a": clock.spends("a", 0.25), "b": clock.spends("b", 0.0625)}
    pace = Pace(rounds=3, sample_s=0.125, warm_s=0.25)
    samples = in_turns(calls, pace, clock=clock)
    assert samples == {"a": [0.25] * 3, "b": [0.0625] * 3}
    warm = ["a"] * 2 + ["b"] * 4
    assert clock.order == [*warm, "a", "b", "b", "b", "b", "a", "a", "b", "b"]


def test_waiting_for_the_device_belongs_to_the_sample() -> None:
    clock = Clock()
    wait = clock.spends("wait", 1.0)
    calls = {"a": clock.spends("a", 0.5)}
    samples = in_turns(calls, Pace(rounds=1, sample_s=3.0, warm_s=0.0), wait, clock)
    # a warm call with its wait lasts 1.5, so a sample is two calls and one wait
    assert samples == {"a": [(2 * 0.5 + 1.0) / 2]}
