"""Saved traces: what comes back from a file, what it refuses, and how a damaged one is told."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import zstandard
from live_page import mount_live
from playwright.sync_api import Page, expect

import strace_widgets as sw
from strace_widgets.explorer.shown import shown

NO_MODEL = "loaded from a file and has no model: give it one with trace.with_model"


@pytest.fixture
def file(tiny_trace: sw.STrace, tmp_path: Path) -> Path:
    tiny_trace.sweep(masks="mlp+residual")
    return tiny_trace.save(tmp_path / "x.strace")


def test_what_was_saved_comes_back(tiny_trace: sw.STrace, file: Path) -> None:
    loaded = sw.load_trace(file)
    assert (loaded.prompt, loaded.tokens, loaded.importance) == ("w5 w17 w3 w88 w41 w2", tiny_trace.tokens, "l1")
    assert loaded.graph == tiny_trace.graph
    assert loaded.top == tiny_trace.top
    for kind in ("weights", "ranks"):
        for ours, theirs in zip(getattr(loaded, kind), getattr(tiny_trace, kind), strict=True):
            np.testing.assert_array_equal(ours, theirs)
            assert ours.dtype == theirs.dtype
    for mask, same in zip(loaded.mask(0.3, {"1.2": "off"}), tiny_trace.mask(0.3, {"1.2": "off"}), strict=True):
        np.testing.assert_array_equal(mask, same)
    for masks in ("all", "mlp+residual"):
        ours, theirs = loaded.sweep(masks=masks), tiny_trace.sweep(masks=masks)
        for figure in ("sizes", "n_edges", "total_variation", "kl", "jensen_shannon", "entropy", "top1", "nucleus"):
            np.testing.assert_array_equal(getattr(ours, figure), getattr(theirs, figure))
        assert ours.top == theirs.top
        np.testing.assert_array_equal(ours.top_agreement(10), theirs.top_agreement(10))
    rows = loaded.evaluate(loaded.sweep().sizes[[5, 2]])
    np.testing.assert_array_equal(rows.total_variation, tiny_trace.sweep().total_variation[[5, 2]])
    lasting = loaded.smallest(top1=True)
    assert lasting in tiny_trace.sweep().sizes
    assert lasting >= tiny_trace.smallest(top1=True)


@pytest.mark.parametrize(
    "ask",
    [
        lambda trace: trace.evaluate([0.123]),
        lambda trace: trace.evaluate([1.0], {"1.2": "off"}),
        lambda trace: trace.sweep(inverse=True),
        lambda trace: trace.evaluate_mask(trace.mask(0.5)),
        lambda trace: sw.trace(trace.model, "w5 w17"),
        lambda trace: trace.explore().code(),
        lambda trace: trace.to_html("never.html", toggles="single"),
    ],
)
def test_what_needs_a_model_says_so(file: Path, ask: Callable[[sw.STrace], Any]) -> None:
    with pytest.raises(sw.errors.NoModelError, match=NO_MODEL.replace(".", r"\.")):
        ask(sw.load_trace(file))


def test_a_model_makes_it_whole_again(tiny: Any, tiny_trace: sw.STrace, file: Path) -> None:
    whole = sw.load_trace(file).with_model(tiny)
    sizes = [0.123, 0.4]
    np.testing.assert_array_equal(whole.evaluate(sizes).total_variation, tiny_trace.evaluate(sizes).total_variation)
    assert not whole.replayed


@pytest.mark.parametrize("other", [{"seed": 1}, {"num_hidden_layers": 2}])
def test_another_model_is_refused(file: Path, other: dict[str, int]) -> None:
    model = sw.load_model(tiny_models.tiny(**other), tokenizer=tiny_models.words())
    with pytest.raises(sw.errors.ModelMismatchError, match="is not the same model"):
        sw.load_trace(file).with_model(model)


def test_an_explorer_is_saved_as_it_stands_and_replayed(tiny: Any, tiny_trace: sw.STrace, tmp_path: Path) -> None:
    explorer = tiny_trace.explore()
    explorer.n_edges = 40
    explorer.history = {"version": 2, "steps": [], "at": -1, "tried": []}
    explorer.curves = explorer.session.compare(["l2"])
    loaded = sw.load_trace(explorer.save(tmp_path / "x.strace"))
    replay = loaded.explore()
    assert not replay.live
    assert replay.status["state"] == "ready"
    assert "has no model" in replay.status["message"]
    assert shown(replay)["status"]["message"] == ""  # on a page the kernel is missing as well
    assert (replay.n_edges, replay.curves, replay.history) == (40, explorer.curves, explorer.history)
    assert replay.view_state["tokens"] == tiny_trace.tokens
    replay.n_edges = 50
    assert replay.status["state"] == "ready"  # sizes move without a model
    assert loaded.with_model(tiny).explore().n_edges == 40
    for widget in (explorer, replay):
        widget.close()


def test_a_replay_answers_the_toggles_that_it_knows(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    explorer = tiny_trace.explore()
    explorer.evaluations = [explorer.session.evaluate(40, {"1.2": state}) for state in ("off", "on")]
    replay = sw.load_trace(explorer.save(tmp_path / "x.strace")).explore()
    replay.n_edges, replay.toggles = 40, {"1.2": "on"}
    assert replay.evaluation == explorer.evaluations[1]
    assert replay.total_variation == explorer.evaluations[1]["total_variation"]
    replay.toggles = {"0.mlp": "on"}
    assert replay.evaluation["toggles"] == {"1.2": "on"}  # the last known one stays
    for widget in (explorer, replay):
        widget.close()


@pytest.mark.browser
def test_a_replay_is_moved_in_the_browser(page: Page, tiny_trace: sw.STrace, file: Path) -> None:
    replay = sw.load_trace(file).explore()
    card = mount_live(page, replay)
    card.get_by_test_id("slider").press("End")
    expect(card.get_by_test_id("edges")).to_have_attribute("data-edges", str(tiny_trace.n_edges))
    expect(card.get_by_test_id("state")).to_have_attribute("data-state", "exact")
    expect(card.locator("[data-component='1.2']")).to_have_attribute("aria-disabled", "true")
    expect(card.get_by_test_id("without-kernel")).to_contain_text(NO_MODEL)
    page.wait_for_function("n => mounted[0].model.get('n_edges') === n", arg=tiny_trace.n_edges)
    page.evaluate("toPython({ method: 'custom', content: {} })")  # behind the size in the queue
    assert replay.n_edges == tiny_trace.n_edges
    replay.n_edges = 40
    expect(card.get_by_test_id("edges")).to_have_attribute("data-edges", "40")
    replay.close()


@pytest.mark.browser
def test_other_measures_are_replayed_and_say_that_they_need_a_kernel(
    page: Page, tiny_trace: sw.STrace, tmp_path: Path
) -> None:
    explorer = tiny_trace.explore()
    explorer.curves = explorer.session.compare(["l2", "inverse"])
    replay = sw.load_trace(explorer.save(tmp_path / "x.strace")).explore()
    card = mount_live(page, replay)
    expect(card.get_by_test_id("other-curves").locator(".sw-other-line")).to_have_count(2)
    expect(card.get_by_test_id("curve-legend")).to_contain_text("inverse trace")
    button = card.get_by_test_id("switch-l2")
    expect(button).to_have_attribute("aria-disabled", "true")
    expect(button).to_have_attribute("title", "Switching to another measure needs a kernel that answers.")
    button.press("Enter")
    expect(card).to_contain_text("importance l1")
    assert replay.status["state"] == "ready"
    for widget in (explorer, replay):
        widget.close()


def rewritten(file: Path, **changes: Callable[[bytes], bytes | None]) -> Path:
    """Write the file again with some members changed or left out, and the checksums made to fit."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    for name, change in changes.items():
        changed = change(members.pop(name))
        if changed is not None:
            members[name] = changed
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)  # stored, as weights have to be
    return file


