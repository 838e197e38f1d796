"""Reading a study takes neither torch nor Ray: the command where these are not installed."""

from __future__ import annotations

import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

import study
from tests.analysis import synthetic

WITHOUT = """
import sys
from importlib.abc import MetaPathFinder

RUN = ("PIL", "ray", "safetensors", "torch", "torchvision")

class Missing(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in RUN:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return None

sys.meta_path.insert(0, Missing())
import importlib.util
look = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in RUN else look(name, *rest)
from study.cli import main
main()
"""


RATES = "--dense-schedule linear --lr 0.1 --dense-epochs 2 --steps-per-epoch 2 --epochs 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("reading")
    synthetic.write(place, synthetic.schedules())
    preset = Path(study.__file__).parent / "presets" / "digits.yaml"
    (place / "study.yaml").write_text(preset.read_text())
    return place


def without(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", WITHOUT, *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "part"),
    [
        ("plan digits", "108 = 36 configurations x 3 seeds"),
        ("plan digits-structures", "is not known without torch (pip install 'bimp-study[run]')"),
        ("status {}", "108 trials"),
        ("results {} --columns retrain.schedule,val_accuracy", "allr"),
        ("table {}", "Mean ± sample standard deviation"),
        ("answer {}", "What to use"),
        ("figure {} accuracy_by_sparsity -o {}/figure.html", "figure.html"),
        ("note {}", "no note is there"),
        ("stages {}", "stages"),
        ("methods", "Zhu and Gupta 2017"),
        (f"schedule llr {RATES}", "retrain"),
        ("report {} -o {}/report.html", "report.html"),
    ],
)
def test_reading_needs_no_extra(folder: Path, words: str, part: str) -> None:
    ended = without(*words.replace("{}", str(folder)).split())
    assert ended.returncode == 0, ended.stderr
    assert part in ended.stdout + ended.stderr


@pytest.mark.slow
def test_the_dashboard_needs_no_extra(folder: Path) -> None:
    interruptible = "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    code = interruptible + WITHOUT  # a shell's background processes ignore the signal
    command = [sys.executable, "-c", code, "dashboard", str(folder), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as served:
        assert served.stderr is not None
        line = next(line for line in served.stderr if "http://" in line)
        address = line.partition("dashboard at ")[2].split()[0]
        with urllib.request.urlopen(f"{address}data/trials.csv", timeout=60) as answer:
            rows = answer.read().decode().splitlines()
        served.send_signal(signal.SIGINT)
    assert len(rows) == 1 + 108
    assert served.returncode == 0


@pytest.mark.parametrize(
    "words", ["export DIR --best val_accuracy -o net.safetensors", "bench DIR"]
)
def test_what_needs_networks_names_the_extra(words: str) -> None:
    ended = without(*words.split())
    verb = words.partition(" ")[0]
    assert ended.returncode == 2
    assert ended.stderr == (
        f"bimp: bimp {verb} must have torch and safetensors installed"
        " (pip install 'bimp-study[run]'), got a Python without\n"
    )


@pytest.mark.parametrize(
    ("preset", "sentence"),
    [
        ("segmentation-small", "task must be tried where torch is installed"),
        ("voc-deeplab", "this must have torch installed"),
    ],
)
def test_a_plan_that_takes_torch_names_the_extra(preset: str, sentence: str) -> None:
    """A whole task is built to be looked at; torchvision's weights lie where torch keeps them."""
    ended = without("plan", preset)
    assert ended.returncode == 2
    install = "(pip install 'bimp-study[run]'), got a Python without"
    assert ended.stderr == f"bimp: {sentence} {install}\n"


def test_running_names_the_extra_and_starts_nothing(tmp_path: Path) -> None:
    ended = without("run", "digits", "--out", str(tmp_path / "new"))
    assert ended.returncode == 2
    assert ended.stderr == (
        "bimp: bimp run must have ray and torch installed (pip install 'bimp-study[run]'),"
        " got a Python without\n"
    )
    assert not (tmp_path / "new").exists()
