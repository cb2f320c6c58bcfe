"""What the tests share: the real default model once a run, a tiny one, and Chromium."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from playwright.sync_api import Browser, sync_playwright

import strace_widgets as sw

ROOT = Path(__file__).parent.parent
SCREENSHOTS = ROOT / "build" / "screenshots"
CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the browser tests last: Playwright keeps an event loop on this thread, which widgets take for a kernel's."""
    items.sort(key=lambda item: item.get_closest_marker("browser") is not None)


@pytest.fixture(scope="session")
def smollm2() -> Any:
    return sw.load_model()


@pytest.fixture(scope="session")
def tiny() -> Any:
    return sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())


@pytest.fixture
def tiny_trace(tiny: Any) -> sw.STrace:
    return sw.trace(tiny, "w5 w17 w3 w88 w41 w2")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        missing = "The browser tests need Chromium on the PATH (Debian: apt-get install chromium)."
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=list(CHROMIUM_FLAGS))
        yield browser
        browser.close()
