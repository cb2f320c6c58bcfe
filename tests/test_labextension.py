"""The wheel in a clean JupyterLab: a saved trace opens on a double click, and goes on in a notebook, without torch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT, SCREENSHOTS, environment, install
from hosts import jupyter_environment, jupyter_server
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser

LIGHT = ("jupyterlab", "notebook", "numpy", "msgspec", "zstandard", "anywidget", "ipywidgets", "altair")


@pytest.fixture(scope="module")
def python(packages: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with JupyterLab and the wheel, where nothing is built."""
    folder = tmp_path_factory.mktemp("environment")
    python = environment(folder, *LIGHT)
    install(python, "--no-deps", packages[1])
    return python


@pytest.fixture(scope="module")
def folder(smollm2: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a saved trace."""
    folder = tmp_path_factory.mktemp("traces")
    sw.trace(smollm2, "The capital of France is").save(folder / "france.strace")
    return folder


@pytest.fixture(scope="module")
def address(python: Path, folder: Path) -> Iterator[str]:
    with jupyter_server(folder, python) as address:
        yield address


@pytest.fixture
def page(browser_with_windows: Browser, address: str) -> Iterator[Page]:
    """JupyterLab on the folder, with nothing open; a request to another host fails the test."""
    page = browser_with_windows.new_page(viewport={"width": 1440, "height": 1100})
    elsewhere: list[str] = []
    page.on("request", lambda asked: None if here(asked.url, address) else elsewhere.append(asked.url))
    page.goto(f"{address}/lab?reset")
    yield page
    page.close()
    assert not elsewhere


def here(url: str, address: str) -> bool:
    return url.startswith((address, "data:", "blob:"))


def open_file(page: Page, name: str) -> None:
    page.locator(".jp-DirListing-item", has_text=name).dblclick(timeout=60_000)


def opened(page: Page) -> Locator:
    """The Explorer on the saved trace, opened by a double click."""
    open_file(page, "france.strace")
    explorer = page.get_by_test_id("strace-explorer")
    explorer.wait_for(timeout=30_000)
    return explorer


def test_jupyter_lists_the_extension_and_nothing_has_to_be_built(python: Path, tmp_path: Path) -> None:
    listed = subprocess.run(
        [python, "-m", "jupyter", "labextension", "list"],
        check=True,
        capture_output=True,
        text=True,
        env=jupyter_environment(tmp_path) | {"PATH": os.pathsep.join([str(python.parent), os.environ["PATH"]])},
    )
    plain = re.sub(r"\x1b\[\d+m", "", listed.stdout + listed.stderr)
    assert f"strace_widgets v{sw.__version__} enabled OK (python, strace_widgets)" in plain
    assert "build" not in plain.lower()


def test_a_double_click_opens_the_explorer_and_the_keyboard_moves_its_size(page: Page) -> None:
    explorer = opened(page)
    edges, tv, slider = (explorer.get_by_test_id(name) for name in ("edges", "tv", "slider"))
    expect(explorer.get_by_test_id("token-row").first).to_have_attribute("data-token", " Paris")
    page.screenshot(path=SCREENSHOTS / "labextension.png")
    before = edges.get_attribute("data-edges"), tv.inner_text()
    slider.press("PageDown")  # what a notebook or a menu would take for itself
    expect(edges).not_to_have_attribute("data-edges", before[0] or "")
    assert tv.inner_text() != before[1]
    slider.press("End")
    expect(edges).to_have_attribute("data-edges", "4398")
    assert float(tv.inner_text()) == pytest.approx(0, abs=1e-3)


def test_a_file_of_version_1_shows_what_it_showed(page: Page, folder: Path) -> None:
    (folder / "former.strace").write_bytes((ROOT / "tests/v1/trace.strace").read_bytes())
    open_file(page, "former.strace")
    explorer = page.get_by_test_id("strace-explorer")
    expect(explorer.locator(".sw-reading")).to_contain_text("nucleus 10 %", timeout=30_000)
    expect(explorer.get_by_test_id("tv")).to_have_text("0.368")
    expect(explorer.get_by_test_id("token-row").first).to_have_attribute("data-token", "w34")
    expect(explorer.get_by_test_id("tried-chip").first).to_contain_text("w34")


def test_two_files_are_open_at_once_and_a_reloaded_page_has_them_again(page: Page, folder: Path) -> None:
    (folder / "copy.strace").write_bytes((folder / "france.strace").read_bytes())
    opened(page)
    with page.expect_response(lambda answer: "/api/workspaces" in answer.url and answer.request.method == "PUT"):
        open_file(page, "copy.strace")
        expect(page.get_by_test_id("strace-explorer")).to_have_count(2)
    page.goto(page.url.replace("?reset", ""))
    expect(page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=".strace")).to_have_count(2, timeout=60_000)
    expect(page.get_by_test_id("strace-explorer").last).to_be_visible(timeout=30_000)
    assert page.locator("link[href$='explorer.css']").count() == 1


def test_a_file_that_is_written_anew_is_shown_anew_on_reload(page: Page, folder: Path) -> None:
    rewritten = folder / "rewritten.strace"
    rewritten.write_bytes(b"nothing yet")
    open_file(page, rewritten.name)
    page.get_by_role("alert").filter(has_text="no saved trace").wait_for()
    rewritten.write_bytes((folder / "france.strace").read_bytes())
    page.locator(".lm-MenuBar-item", has_text="File").click()
    page.locator("[data-command='docmanager:reload']").click()
    reload = page.locator(".jp-Dialog .jp-mod-accept")
    if reload.count():
        reload.click()
    expect(page.get_by_test_id("strace-explorer")).to_be_visible(timeout=30_000)


def altered(good: Path, bad: Path, **members: bytes | None) -> None:
    """Copy a file with some members written anew, or left out."""
    with zipfile.ZipFile(good) as source, zipfile.ZipFile(bad, "w") as target:
        for name in source.namelist():
            content = members.get(name.removesuffix(".json"), source.read(name))
            if content is not None:
                target.writestr(name, content)


def test_a_bad_file_says_in_place_what_is_wrong(page: Page, folder: Path) -> None:
    good = folder / "france.strace"
    with zipfile.ZipFile(good) as archive:
        manifest = json.loads(archive.read("manifest.json"))
    sentences = {
        "cut.strace": "cut.strace is no saved trace, or was cut off",
        "new.strace": "of version 99; this extension reads up to version 3. Install a newer strace_widgets.",
        "unmarked.strace": "it has no manifest.json that says so.",
        "viewless.strace": "view.json is missing.",
        "changed.strace": "view.json is not what was saved, its checksum in manifest.json is another.",
        "empty.strace": "view.json does not describe a trace.",
        "strange.strace": "view.json does not describe a trace (",
        "<b>x.strace": "<b>x.strace is no saved trace",
    }
    (folder / "cut.strace").write_bytes(good.read_bytes()[:-1000])
    altered(good, folder / "new.strace", manifest=json.dumps(manifest | {"version": 99}).encode())
    altered(good, folder / "unmarked.strace", manifest=b"{}")
    altered(good, folder / "viewless.strace", view=None)
    altered(good, folder / "changed.strace", view=b"{}")
    for name, view in (("empty", b'{"view_state": {}}'), ("strange", b'{"view_state": {"arrays": {}}}')):
        told = manifest | {"members": {"view.json": {"bytes": len(view), "sha256": hashlib.sha256(view).hexdigest()}}}
        altered(good, folder / f"{name}.strace", manifest=json.dumps(told).encode(), view=view)
    (folder / "<b>x.strace").write_bytes(b"")
    page.reload()
    for name, sentence in sentences.items():
        open_file(page, name)
        alert = page.get_by_role("alert").filter(has_text=sentence)
        expect(alert).to_be_visible()
    page.screenshot(path=SCREENSHOTS / "labextension-bad-file.png")
    assert page.locator("[role=alert] b").count() == 0


def test_a_notebook_beside_the_file_loads_it(page: Page, folder: Path) -> None:
    opened(page)
    page.get_by_role("button", name="Open in a notebook").click()
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=60_000)
    (notebook,) = folder.glob("*.ipynb")
    created = nbformat.read(notebook, as_version=4)
    nbformat.validate(created)
    assert created.metadata["kernelspec"]["language"] == "python"
    assert created.cells[0].source == (
        'import strace_widgets as sw\n\ntrace = sw.load_trace("france.strace")\ntrace.explore()'
    )
    page.locator(".lm-MenuBar-item", has_text="Run").click()
    page.locator("[data-command='runmenu:run-all']").click()
    explorer = page.locator(".jp-OutputArea").get_by_test_id("strace-explorer")
    expect(explorer.get_by_test_id("token-row").first).to_have_attribute("data-token", " Paris", timeout=60_000)
    page.screenshot(path=SCREENSHOTS / "labextension-notebook.png")


def test_notebook_7_opens_it_too(page: Page, address: str) -> None:
    page.goto(f"{address}/tree")
    with page.expect_popup() as popup:
        open_file(page, "france.strace")
    explorer = popup.value.get_by_test_id("strace-explorer")
    explorer.get_by_test_id("slider").press("End", timeout=60_000)
    expect(explorer.get_by_test_id("edges")).to_have_attribute("data-edges", "4398")
    popup.value.screenshot(path=SCREENSHOTS / "labextension-notebook7.png")
    with popup.value.expect_popup() as notebook:
        popup.value.get_by_role("button", name="Open in a notebook").click()
    expect(notebook.value.locator(".jp-CodeCell")).to_contain_text("sw.load_trace", timeout=60_000)
