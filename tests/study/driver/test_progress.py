"""What a run shows of itself: counts, pace and time left, on a clock set by hand."""

from __future__ import annotations

import pytest

from study.definition.space import Trial
from study.driver.progress import PlainDisplay, Tally, line
from study.points.agenda import Assignment, Ending
from trainables.config.trial import TrialConfig
from trainables.vocabulary.wording import duration

CONFIG = TrialConfig.of(
    {
        "task": {"dataset": "digits", "model": "mlp"},
        "dense": {"epochs": 2},
        "prune": {"sparsity": 0.9},
        "retrain": {"epochs": 1},
    }
)


def assignment(name: str = "a") -> Assignment:
    return Assignment("trial", Trial(CONFIG, 0, name), ())


def done(accuracy: float) -> Ending:
    return Ending("done", {"val_accuracy": accuracy, "val_loss": 1 - accuracy})


def tally(wanted: int = 10, before: int = 0, **more: object) -> Tally:
    return Tally(wanted, before, started=0.0, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 0 s"),
        (185, "3 min 5 s"),
        (3599.4, "59 min 59 s"),
        (3600, "1 h 0 min"),
        (7620, "2 h 7 min"),
    ],
)
def test_lengths_of_time(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_counts_and_the_best() -> None:
    counts = tally(before=3)
    counts.over(assignment("a"), done(0.8), now=1)
    counts.over(assignment("b"), done(0.9), now=2)
    counts.over(assignment("c"), done(0.85), now=3)
    counts.over(assignment("d"), Ending("diverged", {"val_accuracy": 0.99}), now=4)
    counts.over(assignment("e"), Ending("failed"), now=5)
    counts.over(Assignment("dense", Trial(CONFIG, 0, "f"), ()), done(0.95), now=6)
    assert (counts.states, counts.dense_runs) == ({"done": 3, "diverged": 1, "failed": 1}, 1)
    assert (counts.ended, counts.settled) == (5, 8)
    counts.over(assignment("g"), Ending("stopped"), now=7)
    assert (counts.states["stopped"], counts.ended, counts.settled) == (1, 6, 9)
    assert (counts.best, counts.best_trial) == (0.9, "b")


def test_the_best_loss_is_the_lowest() -> None:
    counts = tally(best_metric="val_loss")
    for name, accuracy in (("a", 0.8), ("b", 0.9), ("c", 0.85)):
        counts.over(assignment(name), done(accuracy), now=1)
    assert counts.best == pytest.approx(0.1)
    assert counts.best_trial == "b"


def test_the_pace_is_that_of_the_last_minute() -> None:
    counts = tally()
    assert counts.epochs_per_s(now=0) == 0
    counts.trained(30, now=10)
    counts.trained(30, now=20)
    assert counts.epochs_per_s(now=30) == 3
    counts.trained(6, now=75)
    assert counts.epochs_per_s(now=75) == pytest.approx(36 / 55)
    assert counts.epochs == 66


def test_a_single_result_just_now_is_no_infinite_pace() -> None:
    counts = tally()
    counts.trained(2, now=5)
    assert counts.epochs_per_s(now=5) == 2


def test_the_time_left_is_known_after_two_trials() -> None:
    counts = tally(wanted=10, before=2)
    counts.trained(1, now=100)
    assert counts.seconds_left(now=100) is None
    counts.over(assignment(), done(0.8), now=110)
    assert counts.seconds_left(now=110) is None
    counts.over(assignment(), done(0.8), now=120)
    assert counts.seconds_left(now=120) == 10 * 6
    for _ in range(6):
        counts.over(assignment(), done(0.8), now=180)
    assert counts.seconds_left(now=180) == 0


def test_the_line() -> None:
    counts = tally(wanted=10, before=2)
    assert line(counts, 1, 7) == ("2/10 trials, 1 running, 7 waiting, 0.0 epochs/s, left unknown")
    counts.over(assignment(), done(0.8125), now=1)
    counts.over(assignment(), Ending("failed"), now=1)
    counts.over(assignment(), Ending("diverged"), now=1)
    text = line(counts, 2, 3)
    assert text.startswith("5/10 trials, 1 failed, 1 diverged, 2 running, 3 waiting, ")
    assert "best val_accuracy 81.25%" in text


def test_a_loss_is_no_percentage() -> None:
    counts = tally(best_metric="val_loss")
    counts.over(assignment(), Ending("done", {"val_loss": 0.25}), now=1)
    assert "best val_loss 0.25" in line(counts, 0, 0)


def test_a_pipe_gets_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("study.driver.progress.time.monotonic", lambda: clock[0])
    shown = PlainDisplay(every_s=10)
    for at in (100, 105, 109.9, 110, 119, 121):
        clock[0] = at
        shown.show(tally(), 0, 0)
    shown.say("a [sentence] stays")
    shown.close()
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[-1] == "a [sentence] stays"
