"""The example notebooks run as they stand, each in a kernel of its own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from study import Study
from tests.analysis import synthetic

NOTEBOOKS = Path(__file__).parents[2] / "examples" / "notebooks"

pytestmark = pytest.mark.slow


def executed(name: str, folder: Path) -> list[Any]:
    """The code cells of a notebook after running it in a folder; it fails where a cell does."""
    nbformat = pytest.importorskip("nbformat", reason="needs 'bimp-study[notebook]'")
    client = pytest.importorskip("nbclient", reason="needs 'bimp-study[notebook]'")
    notebook = nbformat.read(NOTEBOOKS / name, as_version=4)
    where = {"metadata": {"path": str(folder)}}
    client.NotebookClient(notebook, timeout=250, kernel_name="python3", resources=where).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: Any) -> str:
    """What a cell shows, all of its forms together."""
    return json.dumps([output.get("data", output.get("text", "")) for output in cell.outputs])


def test_all_of_them_are_shipped_with_their_outputs() -> None:
    names = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
    assert names == ["launch_a_study.ipynb", "which_schedule.ipynb"]
    for name in names:
        text = (NOTEBOOKS / name).read_text(encoding="utf-8")
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
        assert all(cell["outputs"] for cell in cells)
        assert not [o for c in cells for o in c["outputs"] if o["output_type"] == "error"]
        assert "/tmp/" not in text and len(text) < 500_000


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_notebook_reads_a_study(tmp_path: Path) -> None:
    folder = tmp_path / "results" / "digits"
    synthetic.write(folder, synthetic.schedules())
    (folder / "study.yaml").write_text("name: digits\n")
    cells = executed("which_schedule.ipynb", tmp_path)
    assert "What to use" in shown(cells[0]) and "<table>" in shown(cells[0])
    assert "ALLR" in shown(cells[1])
    assert "plotly" in shown(cells[3])
    assert "val_accuracy" not in shown(cells[2]) and "0.95" in shown(cells[5])


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning")
def test_a_notebook_runs_a_study(tmp_path: Path) -> None:
    cells = executed("launch_a_study.ipynb", tmp_path)
    assert "8 trials" in shown(cells[0])
    assert "8 settled, 0 failed" in shown(cells[1])
    assert "<table>" in shown(cells[2])
    assert "12 trials, 8 of them settled" in shown(cells[3])
    answer = Study.open(tmp_path / "results" / "notebook").answer()
    assert answer.counts.states == {"done": 8}
