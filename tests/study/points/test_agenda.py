"""The agenda by hand: what is handed out, in which order, and what waits for what."""

from __future__ import annotations

from typing import Any

from study.definition.space import Trial
from study.points.agenda import Agenda, Assignment, Ending
from study.points.grid_study import GridSource
from trainables.config.chain import stage_chain
from trainables.config.trial import TrialConfig

DONE = Ending("done", {"val_accuracy": 0.9})


def trial(seed: int = 0, schedule: str = "llr", lr: float = 0.1, cycles: int = 1) -> Trial:
    return Trial.of(
        TrialConfig.of(
            {
                "task": {"dataset": "digits", "model": "mlp"},
                "dense": {"epochs": 2, "lr": lr},
                "prune": {"sparsity": 0.9, "cycles": cycles},
                "retrain": {"schedule": schedule, "epochs": 2},
            }
        ),
        seed,
    )


def whole(seed: int = 0) -> Trial:
    """A trial of a method from scratch: one stage, no dense run."""
    return Trial.of(
        TrialConfig.of(
            {
                "task": {"dataset": "digits", "model": "mlp"},
                "method": "gmp",
                "prune": {"sparsity": 0.9},
                "budget": {"epochs": 4},
            }
        ),
        seed,
    )


def stages(trial: Trial) -> list[str]:
    return [spec.hash for spec in stage_chain(trial.config, trial.seed)]


class Told(GridSource):
    """A grid that remembers what it was told."""

    def __init__(self, *trials: Trial) -> None:
        super().__init__(list(trials))
        self.told: list[tuple[str, str]] = []

    def tell(self, trial: Trial, ending: Ending) -> None:
        self.told.append((trial.fingerprint, ending.state))


def agenda(*trials: Trial, **more: Any) -> Agenda:
    return Agenda(Told(*trials), **{"endings": {}, **more})


def told(agenda: Agenda) -> list[tuple[str, str]]:
    source = agenda._source
    assert isinstance(source, Told)
    return source.told


def take(agenda: Agenda) -> Assignment:
    task = agenda.next()
    assert task is not None
    return task


def test_the_dense_run_comes_first_and_its_dependents_wait() -> None:
    ft, llr = trial(schedule="ft"), trial(schedule="llr")
    work = agenda(ft, llr)
    dense = take(work)
    assert (dense.goal, dense.stages) == ("dense", (stages(ft)[0],))
    assert work.next() is None
    assert (work.waiting, work.running, work.dense_left) == (2, 1, 1)
    work.ended(dense, DONE)
    assert work.dense_left == 0
    first, second = take(work), take(work)
    assert [first.trial, second.trial] == [ft, llr]
    assert (first.goal, first.stages) == ("trial", tuple(stages(ft)))
    work.ended(first, DONE)
    work.ended(second, DONE)
    assert work.next() is None
    assert work.finished
    assert told(work) == [(ft.fingerprint, "done"), (llr.fingerprint, "done")]


def test_the_dense_run_that_most_trials_need_comes_first() -> None:
    few = [trial(seed=1, schedule=s) for s in ("ft", "llr")]
    many = [trial(seed=2, schedule=s) for s in ("ft", "llr", "slr")]
    work = agenda(*few, *many)
    assert [take(work).stages[0] for _ in range(2)] == [stages(many[0])[0], stages(few[0])[0]]


def test_a_dense_run_that_one_trial_needs_is_part_of_that_trial() -> None:
    alone = trial()
    task = take(agenda(alone))
    assert (task.goal, task.trial) == ("trial", alone)


def test_a_dense_run_that_is_there_is_not_made_again() -> None:
    ft, llr = trial(schedule="ft"), trial(schedule="llr")
    work = agenda(ft, llr, stages=[stages(ft)[0]])
    assert [take(work).trial for _ in range(2)] == [ft, llr]


def test_seeds_run_side_by_side() -> None:
    work = agenda(trial(seed=0), trial(seed=1))
    assert [take(work).trial.seed for _ in range(2)] == [0, 1]


def test_trials_that_share_a_cycle_do_not_make_it_twice() -> None:
    """Two cycles to .75 go by .5, where one cycle to .5 with as many steps ends."""
    short = Trial.of(_to(0.5, 1, 1), 0)
    long = Trial.of(_to(0.75, 2, 2), 0)
    assert stages(long)[:2] == stages(short)
    work = agenda(long, short, stages=[stages(short)[0]])
    first = take(work)
    assert first.trial == long
    assert work.next() is None
    work.ended(first, DONE)
    assert take(work).trial == short


def _to(sparsity: float, cycles: int, epochs: int) -> TrialConfig:
    return TrialConfig.of(
        {
            "task": {"dataset": "digits", "model": "mlp"},
            "dense": {"epochs": 2},
            "prune": {"sparsity": sparsity, "cycles": cycles},
            "retrain": {"schedule": "llr", "epochs": epochs},
        }
    )


def test_methods_from_scratch_have_no_dense_run_to_wait_for() -> None:
    work = agenda(whole(0), whole(1))
    assert [take(work).goal for _ in range(2)] == ["trial", "trial"]


def test_a_failed_dense_run_fails_its_dependents_and_no_others() -> None:
    ft, llr, other = trial(schedule="ft"), trial(schedule="llr"), trial(seed=1)
    work = agenda(ft, llr, other, attempts={llr.fingerprint: 2})
    dense = take(work)
    work.ended(dense, Ending("failed"))
    failures = [(f.assignment.trial, f.assignment.attempt, f.dense) for f in work.failures]
    assert failures == [(ft, 1, dense.stages[0]), (llr, 3, dense.stages[0])]
    assert told(work) == [(ft.fingerprint, "failed"), (llr.fingerprint, "failed")]
    last = take(work)
    assert last.trial == other
    work.ended(last, DONE)
    assert work.next() is None
    assert work.finished


