"""The studies that come with the project: each loads, keeps every rule, and plans what it says."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import pytest
from click.testing import CliRunner

from study.checks.user_code import opened_study
from study.cli import group
from study.definition.studyfile import load, presets
from study.driver.launch import run
from study.points.resolve import resolve
from study.views.plan import plan
from tests.trainables.segmentation.datasets import voc
from tests.trainables.translation.texts import texts
from trainables.vocabulary.refusal import Refusal

# name: configurations, seeds, dense runs, epochs asked and after sharing (None: a search)
SIZES = {
    "digits": (36, 3, 3, 2376, 276),
    "digits-structures": (16, 5, 5, 1760, 260),
    "digits-discount": (78, 3, None, None, None),
    "digits-pareto": (60, 2, None, None, None),
    "digits-bimp": (48, 2, None, None, None),
    "fashion-mnist-schedules": (36, 3, 3, 2376, 276),
    "cifar10-resnet56-schedules": (54, 3, 3, 34_290, 2490),
    "table1-imagenet-resnet50": (54, 2, 2, 10_332, 792),
}


ON_DISK = ("voc-deeplab", "wmt-transformer")
"""Those whose numbers only the user's files know."""


@pytest.mark.parametrize("name", [name for name in presets() if name not in ON_DISK])
def test_a_preset_plans_and_is_named_as_its_file(name: str, tmp_path: Path) -> None:
    study = load(name)
    resolved, _ = opened_study(study, str(tmp_path / "out"), writes=False)
    planned = plan(resolved, str(tmp_path / "out"))
    assert study.name == planned.name == name
    assert planned.trials == planned.configurations * planned.seeds + planned.confirmations > 0
    assert not (tmp_path / "out").exists(), "planning writes nothing"


@pytest.mark.parametrize("name", presets())
def test_a_preset_says_what_it_asks(name: str) -> None:
    text = files("study").joinpath(f"presets/{name}.yaml").read_text(encoding="utf-8")
    assert text.startswith("# ")
    assert all(len(line) <= 100 for line in text.splitlines() if line.startswith("#"))


@pytest.mark.parametrize("name", SIZES)
def test_sizes(name: str, tmp_path: Path) -> None:
    planned = plan(resolve(load(name)), str(tmp_path / "out"))
    configurations, seeds, dense_runs, asked, shared = SIZES[name]
    assert (planned.configurations, planned.seeds) == (configurations, seeds)
    training = planned.training
    assert (training is None) == (dense_runs is None)
    if training is not None:
        assert training.dense_runs == dense_runs
        assert (training.epochs_asked, training.epochs_shared) == pytest.approx((asked, shared))


def test_imagenet_runs_where_its_folder_is(tmp_path: Path) -> None:
    here = ["resources.gpus=0", "resources.cpus=1", f"data.root={tmp_path}"]
    study = load("table1-imagenet-resnet50", here)
    message = rf"data\.root must hold imagenet, got {tmp_path}: .*{tmp_path}/imagenet$"
    with pytest.raises(Refusal, match=message):
        run(resolve(study), str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_deeplab_is_planned_where_voc_is(tmp_path: Path) -> None:
    """With a small crop, and without torchvision's weights, which nothing here has."""
    here = ["resources.gpus=0", "task.crop=33", "dense.start=null", f"data.root={voc(tmp_path)}"]
    resolved, _ = opened_study(load("voc-deeplab", here), str(tmp_path / "out"), writes=False)
    planned = plan(resolved, str(tmp_path / "out"))
    assert (planned.configurations, planned.seeds) == (24, 3)
    (words,) = [text for name, text in planned.weights if name == "pruned weights"]
    # torchvision counts 42,004,074: less 2,365,205 of the auxiliary head, 56,704 of BatchNorm and
    # 21 biases
    assert words.startswith("39,582,144 of 42,004,074 parameters: backbone.conv1.weight 9,408")


@pytest.mark.slow
def test_the_transformer_is_planned_where_texts_are(tmp_path: Path) -> None:
    """With the tokens that so little text gives, and Transformer-base as it is."""
    here = ["resources.gpus=0", "task.n_tokens=290", "task.batch_tokens=24", "task.beam=1"]
    study = load("wmt-transformer", [*here, f"data.root={texts(tmp_path / 'data')}"])
    resolved, _ = opened_study(study, str(tmp_path / "out"), writes=False)
    planned = plan(resolved, str(tmp_path / "out"))
    assert (planned.configurations, planned.seeds) == (24, 3)
    (words,) = [text for name, text in planned.weights if name == "pruned weights"]
    # Vaswani et al. 2017: six layers of 4 d^2 + 2 d h, six of 8 d^2 + 2 d h; beside them biases
    # (encoder 4 d + h + d, decoder 8 d + h + d), 2 d for each of 32 norms, and the tokens
    d, h = 512, 2048
    pruned = 6 * (12 * d * d + 4 * d * h)
    beside = 6 * (14 * d + 2 * h) + 32 * 2 * d + 290 * d
    assert words.startswith(f"{pruned:,} of {pruned + beside:,} parameters: encoder.layers.0.self")


def test_plan_on_the_command_line(tmp_path: Path) -> None:
    arguments = ["plan", "digits", "--out", str(tmp_path / "out"), "--set", "seeds=[0]"]
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 0
    assert "36 = 36 configurations x 1 seed" in result.output
    assert "37, of them 1 dense run" in result.output
