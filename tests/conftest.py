"""What the tests share: two real models once a run, a tiny one, Chromium, and the Explorer in it."""

from __future__ import annotations

import asyncio
import itertools
import os
import subprocess
import sys
import tarfile
import venv
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import families
import hypothesis
import mock_ndif
import pytest
import tiny_models
import torch
from explorer_steps import Front, Gate, settled
from hosts import OpenNotebook, jupyter_server, notebook_open
from live_page import NO_CHROMIUM, SCREENSHOTS, Recording, chromium_path, launched, mount, mount_live, open_page, record
from mock_ndif import MockNDIF
from nnsight.modeling import huggingface
from nnsight.modeling.transformers import TransformersModel
from playwright.sync_api import Browser, Locator, Page, Playwright, expect, sync_playwright

import strace_widgets as sw
from strace_widgets.explorer.session import Session
from strace_widgets.remote.server import Traffic

ROOT = Path(__file__).parent.parent
NEED_CUDA = pytest.StashKey[int]()
PROMPT = "w5 w17 w3 w88 w41 w2"
NAIVE_KINDS: dict[str, tuple[str, dict[str, Any]]] = {
    "sequential": ("Llama", {"attention_bias": True, "mlp_bias": True}),
    "post-norm": ("Olmo2", {}),
    "parallel": ("GPTNeoX", {}),
}
LONG = ("test_soak", "test_notebooks", "test_study_cluster", "test_docs", "test_study_resume", "test_suite")
"""Files of a minute and more that start processes: at the end, one process would wait for the other's."""
LAYER_2 = ("2.0", "2.1", "2.2", "2.3", "2.mlp")
# A busy machine is slow, not wrong: what comes at all comes within this.
expect.set_options(timeout=30_000)
hypothesis.settings.register_profile("patient", deadline=None)
hypothesis.settings.load_profile("patient")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let the long files begin first, and leave tests for a GPU out where there is none.

    A skipped test fails continuous integration, which has no GPU.
    """
    items.sort(key=lambda item: item.path.stem not in LONG)
    need_cuda = [item for item in items if item.get_closest_marker("cuda")]
    if need_cuda and not torch.cuda.is_available():
        config.hook.pytest_deselected(items=need_cuda)
        items[:] = [item for item in items if item not in need_cuda]
        config.stash[NEED_CUDA] = len(need_cuda)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if config.stash.get(NEED_CUDA, 0):
        terminalreporter.write_line(f"{config.stash[NEED_CUDA]} tests not run: torch finds no CUDA device here.")


@pytest.fixture(scope="session")
def smollm2() -> Any:
    return sw.load_model()


@pytest.fixture(scope="session")
def gemma() -> Any:
    """A second real model: post-norms, one key-value head, sliding windows, 262,144 tokens, a start token."""
    return sw.load_model("google/gemma-3-270m")


@pytest.fixture(scope="session")
def tiny() -> Any:
    return sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words())


@pytest.fixture(scope="module", params=NAIVE_KINDS)
def pair(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    """A tiny module of each kind of block that the naive reference knows, and the model of it."""
    name, options = NAIVE_KINDS[request.param]
    module = families.build(name, options, seed=3)
    return module, sw.load_model(module)


@pytest.fixture
def tiny_trace(tiny: Any) -> sw.STrace:
    return sw.trace(tiny, PROMPT)


# A server that the tests play: see `mock_ndif`.


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The tiny model on disk, whose folder stands for a hub id."""
    folder = str(tmp_path_factory.mktemp("hub") / "tiny")
    tiny_models.tiny().save_pretrained(folder)
    tiny_models.words().save_pretrained(folder)
    huggingface._ID_CACHE[folder] = folder  # without a network the hub cannot be asked how a name is spelled
    return folder


@pytest.fixture(scope="session")
def served_model(tiny_folder: str) -> Any:
    """What the server runs: loaded as a server does, with the attention of its choice."""
    return TransformersModel(tiny_folder, task="text-generation", dispatch=True)


@pytest.fixture
def ndif(served_model: Any, tiny_folder: str, monkeypatch: pytest.MonkeyPatch) -> MockNDIF:
    monkeypatch.setenv("NDIF_API_KEY", mock_ndif.KEY)
    return MockNDIF(served_model, tiny_folder)


@pytest.fixture
def passing() -> mock_ndif.PassingTime:
    return mock_ndif.PassingTime()


@pytest.fixture(scope="session")
def loaded_remote_tiny(served_model: Any, tiny_folder: str) -> Any:
    return sw.load_model(tiny_folder, remote=mock_ndif.URL, client=MockNDIF(served_model, tiny_folder).client)


