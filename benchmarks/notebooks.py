"""Run the demo notebooks and keep what they show as light, static pictures, so that previews show them.

    python benchmarks/notebooks.py            # all of them, in place; or the names of some

A widget becomes its picture, a chart a PNG; what only a running host can draw is left out.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import vl_convert

FOLDER = Path(__file__).parents[1] / "demo_notebooks"

KEPT = ("text/plain", "text/html", "image/png")
"""The types of output that are kept; of an output with a picture, the picture and its words alone."""

LONGEST = 6_000
"""Characters of a text or table that are kept."""


def main() -> None:
    names = sys.argv[1:] or [file.name for file in sorted(FOLDER.glob("*.ipynb"))]
    for name in names:
        file = FOLDER / name
        notebook = nbformat.read(file, as_version=4)
        with tempfile.TemporaryDirectory() as folder:
            nbclient.NotebookClient(notebook, timeout=600, resources={"metadata": {"path": folder}}).execute()
        nbformat.write(light(notebook), file)
        print(f"{file.name}: {file.stat().st_size / 1e3:.0f} kB", flush=True)


def light(notebook: Any) -> Any:
    """Return an executed notebook with light outputs, and nothing of the run that made them."""
    notebook.metadata = {"kernelspec": notebook.metadata.kernelspec}
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.execution_count = None
            cell.outputs = [kept for output in cell.outputs if (kept := light_output(output))]
    return notebook


def light_output(output: Any) -> Any:
    """Return what is kept of an output; None where that is nothing."""
    if output.output_type == "stream":
        text = output.text[:LONGEST]
        return nbformat.v4.new_output("stream", name="stdout", text=text) if output.name == "stdout" else None
    if output.output_type == "error":
        return output
    data = dict(output.data)
    if "image/svg+xml" in data:
        picture = vl_convert.svg_to_png(data["image/svg+xml"], scale=1.25)
        data["image/png"] = base64.b64encode(picture).decode()
    if "image/png" in data:
        data.pop("text/html", None)
    kept = {kind: data[kind] for kind in KEPT if kind in data}
    if len(kept.get("text/html", "")) > LONGEST:
        del kept["text/html"]
    return nbformat.v4.new_output("display_data", kept) if kept else None


if __name__ == "__main__":
    main()
