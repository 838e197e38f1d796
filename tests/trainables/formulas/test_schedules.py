"""Learning rates against hand-computed tables, boundaries from both sides, and invariants."""

import math
import time
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainables.formulas.dense_schedules import DENSE_SCHEDULES, DenseRun, dense_rate, dense_rates
from trainables.formulas.schedules import (
    FIXED_WARMUP,
    RETRAIN_SCHEDULES,
    retrain_rate,
    retrain_rates,
    retrain_refusal,
    retraining,
)

# Ten steps, two an epoch; two of warm-up; the rate halves from epochs 2 and 4 on.
STEPPED = [0.0, 0.4, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.2, 0.2]

DENSE_TABLES = {
    "constant": ({}, [0.0, 0.4, 0.8, 0.8, 0.8, 0.8]),
    "linear": ({}, [0.0, 0.4, 0.8, 0.6, 0.4, 0.2]),
    "cosine": ({}, [0.0, 0.4, 0.8, 0.4 + 0.2 * math.sqrt(2), 0.4, 0.4 - 0.2 * math.sqrt(2)]),
    "step": ({"gamma": 0.5, "every": 2}, [0.0, 0.4, 0.8, 0.8, 0.4, 0.4]),
    "multistep": ({"gamma": 0.5, "milestones": (1, 2)}, [0.0, 0.4, 0.4, 0.4, 0.2, 0.2]),
    "exponential": ({"gamma": 0.5}, [0.0, 0.4, 0.4, 0.4, 0.2, 0.2]),
    "inverse_sqrt": ({}, [0.0, 0.4, 0.8, *(0.8 * math.sqrt(2 / step) for step in (3, 4, 5))]),
}


def retrain_arguments(name: str) -> dict[str, float]:
    """Valid values of what a schedule needs."""
    needed = {"discount": 0.5, "init": 0.3}
    return {k: v for k, v in needed.items() if k in RETRAIN_SCHEDULES[name].uses}


def dense_arguments(name: str) -> dict[str, tuple[int, ...]]:
    return {"milestones": (2, 4)} if "milestones" in DENSE_SCHEDULES[name].uses else {}


@pytest.mark.parametrize("name", DENSE_SCHEDULES)
def test_dense_rates_after_two_warmup_steps_of_six(name):
    settings, expected = DENSE_TABLES[name]
    rates = dense_rates(name, lr=0.8, steps=6, steps_per_epoch=2, warmup_steps=2, **settings)
    assert rates == pytest.approx(expected, abs=1e-15)


def test_inverse_sqrt_without_warmup_falls_from_the_first_step():
    rates = dense_rates("inverse_sqrt", lr=0.8, steps=5, steps_per_epoch=5)
    assert rates == pytest.approx([0.8, 0.8, *(0.8 / math.sqrt(step) for step in (2, 3, 4))])


def test_multistep_counts_warmup_epochs_and_drops_at_the_start_of_an_epoch():
    rates = dense_rates(
        "multistep",
        lr=0.8,
        steps=10,
        steps_per_epoch=2,
        warmup_steps=2,
        milestones=[2, 4],
        gamma=0.5,
    )
    assert rates == pytest.approx(STEPPED)


def test_multistep_between_epochs_drops_at_the_next_epoch():
    rates = dense_rates("multistep", lr=1.0, steps=6, steps_per_epoch=2, milestones=[1.5])
    assert rates == pytest.approx([1, 1, 1, 1, 0.1, 0.1])


def test_linear_ends_above_lr_end_and_would_reach_it_one_step_later():
    rates = dense_rates("linear", lr=0.9, steps=8, steps_per_epoch=3, lr_end=0.1)
    assert rates == pytest.approx([0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2])


@pytest.mark.parametrize(
    ("every", "drops"),
    [
        (1, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]),
        (3, [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]),
        (2.5, [0, 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4]),
        (1.1, [0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),  # 11 // 1.1 is 9 in floats
    ],
)
def test_step_drops_at_every_multiple(every, drops):
    rates = dense_rates("step", lr=1.0, steps=12, steps_per_epoch=1, gamma=0.5, every=every)
    assert rates == [0.5**n for n in drops]


