"""Start the hosts that the widget is tested in, on loopback: a Jupyter server, JupyterLab on a notebook, marimo."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import nbformat
import pytest
from live_page import new_page
from playwright.sync_api import Browser, Page, expect

OpenNotebook = Callable[..., AbstractContextManager[Page]]
"""What the fixture `open_notebook` is: of a folder and cells."""

END_KERNEL = """async path => {
  const headers = { "X-XSRFToken": document.cookie.match(/_xsrf=([^;]+)/)?.[1] };
  const sessions = (await (await fetch("/api/sessions")).json()).filter((session) => session.path === path);
  await Promise.all(sessions.map(({ id }) => fetch(`/api/sessions/${id}`, { method: "DELETE", headers })));
}"""


@contextmanager
def jupyter_server(folder: Path, python: str | Path = sys.executable) -> Iterator[str]:
    """Serve a folder in JupyterLab (/lab/tree/...) and Notebook 7 (/notebooks/...); yields the address."""
    port = free_port()
    settings = {
        "ServerApp.ip": "127.0.0.1",
        "ServerApp.port": port,
        "ServerApp.root_dir": folder,
        "IdentityProvider.token": "",
        "ServerApp.open_browser": False,
        "ServerApp.allow_root": True,
        "LabApp.news_url": None,
        # A server that a broken test leaves behind stops by itself.
        "ServerApp.shutdown_no_activity_timeout": 600,
    }
    command = [str(python), "-m", "jupyterlab", *(f"--{name}={value}" for name, value in settings.items())]
    with served(command, jupyter_environment(folder), folder, f"http://127.0.0.1:{port}", "/api") as address:
        yield address


def jupyter_environment(folder: Path) -> dict[str, str]:
    """Return an environment in which Jupyter keeps its settings and its list of trusted notebooks in a folder."""
    return os.environ | {"JUPYTER_CONFIG_DIR": str(folder / "config"), "JUPYTER_DATA_DIR": str(folder / "data")}


def write_notebook(file: Path, *cells: str) -> None:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, file)


@contextmanager
def notebook_open(
    browser: Browser, address: str, root: Path, folder: Path, *cells: str, **options: Any
) -> Iterator[Page]:
    """Open a notebook of these cells in a running JupyterLab; yields the page, whose kernel waits for work.

    The kernel ends with it. A workspace of its own, so that JupyterLab opens no notebook of another test again.
    """
    write_notebook(folder / "notebook.ipynb", *cells)
    options = {"viewport": {"width": 1440, "height": 1500}} | options
    with new_page(browser, **options) as page:
        path = f"{folder.relative_to(root)}/notebook.ipynb"
        page.goto(f"{address}/lab/workspaces/{uuid4().hex}/tree/{path}")
        wait_idle(page)
        yield page
        page.evaluate(END_KERNEL, path)


def wait_idle(page: Page) -> None:
    """Wait until the kernel of JupyterLab's open notebook is there and has nothing to do."""
    page.locator("#jp-main-statusbar").get_by_text("| Idle").wait_for(timeout=90_000)


def run_all(page: Page, seconds: float = 120) -> None:
    """Run a notebook's cells from the menu, and wait until the last has run."""
    last = page.locator(".jp-CodeCell").last.locator(".jp-InputPrompt")
    before = last.inner_text()  # the number of a run that is over
    page.locator(".lm-MenuBar-item", has_text="Run").click()
    page.locator("[data-command='runmenu:run-all']").click()
    expect(last).not_to_have_text(before, timeout=1000 * seconds)
    expect(last).to_have_text(re.compile(r"\[\d+\]:"), timeout=1000 * seconds)
    offer = page.get_by_role("button", name="No", exact=True)  # Jupyter asks about its news, over the widget's corner
    if offer.count():
        offer.click()


@contextmanager
def marimo_server(app: Path) -> Iterator[str]:
    """Run a marimo app; yields the address."""
    port = free_port()
    options = ["--headless", "--no-token", "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "marimo", "run", str(app), *options]
    with served(command, dict(os.environ), app.parent, f"http://127.0.0.1:{port}", "/health") as address:
        yield address


@contextmanager
def served(command: list[str], environment: dict[str, str], folder: Path, address: str, ready: str) -> Iterator[str]:
    """Run a server until it is no longer needed."""
    log_path = folder / "server.log"
    with log_path.open("w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_up(address + ready, server, log_path)
            yield address
        finally:
            server.terminate()
            server.wait(30)


def wait_until_up(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    """Ask a server for an address until it answers, or has ended."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            urllib.request.urlopen(url, timeout=1).close()
        except OSError:
            with suppress(subprocess.TimeoutExpired):
                server.wait(0.25)
                pytest.fail(f"The server ended:\n{log.read_text()}")
        else:
            return
    pytest.fail(f"The server did not come up:\n{log.read_text()}")


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])
