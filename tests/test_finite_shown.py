"""Numbers that are not finite, in the Explorer, on a page and in files: told in place, never written."""

from __future__ import annotations

import ast
import base64
import hashlib
import io
import json
import math
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from explorer_steps import Front, settled, wait_for
from live_page import mount_live
from not_finite import PROMPT, WITHOUT, loaded, one_token, outgrowing
from playwright.sync_api import Browser, Page, expect

import strace_widgets as sw
from strace_widgets.errors import NonFiniteError, TraceFileError
from strace_widgets.explorer import view_state
from strace_widgets.explorer.shown import encoded, shown
from strace_widgets.graph.edges import Edges
from strace_widgets.graph.modes import Modes
from strace_widgets.json_files import encode
from strace_widgets.results import criteria, metrics
from strace_widgets.results.sweep import compare

PACKAGE = Path(sw.__file__).parent


@pytest.fixture(scope="module")
def half_trace() -> sw.STrace:
    """A trace in float16 that has the levels at which it does not overflow; under toggles it does."""
    trace = sw.trace(loaded(outgrowing()), PROMPT, "l2")
    trace.sweeps[Modes()] = trace.evaluate([size for size in trace.standard_sizes() if is_finite(trace, size)])
    return trace


def is_finite(trace: sw.STrace, size: float) -> bool:
    try:
        trace.evaluate([size])
    except NonFiniteError:
        return False
    return True


# The figures.


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_no_figure_is_made_of_logits_that_are_no_prediction(bad: float) -> None:
    good = np.array([1.0, 2.0, -math.inf, 0.5])
    infected = np.where(np.arange(4) == 1, bad, good)
    for full, logits in ((good, infected), (infected, good)):
        with pytest.raises(NonFiniteError, match="no prediction"):
            compare(full, logits[None], [0.5], np.array([1]), np.array([1]), str)
    with pytest.raises(NonFiniteError, match="no prediction"):
        metrics.log_probabilities(np.full(4, -math.inf))


def test_not_a_number_is_no_agreement() -> None:
    p = np.array([0.7, 0.2, 0.1])
    q = np.full((1, 3), np.nan)
    for figure in (
        lambda: metrics.total_variation(p, q),
        lambda: metrics.kl_divergence(np.log(p), np.log(q)),
        lambda: metrics.jensen_shannon(np.log(p), np.log(q)),
        lambda: metrics.entropy(np.log(q)),
        lambda: metrics.recovered_nuclei(p, q),
        lambda: metrics.nucleus_size(q, 0.6),
        lambda: metrics.top_agreement(p, q, 1),
        lambda: metrics.token_rank(q, 0),
    ):
        with pytest.raises(NonFiniteError):
            figure()
    with pytest.raises(NonFiniteError):
        metrics.recovered_nuclei(p, q, np.array([[0.7, 0.2, 0.1]]))


def test_divergences_of_suppressed_tokens() -> None:
    p, q = (metrics.log_probabilities(np.array(row)) for row in ([0.0, 0.0, -math.inf], [0.0, -math.inf, 0.0]))
    assert metrics.kl_divergence(p, q) == math.inf
    assert metrics.kl_divergence(p, p) == 0
    assert metrics.jensen_shannon(p, q) == pytest.approx(math.log(2) / 2)
    assert metrics.total_variation(np.exp(p), np.exp(q)) == pytest.approx(0.5)
    assert metrics.entropy(p) == pytest.approx(math.log(2))


