"""A machine without torch: saved traces, the replay, pages and charts work; what needs a model says what to install."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, environment, install

import strace_widgets as sw

pytestmark = pytest.mark.host

LIGHT = ("numpy", "msgspec", "zstandard", "anywidget", "ipywidgets", "altair")
HEAVY = ("torch", "nnsight", "transformers", "numba", "tqdm", "platformdirs", "markdown_it", "vl_convert")


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], str]:
    """An environment with the wheel and a few light packages; runs a program there, returns what it printed."""
    folder = tmp_path_factory.mktemp("light")
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(ROOT)]
    subprocess.run(build, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    python = environment(folder / "venv", *LIGHT)
    install(python, "--no-deps", wheel)

    def run(program: str) -> str:
        finished = subprocess.run(
            [python, "-I", "-c", textwrap.dedent(program)], cwd=folder, capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
        return finished.stdout

    return run


def test_nothing_heavy_is_there(light: Callable[[str], str]) -> None:
    found = light(f"import importlib.util; print([n for n in {HEAVY} if importlib.util.find_spec(n)])")
    assert found.strip() == "[]"


def test_a_saved_trace_is_read_shown_and_exported(
    light: Callable[[str], str], tiny_trace: sw.STrace, tmp_path: Path
) -> None:
    file, page = tiny_trace.save(tmp_path / "x.strace"), tmp_path / "x.html"
    printed = light(f"""
        import strace_widgets as sw
        from strace_widgets import charts

        trace = sw.load_trace({str(file)!r})
        print(trace)
        print(trace.smallest(top1=True), len(trace._repr_html_()) > 100)
        explorer = trace.explore()
        explorer.size = 0.5
        print(explorer.live, explorer.status["state"], explorer.n_edges)
        print(sw.SizeSlider(explorer).n_edges)
        explorer.to_html({str(page)!r})
        explorer.save({str(tmp_path / "again.strace")!r})
        chart = charts.reconstruction(trace.sweep())
        print(sorted(chart._repr_mimebundle_()))
    """)
    assert "on LlamaForCausalLM: 6 tokens" in printed
    n_edges = tiny_trace.n_edges
    lines = printed.splitlines()
    assert lines[1] == f"{sw.load_trace(file).smallest(top1=True)} True"
    assert lines[2:4] == [f"False ready {n_edges // 2}", str(n_edges // 2)]
    assert "vegalite" in lines[-1]
    assert "Content-Security-Policy" in page.read_text(encoding="utf-8")
    again = sw.load_trace(tmp_path / "again.strace")
    assert again.saved_view["n_edges"] == n_edges // 2
    assert again.mask(0.3).n_kept == int(0.3 * n_edges)
    refused = light(f"""
        import strace_widgets as sw

        try:
            sw.load_trace({str(file)!r}).mask(0.3)
        except sw.errors.MissingPackageError as reason:
            print(reason)
    """)
    assert refused.strip().endswith("(No module named 'numba'): pip install numba")


def test_what_needs_a_model_says_what_to_install(light: Callable[[str], str]) -> None:
    printed = light("""
        import strace_widgets as sw

        for ask in (lambda: sw.load_model(), lambda: sw.Model, lambda: sw.trace("a name", "a prompt"),
                    lambda: sw.to_html("# A text", "never.html")):
            try:
                ask()
            except (sw.errors.MissingPackageError, TypeError) as reason:
                print(reason)
    """)
    load, model, trace, text = printed.splitlines()
    assert load.startswith("strace_widgets.load_model needs ")
    assert "pip install torch nnsight transformers" in load
    assert model.startswith("strace_widgets.Model needs ")
    assert "strace_widgets.load_model gives one" in trace
    assert "pip install markdown-it-py" in text
