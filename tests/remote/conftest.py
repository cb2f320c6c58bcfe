"""What the remote tests share: the server, the models on it and their local twins.

Run by `make test-remote`, which points HF_HOME at the client's own copy of the hub cache.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "ndif"))
import rig
from nnsight.modeling import huggingface
from served import FAMILIES, PATIENCE, UNSERVED, Remote

import strace_widgets as sw

if os.environ.get("HF_HOME") != str(rig.CLIENT_HUB):
    raise pytest.UsageError("The remote tests need their own hub cache: run them with `make test-remote`.")


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The address of the running server; one that was up before is left up."""
    names = [f"loopback/{name}" for name in (*FAMILIES, "smollm2")]
    for name in (*names, UNSERVED):
        huggingface._ID_CACHE[name] = name  # without a network the hub cannot be asked how a name is spelled
    was_up = rig.served()
    if not was_up:
        rig.start()
    try:
        yield rig.URL
    finally:
        if not was_up:
            rig.stop()


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ask as one whose requests need no sandbox, which the server starts anew for each, in seconds."""
    monkeypatch.setenv("NDIF_API_KEY", rig.TRUSTED_KEY)


@pytest.fixture(scope="session")
def remote_model(server_url: str) -> Remote:
    """Return a model on the server by its short name, loaded once unless options are given."""
    loaded: dict[str, Any] = {}

    def load(name: str, **options: Any) -> Any:
        if options or name not in loaded:
            patient = {"patience": PATIENCE} | options
            found = sw.load_model(f"loopback/{name}", remote=server_url, **patient)
            if options:
                return found
            loaded[name] = found
        return loaded[name]

    return load


@pytest.fixture(scope="session")
def local_model() -> Remote:
    """Return the same model on this machine."""
    loaded: dict[str, Any] = {}

    def load(name: str) -> Any:
        if name not in loaded:
            loaded[name] = sw.load_model(f"loopback/{name}")
        return loaded[name]

    return load
