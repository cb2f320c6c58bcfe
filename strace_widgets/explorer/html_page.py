"""Pages that need no kernel and no network: the Explorer's script, the states that it draws, texts between them."""

from __future__ import annotations

import base64
import hashlib
import html
import logging
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..paths import write_file
from . import bundle
from .page_text import page_text
from .shown import encoded, session_of, shown, single_toggles

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..paths import AnyPath
    from .shown import Explored

LOG = logging.getLogger(__name__)

KnownToggles = Literal["single"] | None
"""Which toggles a page knows the results of: none, or those of each head and MLP alone."""


def to_html(
    items: Explored | str | Iterable[Explored | str],
    path: AnyPath,
    *,
    title: str | None = None,
    toggles: KnownToggles = None,
) -> Path:
    """Write traces, Explorers and texts as one page that needs no kernel and no network; return its path.

    On the page sizes between the computed levels are interpolated. An Explorer is written as it stands, with what was
    tried. The page's size is logged, at level INFO.

    Parameters
    ----------
    items : trace, Explorer or str, or several of them
        A text is Markdown (CommonMark with tables); HTML in it appears as text, and pictures as links.
    path : str or Path
    title : str, optional
        Without one, the first heading of the first text, or the first prompt.
    toggles : {None, "single"}
        With ``"single"``, each head and MLP is switched off and on by itself at the size shown, so that these
        toggles work on the page. That runs the model about twice for each, says how far it is, and the page grows by
        some 3 kB for each.

    Raises
    ------
    TypeError, ValueError
        When there is nothing to write, or something else than a trace, an Explorer or a text.
    NoModelError
        When toggles are asked for a trace that was loaded from a file.
    """
    written = _states(items, toggles)
    content = page(title or _title(written), written).encode()
    LOG.info("%s: a page of %.2f MB", path, len(content) / 1e6)
    return write_file(path, content)


class Embedded:
    """A page inside a document: the frame that a notebook, and what it is exported to, shows.

    Parameters
    ----------
    explored : trace or Explorer
    height : int
        In pixels.
    toggles : {None, "single"}
        As for `to_html`.
    """

    def __init__(self, explored: Explored, height: int, toggles: KnownToggles = None) -> None:
        states = _states(explored, toggles)
        self._title, self._height = _title(states), height
        self._page = page(self._title, states, heading=False)

    def __repr__(self) -> str:
        return f"{self._title}: a page of {len(self._page) / 1e6:.2f} MB"

    def _repr_html_(self) -> str:
        # No origin: it cannot reach the document around it.
        return (
            f'<iframe title="{html.escape(self._title)}" sandbox="allow-scripts" width="100%" height="{self._height}" '
            f'style="border:0" srcdoc="{html.escape(self._page)}"></iframe>'
        )


def _states(items: Explored | str | Iterable[Explored | str], toggles: KnownToggles) -> list[str | dict[str, Any]]:
    """Return texts as they are, and what else there is as the state that its Explorer shows."""
    if toggles not in (None, "single"):
        raise ValueError(f"toggles={toggles!r} does not exist: choose None or 'single'.")
    parts = list(items) if isinstance(items, Iterable) and not isinstance(items, str) else [items]
    if not parts:
        raise ValueError("There is nothing to write: give a trace, an Explorer or a text.")
    written: list[str | dict[str, Any]] = []
    for part in parts:
        if isinstance(part, str):
            written.append(part)
            continue
        state = shown(part)
        if toggles and not state["evaluations"]:
            state["evaluations"], state["refused"] = single_toggles(session_of(part), state["n_edges"])
        written.append(state)
    return written


def page(title: str, parts: list[str | dict[str, Any]], *, heading: bool = True) -> str:
    """Return the page as text, whose heading is read aloud only if it is not shown."""
    body = [page_text(part) if isinstance(part, str) else _explorer(part) for part in parts]
    if not any("<h1>" in part for part in body):
        look = "" if heading else ' class="unseen"'
        body.insert(0, f"<h1{look}>{html.escape(title)}</h1>")
    return page_of("explorer", title, "\n".join(body))


def page_of(name: str, title: str, content: str) -> str:
    """Return a page with a bundle, by its name, which draws what the content holds.

    Its content security policy allows the one script by its hash and no request at all.
    """
    # A closing tag inside the script would end it for the HTML parser; in JavaScript the escaped form means the same.
    script = bundle.text(f"{name}.js").replace("</script", "<\\/script")
    style = bundle.text(f"{name}.css")
    own_style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    return document(title, policy, f"{own_style}\n{style}", content, f'<script type="module">{script}</script>\n')


def document(title: str, policy: str, style: str, content: str, script: str = "") -> str:
    """Return a page that loads nothing from elsewhere; of what it is given only the title is escaped."""
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
{style}
</style>
</head>
<body>
<main>
{content}
</main>
{script}</body>
</html>
"""


def _explorer(state: Mapping[str, Any]) -> str:
    name = html.escape(f"Explorer of “{state['view_state']['prompt']}”")
    return f'<h2 class="unseen">{name}</h2>\n{data_element("state", state)}'


def data_element(name: str, state: Mapping[str, Any]) -> str:
    """Return the element of a page that holds what its script draws."""
    # Inside a script element only "<" can end the data: written as \\u003c it is the same JSON.
    data = encoded(state).replace("<", "\\u003c")
    return f'<script type="application/json" class="strace-widgets-{name}">{data}</script>'


def _title(parts: list[str | dict[str, Any]]) -> str:
    for part in parts:
        heading = re.search(r"^#\s+(.+?)\s*#*$", part, re.MULTILINE) if isinstance(part, str) else None
        if heading:
            return heading[1]
    prompts = [part["view_state"]["prompt"] for part in parts if not isinstance(part, str)]
    return f"s-Trace of “{prompts[0]}”" if prompts else "s-Trace"