def manifest_with(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda content: json.dumps(json.loads(content) | changes).encode()


def test_a_newer_version_says_what_to_do(file: Path) -> None:
    with pytest.raises(
        sw.errors.TraceFileError, match=r"of version 4; this package reads up to version 3\. Install a newer"
    ):
        sw.load_trace(rewritten(file, **{"manifest.json": manifest_with(version=4)}))


def test_sweeps_of_other_modes_come_back_and_those_of_older_files_are_of_zero_ablation(
    tiny_trace: sw.STrace, tmp_path: Path
) -> None:
    tiny_trace.sweep(ablation="mean")
    file = tiny_trace.save(tmp_path / "x.strace")
    loaded = sw.load_trace(file)
    for ablation in ("zero", "mean"):
        sizes = tiny_trace.sweep(ablation=ablation).sizes
        np.testing.assert_array_equal(
            loaded.evaluate(sizes, ablation=ablation).total_variation,
            tiny_trace.sweep(ablation=ablation).total_variation,
        )

    def older(manifest: bytes) -> bytes:
        content = json.loads(manifest)
        assert [sweep["modes"].pop("ablation") for sweep in content["sweeps"]] == ["zero"]
        return json.dumps(content).encode()

    plain = sw.trace(tiny_trace.model, tiny_trace.token_ids)
    file = rewritten(plain.save(tmp_path / "older.strace"), **{"manifest.json": older})
    np.testing.assert_array_equal(sw.load_trace(file).sweep().total_variation, plain.sweep().total_variation)


@pytest.mark.parametrize("member", ["weights.zst", "full_logits.npy", "view.json", "sweeps/0/kl.npy"])
def test_an_altered_or_missing_member_is_named(file: Path, member: str) -> None:
    with pytest.raises(sw.errors.TraceFileError, match=f"{member} is not what was saved"):
        sw.load_trace(rewritten(file, **{member: lambda content: content[:-1] + bytes([content[-1] ^ 1])}))
    with pytest.raises(sw.errors.TraceFileError, match=f"{member} is missing"):
        sw.load_trace(rewritten(file, **{member: lambda _: None}))


def test_a_file_cut_off_or_of_another_kind_is_refused(file: Path) -> None:
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"something else"):
        file.write_bytes(content)
        with pytest.raises(sw.errors.TraceFileError, match="is no saved trace, or was cut off"):
            sw.load_trace(file)
    damaged = bytearray(whole)
    at = whole.index(b"weights.zst") + 200
    damaged[at] ^= 255
    file.write_bytes(damaged)
    with pytest.raises(sw.errors.TraceFileError, match=r"weights\.zst is damaged"):
        sw.load_trace(file)
    rewritten_as_zip = file.with_name("other.zip")
    with zipfile.ZipFile(rewritten_as_zip, "w") as archive:
        archive.writestr("a.txt", "a")
    with pytest.raises(sw.errors.TraceFileError, match="it has no manifest"):
        sw.load_trace(rewritten_as_zip)


