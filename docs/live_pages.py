"""The live pages of this documentation, built with it: Explorers on both real models, and the lesson of a notebook.

`mkdocs.yml` has this file as a hook. What was built from the same sources is kept in build/live: it takes a minute.
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import nbclient
import nbformat
from mkdocs.structure.files import File

import strace_widgets as sw

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

ROOT = Path(__file__).parents[1]
BUILT = ROOT / "build" / "live"
LESSON = ROOT / "demo_notebooks" / "12_a_lesson.ipynb"
PROMPTS = {
    "smollm2": {
        "france": "The capital of France is",
        "list": "red lamp, old door, cold stone; red lamp, old door, cold",
    },
    "gemma3": {"france": "The capital of France is", "eiffel": "The Eiffel Tower is located in the city of"},
}
SWITCHED = "france"
"""Of which prompt each head and MLP can be switched: it takes long, and room."""

MODELS = {"smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct", "gemma3": "google/gemma-3-270m"}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages to those of the documentation."""
    for page in live_pages():
        files.append(File.generated(config, f"live/{page.name}", abs_src_path=str(page)))
    return files


def live_pages() -> list[Path]:
    """Return the pages of the present sources, building them if need be."""
    folder = BUILT / digest()
    if not folder.exists():
        BUILT.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=BUILT) as unfinished:
            whole = Path(unfinished) / "pages"
            whole.mkdir()
            for model in MODELS:
                explorers(model, whole)
            lesson(whole)
            for former in BUILT.iterdir():
                if former != Path(unfinished):
                    shutil.rmtree(former, ignore_errors=True)
            whole.rename(folder)
    return sorted(folder.glob("*.html"))


def digest() -> str:
    """Return a name for all that the pages are made of."""
    package = Path(sw.__file__).parent
    found = hashlib.sha256()
    for file in sources(package):
        found.update(file.read_bytes())
    return found.hexdigest()[:16]


def sources(package: Path) -> Iterator[Path]:
    """Yield the files that the pages depend on."""
    yield from sorted(package.rglob("*.py"))
    yield from sorted((package / "explorer").rglob("*.css"))
    yield package / "explorer" / "static" / "explorer.js"
    yield from (Path(__file__), LESSON)


def explorers(name: str, folder: Path) -> None:
    """Write a page for each prompt on a model, with what each head and MLP does."""
    model = sw.load_model(MODELS[name])
    for key, prompt in PROMPTS[name].items():
        trace = sw.trace(model, prompt)
        trace.effects(by="component", progress=False)
        sw.to_html(trace, folder / f"{name}-{key}.html", toggles="single" if key == SWITCHED else None)


def lesson(folder: Path) -> None:
    """Run the notebook that writes the lesson."""
    notebook = nbformat.read(LESSON, as_version=4)
    with tempfile.TemporaryDirectory() as scratch:
        nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": scratch}}).execute()
        shutil.move(Path(scratch) / "lesson.html", folder / "lesson.html")