@pytest.fixture
def remote_tiny(loaded_remote_tiny: Any, ndif: MockNDIF, passing: mock_ndif.PassingTime) -> Any:
    """The tiny model on the server that the tests play, whose time passes by itself."""
    server = replace(loaded_remote_tiny.server, client=ndif.client, clock=passing.clock, traffic=Traffic())
    return replace(loaded_remote_tiny, server=server)


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The sdist, and the wheel that is built from it where npm cannot be found."""
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder)]
    subprocess.run([*build, "--sdist", str(ROOT)], check=True, capture_output=True)
    (sdist,) = folder.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    unpacked = folder / sdist.name.removesuffix(".tar.gz")
    without_npm = os.environ | {"PATH": str(Path(sys.executable).parent)}
    subprocess.run([*build, "--wheel", str(unpacked)], check=True, capture_output=True, env=without_npm)
    (wheel,) = folder.glob("*.whl")
    return sdist, wheel


def environment(folder: Path, *packages: str | Path) -> Path:
    """Make an environment in a folder, with packages as they are pinned; return its Python."""
    venv.create(folder)
    python = folder / "bin" / "python"
    install(python, "-c", ROOT / "constraints.txt", *packages)
    return python


def install(python: Path, *packages: str | Path) -> None:
    """Install into an environment, which needs no pip of its own."""
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    subprocess.run([*pip, "install", "--quiet", "--no-compile", *packages], check=True, cwd=python.parents[1])


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of a folder, by its name in it."""
    return {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    if chromium_path() is None:
        if os.environ.get("CI"):
            pytest.fail(NO_CHROMIUM)
        pytest.skip(NO_CHROMIUM)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        yield playwright


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    """Chromium without windows, for pages of ours alone: it takes a third less of the processor."""
    with launched(playwright, windows=False) as browser:
        yield browser


@pytest.fixture(scope="session")
def browser_with_windows(playwright: Playwright) -> Iterator[Browser]:
    """Chromium as a person has it, for the hosts."""
    with launched(playwright) as browser:
        yield browser


@pytest.fixture(scope="session")
def open_notebook(browser_with_windows: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenNotebook]:
    """Open a folder's notebook of given cells, in a JupyterLab that the tests share: see `hosts.notebook_open`."""
    root = tmp_path_factory.getbasetemp()
    with jupyter_server(root) as address:
        yield partial(notebook_open, browser_with_windows, address, root)


@pytest.fixture(scope="session")
def recording(tiny: Any) -> Recording:
    """The tiny model's trace, with exact results for every switching of two nodes and of one layer."""
    trace = sw.trace(tiny, PROMPT)
    session = Session(trace)
    session.sweep()
    start = session.start_size()
    states = ("auto", "off", "on")
    pairs = [
        {key: state for key, state in zip(("1.2", "0.mlp"), pair, strict=True) if state != "auto"}
        for pair in itertools.product(states, states)
    ]
    layers: list[dict[str, str]] = [dict.fromkeys(LAYER_2, state) for state in ("off", "on")]
    layers += [{key: "off" for key in LAYER_2 if key != skipped} for skipped in LAYER_2]
    return record(session, [(start, toggles) for toggles in [*pairs, *layers]] + [(trace.n_edges, {}), (1, {})])


@pytest.fixture
def page(browser: Browser, tmp_path: Path) -> Iterator[Page]:
    """A bare page; any request, console error or exception fails the test."""
    page, troubles = open_page(browser, tmp_path / "page.html")
    yield page
    page.close()
    assert not troubles


@pytest.fixture
def card(page: Page, recording: Recording) -> Locator:
    """The Explorer on the recording."""
    return mount(page, recording)


@pytest.fixture
def settled_explorer(tiny_trace: sw.STrace) -> Iterator[sw.Explorer]:
    """An Explorer with its first result, and no browser."""
    explorer = tiny_trace.explore()
    settled(explorer)
    yield explorer
    explorer.close()


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    """What holds the rounds of an Explorer's levels back."""
    gate = Gate(monkeypatch)
    yield gate
    gate.let_through(100)


@pytest.fixture
def front(settled_explorer: sw.Explorer, monkeypatch: pytest.MonkeyPatch) -> Front:
    """The front end's side of an Explorer that has its first result."""
    return Front(settled_explorer, monkeypatch)


@pytest.fixture
def explorer(browser: Browser, tiny_trace: sw.STrace) -> Iterator[sw.Explorer]:
    """Python's Explorer; its results arrive while Playwright waits for the page, on Playwright's event loop."""
    del browser  # it has started the loop
    explorer = sw.Explorer(tiny_trace, loop=asyncio.get_running_loop())
    yield explorer
    explorer.close()


@pytest.fixture
def live(page: Page, explorer: sw.Explorer) -> Locator:
    """The Explorer with `explorer` behind it."""
    return mount_live(page, explorer)
