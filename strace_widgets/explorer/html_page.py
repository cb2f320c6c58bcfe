"""Pages that need no kernel and no network: the same bundle, with the states beside it, and texts between them."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import logging
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ..errors import MissingPackageError
from ..graph.edges import edges_kept, size_of
from ..results.strace import STrace
from .session import Session

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .widget import Explorer

    Shown = STrace | Explorer

LOG = logging.getLogger(__name__)

Switches = Literal["single"] | None
"""Which switches a page knows the results of: none, or those of each head and MLP alone."""

NOTHING_TRIED: dict[str, Any] = {
    "toggles": {},
    "evaluation": None,
    "evaluations": [],
    "status": {"state": "ready", "message": "", "progress": 0},
    "live": False,
    "choices": {"importance": [], "masks": []},
    "curves": [],
    "history": {},
}

STATIC = Path(__file__).parent / "static"
SWITCHED_A_PASS = 32
"""Subgraphs that one call of the model evaluates for a page."""


def to_html(
    items: STrace | Explorer | str | Iterable[STrace | Explorer | str],
    path: str | Path,
    *,
    title: str | None = None,
    switches: Switches = None,
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
    switches : {None, "single"}
        With ``"single"``, each head and MLP is switched off and on by itself at the size shown, so that these
        switches work on the page. That runs the model about twice for each, with a progress bar, and the page grows by
        some 3 kB for each.

    Raises
    ------
    TypeError, ValueError
        When there is nothing to write, or something else than a trace, an Explorer or a text.
    NoModelError
        When switches are asked for a trace that was loaded from a file.
    """
    if switches not in (None, "single"):
        raise ValueError(f"switches={switches!r} does not exist: choose None or 'single'.")
    parts = [items] if isinstance(items, str) or not hasattr(items, "__iter__") else list(items)
    if not parts:
        raise ValueError("There is nothing to write: give a trace, an Explorer or a text.")
    written: list[str | dict[str, Any]] = []
    for part in parts:
        if isinstance(part, str):
            written.append(part)
            continue
        state = NOTHING_TRIED | shown(part)
        if switches and not state["evaluations"]:
            state["evaluations"] = single_switches(session_of(part), state["n_edges"])
        written.append(state)
    text = page(title or _title(written), written)
    LOG.info("%s: a page of %.2f MB", path, len(text.encode()) / 1e6)
    Path(path).write_text(text, encoding="utf-8")
    return Path(path)


def shown(item: STrace | Explorer) -> dict[str, Any]:
    """Return the state of an Explorer as it stands, or as it would open on a trace.

    Raises
    ------
    TypeError
        When it is neither.
    """
    if isinstance(item, STrace):
        if item.replayed and item.saved_view:
            return dict(item.saved_view)
        session = Session(item)
        return {**NOTHING_TRIED, "bundle": session.bundle(), "n_edges": session.start_size()}
    if not hasattr(item, "bundle"):
        raise TypeError(f"A page shows traces, Explorers and texts; {type(item).__name__} is none of these.")
    names = ("bundle", "n_edges", "toggles", "evaluation", "evaluations", "curves", "history")
    return NOTHING_TRIED | {name: getattr(item, name) for name in names}


def session_of(item: STrace | Explorer) -> Session:
    """Return the session that an Explorer shows, or a new one on a trace."""
    return Session(item) if isinstance(item, STrace) else item.session


def single_switches(session: Session, n_edges: int) -> list[dict[str, Any]]:
    """Return the results of switching each head and MLP off and on by itself, at one size.

    Switching off what the trace does not have changes nothing, nor does switching on what it has whole: these are not
    run again.

    Returns
    -------
    list of dict
        As `strace_widgets.explorer.view_state.evaluation` has them.
    """
    from tqdm.auto import tqdm  # noqa: PLC0415 - a page without switches does without

    from . import view_state as view  # noqa: PLC0415

    trace = session.trace
    graph, size = trace.graph, size_of(n_edges, trace.n_edges)
    nodes = [f"{layer}.{part}" for layer in range(graph.n_layers) for part in (*range(graph.n_heads), "mlp")]
    asked = [{node: state} for node in nodes for state in ("off", "on")]
    changing = [toggles for toggles in asked if _changes(trace, size, toggles)]
    passes = [changing[at : at + SWITCHED_A_PASS] for at in range(0, len(changing), SWITCHED_A_PASS)]
    LOG.info(
        "%d subgraphs of %s, a head or an MLP switched in each, in %d batched passes; the page grows by about %.1f MB",
        *(len(changing), trace.model.name, len(passes), len(asked) * 1.4e-3),
    )
    found = {}
    for toggles in tqdm(passes, desc=f"{len(changing)} switched subgraphs", unit="pass", leave=False):
        sweep = trace.evaluate([size] * len(toggles), toggles, masks=session.masks)
        for row, each in enumerate(toggles):
            found[tuple(each.items())] = view.evaluation(sweep, trace, each, row)
    unchanged = session.evaluate(n_edges, {})
    return [_rounded(found.get(tuple(toggles.items())) or {**unchanged, "toggles": toggles}) for toggles in asked]