def test_a_diverged_dense_run_is_a_stage_that_is_there() -> None:
    """Its trials find the diverged stage and end as diverged by themselves."""
    ft, llr = trial(schedule="ft"), trial(schedule="llr")
    work = agenda(ft, llr)
    work.ended(take(work), Ending("diverged"))
    assert [take(work).trial for _ in range(2)] == [ft, llr]
    assert work.failures == []


def test_a_failed_trial_leaves_its_stages_to_be_made_by_others() -> None:
    """Nothing is said of how far it came, so the dense run is still missing."""
    lone = trial(seed=3)
    work = agenda(lone)
    work.ended(take(work), Ending("failed"))
    assert work._done_stages == set()
    assert told(work) == [(lone.fingerprint, "failed")]


def test_known_trials_are_told_at_once_and_not_run() -> None:
    old, new = trial(schedule="ft"), trial(schedule="llr")
    work = agenda(old, new, endings={old.fingerprint: Ending("diverged")})
    assert take(work).trial == new
    assert told(work) == [(old.fingerprint, "diverged")]
    assert work.reused == 1


def test_a_study_that_is_settled_is_finished_at_once() -> None:
    old = trial()
    work = agenda(old, endings={old.fingerprint: DONE})
    assert work.next() is None
    assert work.finished


def test_attempts_count_on() -> None:
    failed = trial()
    assert take(agenda(failed)).attempt == 1
    assert take(agenda(failed, attempts={failed.fingerprint: 1})).attempt == 2


def test_a_task_that_gave_up_waits_for_its_stage() -> None:
    mine, other = trial(seed=0), trial(seed=1)
    work = agenda(mine, other)
    task = take(work)
    work.gave_up(task, task.stages[0])
    assert work.blocked == {task.stages[0]}
    assert take(work).trial == other
    assert work.next() is None
    assert not work.finished
    work.unblock(task.stages[0], done=True)
    assert work.blocked == set()
    again = take(work)
    assert (again.trial, again.attempt) == (mine, 1)


def test_a_dense_run_that_gave_up_is_made_once_its_lease_has_expired() -> None:
    ft, llr = trial(schedule="ft"), trial(schedule="llr")
    work = agenda(ft, llr)
    dense = take(work)
    work.gave_up(dense, dense.stages[0])
    assert work.next() is None
    work.unblock(dense.stages[0], done=False)
    again = take(work)
    assert (again.goal, again.stages) == ("dense", dense.stages)


def test_a_dense_run_made_by_another_process_frees_its_dependents() -> None:
    ft, llr = trial(schedule="ft"), trial(schedule="llr")
    work = agenda(ft, llr)
    dense = take(work)
    work.gave_up(dense, dense.stages[0])
    work.unblock(dense.stages[0], done=True)
    assert [take(work).trial for _ in range(2)] == [ft, llr]


class Slow:
    """A source that has one trial at a time: the next one once the last has ended."""

    planned = 3

    def __init__(self) -> None:
        self.asked: list[int] = []
        self._left = [trial(seed=s) for s in range(3)]

    def more(self, outstanding: int) -> list[Trial] | None:
        self.asked.append(outstanding)
        if outstanding:
            return None
        return [self._left.pop(0)] if self._left else []

    def tell(self, trial: Trial, ending: Ending) -> None: ...


def test_a_source_is_asked_again_when_something_has_ended() -> None:
    source = Slow()
    work = Agenda(source, {})
    for seed in range(3):
        task = take(work)
        assert task.trial.seed == seed
        assert work.next() is None
        assert not work.finished
        work.ended(task, DONE)
    assert work.next() is None
    assert work.finished
    assert source.asked == [0, 1, 0, 1, 0, 1, 0]


def test_a_source_is_not_asked_while_nothing_happens() -> None:
    source = Slow()
    work = Agenda(source, {})
    take(work)
    for _ in range(100):
        assert work.next() is None
    assert source.asked == [0, 1]


def test_every_trial_is_run_exactly_once_whatever_the_order() -> None:
    schedules = ("ft", "lrw", "slr", "llr", "allr")
    trials = [trial(seed=s, schedule=n) for s in range(3) for n in schedules]
    work = agenda(*trials)
    running: list[Assignment] = []
    ran: list[Assignment] = []
    while not work.finished:
        while len(running) < 4 and (task := work.next()) is not None:
            running.append(task)
        assert running, "nothing runs and nothing is finished"
        ended = running.pop(len(ran) * 7 % len(running))
        ran.append(ended)
        work.ended(ended, DONE)
        work.next() if not running else None
    assert sorted(t.trial.fingerprint for t in ran if t.goal == "trial") == sorted(
        t.fingerprint for t in trials
    )
    assert len([t for t in ran if t.goal == "dense"]) == 3


def test_a_trial_wanted_twice_is_run_once_and_both_are_told() -> None:
    """Two blocks of a search may ask for the same point."""
    one = trial(schedule="ft")
    twin = Trial(one.config, one.seed, one.fingerprint, {"block_key": "other"})
    work = agenda(one, twin)
    task = take(work)
    assert work.next() is None
    work.ended(task, DONE)
    assert work.next() is None
    assert work.finished
    assert told(work) == [(one.fingerprint, "done")] * 2
