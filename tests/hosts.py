"""Start the hosts that the widget is tested in, on loopback: a Jupyter server and marimo."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


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