@pytest.mark.parametrize(
    ("name", "settings", "scheduler"),
    [
        (
            "cosine",
            {},
            lambda optimiser: torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=30),
        ),
        (
            "multistep",
            {"milestones": (10, 18), "gamma": 0.2},
            lambda optimiser: torch.optim.lr_scheduler.MultiStepLR(optimiser, [10, 18], 0.2),
        ),
        (
            "exponential",
            {"gamma": 0.9},
            lambda optimiser: torch.optim.lr_scheduler.ExponentialLR(optimiser, 0.9),
        ),
        (
            "step",
            {"gamma": 0.3, "every": 7},
            lambda optimiser: torch.optim.lr_scheduler.StepLR(optimiser, 7, 0.3),
        ),
        (
            "linear",
            {"lr_end": 0.08},
            lambda optimiser: torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.1, 30),
        ),
    ],
)
def test_a_single_torch_scheduler_gives_the_same_rates(name, settings, scheduler):
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
    stepper, expected = scheduler(optimiser), []
    for _ in range(30):
        expected.append(optimiser.param_groups[0]["lr"])
        optimiser.step()
        stepper.step()
    rates = dense_rates(name, lr=0.8, steps=30, steps_per_epoch=1, **settings)
    assert rates == pytest.approx(expected, rel=1e-9)


# Twenty steps of retraining after STEPPED without its last: W = 2, R = 18, M = 9, so that step
# floor(t M / R) of the dense run is t // 2. eta_1 = .8, eta_T = .2.
DENSE = STEPPED[:9]
COMPRESSED = [0.8] * 8 + [0.4] * 8 + [0.2] * 2


def cosine(t: int) -> float:
    return (1 + math.cos(math.pi * t / 18)) / 2


RETRAIN_TABLES = {
    "slr": ({}, [0.0, 0.4, *COMPRESSED]),
    "clr": ({}, [0.0, 0.4, *(0.2 + 0.6 * cosine(t) for t in range(18))]),
    "llr": ({}, [0.0, 0.4, *(0.8 * (18 - t) / 18 for t in range(18))]),
    "allr": ({"discount": 0.25}, [0.0, 0.1, *(0.2 * (18 - t) / 18 for t in range(18))]),
    "constant": ({"init": 0.3}, [0.0, 0.15, *[0.3] * 18]),
    "stepped": ({"init": 0.4}, [0.0, 0.2, *(lr / 2 for lr in COMPRESSED)]),
    "cosine": ({"init": 0.3}, [0.0, 0.15, *(0.3 * cosine(t) for t in range(18))]),
    "linear": ({"init": 0.36}, [0.0, 0.18, *(0.36 - 0.02 * t for t in range(18))]),
    "ft": ({}, [0.2] * 20),
}


@pytest.mark.parametrize("name", RETRAIN_TABLES)
def test_retraining_rates_of_twenty_steps(name):
    settings, expected = RETRAIN_TABLES[name]
    rates = retrain_rates(name, steps=20, dense=DENSE, dense_warmup_steps=2, **settings)
    assert rates == pytest.approx(expected, abs=1e-15)


def test_every_schedule_but_lrw_has_its_table():
    assert {*RETRAIN_TABLES, "lrw"} == set(RETRAIN_SCHEDULES)
    assert set(DENSE_TABLES) == set(DENSE_SCHEDULES)


def test_lrw_replays_the_last_rates_without_warmup():
    rates = retrain_rates("lrw", steps=4, dense=STEPPED, dense_warmup_steps=2)
    assert rates == STEPPED[6:]


def test_lrw_of_the_whole_dense_run_replays_its_warmup_too():
    assert retrain_rates("lrw", steps=10, dense=STEPPED, dense_warmup_steps=2) == STEPPED


