"""The long benchmarks, on tiny models: divided among runs, and put together."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from conftest import ROOT


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Two models on disk."""
    made = [tmp_path_factory.mktemp("models") / name for name in ("first", "second")]
    for seed, folder in enumerate(made):
        tiny_models.tiny(seed=seed).save_pretrained(folder)
        tiny_models.words().save_pretrained(folder)
    return [str(folder) for folder in made]


def run(monkeypatch: pytest.MonkeyPatch, name: str, *arguments: Any) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    importlib.import_module(name).main()


def test_measures_are_printed_of_all_runs(
    folders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--models", *folders, "--limit", 5, "--importance", "l1", "l2", "--every", 9, "--costs", 1]
    for shard in ("1/2", "2/2"):
        run(monkeypatch, "measures", tmp_path, "--shard", shard, *options)
    capsys.readouterr()
    run(monkeypatch, "measures", tmp_path, "--print")
    printed = capsys.readouterr().out
    first = printed.index("**The worst of first and second**; 10 prompts, 5 sizes.")
    assert first < printed.index("**first**; 5 prompts, 5 sizes.") < printed.index("**second**; 5 prompts, 5 sizes.")
    by_modes = printed.index("**The worst of first and second**; `l2` against `l1`")
    assert printed.count("\n| mlp+residual, frozen, mean<br>10 prompts, 5 sizes |", by_modes) == 1
    assert printed.count("\n| mlp+residual, frozen, mean<br>5 prompts, 5 sizes |", by_modes) == 2
    assert "nan" not in printed
    with pytest.raises(SystemExit):
        run(monkeypatch, "measures", tmp_path / "none", "--print")


def test_findings_are_printed_of_all_runs(
    folders: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for shard in ("1/2", "2/2"):
        run(monkeypatch, "findings", tmp_path, "--shard", shard, "--models", *folders, "--limit", 3)
    capsys.readouterr()
    run(monkeypatch, "findings", tmp_path, "--print")
    printed = capsys.readouterr().out
    assert "6 of 6 prompts on first" in printed
    assert "| finding | first, `l1`, `all` | second, `l1`, `all` |" in printed
    assert printed.count("| fitted bend of the mean error") == 2
    assert "second, l2, s = 0.1: depth quarters" in printed
