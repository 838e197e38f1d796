"""How many trials may be out at once."""

from __future__ import annotations

import pytest

from study.machines.slots import EVERY_S, WAITING, fixed, following


def test_a_fixed_number_is_at_least_one() -> None:
    assert [fixed(n)() for n in (0, 1, 5)] == [1, 1, 5]
    assert fixed(5).most == 5


@pytest.mark.parametrize(("room", "slots"), [(0, 64), (31, 64), (32, 64), (33, 66), (300, 600)])
def test_a_cluster_gets_twice_what_it_has_room_for_and_what_makes_it_grow(
    room: int, slots: int
) -> None:
    assert WAITING == 64
    assert following(lambda: room, 20_000)() == slots


def test_no_more_than_there_are_trials() -> None:
    assert following(lambda: 300, 10)() == 10


def test_a_cluster_that_grows_is_followed_and_not_asked_all_the_time() -> None:
    clock, rooms = [0.0], [100]
    asked: list[float] = []

    def room() -> int:
        asked.append(clock[0])
        return rooms[0]

    slots = following(room, 20_000, lambda: clock[0])
    assert slots() == 200
    rooms[0] = 400
    clock[0] = EVERY_S - 1
    assert slots() == 200
    clock[0] = EVERY_S
    assert (slots(), slots()) == (800, 800)
    assert asked == [0.0, EVERY_S]
