"""The texts of a page: Markdown with formulas, as HTML that holds nothing of its own making but that."""

from __future__ import annotations

import html
from typing import Any
from xml.etree import ElementTree as ET

from ..errors import MissingPackageError

PARTS = frozenset(
    {
        "math", "mrow", "mi", "mn", "mo", "ms", "mtext", "mspace", "mpadded", "mphantom", "mstyle", "merror",
        "menclose", "mfrac", "msqrt", "mroot", "msub", "msup", "msubsup", "munder", "mover", "munderover",
        "mmultiscripts", "mprescripts", "mtable", "mtr", "mtd", "semantics",
    }
)  # fmt: skip
"""The elements of a formula."""

LOOKS = frozenset(
    {
        "accent", "accentunder", "align", "columnalign", "columnlines", "columnspacing", "depth", "displaystyle",
        "display", "fence", "form", "height", "linebreak", "linethickness", "lspace", "mathbackground", "mathcolor",
        "mathsize", "mathvariant", "maxsize", "minsize", "movablelimits", "notation", "rowlines", "rowspacing",
        "rspace", "scriptlevel", "separator", "stretchy", "symmetric", "voffset", "width",
    }
)  # fmt: skip
"""The attributes that they may have: none that leads elsewhere, or that a script could stand in."""

FOLDED = "answer"
"""The name of what unfolds."""

MATHML = "{http://www.w3.org/1998/Math/MathML}"


def page_text(markdown: str) -> str:
    """Return Markdown as HTML in which no HTML of the author's own is left, and nothing loads from elsewhere.

    Parameters
    ----------
    markdown : str
        CommonMark with tables, formulas of LaTeX between dollar signs, and answers that unfold: from a line
        ``::: answer What is seen before`` to a line ``:::``.

    Raises
    ------
    MissingPackageError
        When a package for texts is missing.
    """
    try:
        from markdown_it import MarkdownIt  # noqa: PLC0415 - a page without texts does without
        from mdit_py_plugins.container import container_plugin  # noqa: PLC0415 - the same
        from mdit_py_plugins.dollarmath import dollarmath_plugin  # noqa: PLC0415
    except ImportError as reason:
        needed = "markdown-it-py mdit-py-plugins latex2mathml"
        raise MissingPackageError(f"Texts on a page need other packages: pip install {needed}.") from reason
    reader = MarkdownIt("js-default", {"html": False}).disable("image")
    reader.use(dollarmath_plugin, allow_space=False, allow_digits=False, allow_labels=False, renderer=_formula)
    reader.use(container_plugin, name=FOLDED, render=_folded)
    return f'<section class="text">\n{reader.render(markdown)}</section>'


def _folded(_: Any, tokens: Any, index: int, *__: Any) -> str:
    """Return the beginning or the end of what unfolds, as the browser itself does it."""
    if tokens[index].nesting < 0:
        return "</details>\n"
    title = tokens[index].info.strip().removeprefix(FOLDED).strip() or "Answer"
    return f"<details><summary>{html.escape(title)}</summary>\n"


def _formula(latex: str, how: dict[str, Any]) -> str:
    """Return a formula as MathML, which browsers draw by themselves; as it was written where that cannot be."""
    from latex2mathml.converter import convert  # noqa: PLC0415 - a page without texts does without

    try:
        formula = ET.fromstring(convert(latex, display="block" if how["display_mode"] else "inline"))  # noqa: S314 - without a document type there are no entities
    except Exception:  # noqa: BLE001 - whatever the converter raises for what is no formula
        return f"<code>{html.escape(latex)}</code>"
    for part in formula.iter():
        part.tag = part.tag.removeprefix(MATHML)
        # The converter hands on the markup that a formula's text holds, and links.
        if part.tag not in PARTS or not LOOKS.issuperset(part.attrib):
            return f"<code>{html.escape(latex)}</code>"
    return ET.tostring(formula, encoding="unicode")