def _changes(trace: STrace, size: float, toggles: Mapping[str, str]) -> bool:
    ((node, state),) = toggles.items()
    layer, part = node.split(".")
    ranks = trace.ranks.mlp[int(layer)] if part == "mlp" else trace.ranks.attention[int(layer), int(part)]
    ranks = ranks[ranks < trace.n_edges]
    kept = ranks < edges_kept(size, trace.n_edges)
    return bool(kept.any() if state == "off" else not kept.all())


def _rounded(evaluation: dict[str, Any]) -> dict[str, Any]:
    """Return an evaluation with six decimals, since a page holds hundreds of them."""
    figures = {name: round(evaluation[name], 6) for name in ("total_variation", "kl", "entropy")}
    head = [
        row | {"probability": round(row["probability"], 6), "full_probability": round(row["full_probability"], 6)}
        for row in evaluation["head"]
    ]
    return {**evaluation, **figures, "head": head}


def page(title: str, parts: list[str | dict[str, Any]]) -> str:
    """Return the page as text. Its content security policy allows the one script by its hash and no request at all."""
    # A closing tag inside the script would end it for the HTML parser; in JavaScript the escaped form means the same.
    script = (STATIC / "explorer.js").read_text(encoding="utf-8").replace("</script", "<\\/script")
    style = (STATIC / "explorer.css").read_text(encoding="utf-8")
    own_style = (Path(__file__).parent / "page.css").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    body = [_text(part) if isinstance(part, str) else _explorer(part) for part in parts]
    if not any("<h1>" in part for part in body):
        body.insert(0, f"<h1>{html.escape(title)}</h1>")
    content = "\n".join(body)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{html.escape(title)}</title>
<style>
{own_style}
{style}
</style>
</head>
<body>
<main>
{content}
</main>
<script type="module">{script}</script>
</body>
</html>
"""


def _explorer(state: Mapping[str, Any]) -> str:
    name = html.escape(f"Explorer of “{state['bundle']['prompt']}”")
    # Inside a script element only "<" can end the data: written as \\u003c it is the same JSON.
    data = encoded(state).replace("<", "\\u003c")
    return (
        f'<h2 class="unseen">{name}</h2>\n<script type="application/json" class="strace-widgets-state">{data}</script>'
    )


def _text(markdown: str) -> str:
    """Return Markdown as HTML in which no HTML of the author's own is left, and nothing loads from elsewhere."""
    try:
        from markdown_it import MarkdownIt  # noqa: PLC0415 - a page without texts does without
    except ImportError as reason:
        raise MissingPackageError("Texts on a page need markdown-it-py: pip install markdown-it-py.") from reason
    rendered = MarkdownIt("js-default", {"html": False}).disable("image").render(markdown)
    return f'<section class="text">\n{rendered}</section>'


def _title(parts: list[str | dict[str, Any]]) -> str:
    for part in parts:
        heading = re.search(r"^#\s+(.+?)\s*#*$", part, re.MULTILINE) if isinstance(part, str) else None
        if heading:
            return heading[1]
    prompts = [part["bundle"]["prompt"] for part in parts if not isinstance(part, str)]
    return f"s-Trace of “{prompts[0]}”" if prompts else "s-Trace"


def encoded(state: Mapping[str, Any]) -> str:
    """Return a state as JSON, with bytes as base64 text."""
    return json.dumps(state, default=_base64, ensure_ascii=False)


def _base64(value: Any) -> str:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"{type(value).__name__} does not belong into a page's state.")
