"""The checks of a user's task: a sound one passes, and each fault has one sentence of its own.

The wrong tasks are a sound one with one line changed, so that only one check can object.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.trainables.tasks.conftest import Ask, in_its_own_process

SOUND = """import torch
from torch import nn
from torch.nn import functional
from trainables.tasks import Metric, Splits, Task

SEEN = []


class Items:
    def __init__(self, n, start=0):
        self.n, self.start = n, start

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(self.start + index)
        x = torch.randn(4, generator=generator)
        return x, x.sum()


class Net(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.first = nn.Linear(4, width)
        self.last = nn.Linear(width, 4)
        self.last.weight = nn.Parameter(self.first.weight.t().clone())
        self.head = nn.Linear(4, 1)

    def forward(self, x):
        return self.head(self.last(self.first(x).relu()))[:, 0]


class Mine(Task):
    metrics = {"error": Metric("less")}
    counts = "sums"

    def __init__(self, width: int = 8):
        self.width = width

    def splits(self):
        return Splits(Items(6), Items(4, 100))

    def model(self):
        return Net(self.width)

    def loss(self, model, batch):
        x, y = batch
        return functional.mse_loss(model(x), y)

    def score(self, model, batch):
        x, y = batch
        residual = model(x) - y
        return {"loss": residual.square().sum(), "error": residual.abs().sum()}
"""


def line_of(source: str, text: str) -> int:
    """The number of the line that has a text in it."""
    return next(n for n, line in enumerate(source.splitlines(), 1) if text in line)


def changed(old: str, new: str) -> str:
    assert SOUND.count(old) == 1, old
    return SOUND.replace(old, new)


def test_the_facts_of_a_sound_task(ask: Ask) -> None:
    (look,) = ask(SOUND, keywords={"width": 5})["looked_at"]
    assert look["task"]["given"] == {"use": "my_task:Mine", "width": 5}
    assert look["task"]["declared"] == {
        "metrics": {"error": {"better": "less", "percent": False, "unit": "", "meaning": ""}},
        "counts": "sums",
        "loss_unit": "",
    }
    assert look["task"]["findings"] == {
        "lengths": {"train": 6, "val": 4},
        "n_parameters": 20 + 5 + 20 + 4 + 4 + 1,
        "weights": {"first.weight": 20, "last.weight": 20, "head.weight": 4},
        "kinds": {"first.weight": "Linear", "last.weight": "Linear", "head.weight": "Linear"},
        "dense": {"first.bias": 5, "last.bias": 4, "head.bias": 1},
        "order": ["first.weight", "last.weight", "head.weight"],
        "unmet": [],
        "classes": {},
        "matrices": {"first.weight": [5, 4], "last.weight": [4, 5], "head.weight": [1, 4]},
        "listing": None,
        "undecoded": ["train", "val"],
        "bundles": {"heads": [], "hidden": []},
        "n_batches": None,
        "left_out": None,
    }


@pytest.mark.slow
def test_a_process_of_its_own_answers_the_same(request_of: Callable[..., Path], ask: Ask) -> None:
    request = request_of(SOUND, task={"use": "my_task:Mine"})
    assert in_its_own_process(request) == ask(SOUND)


WRONG: dict[str, tuple[str, str, str, str]] = {
    # name: what is replaced, by what, the sentence, and a text on the line that it names
    "import": (
        "class Items:", "import torch.nothing\n\n\nclass Items:",
        "task.use must be importable, got 'my_task:Mine': ModuleNotFoundError: No module named"
        " 'torch.nothing'", "torch.nothing",
    ),
    "keyword type": (
        "width: int = 8", "width: list[int]",
        "task.width must be a list, got 3", "class Mine",
    ),
    "no annotation": (
        "width: int = 8", "width=8",
        "task.width must have a type in its signature, such as width: int", "class Mine",
    ),
    "taken keyword": (
        "width: int = 8", "width: int = 8, version: int = 1",
        "task.version must not be a parameter, for every such section has a key of that name, got"
        " one of Mine", "class Mine",
    ),
    "abstract": (
        "    def score(", "    def scores(",
        "task.use must define score, got my_task:Mine without", "class Mine",
    ),
    "fault while made": (
        "self.width = width", "self.width = width / 0",
        "task must be made without a fault, got ZeroDivisionError: division by zero", "width / 0",
    ),
    "metric named loss": (
        '"error": Metric("less")', '"loss": Metric("less")',
        "task.use: metrics must not be 'loss', which every task has, got 'loss'", "class Mine",
    ),
    "metric with a part's name": (
        '"error": Metric("less")', '"val_error": Metric("less")',
        "task.use: metrics must have none of dense, pruned, test, train, val in its name, got"
        " 'val_error' (val)", "class Mine",
    ),
    "metric named weight": (
        '"error": Metric("less")', '"weight": Metric("less")',
        "task.use: metrics must leave 'weight' to the engine's sum, got weight", "class Mine",
    ),
    "no Metric": (
        'Metric("less")', '"less"',
        "task.use: metrics must give error as a Metric, got 'less'", "class Mine",
    ),
    "evaluation batch": (
        'counts = "sums"', 'evaluation_batch = 0',
        "task.use: evaluation_batch must be a whole number >= 1 or None, got 0", "class Mine",
    ),
    "no Splits": (
        "return Splits(Items(6), Items(4, 100))", "return Items(6), Items(4, 100)",
        "task.use: splits must return Splits, got tuple", "def splits",
    ),
    "fault in the data": (
        "x = torch.randn(4, generator=generator)", "x = torch.rand(4, generator=3)",
        "task.use: the first training items must make a batch, got TypeError: rand()",
        "generator=3",
    ),
    "empty part": (
        "Items(4, 100)", "Items(0, 100)",
        "task.use: splits must give val an item or more, got 0", "def splits",
    ),
    "overlapping parts": (
        "return Splits(Items(6), Items(4, 100))",
        "from torch.utils.data import Subset\n"
        "        items = Items(9)\n"
        "        return Splits(Subset(items, [0, 1, 2, 3]), Subset(items, [3, 4]))",
        "task.use: splits must keep train and val apart, got 1 shared item", "def splits",
    ),
    "no network": (
        "return Net(self.width)", "return Net",
        "task.use: model must return a torch.nn.Module, got type", "def model",
    ),
    "lazy layers": (
        "self.head = nn.Linear(4, 1)", "self.head = nn.LazyLinear(1)",
        "task.use: model must have the shapes of all its layers at once, got the lazy head.weight",
        "def model",
    ),
    "builds that differ": (
        "self.head = nn.Linear(4, 1)",
        "self.head = nn.Linear(4, 1)\n"
        "        import numpy as np\n"
        "        self.head.bias.data.fill_(np.random.rand())",
        "task.use: model must start from weights that torch's seed decides alone, got others in"
        " head.bias at a second build", "def model",
    ),
    "builds of other layers": (
        "return Net(self.width)",
        "net = Net(self.width)\n"
        "        self.calls = getattr(self, 'calls', 0) + 1\n"
        "        if self.calls == 2:\n"
        "            net.extra = nn.Linear(1, 1)\n"
        "        return net",
        "task.use: model must build the same network every time, got extra.bias in one of two",
        "def model",
    ),
    "one network for all": (
        "self.width = width", "self.net = Net(width)",
        "task.use: model must build a new network at every call, got one that shares tensors with"
        " an earlier one", "def model",
    ),
    "state shared by instances": (
        "        self.width = width", "        self.width, self.seen = width, SEEN",
        "task.use: __init__ must share no state between two tasks, got the same seen in both, which"
        " one has changed", "def __init__(self, width: int",
    ),
    "no prunable weight": (
        "    def model(self", "    def prunable(self, name, parameter, module):\n"
        "        return False\n\n    def model(self",
        "task.use: prunable must leave a weight that may be pruned, got none", "def prunable",
    ),
    "loss that is no scalar": (
        "functional.mse_loss(model(x), y)", 'functional.mse_loss(model(x), y, reduction="none")',
        "task.use: loss must return a scalar tensor, of shape [], got shape [2]", "def loss",
    ),
    "loss of shape [1]": (
        "return functional.mse_loss(model(x), y)", "return functional.mse_loss(model(x), y)[None]",
        "task.use: loss must return a scalar tensor, of shape [], got shape [1]", "def loss",
    ),
    "loss that is no tensor": (
        "return functional.mse_loss(model(x), y)", "return functional.mse_loss(model(x), y).item()",
        "task.use: loss must return a scalar tensor, of shape [], got float", "def loss",
    ),
    "loss that is not finite": (
        "functional.mse_loss(model(x), y)", "functional.mse_loss(model(x), y) / 0",
        "task.use: loss must be finite on the first two examples, got inf", "def loss",
    ),
    "loss without gradient": (
        "return functional.mse_loss(model(x), y)",
        "return functional.mse_loss(model(x), y).detach()",
        "task.use: loss must have a gradient, got a tensor without one", "def loss",
    ),
    "fault in the loss": (
        "functional.mse_loss(model(x), y)", "functional.mse_loss(model(x.T), y)",
        "task.use: loss must judge a batch, got RuntimeError: mat1 and mat2 shapes cannot be"
        " multiplied (4x2 and 4x8)", "self.first(x)",
    ),
    "weight without gradient": (
        "self.head = nn.Linear(4, 1)", "self.head = nn.Linear(4, 1)\n"
        "        self.idle = nn.Linear(3, 3)",
        "task.use: loss must reach every prunable weight or prunable leave idle.weight out, got no"
        " gradient at idle.weight", "def loss",
    ),
    "weight that is no count": (
        "    def model(self", "    def weight(self, batch):\n"
        "        return batch[0].square().sum()\n\n    def model(self",
        "task.use: weight must return a whole number > 0: an int, or a tensor [] of an integer"
        " type, got shape [] of torch.float32", "def weight",
    ),
    "weight of nothing": (
        "    def model(self", "    def weight(self, batch):\n"
        "        return (batch[0] > 99).sum()\n\n    def model(self",
        "task.use: weight must return a whole number > 0: an int, or a tensor [] of an integer"
        " type, got 0", "def weight",
    ),
    "score that is no mapping": (
        'return {"loss": residual.square().sum(), "error": residual.abs().sum()}',
        "return residual.square().sum(), residual.abs().sum()",
        "task.use: score must return a mapping, got tuple", "def score",
    ),
    "score that does not sum": (
        '"error": residual.abs().sum()', '"error": residual.abs()',
        "task.use: score must return what can be summed over batches, got RuntimeError: The size"
        " of tensor a (2) must match the size of tensor b (3) at non-singleton dimension 0",
        "def score",
    ),
    "score of no number": (
        '"error": residual.abs().sum()', '"error": "much"',
        "task.use: score must give error as a tensor or number to sum, or a list to join, got str",
        "def score",
    ),
    "score with a weight": (
        '"error": residual.abs().sum()', '"error": residual.abs().sum(), "weight": 2',
        "task.use: score must leave 'weight' to the engine's sum, got weight", "def score",
    ),
    "finish without a metric": (
        "    def model(self", "    def finish(self, sums):\n"
        '        return {"loss": 1.0}\n\n    def model(self',
        "task.use: finish must give error as a number, got nothing", "def finish",
    ),
    "finish with a tensor": (
        "    def model(self", "    def finish(self, sums):\n"
        "        return sums\n\n    def model(self",
        "task.use: finish must give error as a number, got tensor(", "def finish",
    ),
    "finish with more": (
        "    def model(self", "    def finish(self, sums):\n"
        '        return {"loss": 1.0, "error": 1.0, "more": 2.0}\n\n    def model(self',
        "task.use: finish must give declared metrics and the loss alone, got more", "def finish",
    ),
    "metric that score does not give": (
        'metrics = {"error": Metric("less")}', 'metrics = {"offset": Metric("less")}',
        "task.use: score must give offset, which finish divides by the weight, got loss, error",
        "def score",
    ),
    "score without a loss": (
        '"loss": residual', '"objective": residual',
        "task.use: score must give loss, which finish divides by the weight, got objective, error",
        "def score",
    ),
    "score of a mean": (
        "residual.abs().sum()", "residual.abs().mean()",
        "task.use: score must give error as a sum over the batch, got ", "def score",
    ),
    "state kept aside": (
        "        return self.head(",
        "        if self.training:\n            self.shift = 1.0\n        x = x + self.shift\n"
        "        return self.head(",
        "task.use: model must keep all that it learns in its state dict, got other scores from a"
        " copy with the same state", "def model",
    ),
    "state that is no tensor": (
        "    def forward(", "    def get_extra_state(self):\n        return {}\n\n"
        "    def set_extra_state(self, state): ...\n\n    def forward(",
        "task.use: model must keep tensors alone in its state dict, got dict as _extra_state",
        "def model",
    ),
    "state that does not load": (
        "    def forward(", "    def load_state_dict(self, state):\n"
        "        raise KeyError('head')\n\n    def forward(",
        "task.use: model must load its own state, got KeyError: 'head'", "raise KeyError",
    ),
    "state that loads another": (
        "    def forward(", "    def load_state_dict(self, state):\n"
        "        pass\n\n    def forward(",
        "task.use: model must load what was saved, got another first.weight", "def model",
    ),
    "weights tied by hand": (
        "        return self.head(",
        "        self.last.weight = self.tied = self.last.weight\n        return self.head(",
        "task.use: model must tie the same weights at every build, got last.weight and tied",
        "def model",
    ),
    "data that cannot be sent": (
        "self.n, self.start = n, start", "self.n, self.start, self.f = n, start, lambda: 0",
        "task.use: the train part must be picklable, for loader processes, got", "def splits",
    ),
    "batches that cannot be sent": (
        "    def model(self", "    def collate(self, items):\n"
        "        batch = super().collate(items)\n"
        "        batch[0].source = lambda: 0\n"
        "        return batch\n\n    def model(self",
        "task.use: a batch must be picklable, for loader processes, got", "def splits",
    ),
    "example": (
        "    def model(self", "    def example(self):\n"
        "        return torch.zeros(1, 3)\n\n    def model(self",
        "task.use: example must be one input of the network, got RuntimeError: mat1 and mat2 shapes"
        " cannot be multiplied (1x3 and 4x8)", "self.first(x)",
    ),
    "the end of the process": (
        "return Net(self.width)", "raise SystemExit(3)",
        "task.use: model must build a network, got SystemExit: 3", "SystemExit(3)",
    ),
}  # fmt: skip

MORE = {
    "state shared by instances": (
        "        return functional.mse", "        SEEN.append(1)\n        return functional.mse",
    ),
    "state kept aside": (
        "        self.head = nn", "        self.shift = 0.0\n        self.head = nn"
    ),
    "one network for all": ("        return Net(self.width)", "        return self.net"),
}  # fmt: skip
"""What else is replaced for some of them."""


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_task_is_refused_in_one_sentence_with_file_and_line(ask: Ask, name: str) -> None:
    old, new, sentence, at = WRONG[name]
    source = changed(old, new)
    if name in MORE:
        source = source.replace(*MORE[name])
    answer = ask(source, keywords={"width": 3} if name == "keyword type" else {})
    assert list(answer) == ["refusal"]
    assert answer["refusal"].startswith(sentence)
    assert answer["refusal"].endswith(f" (my_task.py, line {line_of(source, at)})")
    assert "\n" not in answer["refusal"]


INHERITED = """from base import Mine as Base


class Mine(Base):
    def model(self):
        return super().model()
"""


def test_the_line_of_an_inherited_method_is_that_of_its_own_file(ask: Ask) -> None:
    broken = changed("return functional.mse_loss(model(x), y)", "return model(x)")
    answer = ask(INHERITED, files={"base.py": broken})
    line = line_of(broken, "def loss")
    assert answer["refusal"].endswith(f"got shape [2] (base.py, line {line})")


def test_where_the_engines_own_method_is_at_fault_the_class_is_named(ask: Ask) -> None:
    source = changed("return x, x.sum()", 'return x, "label"')
    for unwritten in ("loss", "score"):
        source = source.replace(f"def {unwritten}(", f"def {unwritten}_(")
    source = source.replace("class Mine(Task)", "class Mine(Classification)")
    source = source.replace("import Metric", "import Classification, Metric")
    source = source.replace('"error": Metric("less")', "").replace('counts = "sums"', "")
    refusal = ask(source)["refusal"]
    line = line_of(source, "class Mine")
    assert refusal.startswith("task.use: loss must judge a batch, got TypeError: cross_entropy")
    assert refusal.endswith(f"(my_task.py, line {line})")


DATA = """import torch
from torch import nn
from trainables.tasks import InMemory, Splits


def images(n: int = 12, shift: float = 0.0) -> Splits:
    draw = torch.Generator().manual_seed(0)
    x = torch.randn(n, 1, 4, 4, generator=draw) + shift
    part = InMemory.of(x, torch.arange(n) % 3)
    return Splits(InMemory.of(*(t[:6] for t in part.tensors)),
                  InMemory.of(*(t[6:9] for t in part.tensors)),
                  InMemory.of(*(t[9:] for t in part.tensors)))


class Net(nn.Sequential):
    def __init__(self, in_shape: tuple[int, ...], n_classes: int, width: int = 4):
        channels, height, _ = in_shape
        convolution = nn.Conv2d(channels, width, height)
        super().__init__(convolution, nn.Flatten(), nn.Linear(width, n_classes))
"""
OWN_DATA = {"dataset": "my_task:images", "model": {"name": "mlp", "hidden": [5]}}
OWN_MODEL = {"dataset": "digits", "model": {"name": "my_task:Net", "width": 3}}
BOTH = {"dataset": {"name": "my_task:images", "n": 11}, "model": "my_task:Net"}


def look_of(ask: Ask, task: dict[str, object], reference: str) -> dict[str, object]:
    (look,) = ask(DATA, task=task, reference=reference)["looked_at"]
    return dict(look["task"])


def test_the_users_data_under_a_network_of_the_catalog(ask: Ask) -> None:
    look = look_of(ask, OWN_DATA, "my_task:images")
    assert look["given"] == {
        "dataset": {"name": "my_task:images", "n": 12, "shift": 0.0},
        "model": {"name": "mlp", "hidden": [5]},
    }
    assert (look["in_shape"], look["n_classes"]) == ([1, 4, 4], 3)
    assert look["declared"] == {}  # classification's own
    findings = look["findings"]
    assert isinstance(findings, dict)
    assert findings["lengths"] == {"train": 6, "val": 3, "test": 3}
    assert findings["weights"] == {"linear1.weight": 80, "classifier.weight": 15}


def test_the_users_network_on_data_of_the_catalog(ask: Ask) -> None:
    look = look_of(ask, OWN_MODEL, "my_task:Net")
    assert look["given"] == OWN_MODEL
    findings = look["findings"]
    assert isinstance(findings, dict)
    assert findings["weights"] == {"0.weight": 3 * 64, "2.weight": 30}


def test_the_users_network_on_the_users_data(ask: Ask) -> None:
    look = look_of(ask, BOTH, "my_task:Net")
    assert look["given"] == {
        "dataset": {"name": "my_task:images", "n": 11, "shift": 0.0},
        "model": {"name": "my_task:Net", "width": 4},
    }


@pytest.mark.parametrize(
    ("old", "new", "task", "sentence"),
    [
        ("return Splits(InMemory", "return list(InMemory", OWN_DATA,
         "task.dataset: splits must return its data, got TypeError: list expected at most 1"),
        ("t[:6]", "t[:7]", BOTH,
         "task.dataset: splits must keep train and val apart, got 1 shared item (my_task.py, line"),
        ("nn.Linear(width, n_classes))", "nn.Linear(width, 1))", OWN_MODEL,
         "task.model: loss must judge a batch, got IndexError: Target 2 is out of bounds."),
        ("height: int", "height: int", {"dataset": "my_task:images", "model": "my_task:Nte"},
         "task.model must name what its module defines, got 'my_task:Nte'"),
    ],
)  # fmt: skip
def test_the_key_is_that_of_the_code_at_fault(
    ask: Ask, old: str, new: str, task: dict[str, object], sentence: str
) -> None:
    reference = "my_task:Net"
    answer = ask(DATA.replace(old, new), task=task, reference=reference)
    assert answer["refusal"].startswith(sentence)


def test_labels_outside_memory_need_a_number_of_classes(ask: Ask) -> None:
    source = DATA.replace("InMemory.of(*(t[:6] for t in part.tensors))", "list(part)[:6]")
    answer = ask(source, task=OWN_DATA, reference="my_task:images")
    assert answer["refusal"] == (
        "task.dataset: model must build a network, got ValueError: Splits must be given n_classes"
        f" where the labels are not in memory (my_task.py, line {line_of(DATA, 'def images')})"
    )