def test_lrw_refuses_one_step_more_than_the_dense_run_has():
    assert retrain_refusal("lrw", steps=10, dense_steps=10) is None
    refusal = retrain_refusal("lrw", steps=11, dense_steps=10)
    assert refusal is not None
    assert "10 steps" in refusal
    assert "got 11" in refusal
    with pytest.raises(ValueError, match="at most its 10 steps, got 11"):
        retrain_rates("lrw", steps=11, dense=STEPPED)


@pytest.mark.parametrize("name", [n for n in RETRAIN_SCHEDULES if n != "lrw"])
def test_other_schedules_may_outlast_the_dense_run(name):
    assert retrain_refusal(name, steps=11, dense_steps=10) is None
    rates = retrain_rates(name, steps=11, dense=STEPPED, **retrain_arguments(name))
    assert len(rates) == 11


@pytest.mark.parametrize("name", ["slr", "clr", "llr", "allr", "constant", "linear"])
@pytest.mark.parametrize(("steps", "warmup_steps"), [(9, 0), (10, 1), (19, 1), (20, 2), (30, 3)])
def test_warmup_is_the_floor_of_a_tenth(name, steps, warmup_steps):
    cycle = retraining(name, steps, STEPPED, 2, **retrain_arguments(name))
    assert cycle.warmup_steps == warmup_steps
    rates = [retrain_rate(name, step, cycle) for step in range(steps)]
    assert (rates[0] == 0) == (warmup_steps > 0)
    assert rates[warmup_steps] == max(rates) == cycle.peak


@pytest.mark.parametrize(
    ("warmup", "steps", "expected"),
    [(0.29, 100, 29), (0.0, 50, 0), (0.999, 10, 9), (0.57, 100, 57)],
)
def test_warmup_of_tunable_schedules_is_floored_as_a_decimal(warmup, steps, expected):
    rates = retrain_rates("constant", steps=steps, dense=STEPPED, init=0.3, warmup=warmup)
    assert rates.count(0.3) == steps - expected


@pytest.mark.parametrize("name", ["ft", "lrw"])
def test_no_warmup_for_fine_tuning_and_rewinding(name):
    assert retraining(name, 10, STEPPED, 2).warmup_steps == 0


def test_a_minimum_within_the_dense_warmup_does_not_count():
    dense = [0.01, 0.5, 1.0, 0.3]
    assert retrain_rates("ft", steps=1, dense=dense, dense_warmup_steps=1) == [0.3]
    assert retrain_rates("ft", steps=1, dense=dense, dense_warmup_steps=0) == [0.01]


def test_slr_at_full_length_is_the_dense_run_with_its_warmup_replaced():
    # N = 11 has one warm-up step and R = M = 10.
    rates = retrain_rates("slr", steps=11, dense=STEPPED, dense_warmup_steps=2)
    assert rates == [0.0, 0.8, 0.8, *STEPPED[2:]]


def test_slr_takes_the_floor_when_lengths_do_not_divide():
    # R = 3 of M = 10: steps 0, 3 and 6 of the dense run; R = 7: 0 1 2 4 5 7 8.
    dense = [float(10 - j) for j in range(10)]
    assert retrain_rates("slr", steps=3, dense=dense) == [10.0, 7.0, 4.0]
    assert retrain_rates("slr", steps=7, dense=dense) == [10.0, 9.0, 8.0, 6.0, 5.0, 3.0, 2.0]


@given(
    steps=st.integers(1, 60),
    dense=st.lists(st.floats(1e-6, 10), min_size=1, max_size=40),
    data=st.data(),
)
def test_rates_stay_between_zero_and_the_peak(steps, dense, data):
    warmup_steps = data.draw(st.integers(0, len(dense) - 1))
    for name in RETRAIN_SCHEDULES:
        if retrain_refusal(name, steps=steps, dense_steps=len(dense)) is not None:
            continue
        arguments = retrain_arguments(name)
        cycle = retraining(name, steps, dense, warmup_steps, **arguments)
        rates = retrain_rates(
            name, steps=steps, dense=dense, dense_warmup_steps=warmup_steps, **arguments
        )
        assert len(rates) == steps
        assert all(0 <= rate <= cycle.peak * (1 + 1e-12) for rate in rates)
        assert rates == [retrain_rate(name, step, cycle) for step in range(steps)]


