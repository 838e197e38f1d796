"""Schedules, criteria and methods of the user's, tried before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from tests.trainables.tasks.conftest import Ask
from tests.trainables.tasks.test_checks import SOUND, line_of

SCHEDULE = """def fall(cycle, step):
    return cycle.peak * (1 - step / cycle.steps)
"""
METHOD = """from typing import Literal

from trainables.methods.interface import Hooks


def settings(power: float = 2.0, kind: Literal["soft", "hard"] = "soft"): ...


class Mine(Hooks):
    Parameters = settings
    controls_sparsity = True
    structures = ("weights", "filters")

    def __init__(self, setting):
        self.setting = setting
"""
CRITERION = """

def taylor(weights, model, task, batches):
    for batch in batches:
        task.loss(model, batch).backward()
    return {name: (w * w.grad).abs() for name, w in weights.items()}
"""


def schedule(ask: Ask, source: str) -> dict[str, Any]:
    return ask(source, task=None, reference="my_task:fall", **{"retrain.schedule": "my_task:fall"})


def criterion(ask: Ask, source: str, **more: Any) -> dict[str, Any]:
    return ask(SOUND + source, **{"prune.criterion": "my_task:taylor"}, **more)


def method(ask: Ask, source: str, **given: Any) -> dict[str, Any]:
    return ask(source, task=None, method={"name": "my_task:Mine", **given})


def test_sound_code_beside_a_task_passes(ask: Ask) -> None:
    assert schedule(ask, SCHEDULE) == {"looked_at": [{"task": None}]}
    assert criterion(ask, CRITERION)["looked_at"][0]["task"]["declared"]
    assert method(ask, METHOD, power=3) == {
        "looked_at": [
            {
                "task": None,
                "method": {
                    "given": {"name": "my_task:Mine", "power": 3.0, "kind": "soft"},
                    "controls_sparsity": True,
                    "structures": ["weights", "filters"],
                    "needs": [],
                },
            }
        ]
    }


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("(cycle, step)", "(cycle)", "retrain.schedule my_task:fall must be called with (cycle,"
         " step), got a signature that does not fit: too many positional arguments"),
        ("step / cycle.steps", "step / cycle.step", "retrain.schedule my_task:fall must not fail,"
         " got AttributeError: 'Retraining' object has no attribute 'step'"),
        ("return cycle.peak *", "return -cycle.peak *", "schedule 'my_task:fall' must give rates"
         " >= 0, at step 0, got -0.05"),
        ("return", "rate =", "schedule 'my_task:fall' must give rates >= 0, at step 0, got None"),
        ("return cycle.peak *", "import random\n    return random.random() *",
         "schedule 'my_task:fall' must be a pure function of cycle and step, got ["),
    ],
)  # fmt: skip
def test_a_wrong_schedule(ask: Ask, old: str, new: str, sentence: str) -> None:
    refusal = schedule(ask, SCHEDULE.replace(old, new))["refusal"]
    assert refusal.startswith(sentence)
    assert refusal.endswith("(my_task.py, line 2)" if "not fail" in refusal else ", line 1)")


@pytest.mark.parametrize(
    ("old", "new", "sentence", "at"),
    [
        ("weights, model, task, batches", "weights, model", "prune.criterion my_task:taylor must be"
         " called with (weights, model, task, batches), got a signature that does not fit",
         "def taylor"),
        ("task.loss(model, batch)", "task.lose(model, batch)", "prune.criterion my_task:taylor must"
         " not fail, got AttributeError: 'Mine' object has no attribute 'lose'", "task.lose"),
        (".abs() for", ".sum() for", "prune.criterion my_task:taylor must give first.weight scores"
         " of shape [8, 4], got []", "def taylor"),
        (".abs() for", " / 0 for", "prune.criterion my_task:taylor must give first.weight finite"
         " scores, got NaN or infinity", "def taylor"),
        ("in weights.items()}", "in weights.items() if 'head' not in name}", "prune.criterion"
         " my_task:taylor must give head.weight scores of shape [1, 4], got NoneType",
         "def taylor"),
        ("return {name: (w * w.grad).abs() for name, w in weights.items()}", "return 3",
         "prune.criterion my_task:taylor must return scores by the weights' names, got int",
         "def taylor"),
    ],
)  # fmt: skip
def test_a_wrong_criterion(ask: Ask, old: str, new: str, sentence: str, at: str) -> None:
    source = CRITERION.replace(old, new)
    refusal = criterion(ask, source)["refusal"]
    assert refusal.startswith(sentence)
    assert refusal.endswith(f"(my_task.py, line {line_of(SOUND + source, at)})")


@pytest.mark.parametrize(
    ("old", "new", "given", "sentence"),
    [
        ("class Mine(Hooks)", "class Mine", {}, "method my_task:Mine must be a subclass of"
         " trainables.methods.interface.Hooks, got another (my_task.py, line 9)"),
        ("self, setting", "self", {}, "method my_task:Mine must be called with (setting), got a"
         " signature that does not fit: too many positional arguments (my_task.py, line 9)"),
        ('"filters")', '"tails")', {}, "method my_task:Mine must have structures out of weights,"
         " filters, n:m, blocks, rows, columns, heads, hidden, got 'tails' (my_task.py, line 9)"),
        ("", "", {"power": "x"}, "method.power must be a number, got 'x' (my_task.py, line 6)"),
        ("", "", {"kind": "hrad"}, "method.kind must be 'soft' or 'hard', got 'hrad'; did you mean"
         " hard? (my_task.py, line 6)"),
        ("power: float", "name: str = '', power: float", {}, "method.name must not be a parameter,"
         " for every such section has a key of that name, got one of settings (my_task.py, line 6)"
         ),
    ],
)  # fmt: skip
def test_a_wrong_method(ask: Ask, old: str, new: str, given: dict[str, Any], sentence: str) -> None:
    assert method(ask, METHOD.replace(old, new, 1), **given)["refusal"] == sentence


def test_what_is_no_function_is_refused(ask: Ask) -> None:
    refusal = schedule(ask, "fall = 3\n")["refusal"]
    assert refusal == "retrain.schedule my_task:fall must be a class or function, got 3"
