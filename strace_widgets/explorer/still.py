"""What is seen of an Explorer where no widget runs: a sentence, and a picture of its curve and its next tokens.

Markdown, GitHub, printed notebooks and those whose widgets were not saved show these in the widget's place.
"""

from __future__ import annotations

import base64
import math
import struct
import zlib
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, cast

import numpy as np

from ..graph.edges import size_of
from ..token_text import names
from .closing import ClosingWidget
from .view_state import decoded

if TYPE_CHECKING:
    from .contract import Evaluation, ViewState

WIDTH, PLOT = 640, (52, 70, 560, 92)
"""The picture's width, and its plot's left, top, width and height, in pixels."""

BLUE, GREY, QUIET = "#0a5cbf", "#98a2ad", "#57616c"
SHOWN, LONGEST = 5, 64
"""How many tokens are listed, and how many characters of a text are shown."""


class Explorer(Protocol):
    """What is read of an Explorer: see `strace_widgets.explorer.widget.Explorer`."""

    view_state: Any
    n_edges: Any
    toggles: Any
    evaluation: Any


class Row(NamedTuple):
    """A next token: its text, and its probability in the subgraph and in the full model."""

    token: str
    probability: float
    full_probability: float


class Reading(NamedTuple):
    """What holds at the size and toggles that are shown: the error, and the leading tokens."""

    total_variation: float
    rows: list[Row]


def sentence(name: str, explorer: Explorer) -> str:
    """Return what an Explorer, or the single view of that name, shows, in one line."""
    if explorer.view_state is None:
        return f"s-Trace {name} without a trace"
    state = cast("ViewState", explorer.view_state)
    parts = [f"s-Trace {name} of {_shortened(state['prompt'])!r} on {state['model']}: {_share(explorer)}"]
    if explorer.toggles:
        parts.append("with " + _shortened(", ".join(f"{node} {state}" for node, state in explorer.toggles.items())))
    reading = _reading(explorer)
    if reading and reading.rows:
        full = max(reading.rows, key=lambda row: row.full_probability)
        parts += [
            f"total variation {reading.total_variation:.3f}",
            f"next token {_shortened(reading.rows[0].token)!r} at {reading.rows[0].probability:.2f}",
            f"the full model's {_shortened(full.token)!r} at {full.full_probability:.2f}",
        ]
    return ", ".join(parts)


class Still(ClosingWidget):
    """A widget that shows an Explorer, also where only its state, a picture or a sentence of it remain."""

    def _shown(self) -> tuple[str, Explorer]:
        """Return what the widget calls itself, and the Explorer that it shows."""
        raise NotImplementedError

    def __repr__(self) -> str:
        return sentence(*self._shown())

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        return with_picture(super()._repr_mimebundle_(**kwargs), self._shown()[1])

    def get_state(self, key: Any = None, drop_defaults: bool = False) -> dict[str, Any]:  # noqa: ARG002, FBT001, FBT002
        """Return the whole state: an embedded page does not know the defaults that it could do without."""
        state: dict[str, Any] = super().get_state(key)
        return state


def with_picture(bundle: Any, explorer: Explorer) -> Any:
    """Return a widget's mime bundle with a picture for where no widget runs; hosts that run widgets prefer those."""
    if bundle is None or explorer.view_state is None:
        return bundle
    try:
        import vl_convert  # noqa: PLC0415 - without it the sentence has to do
    except ImportError:
        return bundle
    data, metadata = bundle
    height, svg = picture(explorer)
    png = base64.b64encode(_packed(vl_convert.svg_to_png(svg, scale=2))).decode()
    about = {"width": WIDTH, "height": height, "alt": data["text/plain"]}
    return {**data, "image/png": png}, {**metadata, "image/png": about}


def _packed(png: bytes) -> bytes:
    """Return a PNG with its pixels packed tight, a third of the size: every notebook that is saved holds it."""
    pixels, at = b"", 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        pixels += png[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    chunks = ((b"IDAT", zlib.compress(zlib.decompress(pixels))), (b"IEND", b""))
    ended = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return png[:33] + b"".join(ended)  # after the signature and the header


def picture(explorer: Explorer) -> tuple[int, str]:
    """Return the height in pixels and the SVG of the curve, the size on it, and the leading next tokens."""
    state = cast("ViewState", explorer.view_state)
    reading = _reading(explorer)
    rows = reading.rows[:SHOWN] if reading else []
    looks = names([row.token for row in rows])
    first = PLOT[1] + PLOT[3] + 62
    height = first - 10 + 24 * len(rows)
    error = f", TV {reading.total_variation:.3f}" if reading else ""
    toggled = f", {len(explorer.toggles)} toggled" if explorer.toggles else ""
    drawn = [
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(16, 26, f"s-Trace of “{_shortened(state['prompt'])}”", "font-size='15' font-weight='600'"),
        _text(16, 46, _shortened(f"{_share(explorer)}{error}{toggled} · {state['model']}", 90), f"fill='{QUIET}'"),
        *_curve(state, explorer.n_edges, reading),
        _text(16, first - 22, "Next token, in the subgraph (and in the full model)" if rows else "", f"fill='{QUIET}'"),
        *(line for place, row in enumerate(rows) for line in _bars(row, looks[place], first + 24 * place)),
    ]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" font-family="sans-serif" '
        f'font-size="12" fill="#1a2027">{"".join(drawn)}</svg>'
    )
    return height, svg


