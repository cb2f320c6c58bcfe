"""The built front end, as anywidget and pages take it."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

STATIC = Path(__file__).parent / "static"

# A browser never lets go of a module, nor of what the module holds, and anywidget imports one for each widget.
_SHARED = """// One module a page, however many widgets are open.
const modules = (globalThis[Symbol.for("strace_widgets")] ??= new Map());
if (!modules.has("{key}")) {{
  const address = URL.createObjectURL(new Blob([{source}], {{ type: "text/javascript" }}));
  modules.set("{key}", import(address));
}}
export default (await modules.get("{key}")).default;
"""


def module(name: str) -> str | Path:
    """Return the script of a bundle, by its name in `STATIC`, as a widget imports it.

    While developing (``ANYWIDGET_HMR=1``) the file itself, which anywidget watches. It connects every widget to the
    watcher and never lets it go, so only then.
    """
    file = STATIC / f"{name}.js"
    if _is_watched():
        return file
    source = text(file.name)
    key = f"{name} {hashlib.sha256(source.encode()).hexdigest()[:16]}"
    return _SHARED.format(key=key, source=json.dumps(source, allow_nan=False))


def style(name: str) -> str | Path:
    """Return the style sheet of a bundle; while developing, its file: see `module`."""
    file = STATIC / f"{name}.css"
    return file if _is_watched() else text(file.name)


def text(name: str) -> str:
    """Return what a file of the front end holds."""
    return (STATIC / name).read_text(encoding="utf-8")


def _is_watched() -> bool:
    return os.environ.get("ANYWIDGET_HMR") == "1"
