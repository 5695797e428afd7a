"""Every notebook runs from top to bottom in the environment of the suite."""

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from ml4t_kernel.modes import INTERPRETED

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COMPILED = ("02_sweeps",)  # thousands of runs of seconds each, interpreted


def test_there_are_notebooks():
    assert NOTEBOOKS


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning")
def test_a_notebook_runs(path, tmp_path, monkeypatch):
    if INTERPRETED and path.stem in COMPILED:
        pytest.skip("too many runs to interpret")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, timeout=600, resources={"metadata": {"path": str(tmp_path)}}).execute()
    printed = [out for cell in notebook.cells for out in cell.get("outputs", []) if out["output_type"] == "stream"]
    errors = "".join(out["text"] for out in printed if out["name"] == "stderr")
    assert "Traceback" not in errors


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path):
    cells = nbformat.read(path, as_version=4).cells
    assert [number for number, cell in enumerate(cells) if cell.get("outputs") or cell.get("execution_count")] == []
