"""The example of Hugging Face's Marian: planned as it is written, and trained for a step."""

from __future__ import annotations

from pathlib import Path

import pytest

from study.checks.user_code import opened_study
from study.definition.studyfile import load
from study.views.plan import plan

EXAMPLE = Path(__file__).parents[2] / "examples" / "hugging_face"


@pytest.mark.slow
def test_the_plan_of_a_marian(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    resolved, _ = opened_study(load(str(EXAMPLE / "study.yaml")), str(tmp_path), writes=False)
    planned = plan(resolved, str(tmp_path))
    assert (planned.configurations, planned.seeds) == (3, 2)
    (words,) = [text for name, text in planned.weights if name == "pruned weights"]
    d, h = 64, 256
    assert words.startswith(f"{2 * (12 * d * d + 4 * d * h):,} of ")
    assert resolved.deciding == "val_chrf"
