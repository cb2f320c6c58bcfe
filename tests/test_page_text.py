"""The texts of pages: formulas are drawn by the browser itself, and nothing in one is markup."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strace_widgets.explorer.page_text import LOOKS, PARTS, page_text

MARKDOWN = {"section", "p", "span", "div", "code", "pre", "em", "strong", "ul", "ol", "li", "hr", "h1", "h2", "br", "a"}


class Elements(HTMLParser):
    """Notes the elements and the attributes of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[tuple[str, tuple[str, ...]]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.add((tag, tuple(name for name, _ in attrs)))


def elements(text: str) -> set[tuple[str, tuple[str, ...]]]:
    parser = Elements()
    parser.feed(text)
    return parser.found


@pytest.mark.parametrize(
    ("markdown", "holds"),
    [
        ("an error $x^2$", "<msup><mi>x</mi><mn>2</mn></msup>"),
        (r"$$\mathrm{TV}=\tfrac12\lVert p-q\rVert_1$$", '<math display="block">'),
        ("$a<b$", "<mo>&lt;</mo>"),
        ("It costs $5 and $6.", "It costs $5 and $6."),
        ("`$x$`", "<code>$x$</code>"),
        (r"$\frac$", r"<code>\frac</code>"),
        (
            "::: answer Which head?\n**23.4**\n:::",
            "<details><summary>Which head?</summary>\n<p><strong>23.4</strong></p>",
        ),
        ("::: answer <b>x</b>\nx\n:::", "<summary>&lt;b&gt;x&lt;/b&gt;</summary>"),
    ],
)
def test_formulas(markdown: str, holds: str) -> None:
    assert holds in page_text(markdown)


HOSTILE = (
    "<script>alert(1)</script>",
    "<img\tsrc=x onerror=alert(1)>",
    "</mtext><script>alert(1)</script><mtext>",
    "<mi style='x' onclick='alert(1)'>a</mi>",
)


@pytest.mark.parametrize("formula", [rf"\text{{{each}}}" for each in HOSTILE])
@pytest.mark.parametrize("around", ["${}$", "$${}$$"])
def test_markup_in_a_formula_is_text(formula: str, around: str) -> None:
    found = {(tag, looks) for tag, looks in elements(page_text(around.format(formula)))}
    assert {tag for tag, _ in found} <= MARKDOWN | PARTS
    assert all(set(looks) <= LOOKS | {"class"} for _, looks in found)


@pytest.mark.parametrize("formula", [r"\href{javascript:alert(1)}{x}", r"\style{color:red}{x}", r"\class{sw-card}{x}"])
def test_a_formula_leads_nowhere(formula: str) -> None:
    assert f"<code>{formula}</code>" in page_text(f"${formula}$")


@settings(max_examples=200)
@given(
    st.lists(st.sampled_from([*HOSTILE, "\\text{", "\\frac{", "}", "{", "x", "^2", "<", ">", '"', "$", " ", "\\href"]))
)
def test_whatever_a_formula_holds_it_makes_no_other_elements(parts: list[str]) -> None:
    for tag, looks in elements(page_text(f"${''.join(parts)}$")):
        assert tag in MARKDOWN | PARTS
        assert set(looks) <= LOOKS | {"class", "href"}
