"""Version 3 of the file of a saved trace: how weights and order are held, and what older and damaged files do."""

from __future__ import annotations

import hashlib
import io
import json
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import strace_widgets as sw
from strace_widgets.explorer.view_state import with_graph
from strace_widgets.graph.edges import NOT_IN_GRAPH, Edges, Graph
from strace_widgets.graph.order import Order, SavedOrder, best_first, by_layer, checksum
from strace_widgets.graph.ranking import rank_randomly
from strace_widgets.results import edge_coding
from strace_widgets.results.members import compression

V2 = Path(__file__).parent / "v2"
PROMPT = "w5 w17 w3 w88 w41 w2"


def edges_of(trace: sw.STrace) -> list[np.ndarray[Any, Any]]:
    return [*trace.weights, *trace.ranks]


def assert_same_edges(ours: sw.STrace, theirs: sw.STrace) -> None:
    for one, other in zip(edges_of(ours), edges_of(theirs), strict=True):
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype


def members(file: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(file) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def altered(
    file: Path, target: Path, manifest: dict[str, Any], compression: int = zipfile.ZIP_STORED, **contents: bytes
) -> Path:
    """Write a saved trace again with another manifest and other members, whose checksums are made to fit."""
    held = members(file) | contents
    described = json.loads(held["manifest.json"]) | manifest
    for name, content in contents.items():
        described["members"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, content in (held | {"manifest.json": json.dumps(described).encode()}).items():
            archive.writestr(name, content)
    return target


def test_an_order_that_follows_from_the_weights_is_not_in_the_file(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    drawn = tiny_trace.random(seed=3)
    for name, trace in (("trace", tiny_trace), ("random", drawn)):
        file = trace.save(tmp_path / name)
        assert "weights.zst" in members(file)
        assert "ranks.zst" not in members(file)
        loaded = sw.load_trace(file)
        assert isinstance(loaded.order, SavedOrder)
        assert_same_edges(loaded, trace)


@pytest.mark.parametrize("made", ["like the authors", "by hand", "other weights", "weights and the ranks of others"])
def test_any_other_order_is_held(tiny_trace: sw.STrace, tmp_path: Path, made: str) -> None:
    weights = Edges(*(np.sqrt(kind) for kind in tiny_trace.weights))
    trace = {
        "like the authors": lambda: tiny_trace.random(seed=1, like_authors=True),
        "by hand": lambda: replace(tiny_trace, order=Order(rank_randomly(tiny_trace.graph, 7))),
        "other weights": lambda: replace(tiny_trace, weights=weights),
        "weights and the ranks of others": lambda: replace(
            tiny_trace, order=best_first(tiny_trace.random().weights, tiny_trace.graph)
        ),
    }[made]()
    file = trace.save(tmp_path / "x.strace")
    assert "ranks.zst" in members(file)
    loaded = sw.load_trace(file)
    assert_same_edges(loaded, trace)
    assert_same_edges(sw.load_trace(loaded.save(tmp_path / "again.strace")), trace)


def test_an_order_that_is_no_longer_the_same_is_told(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    file = tiny_trace.save(tmp_path / "x.strace")
    with zipfile.ZipFile(file) as archive:
        assert json.loads(archive.read("manifest.json"))["ranks_sha256"] == checksum(tiny_trace.ranks, tiny_trace.graph)
    loaded = sw.load_trace(altered(file, file, {"ranks_sha256": "0" * 64}))
    assert loaded.sweep().n_edges[-1] == loaded.n_edges  # what does not need the order is there
    with pytest.raises(sw.errors.TraceFileError, match="is no longer the one that it was saved with"):
        loaded.mask(0.5)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda ranks: np.maximum(ranks, 1), "does not have each of 0 to 230 once"),
        (lambda ranks: ranks - 1, "has ranks that are not 0 to 230"),
        (lambda ranks: ranks.astype(np.float32), "has ranks that are not 0 to 230"),
    ],
)
def test_ranks_that_are_none_are_refused(tiny_trace: sw.STrace, tmp_path: Path, change: Any, complaint: str) -> None:
    graph = tiny_trace.graph
    file = tiny_trace.random(like_authors=True).save(tmp_path / "x.strace")
    content = b"".join(edge_coding.coded(map(change, by_layer(tiny_trace.ranks, graph)), graph))
    with pytest.raises(sw.errors.TraceFileError, match=complaint):
        sw.load_trace(altered(file, file, {}, **{"ranks.zst": content}))


def test_the_order_of_a_loaded_trace_is_worked_out_once_and_when_it_is_asked_for(
    tiny_trace: sw.STrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def counted(*of: Any) -> Edges:
        calls.append(of)
        return rank_edges(*of)

    from strace_widgets.graph import order  # noqa: PLC0415

    rank_edges = order.rank_edges
    monkeypatch.setattr(order, "rank_edges", counted)
    loaded = sw.load_trace(tiny_trace.save(tmp_path / "x.strace"))
    loaded.explore().close()
    again = sw.load_trace(loaded.save(tmp_path / "again.strace"))
    assert not calls
    for _ in range(2):
        assert again.mask(0.3).n_kept == tiny_trace.mask(0.3).n_kept
    replace(again, prompt="x").mask(0.3)
    assert len(calls) == 1


def drawn(graph: Graph, seed: int, kind: str) -> Edges:
    random, exists = np.random.default_rng(seed), graph.exists()
    values = {
        "normal": lambda shape: random.standard_normal(shape).astype(np.float32),
        "half": lambda shape: random.random(shape).astype(np.float16).astype(np.float32),
        "alike": lambda shape: np.ones(shape, dtype=np.float32),
        "bits": lambda shape: random.integers(0, 1 << 32, shape, dtype=np.uint32).view(np.float32),
    }[kind]
    return Edges(*(np.where(there, values(there.shape), np.float32(0)) for there in exists))


@settings(max_examples=150)
@given(
    st.builds(Graph, st.integers(1, 4), st.integers(1, 5), st.integers(1, 24), st.booleans()),
    st.integers(0, 999),
    st.sampled_from(["normal", "half", "alike", "bits"]),
)
def test_every_bit_of_every_edge_comes_back(graph: Graph, seed: int, kind: str) -> None:
    weights = drawn(graph, seed, kind)
    content = b"".join(edge_coding.coded(by_layer(weights, graph), graph))
    assert edge_coding.least_bytes(graph) <= len(content) <= edge_coding.most_bytes(graph)
    assert sum(len(layer) for layer in by_layer(weights, graph)) == graph.n_edges
    found = edge_coding.decoded(content, graph, np.float32, 0)
    for one, other in zip(found, weights, strict=True):
        assert one.tobytes() == other.tobytes()


def test_ranks_are_no_number_of_an_edge_outside_the_graph() -> None:
    graph = Graph(2, 3, 9)
    ranks = rank_randomly(graph)
    found = edge_coding.decoded(
        b"".join(edge_coding.coded(by_layer(ranks, graph), graph)), graph, np.int32, NOT_IN_GRAPH
    )
    for one, other in zip(found, ranks, strict=True):
        np.testing.assert_array_equal(one, other)


def test_weights_that_are_all_alike_take_enough_bytes_to_be_believed() -> None:
    graph = Graph(3, 8, 256)
    content = b"".join(edge_coding.coded(by_layer(drawn(graph, 0, "alike"), graph), graph))
    assert len(content) - edge_coding.least_bytes(graph) in range(9)
    with pytest.raises(ValueError, match="is too small for the graph"):
        edge_coding.decoded(content, graph._replace(n_tokens=512), np.float32, 0)


@pytest.mark.parametrize("name", ["trace", "half"])
def test_files_of_version_2_say_the_same(tiny: Any, tmp_path: Path, name: str) -> None:
    loaded = sw.load_trace(V2 / f"{name}.strace")
    again = sw.trace(tiny, PROMPT, loaded.importance, **loaded.options)
    for ours, theirs in zip(loaded.ranks, again.ranks, strict=True):
        # Of a measure by gradients neighbours may change places on another processor.
        assert (ours == theirs).mean() >= (0.8 if name == "half" else 1)
    tolerance = {"rtol": 1e-3, "atol": 1e-7} if name == "half" else {"atol": 1e-5}
    for ours, theirs in zip(loaded.weights, again.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, **tolerance)
    newer = sw.load_trace(loaded.save(tmp_path / "x.strace"))
    assert_same_edges(newer, loaded)
    view = loaded.saved_view
    now = {"view_state": with_graph(view["view_state"], loaded), "shade": "share", "effects": None, "jumps": []}
    now |= {"inside": None, "groups": [], "note": ""}
    assert newer.saved_view == view | now
    np.testing.assert_array_equal(newer.sweep().total_variation, loaded.sweep().total_variation)


@pytest.mark.parametrize("header", [b"PK\x01\x02", b"PK\x03\x04"], ids=["in the directory", "beside the member"])
def test_a_name_that_is_no_text_is_told(tiny_trace: sw.STrace, tmp_path: Path, header: bytes) -> None:
    """zipfile raises what it has from decoding it."""
    content = bytearray(tiny_trace.save(tmp_path / "whole.strace").read_bytes())
    flags, name = {b"PK\x01\x02": (8, 46), b"PK\x03\x04": (6, 30)}[header]
    for at in (place for place in range(len(content)) if content[place : place + 4] == header):
        content[at + flags + 1] |= 0x08  # that names are UTF-8
        content[at + name] = 0x97
    (tmp_path / "damaged.strace").write_bytes(content)
    with pytest.raises(sw.errors.TraceFileError, match=r"damaged\.strace"):
        sw.load_trace(tmp_path / "damaged.strace").ranks  # noqa: B018 - read when it is asked for


def test_a_small_file_cannot_ask_for_memory(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    n_tokens, file = 1200, tmp_path / "x.strace"
    claim = {
        "graph": {"n_layers": 3, "n_heads": 4, "n_tokens": n_tokens, "parallel": False},
        "tokens": ["w"] * n_tokens,
    }
    zeros = bytes(4 * 3 * 4 * n_tokens**2)
    whole = dict.fromkeys(["ranks/attention.npy", "weights/attention.npy"], zeros)
    altered(V2 / "trace.strace", file, claim, zipfile.ZIP_DEFLATED, **whole)
    assert file.stat().st_size < len(zeros) // 200
    with pytest.raises(sw.errors.TraceFileError, match=r" has 69,120,000 bytes, too many for what it takes"):
        sw.load_trace(file)
    enough = bytes(len(zeros) // edge_coding.SHRINKING)  # if it were stored
    new = tiny_trace.save(tmp_path / "new.strace")
    with pytest.raises(sw.errors.TraceFileError, match=r"weights\.zst is compressed twice"):
        sw.load_trace(altered(new, file, claim, zipfile.ZIP_DEFLATED, **{"weights.zst": enough}))


def claims(file: Path) -> dict[str, tuple[dict[str, Any], dict[str, bytes]]]:
    """Return what small files may claim: the manifest of each, and members."""
    manifest = json.loads(members(file)["manifest.json"])
    zeros = as_npy(np.zeros(1 << 20, np.float32))
    sweeps = [manifest["sweeps"][0] | {"n_sizes": 48}] * 5
    return {
        "probabilities": ({"vocabulary_size": 1 << 20, "sweeps": sweeps}, {"full_logits.npy": zeros}),
        "objects": ({}, {"view.json": b'{"view_state": [' + b"[]," * 10_000_000 + b"[]]}"}),
        "members": ({}, {f"effects/{number}/known.npy": bytes(8_000_000) for number in range(12)}),
        "tokens": ({"tokens": [""] * 1_000_000}, {}),
    }


@pytest.mark.parametrize("kind", ["probabilities", "objects", "members", "tokens"])
def test_no_claim_of_a_small_file_is_believed(tmp_path: Path, kind: str) -> None:
    manifest, contents = claims(V2 / "trace.strace")[kind]
    file = altered(V2 / "trace.strace", tmp_path / "x.strace", manifest, zipfile.ZIP_DEFLATED, **contents)
    assert file.stat().st_size < 200_000
    del contents
    tracemalloc.start()
    try:
        with pytest.raises(sw.errors.TraceFileError):
            sw.load_trace(file)
        assert tracemalloc.get_traced_memory()[1] < 1 << 26
    finally:
        tracemalloc.stop()


def test_a_member_that_shrinks_a_great_deal_is_held_as_it_is() -> None:
    assert compression("view.json", b" " * (1 << 21)) == zipfile.ZIP_STORED
    assert compression("view.json", b" " * (1 << 20)) == zipfile.ZIP_DEFLATED
    assert compression("token_ids.npy", bytes(1 << 21)) == zipfile.ZIP_DEFLATED
    assert compression("view.json", np.random.default_rng(0).bytes(1 << 21)) == zipfile.ZIP_DEFLATED


def as_npy(values: np.ndarray[Any, Any]) -> bytes:
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


WRONG_IN_VERSION_2 = {
    "one rank twice": ("ranks/mlp.npy", lambda ranks: np.where(ranks == ranks[0, 0], ranks[0, 1], ranks), "once"),
    "ranks outside": ("ranks/attention.npy", np.zeros_like, "has ranks outside the graph"),
    "another shape": ("ranks/mlp_residual.npy", lambda ranks: ranks[:, :-1], r"shape \(3, 5\)"),
    "no numbers": ("weights/mlp.npy", lambda weights: weights * np.nan, "no numbers"),
    "objects": ("weights/mlp.npy", lambda weights: weights.astype(object), "holds object"),
}


@pytest.mark.parametrize("case", WRONG_IN_VERSION_2)
def test_content_of_version_2_that_does_not_fit_is_refused(tmp_path: Path, case: str) -> None:
    member, change, complaint = WRONG_IN_VERSION_2[case]
    content = as_npy(change(np.load(io.BytesIO(members(V2 / "trace.strace")[member]))))
    with pytest.raises(sw.errors.TraceFileError, match=complaint):
        sw.load_trace(altered(V2 / "trace.strace", tmp_path / "x.strace", {}, **{member: content}))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 30), st.integers(1, 255), st.booleans())
def test_a_damaged_file_is_refused_or_is_what_it_was(
    tiny_trace: sw.STrace, tmp_path: Path, at: int, flipped: int, cut: bool
) -> None:
    whole = tmp_path / "whole.strace"
    if not whole.exists():
        tiny_trace.save(whole)
    content = bytearray(whole.read_bytes())
    content[at % len(content)] ^= flipped
    (tmp_path / "x.strace").write_bytes(content[: at % len(content)] if cut else content)
    try:
        loaded = sw.load_trace(tmp_path / "x.strace")
    except sw.errors.TraceFileError:
        return
    assert_same_edges(loaded, tiny_trace)
