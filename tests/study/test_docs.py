"""The documentation says what the code does: tables, study files, commands and links."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from study.checks.user_code import opened_study
from study.cli import VERBS, group
from study.definition.own_code import Look, StudyCode, uses
from study.definition.space import spaces
from study.definition.studyfile import StudyFile, presets, read_yaml
from study.points.resolve import resolve
from study.views.plan import plan, table
from trainables.config.sections import Facts
from trainables.config.trial import TrialConfig

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Yield page name and text of each fenced block of a language."""
    for page in PAGES:
        pattern = rf"^```{language}\n(.*?)^```"
        for found in re.findall(pattern, page.read_text(encoding="utf-8"), re.M | re.S):
            yield page.name, found


def commands() -> Iterator[tuple[str, list[str]]]:
    """Yield page name and words of each call of `bimp` in a shell block."""
    for page, text in blocks("bash"):
        for line in text.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if "bimp" in words[:1]:
                yield page, words[1:]


def test_the_tables_are_current() -> None:
    script = ROOT / "docs" / "make_tables.py"
    done = subprocess.run(
        [sys.executable, str(script), "--check"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_the_check_of_the_tables_can_fail(tmp_path: Path) -> None:
    for name in ("make_tables.py", "meanings.py", "study-file.md", "reading-results.md"):
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("| `dense.lr` | number > 0 |", "| `dense.lr` |"))
    command = [sys.executable, str(tmp_path / "make_tables.py")]
    stale = subprocess.run([*command, "--check"], capture_output=True, text=True, check=False)
    assert stale.returncode == 1
    assert "out of date: study-file.md" in stale.stderr
    assert subprocess.run(command, check=False).returncode == 0
    page = (tmp_path / "study-file.md").read_text(encoding="utf-8")
    assert page == (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "text"), [b for b in blocks("yaml") if b[1].startswith("name:")])
def test_study_files_in_the_text_are_valid(page: str, text: str, tmp_path: Path) -> None:
    file = StudyFile.of(read_yaml(text, page))
    file._origin = ROOT / "examples" / "own_task"
    opened_study(file, str(tmp_path), writes=False)[0].check()


@pytest.mark.parametrize(
    "text", [text for page, text in blocks("yaml") if page == "checkpoints.md" and "prune:" in text]
)
def test_studies_of_trained_networks_in_the_text_are_valid(text: str) -> None:
    """As far as it can be told without the weights, which nothing here has."""
    file = StudyFile.of({"name": "trained", **read_yaml(text, "checkpoints.md")})
    facts = {"facts": {"n_train": 1000, "n_val": 100, "n_classes": 10}}
    for space in spaces(file):
        for cell in space.cells():
            assert TrialConfig.of({**space.raw(cell), **facts}).loads_dense


def test_the_plan_of_the_worked_example_is_as_it_is_shown(tmp_path: Path) -> None:
    """With the numbers of ImageNet in place of its files, and of the weights their digest."""
    (text,) = [t for _, t in blocks("yaml") if "IMAGENET1K_V1" in t and "prune:" in t]
    file = StudyFile.of({"name": "resnet50", **read_yaml(text, "checkpoints.md")})
    weights = {"path": "resnet50-0676ba61.pth", "digest": "0676ba61"}
    checkpoints = {"torchvision/ResNet50_Weights.IMAGENET1K_V1": weights}
    facts = Facts.model_validate({
        "n_train": 1_231_167, "n_val": 50_000, "n_test": 50_000, "n_classes": 1000,
        "checkpoints": checkpoints,
    })  # fmt: skip
    looks = {key: Look(facts) for key in uses(spaces(file), frozenset())}
    lines = table(plan(resolve(file, StudyCode(looks)), str(tmp_path))).splitlines()
    (shown,) = [t for page, t in blocks("text") if page == "checkpoints.md"]
    assert shown.splitlines()[1:-1] == lines


def test_there_are_study_files_in_the_text() -> None:
    assert {page for page, text in blocks("yaml") if text.startswith("name:")} >= {
        "README.md",
        "study-file.md",
    }


@pytest.mark.parametrize(("page", "words"), list(commands()))
def test_commands_in_the_text_exist_with_their_options(page: str, words: list[str]) -> None:
    assert words[0] in VERBS, f"{page}: bimp {words[0]}"
    command = group.get_command(click.Context(group), words[0])
    assert command is not None
    known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)} | {"--help", "-h"}
    used = {w.partition("=")[0] for w in words[1:] if w.startswith("-")}
    assert used <= known, f"{page}: bimp {' '.join(words)}"


def test_every_verb_is_in_the_readme() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert not [verb for verb in VERBS if f"bimp {verb}" not in text]


def test_every_preset_is_in_the_readme() -> None:
    text = PAGES[0].read_text(encoding="utf-8")
    assert not [name for name in presets() if f"`{name}`" not in text]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert not [target for target in local if not (page.parent / target).exists()]


def test_make_targets_in_the_text_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    used = set(re.findall(r"^make (?:[A-Z]+=\S+ )*([a-z-]+)", text, re.M))
    used |= set(re.findall(r"`make ([a-z-]+)`", text))
    assert used
    assert not [target for target in used if not re.search(rf"^{target}:", makefile, re.M)]