@given(steps=st.integers(1, 200), dense=st.lists(st.floats(1e-6, 10), min_size=1, max_size=40))
def test_relations_between_schedules(steps, dense):
    def rates(name: str, **arguments: float) -> list[float]:
        return retrain_rates(name, steps=steps, dense=dense, **arguments)

    top = max(dense)
    assert rates("allr", discount=1.0) == rates("llr") == rates("linear", init=top)
    assert rates("stepped", init=top) == pytest.approx(rates("slr"), rel=1e-15)
    assert rates("allr", discount=0.0) == [0.0] * steps
    main = rates("llr")[steps // 10 :]
    assert all(a > b > 0 for a, b in zip(main, [*main[1:], main[-1] / 2], strict=True))


@given(
    steps=st.integers(1, 80),
    per_epoch=st.integers(1, 9),
    name=st.sampled_from(sorted(DENSE_SCHEDULES)),
    data=st.data(),
)
def test_dense_rates_are_dense_rate_step_by_step(steps, per_epoch, name, data):
    warmup = data.draw(st.integers(0, steps - 1))
    run = DenseRun(0.7, steps, per_epoch, warmup, **dense_arguments(name))
    rates = dense_rates(
        name,
        lr=0.7,
        steps=steps,
        steps_per_epoch=per_epoch,
        warmup_steps=warmup,
        **dense_arguments(name),
    )
    assert rates == [dense_rate(name, step, run) for step in range(steps)]
    assert all(0 < rate <= 0.7 for rate in rates[warmup:])
    main = rates[warmup:]
    assert all(a >= b for a, b in pairwise(main))


GOOD_DENSE = {"lr": 0.1, "steps": 10, "steps_per_epoch": 2}


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("linaer", {}, "dense schedule must be one of constant, linear, .*, got 'linaer'"),
        ("constant", {"lr": 0.0}, "lr must be > 0 and finite, got 0.0"),
        ("constant", {"lr": math.nan}, "lr must be > 0 and finite, got nan"),
        ("constant", {"steps": 0}, "steps must be >= 1, got 0"),
        ("constant", {"steps_per_epoch": 0}, "steps_per_epoch must be >= 1, got 0"),
        ("constant", {"warmup_steps": 10}, r"warmup_steps must be in \[0, steps = 10\), got 10"),
        ("constant", {"warmup_steps": -1}, "warmup_steps must be in .*, got -1"),
        ("multistep", {}, r"milestones must be one or more epochs > 0 .*, got \(\)"),
        ("multistep", {"milestones": (2, 2)}, r"increasing order, got \(2, 2\)"),
        ("multistep", {"milestones": (0, 2)}, r"milestones must be .*, got \(0, 2\)"),
        ("step", {"every": 0}, "every must be > 0 and finite, got 0"),
        ("step", {"gamma": 0.0}, r"gamma must be in \(0, 1\], got 0.0"),
        ("exponential", {"gamma": 1.1}, r"gamma must be in \(0, 1\], got 1.1"),
        ("linear", {"lr_end": 0.2}, r"lr_end must be in \[0, lr\], got 0.2"),
        ("linear", {"lr_end": -0.1}, "lr_end must be in .*, got -0.1"),
    ],
)
def test_dense_refusals(name, change, message):
    with pytest.raises(ValueError, match=message):
        dense_rates(name, **{**GOOD_DENSE, **change})


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("allrr", {}, "retraining schedule must be one of ft, lrw, .*, got 'allrr'"),
        ("llr", {"steps": 0}, "steps must be >= 1, got 0"),
        ("llr", {"dense": []}, "dense must hold at least one learning rate, got 0"),
        ("llr", {"dense": [0.0, 0.0]}, r"not all 0, and finite, got \(0.0, 0.0\)"),
        ("llr", {"dense": [0.1, math.nan]}, "dense must hold rates >= 0, not all 0, and finite"),
        ("llr", {"dense": [0.1, -0.1]}, r"got \(-0.1, 0.1\)"),
        ("llr", {"dense_warmup_steps": 10}, r"dense_warmup_steps must be in \[0, 10\), got 10"),
        ("allr", {}, r"'allr' needs discount in \[0, 1\], got None"),
        ("allr", {"discount": 1.01}, "needs discount in .*, got 1.01"),
        ("allr", {"discount": -0.1}, "needs discount in .*, got -0.1"),
        ("allr", {"discount": math.nan}, "needs discount in .*, got nan"),
        ("linear", {}, "'linear' needs init > 0 and finite, got None"),
        ("linear", {"init": 0.0}, "needs init > 0 and finite, got 0.0"),
        ("linear", {"init": 0.1, "warmup": 1.0}, r"warmup must be in \[0, 1\), got 1.0"),
        ("linear", {"init": 0.1, "warmup": -0.1}, r"warmup must be in \[0, 1\), got -0.1"),
    ],
)
def test_retraining_refusals(name, change, message):
    with pytest.raises(ValueError, match=message):
        retrain_rates(name, **{"steps": 10, "dense": STEPPED, **change})


