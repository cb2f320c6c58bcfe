"""The documentation: built strictly, complete, and loading nothing from elsewhere."""

from __future__ import annotations

import ast
import inspect
import os
import re
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import griffe
import pytest
from conftest import ROOT, SCREENSHOTS
from playwright.sync_api import Browser, Page, expect

import strace_widgets as sw
from strace_widgets import charts, findings

SCHEMES = {"light": "default", "dark": "slate"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    built = subprocess.run(
        build, check=False, cwd=ROOT, env=os.environ | {"NO_MKDOCS_2_WARNING": "1"}, stderr=subprocess.PIPE
    )
    assert built.returncode == 0, built.stderr.decode()
    return folder


@pytest.fixture(scope="module")
def documented(site: Path) -> set[str]:
    """The dotted paths of everything that the API pages describe."""
    pages = [page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html")]
    return {path for page in pages for path in re.findall(r'<h\d id="(strace_widgets\.[\w.]+)"', page)}


@pytest.mark.host
@pytest.mark.parametrize("room", [sw, findings, charts, sw.errors], ids=lambda room: room.__name__)
def test_every_public_name_is_on_an_api_page(room: ModuleType, documented: set[str]) -> None:
    names = getattr(room, "__all__", [name for name in vars(room) if name.endswith("Error")])
    for public in (getattr(room, name) for name in names):
        if not isinstance(public, ModuleType):
            assert f"{public.__module__}.{public.__qualname__}" in documented


def test_the_table_of_the_api_is_what_the_functions_take() -> None:
    """Every call in the table, and every parameter that it names."""
    page = (ROOT / "docs" / "api" / "table.md").read_text(encoding="utf-8")
    homes = {"STrace": sw.STrace, "Explorer": sw.Explorer, "Study": sw.Study}
    home: object = sw
    n_calls = 0
    for line in page.splitlines():
        if heading := re.match(r"\| of an? `(\w+)`", line):
            home = homes[heading[1]]
        for name, arguments in re.findall(r"`(\w+)\(([^`]*)\)`", line):
            taken = inspect.signature(getattr(home, name)).parameters
            told = [part.split("=")[0].strip() for part in arguments.split(",")]
            named = [part for part in told if part.isidentifier()]
            assert set(named) <= {*taken, "toggles", "options"}, (name, named, list(taken))
            n_calls += 1
    assert n_calls > 30


def test_files_that_the_pages_name_are_there() -> None:
    tracked = subprocess.run(["git", "ls-files"], check=True, cwd=ROOT, capture_output=True, text=True).stdout.split()
    for page in (*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"):
        for name in re.findall(r"`([\w./-]+\.(?:py|mjs|tsx?))`", page.read_text(encoding="utf-8")):
            assert any(f"/{file}".endswith(f"/{name}") for file in tracked) or "Your" in name, (page.name, name)


@pytest.mark.host
def test_what_the_api_pages_describe_says_all_that_applies(documented: set[str]) -> None:
    package = griffe.load("strace_widgets", search_paths=[ROOT], docstring_parser="numpy")
    described = [package[path.partition(".")[2]] for path in sorted(documented)]
    functions = [one for one in described if one.is_function]
    assert len(functions) > 80
    missing = [said for function in functions for said in shortcomings(function)]
    assert not missing, "\n".join(missing)


def shortcomings(function: griffe.Function) -> list[str]:
    """Say what a docstring leaves out: a parameter, what comes back, or an error that the function itself raises."""
    if function.docstring is None:
        return [f"{function.path} has no docstring"]
    sections = {section.kind.value: section.value for section in function.docstring.parsed}
    told = [parameter.name.lstrip("*") for parameter in sections.get("parameters", [])]
    taken = [parameter.name for parameter in function.parameters if parameter.name != "self"]
    raised = {name for error in sections.get("raises", []) for name in re.findall(r"\w+", str(error.annotation))}
    summary = function.docstring.value.partition("\n\n")[0]
    returns = (
        str(function.returns) == "None" or "returns" in sections or re.search(r"\breturn\b", summary, re.IGNORECASE)
    )
    return [
        *([f"{function.path} takes {taken} and tells of {told}"] if sorted(told) != sorted(taken) else []),
        *([] if returns else [f"{function.path} does not say what it returns"]),
        *(f"{function.path} raises {error} and does not say so" for error in sorted(raises(function) - raised)),
    ]


def raises(function: griffe.Function) -> set[str]:
    """Return the names of the errors that a function itself raises and does not catch."""
    nodes = list(ast.walk(ast.parse(textwrap.dedent(function.source))))
    caught = {
        id(inner) for node in nodes if isinstance(node, ast.Try) for part in node.body for inner in ast.walk(part)
    }
    errors = [node.exc for node in nodes if isinstance(node, ast.Raise) and node.exc and id(node) not in caught]
    return {ast.unparse(error.func if isinstance(error, ast.Call) else error) for error in errors}


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """The site on a server of this machine: a browser gives pages from a disk no search."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(SimpleHTTPRequestHandler, directory=site))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()


@pytest.fixture
def reader(browser: Browser, address: str) -> Iterator[Page]:
    """A page on which any request to elsewhere, failed request, console error or exception fails the test."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    troubles: list[str] = []
    page.on("pageerror", lambda error: troubles.append(str(error)))
    page.on("console", lambda message: troubles.append(message.text) if message.type == "error" else None)
    page.on(
        "request",
        lambda asked: None if asked.url.startswith((address, "data:", "blob:")) else troubles.append(asked.url),
    )
    page.on(
        "response", lambda answer: troubles.append(f"{answer.status} {answer.url}") if answer.status >= 400 else None
    )
    yield page
    page.close()
    assert not troubles


@pytest.mark.browser
@pytest.mark.parametrize("theme", SCHEMES)
def test_every_page_opens_without_a_network(reader: Page, site: Path, address: str, theme: str) -> None:
    reader.emulate_media(color_scheme=theme)
    written = [path for path in site.rglob("*.html") if path.parent.name not in {"live", "reports"}]
    pages = sorted(path.relative_to(site).as_posix() for path in written)
    assert {"index.html", "method.html", "api/names.html"} <= set(pages)
    for page in pages:
        reader.goto(f"{address}/{page}", wait_until="load")
        assert reader.locator("article h1").count() == 1
        assert reader.locator("body").get_attribute("data-md-color-scheme") == SCHEMES[theme]
        assert reader.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
        reader.screenshot(path=SCREENSHOTS / f"docs-{page.removesuffix('.html').replace('/', '-')}-{theme}.png")


@pytest.mark.browser
@pytest.mark.parametrize("theme", SCHEMES)
def test_the_front_page_holds_live_explorers(reader: Page, site: Path, address: str, theme: str) -> None:
    """Each is light, works without a kernel, and has the site's theme."""
    reader.emulate_media(color_scheme=theme)
    reader.goto(f"{address}/index.html")
    frames = reader.locator("iframe.live")
    sources = [str(frame.get_attribute("src")) for frame in frames.all()]
    assert sorted(sources) == sorted(f"live/{page.name}" for page in (site / "live").glob("[!l]*.html"))
    for number, source in enumerate(sources):
        assert (site / source).stat().st_size < 1_500_000
        reader.locator(".tabbed-labels label").nth(number).click()
        card = reader.frame_locator(f"iframe[src='{source}']").get_by_test_id("strace-explorer")
        expect(card).to_have_attribute("data-theme", theme)
        before = card.get_by_test_id("edges").inner_text()
        card.get_by_test_id("slider").press("End")
        expect(card.get_by_test_id("edges")).not_to_have_text(before)
        if number in (0, 1):
            reader.screenshot(path=SCREENSHOTS / f"docs-live-{number}-{theme}.png")


@pytest.mark.browser
def test_the_reports_on_both_models_are_there(reader: Page, address: str) -> None:
    for model in ("SmolLM2-135M-Instruct", "gemma-3-270m"):
        reader.goto(f"{address}/studies.html")
        reader.locator(f"article a[href='reports/{model}.html']").click()
        expect(reader.locator("h1")).to_contain_text(model)
        expect(reader.get_by_text("242").first).to_be_visible()
        assert reader.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")
        reader.screenshot(path=SCREENSHOTS / f"docs-report-{model}.png", full_page=True)


@pytest.mark.browser
def test_the_lesson_asks_before_it_answers(reader: Page, address: str) -> None:
    reader.goto(f"{address}/lesson.html")
    lesson = reader.frame_locator("iframe.live")
    answers = lesson.locator("details")
    expect(answers).to_have_count(3)
    expect(lesson.get_by_text("Head 23.4, in layer 23")).to_be_hidden()
    lesson.get_by_text("Reveal the head").click()
    expect(lesson.get_by_text("Head 23.4, in layer 23")).to_be_visible()
    head = lesson.locator("[data-component='23.4']").first
    head.click()
    expect(lesson.get_by_test_id("state").first).to_have_attribute("data-state", "exact")
    reader.screenshot(path=SCREENSHOTS / "docs-lesson-live.png")


@pytest.mark.browser
def test_the_search_finds_a_function(reader: Page, address: str) -> None:
    reader.goto(f"{address}/index.html")
    field = reader.locator("input.md-search__input")
    field.click()
    expect(reader.locator(".md-search-result__meta")).to_have_text("Type to start searching")  # the index is there
    field.press_sequentially("recovered_nuclei")  # it listens to keys
    found = reader.locator(".md-search-result__link").first
    found.wait_for()
    assert "api/numbers.html" in str(found.get_attribute("href"))