def _share(explorer: Explorer) -> str:
    all_edges = explorer.view_state["n_edges"]
    return f"{explorer.n_edges:,} of {all_edges:,} edges (s = {size_of(explorer.n_edges, all_edges):.3g})"


def _curve(state: ViewState, n_edges: int, reading: Reading | None) -> list[str]:
    left, top, width, height = PLOT
    edges, errors = (decoded(state["arrays"][name]) for name in ("level_n_edges", "total_variation"))

    def x(count: float) -> float:
        return left + width * math.log(max(count, 1)) / math.log(max(state["n_edges"], 2))

    known = np.isfinite(errors)
    points = [(x(count), top + height * (1 - error)) for count, error in zip(edges[known], errors[known], strict=True)]
    ticks = [10**power for power in range(int(math.log10(max(state["n_edges"] / 3, 1))) + 1)]
    line = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
    drawn = [
        f'<path d="M{left} {top + height}h{width}" stroke="#d9dfe5"/>',
        f'<polyline points="{line}" fill="none" stroke="{BLUE}" stroke-width="2"/>',
        f'<path d="M{x(n_edges):.1f} {top}v{height}" stroke="#1a2027" stroke-width="1.5"/>',
        _text(left - 8, top + 5, "TV 1", f"text-anchor='end' fill='{QUIET}'"),
        _text(left - 8, top + height, "TV 0", f"text-anchor='end' fill='{QUIET}'"),
        *(_text(x(count), top + height + 17, f"{count:,}", f"text-anchor='middle' fill='{QUIET}'") for count in ticks),
        _text(left + width, top + height + 17, "all edges", f"text-anchor='middle' fill='{QUIET}'"),
    ]
    if reading and math.isfinite(reading.total_variation):
        down = top + height * (1 - reading.total_variation)
        drawn.append(f'<circle cx="{x(n_edges):.1f}" cy="{down:.1f}" r="6" fill="#ffffff" stroke="#1a2027"/>')
    return drawn


def _bars(row: Row, look: str, y: int) -> list[str]:
    """Return a token with the bars of the subgraph over those of the full model."""
    bars = [
        f'<rect x="150" y="{top}" width="{400 * share:.1f}" height="5" rx="2" fill="{colour}"/>'
        for share, colour, top in ((row.probability, BLUE, y - 9), (row.full_probability, GREY, y - 3))
        if math.isfinite(share)
    ]
    figures = f"{row.probability:.3f} ({row.full_probability:.3f})"
    return [_text(16, y, _shortened(look, 18), "font-family='monospace'"), *bars, _text(560, y, figures)]


def _text(x: float, y: float, text: str, look: str = "") -> str:
    """Return a text of the picture; a character that XML cannot hold shows as one that is missing."""
    held = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return f'<text x="{x:.1f}" y="{y}" {look}>{escape(held)}</text>'


def _reading(explorer: Explorer) -> Reading | None:
    """Return what holds at the size and toggles on screen, if it was computed: as a result, or as a level."""
    found = cast("Evaluation | None", explorer.evaluation)
    if found is not None and (found["n_edges"], found["toggles"]) == (explorer.n_edges, explorer.toggles):
        rows = [Row(row["token"], row["probability"], row["full_probability"]) for row in found["top"]]
        return Reading(found["total_variation"], rows)
    state = cast("ViewState", explorer.view_state)
    arrays = {name: decoded(state["arrays"][name]) for name in ("level_n_edges", "total_variation", "probabilities")}
    (level,) = np.nonzero(arrays["level_n_edges"] == explorer.n_edges)
    if explorer.toggles or not level.size:
        return None
    probabilities = arrays["probabilities"][level[0]]
    full = decoded(state["arrays"]["full_probabilities"])
    order = np.argsort(-probabilities, kind="stable")
    rows = [Row(state["vocabulary"][i], float(probabilities[i]), float(full[i])) for i in order]
    return Reading(float(arrays["total_variation"][level[0]]), rows)


def _shortened(text: str, longest: int = LONGEST) -> str:
    """Return a text, without its middle where it is long."""
    if len(text) <= longest:
        return text
    return f"{text[: longest // 2]} … {text[-(longest // 2) + 3 :]}"
