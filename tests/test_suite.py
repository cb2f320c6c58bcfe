"""The benchmark suite: its networkx reference, its table, and its command in the shortest form."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT

import strace_widgets as sw
from strace_widgets.graph.ranking import rank_edges

SUITE = ROOT / "benchmarks" / "suite"
PROMPT = [5, 17, 3, 88, 41, 2]


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(SUITE))


@pytest.mark.parametrize("digits", [None, 1])
def test_order_and_masks_by_networkx_are_ours(pair: tuple[Any, Any], digits: int | None) -> None:
    """Weights of one digit have many ties."""
    networkx_graph = importlib.import_module("networkx_graph")
    trace = sw.trace(pair[1], PROMPT)
    weights = trace.weights if digits is None else sw.Edges(*(kind.round(digits) for kind in trace.weights))
    ranks = rank_edges(weights, trace.graph)
    graph = networkx_graph.graph_of(weights, parallel=trace.graph.parallel)
    order = networkx_graph.ordered(graph)
    assert [getattr(ranks, kind)[tuple(index)] for _, _, (kind, *index) in order] == list(range(trace.n_edges))
    for n in (1, trace.n_edges // 10, trace.n_edges // 2, trace.n_edges):
        for kind, ours in zip(networkx_graph.masks_of(graph, order[:n], ranks), ranks, strict=True):
            np.testing.assert_array_equal(kind, ours < n)


def suite(*arguments: Any) -> str:
    command = [sys.executable, str(SUITE), *map(str, arguments)]
    run = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr + run.stdout
    return run.stdout


@pytest.mark.host
def test_every_row_is_measured(tmp_path: Path) -> None:
    rows = importlib.import_module("rows").ROWS
    asked = [name for name, row in rows.items() if not row.memory or name == "memory of reading"]
    printed = suite(tmp_path, "--models", "2x3", "--tokens", 4, "--seconds", 0, "--rows", *asked)
    cells = json.loads((tmp_path / "suite.json").read_text(encoding="utf-8"))["cells"]
    assert [(cell["n_tokens"], cell["row"]) for cell in cells] == [
        *((4, name) for name in asked if not rows[name].memory),
        (4, "memory of reading"),
    ]
    assert not any(cell["reason"] for cell in cells)
    for cell in cells:
        timed = not rows[cell["row"]].memory
        assert [len(cell[name]) for name in ("seconds", "plain", "batch")] == [3 * timed] * 3
        assert cell["n_edges"] == sw.graph.edges.Graph(2, 3, cell["n_tokens"]).n_edges
    for label in ("edges", "plain pass", "trace and standard sweep", "saved file", *asked):
        (line,) = (line for line in printed.splitlines() if line.startswith(f"| {label} |"))
        assert line.count("|") == 4
    assert "(13 counted)" in printed
    assert suite(tmp_path, "--print") == printed == (tmp_path / "suite.md").read_text(encoding="utf-8") + "\n"


@pytest.mark.host
def test_versions_stand_side_by_side(tmp_path: Path) -> None:
    worktrees = ["git", "worktree", "list"]
    before = subprocess.check_output(worktrees, cwd=ROOT)
    row = "order"
    printed = suite(tmp_path, "--models", "2x2", "--tokens", 4, 6, "--seconds", 0, "--rows", row, "--against", "HEAD")
    result = json.loads((tmp_path / "suite.json").read_text(encoding="utf-8"))
    then, now = result["versions"]
    assert [(cell["n_tokens"], cell["version"]) for cell in result["cells"]] == [
        (4, then),
        (4, now),
        (6, then),
        (6, now),
    ]
    assert f"{then} → {now}" in printed
    (line,) = (line for line in printed.splitlines() if line.startswith(f"| {row} |"))
    assert " → " in line.split("|")[2]
    assert "-" not in line.split("|")[2]
    assert subprocess.check_output(worktrees, cwd=ROOT) == before


def test_a_row_that_another_version_lacks_is_empty() -> None:
    table = importlib.import_module("table")
    machine = {"processor": "", "cores": 2, "threads": 1, "memory_gb": 1, "load": 0, "clock": "time"}
    machine |= dict.fromkeys(("python", "torch", "transformers", "nnsight"), "1")
    lacking = table.Cell("old", "m", "order", 10, 100, reason="AttributeError: no such thing")
    found = table.Cell("new", "m", "order", 10, 100, seconds=[3.0, 9.0, 2.0], plain=[1.5, 1.0, 4.0], batch=[1.0])
    page = table.page({"machine": machine, "versions": ["old", "new"], "cells": [vars(lacking), vars(found)]})
    assert "| order | - → 2.00 | - |" in page
    assert "- order, 10 tokens, m, old: AttributeError: no such thing" in page


def test_growth_is_the_exponent() -> None:
    table = importlib.import_module("table")
    assert table.growth({n: 3e-9 * n**2.5 for n in (10, 40, 128, 512)}) == "T^2.5"
    assert table.growth({10: 1.0, 100: 1.0}) == "T^0.0"
    assert table.growth({10: 1.0}) == "-"
    assert table.spread([1.0, 2.0, 3.0, 4.0, 5.0]) == pytest.approx(1 / 3)


def test_the_page_says_where_figures_are_and_what_each_row_is() -> None:
    page = (ROOT / "docs" / "performance.md").read_text(encoding="utf-8")
    assert page.index("<!-- suite -->\n") < page.index("<!-- /suite -->")
    told = page.partition("## The rows")[2].partition("## Figures")[0]
    for name in importlib.import_module("rows").ROWS:
        general = (start for start in ("trace by", "evaluation at s =", "memory of") if name.startswith(start))
        assert next(general, name) in told, name
