"""What a run shows of itself: counts, pace and time left, on a clock set by hand."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from study.definition.space import Trial
from study.driver.progress import LiveDisplay, PlainDisplay, Queue, Tally, line
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


def assignment(name: str = "a", sparsity: float = 0.9) -> Assignment:
    prune = CONFIG.prune.model_copy(update={"sparsity": sparsity})
    return Assignment("trial", Trial(CONFIG.model_copy(update={"prune": prune}), 0, name), ())


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
    assert counts.bests == {0.9: 0.9}


def test_the_best_is_of_each_sparsity_and_the_lowest_of_a_loss() -> None:
    counts = tally(best_metric="val_loss")
    for sparsity, accuracy in ((0.8, 0.8), (0.8, 0.9), (0.8, 0.85), (0.95, 0.6)):
        counts.over(assignment(sparsity=sparsity), done(accuracy), now=1)
    assert counts.bests == pytest.approx({0.8: 0.1, 0.95: 0.4})
    assert "best validation loss 0.1 at 80 %, 0.4 at 95 %" in line(counts, Queue(0, 0))


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
    assert line(counts, Queue(0, 7)) == "2/10 trials, 0 running, 7 waiting"
    for ending in (done(0.8125), Ending("failed"), Ending("diverged")):
        counts.over(assignment(), ending, now=1)
    assert line(counts, Queue(2, 3)) == (
        "5/10 trials, loading workers, 1 failed, 1 diverged, 2 running, 3 waiting,"
        " best validation accuracy 81.2 % at 90 %"
    )


def test_the_first_minute_says_what_it_does() -> None:
    counts = tally(wanted=108)
    assert line(counts, Queue(2, 106, 3)).startswith("0/108 trials, loading workers, ")
    counts.trained(1)
    assert line(counts, Queue(2, 106, 3)).startswith("0/108 trials, dense runs 0/3, ")
    counts.over(Assignment("dense", Trial(CONFIG, 0, "f"), ()), done(0.95))
    assert line(counts, Queue(2, 106, 2)).startswith("0/108 trials, dense runs 1/3, ")
    assert "dense runs" not in line(counts, Queue(2, 106, 0))


@pytest.mark.parametrize("width", [30, 50, 120])
def test_a_narrow_line_keeps_the_count_and_the_time_left(
    width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("study.driver.progress.time.monotonic", lambda: 120.0)
    counts = tally(wanted=108)
    counts.trained(1, now=100)
    for at in (110, 120):
        counts.over(assignment(), done(0.8), now=at)
    text = line(counts, Queue(2, 104), width)
    assert len(text) <= width
    assert text.startswith("2/108 trials, 17 min 40 s left")
    assert text.endswith({30: "left", 50: "2 running", 120: "80.0 % at 90 %"}[width])


def test_sampled_sparsities_have_no_best_of_each() -> None:
    counts = tally()
    for n in range(7):
        counts.over(assignment(sparsity=0.5 + n / 20), done(0.8), now=1)
    assert "best" not in line(counts, Queue(0, 0))


def test_the_counts_of_a_line_add_up_while_a_dense_run_is_at_work() -> None:
    """Nine trials wait for it: it is none of them."""
    counts = tally(wanted=9)
    assert line(counts, Queue(0, 9, 1, 1)).endswith("0 running and 1 dense run, 9 waiting")
    assert line(counts, Queue(2, 7, 0, 0)).endswith("2 running, 7 waiting")


def test_a_pipe_gets_a_line_only_when_it_says_something_new(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("study.driver.progress.time.monotonic", lambda: clock[0])
    shown, counts = PlainDisplay(every_s=10), tally(wanted=300)

    def at(second: float, ended: int = 0) -> int:
        clock[0] = second
        for _ in range(ended):
            counts.over(assignment(), done(0.8), now=second)
        shown.show(counts, Queue(1, 5))
        return len(capsys.readouterr().out.splitlines())

    assert at(100) == 1
    assert at(130) == 0  # nothing has happened
    assert at(131, ended=2) == 0  # less than a hundredth of 300
    assert at(132, ended=1) == 1  # a hundredth
    assert at(135, ended=50) == 0  # too soon after the last line
    assert at(142) == 1
    assert at(700, ended=1) == 0
    assert at(742) == 1  # ten minutes later one trial is worth a line
    assert at(760) == 0
    counts.over(assignment(), Ending("failed"), now=760)
    assert at(761) == 1
    shown.say("a [sentence] stays")
    shown.close()
    assert capsys.readouterr().out == "a [sentence] stays\n"


@pytest.mark.parametrize("width", [80, 200])
def test_a_terminal_is_never_overrun(width: int) -> None:
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width, legacy_windows=False)
    shown, counts = LiveDisplay(console), tally(wanted=108)
    counts.over(assignment(), done(0.8), now=1)
    shown.show(counts, Queue(2, 100, 3))
    shown.say("a [sentence] stays")
    shown.close()
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue())
    lines = [text.rstrip() for text in re.split(r"[\r\n]+", plain)]
    assert max(map(len, lines)) <= width
    assert "a [sentence] stays" in lines
    assert any("1/108 trials, loading workers" in text for text in lines)
    assert any("best validation accuracy" in text for text in lines) == (width == 200)
