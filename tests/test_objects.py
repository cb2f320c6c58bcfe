"""Traces, sweeps, models and comparisons as objects: equality, sets, caches, copies, pickles, tables."""

from __future__ import annotations

import copy
import functools
import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

import strace_widgets as sw
from strace_widgets.cache import Cache
from strace_widgets.errors import MissingPackageError, StraceError

COPIES: dict[str, Callable[[Any], Any]] = {"pickle": pickle.dumps, "copy": copy.copy, "deepcopy": copy.deepcopy}


def test_objects_are_equal_to_themselves_only(tiny: Any, tiny_trace: sw.STrace) -> None:
    other = sw.trace(tiny, tiny_trace.token_ids)
    pairs = [
        (tiny_trace, other),
        (tiny_trace.sweep(), other.sweep()),
        (sw.compare(tiny_trace, other), sw.compare(tiny_trace, other)),
        (tiny, sw.load_model(tiny_models.tiny())),
    ]
    for one, another in pairs:
        assert one == one  # noqa: PLR0124 - numpy's arrays would make this ambiguous
        assert one != another
        assert len({one, another, one}) == 2


def test_objects_are_arguments_of_cached_functions(tiny: Any, tiny_trace: sw.STrace) -> None:
    calls = []

    @functools.lru_cache(maxsize=4)
    def cached(model: Any, trace: sw.STrace, sweep: sw.Sweep) -> int:
        calls.append(1)
        return len(model.name) + trace.n_edges + len(sweep)

    results = {cached(tiny, tiny_trace, tiny_trace.sweep()) for _ in range(3)}
    assert (len(results), len(calls)) == (1, 1)


@pytest.mark.parametrize("way", COPIES)
def test_a_trace_with_its_model_says_what_to_do_instead_of_a_copy(way: str, tiny: Any, tiny_trace: sw.STrace) -> None:
    for holder in (tiny_trace, [tiny_trace], sw.compare(tiny_trace, tiny_trace)):
        if way == "copy" and holder is not tiny_trace:
            continue  # a shallow copy of what holds a trace holds the same trace
        with pytest.raises(StraceError, match=r"trace\.save\(path\).*load_trace"):
            COPIES[way](holder)
    with pytest.raises(StraceError, match=r"strace_widgets\.load_model"):
        COPIES[way](tiny)


def test_a_loaded_trace_and_a_sweep_are_pickled_and_copied(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    loaded = sw.load_trace(tiny_trace.save(tmp_path / "x.strace"))
    for again in (pickle.loads(pickle.dumps(loaded)), copy.deepcopy(loaded)):  # noqa: S301 - it was written here
        assert again != loaded
        assert (again.prompt, again.top, again.saved_view) == (loaded.prompt, loaded.top, loaded.saved_view)
        np.testing.assert_array_equal(again.ranks.attention, loaded.ranks.attention)
        np.testing.assert_array_equal(again.sweep().total_variation, loaded.sweep().total_variation)
    sweep = tiny_trace.sweep()
    for copied in (pickle.loads(pickle.dumps(sweep)), copy.deepcopy(sweep)):  # noqa: S301
        np.testing.assert_array_equal(copied.probabilities, sweep.probabilities)


def test_results_of_one_trace_are_not_those_of_another(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    tiny_trace.sweep()
    assert len(tiny_trace.sweeps) == 1
    assert len(tiny_trace.random().sweeps) == 0
    loaded = sw.load_trace(tiny_trace.save(tmp_path / "x.strace"))
    assert loaded.saved_view
    assert not loaded.random().saved_view
    assert loaded.with_model(tiny_trace.model).saved_view == loaded.saved_view


def test_a_cache_lets_go_of_what_was_not_used_for_longest() -> None:
    cache: Cache[str, int] = Cache(2)
    cache["a"], cache["b"] = 1, 2
    assert cache.get("a") == 1
    cache["c"] = 3
    assert dict(cache) == {"a": 1, "c": 3}
    assert cache.get("b") is None
    assert list(cache.items()) == [("a", 1), ("c", 3)]
    assert cache.pop("a") == 1
    assert len(cache) == 1


def test_a_cache_holds_so_many_bytes_but_always_the_last_value() -> None:
    cache: Cache[str, bytes] = Cache(9, len, 10)
    cache["a"], cache["b"], cache["c"] = b"1234", b"1234", b"1234"
    assert list(cache) == ["b", "c"]
    cache["large"] = b"1" * 99
    assert list(cache) == ["large"]


def test_a_sweep_becomes_a_table(tiny_trace: sw.STrace) -> None:
    sizes = [0.6, 0.1, 1.0]
    sweep = tiny_trace.evaluate(sizes, next_token="w7")
    table = sweep.to_frame()
    assert table["size"].tolist() == sizes
    for name in (
        *("n_edges", "n_edges_kept", "total_variation", "kl", "jensen_shannon", "entropy", "top1"),
        *("nucleus", "nucleus_size", "loss", "rank"),
    ):
        np.testing.assert_array_equal(table[name], getattr(sweep, name))
    assert table["top1_token"].tolist() == [top[0].token for top in sweep.top]
    assert table["nucleus"].iloc[2] == 0.99
    assert not {"loss", "rank"} & set(tiny_trace.evaluate(sizes).to_frame())


def test_a_table_without_pandas_says_what_to_install(tiny_trace: sw.STrace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingPackageError, match=r"pip install 'strace_widgets\[study\]'"):
        tiny_trace.evaluate([1.0]).to_frame()