def test_tokens_that_a_file_does_not_list_do_not_agree(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    saved = sw.load_trace(tiny_trace.save(tmp_path / "x.strace"))
    np.testing.assert_array_equal(saved.sweep().top_agreement(5), tiny_trace.sweep().top_agreement(5))
    with pytest.raises(NonFiniteError, match=r"leading 60 are not known.*with_model"):
        saved.sweep().top_agreement(60)
    with pytest.raises(NonFiniteError):
        criteria.necessary_size(saved.sweep(), criteria.top(60))


# The Explorer.


def test_the_explorer_says_it_in_place_and_keeps_the_last_good_result(half_trace: sw.STrace) -> None:
    explorer = half_trace.explore()
    wait_for(explorer, lambda: explorer.evaluation is not None)
    before = settled(explorer)
    explorer.toggles = {"0.mlp": "off"}
    assert settled(explorer) == before
    assert explorer.status["state"] == "error"
    assert "the first arises in the MLP of layer 1" in explorer.status["message"]
    explorer.toggles = {}
    assert settled(explorer) == before
    assert explorer.status["state"] == "ready"
    explorer.close()


def test_another_prompt_that_overflows_leaves_the_trace_that_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = sw.trace(loaded(one_token()), WITHOUT).explore()
    wait_for(explorer, lambda: explorer.status["state"] == "ready" and explorer.evaluation is not None)
    front, trace, before = Front(explorer, monkeypatch), explorer.trace, settled(explorer)
    settings = {"prompt": PROMPT, "importance": "l1", "masks": "all", "position": -1}
    answer = front.ask("trace", settings=settings)
    assert not answer["ok"]
    assert "embeddings (not a number)" in answer["error"]
    assert (explorer.trace, explorer.evaluation) == (trace, before)
    assert explorer.status["state"] == "error"
    explorer.close()


@pytest.mark.browser
def test_the_error_is_on_screen_with_the_last_numbers(page: Page, half_trace: sw.STrace) -> None:
    explorer = half_trace.explore()
    wait_for(explorer, lambda: explorer.evaluation is not None)
    card = mount_live(page, explorer)
    shown_before = card.get_by_test_id("tv").inner_text()
    explorer.toggles = {"0.mlp": "off"}
    expect(card.get_by_test_id("error")).to_contain_text("the first arises in the MLP of layer 1")
    expect(card.get_by_test_id("tv")).to_have_text(shown_before)
    explorer.close()


@pytest.mark.browser
def test_a_page_leaves_out_what_overflows_and_says_why(browser: Browser, half_trace: sw.STrace, tmp_path: Path) -> None:
    state = written(half_trace.to_html(tmp_path / "x.html", toggles="single"))
    refused = [each["toggles"] for each in state["refused"]]
    assert {"0.mlp": "off"} in refused
    assert len(state["evaluations"]) + len(refused) == 2 * 3 * 5
    page = browser.new_page()
    page.goto((tmp_path / "x.html").as_uri())
    card = page.get_by_test_id("strace-explorer")
    before = card.get_by_test_id("tv").inner_text()
    card.locator("[data-component='0.mlp']").click()
    expect(card.get_by_test_id("error")).to_contain_text("the first arises in the MLP of layer 1")
    expect(card.get_by_test_id("error").get_by_test_id("again")).to_have_count(0)
    expect(card.get_by_test_id("tv")).to_have_text(before)
    expect(card.get_by_test_id("known-toggles")).not_to_contain_text("needs a kernel")
    card.get_by_role("button", name="Reset toggles").click()
    expect(card.get_by_test_id("error")).to_have_count(0)
    page.close()


def written(file: Path) -> Any:
    """What a page holds, read as strictly as a browser reads it."""
    data = file.read_text().split('class="strace-widgets-state">')[1].split("</script>")[0]
    return json.loads(data, parse_constant=pytest.fail)


# Files.


def test_every_json_of_the_package_refuses_such_numbers() -> None:
    """No `json.dumps` without ``allow_nan=False``; msgspec, which would write null for them, in one place only."""
    found = []
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = ast.unparse(node.func)
                strict = any(k.arg == "allow_nan" and ast.unparse(k.value) == "False" for k in node.keywords)
                if (name in ("json.dumps", "json.dump") and not strict) or (
                    name == "msgspec.json.encode" and file.name != "json_files.py"
                ):
                    found.append(f"{file.relative_to(PACKAGE)}:{node.lineno}")
    assert not found


def test_json_names_the_place_of_such_a_number(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    with pytest.raises(NonFiniteError, match=r"dict\['a'\]\[1\]\['b'\] is no finite number"):
        encode({"a": [0.5, {"b": math.nan}]})
    assert encode({"a": [0.5, None]}) == b'{\n "a": [\n  0.5,\n  null\n ]\n}'
    state = shown(tiny_trace)
    with pytest.raises(NonFiniteError, match=r"The Explorer's state\['curves'\]\[0\]\['total_variation'\]\[1\]"):
        encoded(state | {"curves": [{"total_variation": [0.0, math.inf]}]})
    explorer = tiny_trace.explore()
    explorer.history = explorer.history | {"tried": [{"total_variation": math.nan}]}
    for write in (explorer.save_session, explorer.save, explorer.to_html):
        with pytest.raises(NonFiniteError, match="no finite number"):
            write(tmp_path / "x")
        assert not list(tmp_path.iterdir())
    explorer.close()


def test_large_weights_are_saved_and_those_that_are_no_numbers_are_not(tiny: Any, tmp_path: Path) -> None:
    def large(captured: Any) -> Edges:
        weights = Edges(np.abs(captured.factors), *(np.ones(captured.mlp.shape[:2], np.float32) for _ in range(3)))
        weights.mlp[1, 3] = 1e5
        return weights

    trace = sw.trace(tiny, PROMPT, large)
    assert sw.load_trace(trace.save(tmp_path / "x.strace")).weights.mlp[1, 3] == 1e5
    trace.weights.mlp[1, 3] = np.inf
    with pytest.raises(NonFiniteError, match=r"A weight of layer 1 is no finite number"):
        trace.save(tmp_path / "y.strace")
    assert [file.name for file in tmp_path.iterdir()] == ["x.strace"]


def test_an_infinite_divergence_is_null_in_json(tiny_trace: sw.STrace) -> None:
    explorer = tiny_trace.explore()
    session = explorer.session
    sweep = tiny_trace.evaluate([0.5])
    evaluation = view_state.evaluation(replace(sweep, kl=np.array([math.inf])), session.trace, {})
    assert evaluation["kl"] is None
    json.dumps(evaluation, allow_nan=False)
    explorer.close()


def spoil(value: float, at: int = 0) -> Callable[[bytes], bytes]:
    """A change of a member: one number of its array is another."""

    def change(content: bytes) -> bytes:
        array = np.load(io.BytesIO(content))
        array.flat[at] = value
        packed = io.BytesIO()
        np.save(packed, array)
        return packed.getvalue()

    return change


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("full_logits.npy", math.nan),
        ("full_logits.npy", math.inf),
        *(
            (f"sweeps/0/{name}.npy", math.nan)
            for name in ("total_variation", "kl", "jensen_shannon", "entropy", "sizes")
        ),
        ("sweeps/0/total_variation.npy", math.inf),
        ("sweeps/0/entropy.npy", -1.0),
        ("sweeps/0/top_probabilities.npy", math.nan),
        ("sweeps/0/listed_probabilities.npy", math.nan),
        ("sweeps/0/listed_probabilities.npy", 1.5),
    ],
)
def test_an_infected_file_is_refused_by_its_member(
    tiny_trace: sw.STrace, tmp_path: Path, member: str, value: float
) -> None:
    file = tiny_trace.save(tmp_path / "x.strace")
    with pytest.raises(TraceFileError, match=member.replace(".", r"\.")):
        sw.load_trace(infected(file, member, spoil(value)))


def test_an_infected_view_is_refused_too(tiny_trace: sw.STrace, tmp_path: Path) -> None:
    def change(content: bytes) -> bytes:
        view = json.loads(content)
        array = view["view_state"]["arrays"]["total_variation"]
        numbers = np.frombuffer(base64.b64decode(array["data"]), "<f4").copy()
        numbers[3] = np.nan
        array["data"] = base64.b64encode(numbers.tobytes()).decode()
        return json.dumps(view).encode()

    file = tiny_trace.save(tmp_path / "x.strace")
    with pytest.raises(TraceFileError, match=r"view\.json shows figures that are no numbers"):
        sw.load_trace(infected(file, "view.json", change))


def infected(file: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """Write a saved trace again with one member changed, and its checksum made to fit."""
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = change(members[member])
    manifest = json.loads(members["manifest.json"])
    content = members[member]
    manifest["members"][member] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    members["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for name, each in members.items():
            archive.writestr(name, each)
    return file