def as_array(change: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> Callable[[bytes], bytes]:
    def changed(content: bytes) -> bytes:
        written = io.BytesIO()
        np.save(written, change(np.load(io.BytesIO(content))))
        return written.getvalue()

    return changed


def recoded(change: Callable[[bytes], bytes]) -> Callable[[bytes], bytes]:
    """Change the bytes that the frames of a member hold, into one frame."""

    def changed(content: bytes) -> bytes:
        with zstandard.ZstdDecompressor().stream_reader(content, read_across_frames=True) as stream:
            return zstandard.compress(change(stream.read()))

    return changed


def far_back(content: bytes) -> bytes:
    """Return a frame whose reader has to remember 128 MB."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj()  # it does not know the whole size
    return stream.compress(content) + stream.flush()


def claiming(n_values: int) -> bytes:
    """Return an array whose header claims more than follows."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f4", "fortran_order": False, "shape": (n_values,)})
    return header.getvalue() + bytes(8)


WRONG_CONTENT = {
    "weights.zst": (recoded(lambda values: values[:-4] + b"\xff" * 4), "no finite numbers"),
    "weights.zst with too few edges": (recoded(lambda values: values[:-4]), "ends before its last edge"),
    "weights.zst with too many edges": (recoded(lambda values: values + bytes(4)), "more values than the graph"),
    "weights.zst of other bytes": (lambda _: b"something else" * 9, "weights.zst is damaged"),
    "weights.zst cut off": (lambda content: content[:-9], "weights.zst ends before|weights.zst is damaged"),
    "weights.zst that looks far back": (far_back, "weights.zst is damaged .*too much memory"),
    "full_logits.npy": (as_array(lambda logits: logits.astype(object)), "holds object"),
    "full_logits.npy of another shape": (as_array(lambda logits: logits[:-1]), r"shape \(96,\)"),
    "full_logits.npy of nothing": (lambda _: b"", "no array"),
    "full_logits.npy that claims memory": (lambda _: claiming(97), "no array .*8 bytes of values"),
    "token_ids.npy": (as_array(lambda ids: ids.astype(np.float64)), "float64"),
    "sweeps/0/n_edges.npy": (as_array(lambda n: n[::-1]), "does not ascend"),
    "sweeps/0/top_ids.npy": (as_array(lambda ids: ids + 10_000), "token ids"),
    "view.json": (lambda _: b'{"view_state": {}}', "view.json"),
    "view.json of unknown components": (
        lambda content: json.dumps(json.loads(content) | {"toggles": {"99": "off"}}).encode(),
        "view.json does not describe a trace .*no layer 99",
    ),
}


