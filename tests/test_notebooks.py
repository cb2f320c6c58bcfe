"""Every demo notebook runs from top to bottom, and so do the solutions of its exercises."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import nbclient
import nbformat
import pytest
from conftest import ROOT
from jupyter_client.manager import KernelManager

import strace_widgets as sw

NOTEBOOKS = sorted((ROOT / "demo_notebooks").glob("*.ipynb"))
SOLUTION = re.compile(r"<details><summary>Solution</summary>\n\n```python\n(.*?)```", re.DOTALL)

RUN_ELSEWHERE = {
    "01_quickstart": "test_jupyterlab.py, in a real JupyterLab",
    "12_a_lesson": "the documentation, in test_docs.py",
}

each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


@pytest.fixture(scope="module")
def kernel() -> Iterator[KernelManager]:
    """A kernel for all notebooks: what they import takes as long as many of them run."""
    manager = KernelManager()  # the first notebook starts it
    yield manager
    manager.shutdown_kernel(now=True)


def executed(path: Path, folder: Path, kernel: KernelManager) -> nbformat.NotebookNode:
    """Run a copy of a notebook in a folder, each folded solution as a cell after its exercise.

    It finds nothing of the notebook before it but what that imported.
    """
    shutil.copy(path, folder)
    notebook = nbformat.read(path, as_version=4)
    cells = []
    for cell in notebook.cells:
        solutions = SOLUTION.findall(cell.source) if cell.cell_type == "markdown" else []
        cells += [cell, *map(nbformat.v4.new_code_cell, solutions)]
    anew = nbformat.v4.new_code_cell(f"%reset -f\n%reset -f out\n%cd -q {folder}")
    notebook.cells = [anew, *cells]
    nbclient.NotebookClient(notebook, km=kernel, timeout=300).execute()
    return notebook


@pytest.mark.host
@pytest.mark.parametrize(
    "path", [path for path in NOTEBOOKS if path.stem not in RUN_ELSEWHERE], ids=lambda path: path.stem
)
def test_notebook_runs(path: Path, tmp_path: Path, kernel: KernelManager) -> None:
    notebook = executed(path, tmp_path, kernel)
    outputs = "".join(str(output) for cell in notebook.cells for output in cell.get("outputs", []))
    assert "image/svg+xml" in outputs or "application/vnd.jupyter.widget-view+json" in outputs


def test_the_solution_of_the_lesson_runs(smollm2: sw.Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It needs no more of the notebook, which runs elsewhere, than the model."""
    monkeypatch.chdir(tmp_path)
    (lesson,) = (path for path in NOTEBOOKS if path.stem == "12_a_lesson")
    (solution,) = SOLUTION.findall("\n".join(cell.source for cell in nbformat.read(lesson, as_version=4).cells))
    exec(solution, {"sw": sw, "model": smollm2})  # noqa: S102 - what the notebook tells its readers to run
    assert (tmp_path / "own.html").stat().st_size > 100_000


@each_notebook
def test_notebook_is_stored_with_light_pictures(path: Path) -> None:
    """Previews show them; to refresh them: ``make notebooks``."""
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert path.stat().st_size < 900_000
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    kinds = {kind for output in outputs for kind in output.get("data", {})}
    assert "image/png" in kinds
    assert kinds <= {"text/plain", "text/html", "image/png"}
    assert not [output for output in outputs if output.output_type == "error"]
    assert all(cell.execution_count is None for cell in notebook.cells if cell.cell_type == "code")


@each_notebook
def test_notebook_is_numbered_asks_a_question_and_sets_an_exercise(path: Path) -> None:
    first, *others = nbformat.read(path, as_version=4).cells
    assert re.fullmatch(r"\d\d_[a-z_]+", path.stem)
    assert re.match(r"# [^\n]+\n\n\*\*[^\n]+\?\*\*\n", first.source)
    if path.stem != "01_quickstart":
        assert any("## Exercise" in cell.source and SOLUTION.search(cell.source) for cell in others)


def test_there_are_notebooks_and_a_list_of_them() -> None:
    assert NOTEBOOKS
    listed = re.findall(r"\((\d\d_\w+\.ipynb)\)", (ROOT / "demo_notebooks" / "README.md").read_text(encoding="utf-8"))
    assert listed == [path.name for path in NOTEBOOKS]