@pytest.mark.parametrize("name", DENSE_SCHEDULES)
def test_dense_schedules_read_exactly_what_they_use(name):
    changes = {"milestones": (1,), "gamma": 0.7, "every": 3, "lr_end": 0.01}
    nonsense = {"milestones": (3, 1), "gamma": -1.0, "every": 0, "lr_end": 9.0}
    arguments = {**GOOD_DENSE, **dense_arguments(name)}
    rates = dense_rates(name, **arguments)
    for key, value in changes.items():
        used = key in DENSE_SCHEDULES[name].uses
        assert (dense_rates(name, **{**arguments, key: value}) != rates) == used
        if not used:
            assert dense_rates(name, **{**arguments, key: nonsense[key]}) == rates


@pytest.mark.parametrize("name", RETRAIN_SCHEDULES)
def test_retraining_schedules_read_exactly_what_they_use(name):
    arguments = {"steps": 10, "dense": STEPPED, **retrain_arguments(name)}
    rates = retrain_rates(name, **arguments)
    for key, value in {"discount": 0.7, "init": 0.7, "warmup": 0.35}.items():
        used = key in RETRAIN_SCHEDULES[name].uses
        assert (retrain_rates(name, **{**arguments, key: value}) != rates) == used
        if not used:
            assert retrain_rates(name, **{**arguments, key: -3.0}) == rates


@pytest.mark.parametrize("step", [-1, 10])
def test_a_step_outside_the_run_is_refused(step):
    with pytest.raises(ValueError, match=rf"step must be in \[0, 10\), got {step}"):
        dense_rate("constant", step, DenseRun(**GOOD_DENSE))
    with pytest.raises(ValueError, match=rf"step must be in \[0, 10\), got {step}"):
        retrain_rate("llr", step, retraining("llr", 10, STEPPED))


def test_records_name_themselves_and_only_known_arguments():
    assert all(name == schedule.name for name, schedule in DENSE_SCHEDULES.items())
    assert all(name == schedule.name for name, schedule in RETRAIN_SCHEDULES.items())
    assert all(
        s.uses <= {"milestones", "gamma", "every", "lr_end"} for s in DENSE_SCHEDULES.values()
    )
    tunable = {n for n, s in RETRAIN_SCHEDULES.items() if s.uses == {"init", "warmup"}}
    assert tunable == {"constant", "stepped", "cosine", "linear"}
    assert [n for n, s in RETRAIN_SCHEDULES.items() if s.uses == {"discount"}] == ["allr"]
    assert [n for n, s in RETRAIN_SCHEDULES.items() if not s.warms_up] == ["ft", "lrw"]
    assert FIXED_WARMUP == 0.1


def test_a_long_run_is_quick():
    start = time.perf_counter()
    dense = dense_rates("cosine", lr=0.1, steps=900_000, steps_per_epoch=10_000)
    rates = retrain_rates("stepped", steps=900_000, dense=dense, init=0.1)
    assert len(rates) == 900_000
    assert time.perf_counter() - start < 20  # about 1.2 s on one idle core
