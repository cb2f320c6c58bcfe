"""Chromium, Firefox and WebKit, driven as WebDriver says: one vocabulary, over HTTP or (Firefox) over BiDi.

Debian has no driver for Firefox, which speaks BiDi itself. What is done with a page is the same JSON in both.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import re
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import pytest
from hosts import free_port
from websockets.sync.client import ClientConnection, connect

SIZE = (1100, 1000)
PATIENCE = 60  # seconds: a busy machine is slow, not wrong
MINI_BROWSER = "/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser"
DEBIAN = {"chromium": "chromium chromium-driver", "firefox": "firefox-esr", "webkit": "webkit2gtk-driver xvfb"}
"""What has to be installed for each."""

CAPABILITIES: dict[str, dict[str, Any]] = {
    "chromium": {
        "goog:chromeOptions": {
            "args": ["--headless=new", "--no-sandbox", "--disable-gpu", f"--window-size={SIZE[0]},{SIZE[1]}"]
        }
    },
    "webkit": {"webkitgtk:browserOptions": {"binary": MINI_BROWSER, "args": ["--automation"]}},
}


class Driven(Protocol):
    """A browser with one page."""

    name: str

    def open(self, address: str) -> None:
        """Load a page."""

    def call(self, function: str, argument: str) -> str:
        """Call a function of the page's language, which takes a text and returns one."""

    def act(self, *sources: dict[str, Any]) -> None:
        """Perform actions of input sources, as WebDriver has them, side by side."""

    def picture(self) -> bytes:
        """Return what is seen, as PNG."""


def run(driven: Driven, function: str, *arguments: Any) -> Any:
    """Call a function in the page, and return what it answers."""
    whole = f"async (given) => JSON.stringify((await ({function})(...JSON.parse(given))) ?? null)"
    return json.loads(driven.call(whole, json.dumps(arguments)))


def until(driven: Driven, function: str, *arguments: Any, is_: Any = True) -> None:
    """Wait until a function in the page answers as it should."""
    deadline = time.monotonic() + PATIENCE
    while (found := run(driven, function, *arguments)) != is_:
        assert time.monotonic() < deadline, f"{driven.name}: {function} is {found!r}, not {is_!r}"
        time.sleep(0.03)


@dataclass
class OverHTTP:
    """A session with a driver that speaks the classic WebDriver protocol."""

    name: str
    address: str
    session: str = ""

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address}{path}", method=method, data=data)
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as refused:
            raise AssertionError(f"{self.name}: {json.load(refused)['value']['message']}") from None

    def open(self, address: str) -> None:
        self.ask("POST", f"{self.session}/url", {"url": address})

    def call(self, function: str, argument: str) -> str:
        script = {"script": f"return ({function})(...arguments)", "args": [argument]}
        return str(self.ask("POST", f"{self.session}/execute/sync", script))

    def act(self, *sources: dict[str, Any]) -> None:
        self.ask("POST", f"{self.session}/actions", {"actions": list(sources)})

    def picture(self) -> bytes:
        return base64.b64decode(self.ask("GET", f"{self.session}/screenshot"))


@dataclass
class OverBiDi:
    """A session with a browser that speaks WebDriver BiDi."""

    name: str
    socket: ClientConnection
    context: str = ""
    ids: Iterator[int] = field(default_factory=itertools.count)

    def ask(self, method: str, **params: Any) -> Any:
        id_ = next(self.ids)
        self.socket.send(json.dumps({"id": id_, "method": method, "params": params}))
        while (answer := json.loads(self.socket.recv(PATIENCE))).get("id") != id_:
            pass  # an event
        assert answer["type"] == "success", f"{self.name}: {answer.get('message')}"
        return answer["result"]

    def open(self, address: str) -> None:
        self.ask("browsingContext.navigate", context=self.context, url=address, wait="complete")

    def call(self, function: str, argument: str) -> str:
        answer = self.ask(
            "script.callFunction",
            functionDeclaration=function,
            arguments=[{"type": "string", "value": argument}],
            awaitPromise=True,
            target={"context": self.context},
        )
        assert answer["type"] == "success", f"{self.name}: {answer['exceptionDetails']['text']}"
        return str(answer["result"]["value"])

    def act(self, *sources: dict[str, Any]) -> None:
        self.ask("input.performActions", context=self.context, actions=list(sources))

    def picture(self) -> bytes:
        return base64.b64decode(self.ask("browsingContext.captureScreenshot", context=self.context)["data"])