@pytest.mark.parametrize("case", WRONG_CONTENT)
def test_content_that_does_not_fit_is_refused_even_with_its_checksum(file: Path, case: str) -> None:
    member, (change, complaint) = case.partition(" ")[0], WRONG_CONTENT[case]
    rewritten(file, **{member: change})
    with zipfile.ZipFile(file) as archive:
        content, manifest = archive.read(member), json.loads(archive.read("manifest.json"))
    manifest["members"][member] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    rewritten(file, **{"manifest.json": manifest_with(members=manifest["members"])})
    with pytest.raises(sw.errors.TraceFileError, match=complaint):
        sw.load_trace(file)


def test_a_manifest_cannot_ask_for_memory(file: Path) -> None:
    graph = {"n_layers": 3, "n_heads": 4, "n_tokens": 100_000, "parallel": False}
    changed = manifest_with(graph=graph, tokens=["w"] * 100_000)
    with pytest.raises(sw.errors.TraceFileError, match=r"weights\.zst is too small"):
        sw.load_trace(rewritten(file, **{"manifest.json": changed}))


MODES = {"masks": "all", "inverse": False, "residual": "traced", "attention": "recomputed"}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"vocabulary_size": 1 << 40}, r"\$\.vocabulary_size"),
        ({"sweeps": [{"modes": MODES, "n_sizes": 1_000_000}]}, r"\$\.sweeps\[0\]\.n_sizes"),
        ({"sweeps": [{"modes": MODES, "n_sizes": 48}] * 1000}, r"\$\.sweeps"),
        ({"vocabulary_size": 1 << 21, "sweeps": [{"modes": MODES, "n_sizes": 48}] * 32}, "asks for more than"),
        ({"sweeps": [{"modes": MODES | {"ablation": "resample"}, "n_sizes": 37}]}, "ablation='resample'"),
        ({"sweeps": [{"modes": MODES | {"noise": "some"}, "n_sizes": 37}]}, "no evaluation mode noise"),
        ({"graph": {"n_layers": 3, "n_heads": -4, "n_tokens": 6}}, r"\$\.graph\.n_heads"),
        ({"graph": {"n_layers": 3, "n_heads": 10**30, "n_tokens": 6}}, "is too small for the graph"),
        ({"tokens": "w5"}, r"\$\.tokens"),
        ({"probing": {"probes": 0, "seed": 0, "constant": 0.3}}, r"\$\.probing"),
    ],
)
def test_a_manifest_that_asks_for_the_impossible_is_refused(
    file: Path, changes: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(sw.errors.TraceFileError, match=complaint):
        sw.load_trace(rewritten(file, **{"manifest.json": manifest_with(**changes)}))


def test_the_same_trace_gives_the_same_file(tiny_trace: sw.STrace, file: Path, tmp_path: Path) -> None:
    again = tiny_trace.save(tmp_path / "again.strace")
    assert again.read_bytes() == file.read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again.strace", "x.strace"]
    with zipfile.ZipFile(file) as archive:
        view = json.loads(archive.read("view.json"))
    assert view["view_state"]["tokens"] == tiny_trace.tokens
    assert not [name for name in archive.namelist() if name.startswith("ranks")]
