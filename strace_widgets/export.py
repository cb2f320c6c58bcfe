"""One page that holds an Explorer and needs no kernel and no network: the same bundle, with the state beside it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .session import Session

if TYPE_CHECKING:
    from .trace import STrace

NOTHING_TRIED: dict[str, Any] = {
    "toggles": {},
    "evaluation": None,
    "status": {"state": "ready", "message": "", "progress": 0},
    "live": False,
    "choices": {"importance": [], "masks": []},
    "curves": [],
    "history": {},
}

STATIC = Path(__file__).parent / "widgets" / "static"


def write_page(trace: STrace, path: Path) -> Path:
    """Write the page of a trace; return its path.

    Sizes between the computed levels are interpolated there, and switches need a kernel.
    """
    session = Session(trace)
    return write_state({"bundle": session.bundle(), "n_edges": session.start_size()}, path)


def write_state(state: dict[str, Any], path: Path) -> Path:
    """Write a page that shows a state of the Explorer; return its path."""
    path.write_text(page(f"s-Trace of “{state['bundle']['prompt']}”", NOTHING_TRIED | state), encoding="utf-8")
    return path


def page(title: str, state: dict[str, Any]) -> str:
    """Return the page as text. Its content security policy allows the one script by its hash and no request at all."""
    # A closing tag inside the script would end it for the HTML parser; in JavaScript the escaped form means the same.
    script = (STATIC / "explorer.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    style = (STATIC / "explorer.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    # Inside a script element only "<" can end the data: written as \\u003c it is the same JSON.
    data = json.dumps(state, default=_base64).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
:root {{ color-scheme: light dark; }}
body {{ margin: 0 auto; max-width: 1120px; padding: 16px; font-family: system-ui, sans-serif; }}
h1 {{ margin: 4px 2px 14px; font-size: 19px; font-weight: 600; }}
{style}
</style>
</head>
<body>
<h1>{html.escape(title)}</h1>
<script type="application/json" class="strace-widgets-state">{data}</script>
<script type="module">{script}</script>
</body>
</html>
"""


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} does not belong into a page's state.")
