"""What each component does to the prediction, computed in batches: the same as switching them off one by one."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PROMPT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from not_finite import loaded, outgrowing

import strace_widgets as sw
from strace_widgets.graph.modes import CHOICES
from strace_widgets.results import switching_off
from strace_widgets.results.asking import asking
from strace_widgets.results.effects import Effects

CLOSE = 1e-5
WORDS = "w5 w17 w3 w88 w41 w2"


def one_by_one(trace: sw.STrace, size: float, name: str, **modes: Any) -> tuple[float, float]:
    """The distance under one toggle, and by how much the top token's logit above the second's changes."""
    ids = [token.id for token in trace.top[:2]]
    off, on = (trace.evaluate([size], toggles, **modes) for toggles in ({name: "off"}, None))
    first, second = (np.log(each.probabilities[0, ids].astype(np.float64)) for each in (off, on))
    return float(off.total_variation[0]), float((first[0] - first[1]) - (second[0] - second[1]))


@pytest.mark.parametrize(("by", "shape"), [("head", (3, 4)), ("mlp", (3,)), ("component", (3, 5)), ("layer", (3,))])
def test_effects_are_what_toggles_give_one_by_one(tiny_trace: sw.STrace, by: Any, shape: tuple[int, ...]) -> None:
    found = tiny_trace.effects(0.4, by, progress=False)
    assert found.total_variation.shape == found.logit_change.shape == found.known.shape == shape
    assert found.known.all()
    assert len(set(found.components)) == len(found.components) == found.known.size
    for name, far, change in zip(found.components, found.total_variation.flat, found.logit_change.flat, strict=True):
        assert (far, change) == pytest.approx(one_by_one(tiny_trace, 0.4, name), abs=CLOSE)
    assert found.subgraph_total_variation == pytest.approx(tiny_trace.evaluate([0.4]).total_variation[0], abs=CLOSE)


@settings(max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    size=st.floats(0.05, 1),
    by=st.sampled_from(["head", "component"]),
    modes=st.fixed_dictionaries(
        {name: st.sampled_from(CHOICES[name]) for name in ("residual", "attention")}
        | {"ablation": st.sampled_from(["zero", "mean"])}
    ),
    inverse=st.booleans(),
)
def test_under_any_mode_and_size(
    tiny_trace: sw.STrace, size: float, by: Any, modes: dict[str, str], inverse: bool
) -> None:
    found = tiny_trace.effects(size, by, progress=False, inverse=inverse, **modes)
    place = int(np.nanargmax(found.total_variation))
    name = found.components[place]
    far, change = one_by_one(tiny_trace, size, name, inverse=inverse, **modes)
    assert found.total_variation.flat[place] == pytest.approx(far, abs=CLOSE)
    assert found.logit_change.flat[place] == pytest.approx(change, abs=1e-4)


def test_on_the_capital_of_france_the_most_vital_head_is_23_4(smollm2: Any) -> None:
    trace = sw.trace(smollm2, "The capital of France is")
    found = trace.effects(progress=False)
    assert found.largest(2) == ["23.4", "0.4"]
    assert found.total_variation[23, 4] == pytest.approx(0.665, abs=0.01)
    assert found.logit_change[23, 4] < -2
    assert (found.answer.token, found.rival.token) == (trace.top[0].token, trace.top[1].token)
    for name in ("23.4", "0.4", "29.8"):
        layer, head = map(int, name.split("."))
        far, change = one_by_one(trace, 1.0, name)
        assert found.total_variation[layer, head] == pytest.approx(far, abs=CLOSE)
        assert found.logit_change[layer, head] == pytest.approx(change, abs=1e-4)


def test_what_is_known_is_not_run_again(tiny_trace: sw.STrace, monkeypatch: pytest.MonkeyPatch) -> None:
    heads = tiny_trace.effects(progress=False)
    rows: list[int] = []
    honest = type(tiny_trace.model).evaluate
    monkeypatch.setattr(type(tiny_trace.model), "evaluate", lambda *args: (rows.append(len(args[3])), honest(*args))[1])
    np.testing.assert_array_equal(tiny_trace.effects(progress=False).total_variation, heads.total_variation)
    assert rows == []
    both = tiny_trace.effects(by="component", progress=False)
    assert rows == [3]  # the MLPs
    np.testing.assert_array_equal(both.total_variation[:, :4], heads.total_variation)
    other = tiny_trace.random()  # in the whole graph the order makes no difference
    np.testing.assert_array_equal(other.effects(progress=False).total_variation, heads.total_variation)
    assert rows == [3]
    assert (
        other.effects(0.3, progress=False).total_variation != tiny_trace.effects(0.3, progress=False).total_variation
    ).any()


def test_whoever_stops_goes_on_from_there(tiny_trace: sw.STrace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(switching_off, "ROWS_A_BATCH", (4, 4))
    seen: list[Effects] = []

    def stop(found: Effects) -> None:
        seen.append(found)
        if len(seen) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tiny_trace.effects(progress=False, callback=stop)
    assert [int(each.known.sum()) for each in seen] == [3, 7]  # the first batch has the whole model, too
    assert seen[0].known[2].sum() == 3  # the last layer first
    assert np.isnan(seen[1].total_variation[~seen[1].known]).all()
    assert "7 of 12 are known" in repr(seen[1])
    whole = tiny_trace.effects(progress=False, callback=seen.append)
    assert [int(each.known.sum()) for each in seen[2:]] == [11, 12]
    np.testing.assert_array_equal(whole.total_variation[seen[1].known], seen[1].total_variation[seen[1].known])


def test_it_says_what_it_found(tiny_trace: sw.STrace) -> None:
    found = tiny_trace.effects(by="component", progress=False)
    frame = found.to_frame()
    assert list(frame.columns) == ["component", "layer", "head", "total_variation", "logit_change"]
    assert frame.component.tolist() == found.components
    assert frame["head"].isna().sum() == 3
    strongest = frame.nlargest(3, "total_variation")
    assert strongest.component.tolist() == found.largest(3)
    for shown in (repr(found), found._repr_html_()):
        assert f"without {found.largest(1)[0]} TV {strongest.total_variation.iloc[0]:.3f}" in shown
    assert tiny_trace.effects(by="layer", progress=False).to_frame().component.tolist() == ["0", "1", "2"]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"by": "edge"}, "by='edge' does not exist: choose 'head', 'mlp', 'component', 'layer'"),
        ({"s": 0}, "a size s with 0 < s <= 1"),
        ({"masks": "mlp+residual"}, "no head can be switched off: ask by='mlp'"),
        ({"masks": "some"}, "masks='some' does not exist"),
    ],
)
def test_what_cannot_be_is_refused(tiny_trace: sw.STrace, asked: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        tiny_trace.effects(**asked)


def test_what_overflows_has_no_value_and_the_rest_has() -> None:
    trace = sw.trace(loaded(outgrowing()), WORDS, "l2")
    found = trace.effects(by="mlp", progress=False)
    assert found.known.all()
    assert np.isnan(found.total_variation).tolist() == [True, False, False]
    assert found.largest() == [f"{layer}.mlp" for layer in np.argsort(-found.total_variation)[:2]]
    assert "TV" in repr(found)


def test_a_server_is_asked_once(remote_tiny: Any, tiny: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trace, twin = sw.trace(remote_tiny, PROMPT), sw.trace(tiny, PROMPT)
    before = remote_tiny.server.traffic.requests
    found, expected = (each.effects(by="component", progress=False) for each in (trace, twin))
    np.testing.assert_allclose(found.total_variation, expected.total_variation, atol=CLOSE)
    np.testing.assert_allclose(found.logit_change, expected.logit_change, atol=1e-4)
    assert remote_tiny.server.traffic.requests == before + 1
    # A large vocabulary: the answers come in parts.
    monkeypatch.setattr(switching_off, "BYTES_AN_ANSWER", 6 * 4 * len(trace.full_logits))
    trace.effects(0.3, by="component", progress=False)
    assert remote_tiny.server.traffic.requests == before + 1 + 3


@pytest.fixture
def file(tiny_trace: sw.STrace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(switching_off, "ROWS_A_BATCH", (4, 4))
    tiny_trace.effects(progress=False)
    with pytest.raises(KeyboardInterrupt):
        tiny_trace.effects(0.3, by="component", progress=False, callback=interrupt)
    tiny_trace.random().effects(0.3, progress=False)  # under another order: it stays behind
    return tiny_trace.save(tmp_path / "x.strace")


def interrupt(_: Effects) -> None:
    raise KeyboardInterrupt


def test_a_file_has_them_and_a_model_goes_on(tiny: Any, tiny_trace: sw.STrace, file: Path) -> None:
    replay = sw.load_trace(file)
    assert len(replay.effect_maps) == 2
    ours, theirs = (each.effects(progress=False) for each in (tiny_trace, replay))
    for name in ("total_variation", "logit_change", "known"):
        np.testing.assert_array_equal(getattr(theirs, name), getattr(ours, name))
    assert theirs.subgraph_logit_difference == ours.subgraph_logit_difference
    with pytest.raises(sw.errors.NoModelError):
        replay.effects(0.3, by="component")
    whole = replay.with_model(tiny)
    seen: list[Effects] = []
    found = whole.effects(0.3, by="component", progress=False, callback=seen.append)
    assert int(seen[0].known.sum()) == 7
    expected = tiny_trace.effects(0.3, by="component", progress=False)
    np.testing.assert_allclose(found.total_variation, expected.total_variation, atol=CLOSE)


def test_a_file_whose_effects_are_no_distances_is_refused(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
        kinds = {entry.filename: entry.compress_type for entry in archive.infolist()}
    name = "effects/0/total_variation.npy"
    spoilt = io.BytesIO()
    np.save(spoilt, np.load(io.BytesIO(members[name])) + 2)
    members[name] = spoilt.getvalue()
    manifest = json.loads(members["manifest.json"])
    manifest["members"][name] |= {"bytes": len(members[name]), "sha256": hashlib.sha256(members[name]).hexdigest()}
    members["manifest.json"] = json.dumps(manifest, allow_nan=False).encode()
    with zipfile.ZipFile(file, "w") as archive:
        for each, content in members.items():
            archive.writestr(each, content, kinds[each])
    with pytest.raises(sw.errors.TraceFileError, match="holds distances that are not from 0 to 1"):
        sw.load_trace(file)


def test_the_change_of_logit_is_that_of_the_target_over_the_foil(tiny: Any) -> None:
    plain = sw.trace(tiny, PROMPT)
    answer, rival = plain.top[3].id, plain.top[1].id
    asked = sw.trace(tiny, PROMPT, target=answer, foil=rival)
    found = asked.effects(by="component", progress=False)
    assert (found.answer.id, found.rival.id) == (answer, rival)
    toggled = asked.evaluate([1.0], {"1.0": "off"})
    assert found.logit_change[1, 0] == pytest.approx(float(toggled.figure[0] - toggled.full_figure), abs=1e-5)
    assert plain.effects(by="component", progress=False).answer.id == plain.top[0].id
    # Another question in the same order does not take over what was asked for the former one.
    other = asking(asked, plain.contrast)
    assert not other.effect_maps