@contextmanager
def started(name: str, folder: Path) -> Iterator[Driven]:
    """Start a browser that keeps its files in a folder, and end it."""
    with ExitStack() as stack:
        if name == "firefox":
            yield stack.enter_context(_firefox(folder))
            return
        environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "XDG_DATA_HOME": str(folder)}
        if name == "webkit":
            display = stack.enter_context(_display())
            # Inside a container, and for root, WebKit cannot shut itself in.
            environment |= {"DISPLAY": display, "GDK_BACKEND": "x11", "WEBKIT_DISABLE_SANDBOX_THIS_IS_DANGEROUS": "1"}
        yield stack.enter_context(_over_http(name, environment, folder))


@contextmanager
def _over_http(name: str, environment: dict[str, str], folder: Path) -> Iterator[OverHTTP]:
    port = free_port()
    driver = OverHTTP(name, f"http://127.0.0.1:{port}")
    program = "chromedriver" if name == "chromium" else "WebKitWebDriver"
    with _running([program, f"--port={port}"], environment, folder / "driver.log"):
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                driver.ask("GET", "/status")
                break
            except OSError:
                assert time.monotonic() < deadline, f"{program} did not come up"
                time.sleep(0.05)
        made = driver.ask("POST", "/session", {"capabilities": {"alwaysMatch": CAPABILITIES[name]}})
        driver.session = f"/session/{made['sessionId']}"
        try:
            if name == "webkit":
                driver.ask("POST", f"{driver.session}/window/rect", {"width": SIZE[0], "height": SIZE[1]})
            yield driver
        finally:
            driver.ask("DELETE", driver.session)


@contextmanager
def _firefox(folder: Path) -> Iterator[OverBiDi]:
    program = shutil.which("firefox-esr") or shutil.which("firefox") or "firefox"
    log = folder / "firefox.log"
    command = [program, "--headless", "--no-remote", "--profile", str(folder), "--remote-debugging-port=0"]
    with _running(command, dict(os.environ), log):
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(r"ws://\S+", log.read_text())):
            assert time.monotonic() < deadline, f"Firefox did not come up: {log.read_text()}"
            time.sleep(0.05)
        with connect(f"{found[0]}/session", max_size=None, compression=None) as socket:
            browser = OverBiDi("firefox", socket)
            browser.ask("session.new", capabilities={})
            # The window that it starts with is never in focus without a screen; one that is asked for is.
            browser.context = browser.ask("browsingContext.create", type="window")["context"]
            viewport = {"width": SIZE[0], "height": SIZE[1]}
            browser.ask("browsingContext.setViewport", context=browser.context, viewport=viewport)
            yield browser
            browser.ask("browser.close")


@contextmanager
def _running(command: list[str], environment: dict[str, str], log: Path) -> Iterator[None]:
    with log.open("w") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=subprocess.STDOUT)
        try:
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)


@contextmanager
def _display() -> Iterator[str]:
    """A screen without glass: WebKit's MiniBrowser has no headless mode."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", f"{SIZE[0]}x{SIZE[1]}x24", "-nolisten", "tcp"]
    screen = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as told:
            yield f":{told.readline().strip()}"
    finally:
        screen.terminate()
        screen.wait(PATIENCE)


def missing(name: str) -> str:
    """Return what lacks for a browser; empty where it can be started."""
    programs = {
        "chromium": ("chromium", "chromedriver"),
        "firefox": ("firefox-esr",),
        "webkit": ("WebKitWebDriver", MINI_BROWSER, "Xvfb"),
    }[name]
    lacking = [program for program in programs if not shutil.which(program)]
    return f"{name} needs {', '.join(lacking)} (Debian: apt-get install {DEBIAN[name]})." if lacking else ""


def require(name: str) -> None:
    """Skip a test where a browser is missing; fail it under CI."""
    if lacking := missing(name):
        if os.environ.get("CI"):
            pytest.fail(lacking)
        pytest.skip(lacking)
