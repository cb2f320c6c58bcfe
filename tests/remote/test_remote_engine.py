"""A model on a real server gives the numbers that it gives here, to strangers in a sandbox and to the trusted."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rig
from remote_steps import send_from_another_process
from served import FAMILIES, Remote

import strace_widgets as sw
from strace_widgets.graph.measures import GRADIENTS
from strace_widgets.graph.modes import Modes
from strace_widgets.interventions import finite
from strace_widgets.model import request_estimates as estimates
from strace_widgets.model.answers import steps
from strace_widgets.model.calls import Call
from strace_widgets.model.tensors import as_row, unpacked
from strace_widgets.remote.stages import listening
from strace_widgets.results import jobs
from strace_widgets.results.refinement import area

pytestmark = pytest.mark.remote
KEYS = {"stranger": rig.KEY, "trusted": rig.TRUSTED_KEY}
PROMPT = "a small model says little, and says"
CAPITAL = "The capital of France is"
CLOSE = 1e-5


def same_trace(there: sw.STrace, here: sw.STrace, *, ties: float = 0.0) -> None:
    """Check weights, and ranks: a sandbox rounds otherwise, so that edges of weights a rounding apart may swap."""
    close = 3 * CLOSE if ties else CLOSE  # gradients add up more numbers, in orders that differ
    for theirs, ours in zip(there.weights, here.weights, strict=True):
        assert np.abs(theirs - ours).max() <= close * max(1, np.abs(ours).max())  # the shares of l1 are below 1
    assert np.abs(there.full_logits - here.full_logits).max() <= CLOSE * max(1, np.abs(here.full_logits).max())
    order = [
        np.concatenate([kind.ravel() for kind in trace.ranks]).argsort()[: here.n_edges] for trace in (there, here)
    ]
    weights = np.concatenate([kind.ravel() for kind in here.weights])
    assert np.abs(weights[order[0]] - weights[order[1]]).max() <= ties


@pytest.mark.parametrize("who", KEYS)
@pytest.mark.parametrize("name", FAMILIES)
def test_trace_and_sweep_agree(
    name: str, who: str, remote_model: Remote, local_model: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIF_API_KEY", KEYS[who])
    there, here = remote_model(name), local_model(name)
    trace, twin = sw.trace(there, PROMPT), sw.trace(here, PROMPT)
    same_trace(trace, twin, ties=0.0 if who == "trusted" else 1e-6)
    sizes = np.array([1, 7, twin.n_edges // 20, twin.n_edges // 3, twin.n_edges])
    every = [{}, {"attention": "frozen"}, {"masks": "mlp+residual"}, {"inverse": True}, {"residual": "kept"}]
    # A sandbox runs the same program ten seconds a request.
    for modes in every if who == "trusted" or name == FAMILIES[0] else every[:1]:
        chosen = Modes(**modes)
        asked = (twin.token_ids, twin.ranks, sizes, None, chosen)
        theirs, ours = there.evaluate(*asked), here.evaluate(*asked)
        # Where attention is not masked, the server's own kernel computes it, and rounds otherwise.
        bound = CLOSE if not modes else CLOSE * max(1, np.abs(ours).max())
        assert np.abs(theirs - ours).max() <= bound, modes


@pytest.mark.parametrize("who", KEYS)
def test_patching_positions_effects_and_what_is_inside_agree(
    who: str, remote_model: Remote, local_model: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one family: what a sandbox may not do would fail in all of them."""
    monkeypatch.setenv("NDIF_API_KEY", KEYS[who])
    models = [one(FAMILIES[0]) for one in (remote_model, local_model)]
    ids = models[1].encode(PROMPT)
    other, target, foil = np.roll(ids, 1), int(ids[1]), int(ids[2])
    traces = [sw.trace(model, ids, target=target, foil=foil, counterfactual=other) for model in models]
    layer = traces[1].graph.n_layers - 1
    toggles = {f"{layer}@{len(ids) - 1}": "off", f"{layer}.0@0>2": "on", "0.mlp": "off"}
    for modes in ({"ablation": "patch"}, {"ablation": "patch values"}, {}):
        before = models[0].server.traffic.requests
        theirs, ours = (trace.evaluate([0.2, 0.7], toggles, **modes) for trace in traces)
        assert models[0].server.traffic.requests == before + 1
        np.testing.assert_allclose(theirs.probabilities, ours.probabilities, atol=CLOSE)
        np.testing.assert_allclose(theirs.faithfulness, ours.faithfulness, rtol=1e-3, atol=1e-3)
    theirs, ours = (trace.effects(0.5, progress=False) for trace in traces)
    np.testing.assert_allclose(theirs.total_variation, ours.total_variation, atol=CLOSE)
    theirs, ours = (trace.head(f"{layer}.0", 0.5, ablation="patch") for trace in traces)
    np.testing.assert_allclose(theirs.attention, ours.attention, atol=CLOSE)
    np.testing.assert_allclose(theirs.lens.log_probabilities, ours.lens.log_probabilities, atol=1e-4)
    assert (theirs.direct is None) == (ours.direct is None)
    if ours.direct is not None:
        np.testing.assert_allclose(theirs.lens.heads, ours.lens.heads, atol=1e-4)


@pytest.mark.parametrize("name", FAMILIES)
def test_measures_with_gradients_agree(
    name: str, remote_model: Remote, local_model: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIF_API_KEY", rig.TRUSTED_KEY)
    there, here = remote_model(name), local_model(name)
    for measure in GRADIENTS:
        before = there.server.traffic.requests
        trace, twin = sw.trace(there, PROMPT, measure), sw.trace(here, PROMPT, measure)
        assert there.server.traffic.requests == before + {"rescored": 3, "refined": 4}.get(measure, 1)
        if measure == "refined":  # a sum of quantiles: where gains are nearly equal, rounding orders them
            assert area(trace) == pytest.approx(area(twin), abs=1e-3)
        else:
            same_trace(trace, twin, ties=1e-5)
    with pytest.raises(ValueError, match="takes several requests"):
        sw.submit(there, PROMPT, "rescored")
    asked: dict[str, dict[str, int]] = {"fisher": {"probes": 2, "seed": 3}, "eap-ig": {"steps": 3}}
    for measure, options in asked.items():
        submitted = sw.submit(there, PROMPT, measure, **options).result()
        assert submitted.options == options
        same_trace(submitted, sw.trace(here, PROMPT, measure, **options), ties=1e-5)


def test_a_sandbox_gives_no_gradients_and_everything_else(
    remote_model: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIF_API_KEY", rig.KEY)
    model = remote_model("tiny-llama")
    for measure in ("fisher+projection", "eap"):
        with pytest.raises(
            sw.errors.GradientsRefusedError, match=r"gives your requests no gradients.*Choose another measure"
        ):
            sw.trace(model, PROMPT, measure)
    assert sw.trace(model, PROMPT, "l2").n_edges


def test_one_request_for_a_capture_a_sweep_and_a_toggle(remote_model: Remote, local_model: Remote) -> None:
    model = remote_model("tiny-llama")
    counts = [model.server.traffic.requests]
    trace = sw.trace(model, PROMPT)
    counts.append(model.server.traffic.requests)
    trace.sweep()
    counts.append(model.server.traffic.requests)
    toggled = trace.evaluate([0.2], toggles={"1.2": "off", "3.mlp": "on"})
    counts.append(model.server.traffic.requests)
    assert np.diff(counts).tolist() == [1, 1, 1]
    twin = sw.trace(local_model("tiny-llama"), PROMPT)
    expected = twin.evaluate([0.2], toggles={"1.2": "off", "3.mlp": "on"})
    assert toggled.total_variation == pytest.approx(expected.total_variation, abs=CLOSE)


@pytest.mark.parametrize(
    ("name", "who"), [("tiny-llama", "trusted"), ("tiny-neox", "trusted"), ("tiny-neox", "stranger")]
)
def test_mean_ablation_agrees_and_its_means_come_once(
    name: str, who: str, server_url: str, local_model: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIF_API_KEY", KEYS[who])
    sizes, toggles, mean = [0.05, 0.3, 1], {"1.2": "off"}, {"ablation": "mean"}
    twin = sw.trace(local_model(name), PROMPT)
    ours = twin.evaluate(sizes, toggles, **mean)
    for precision, close in (("float32", CLOSE), ("float16", 1e-2))[: 2 if who == "trusted" else 1]:
        there = sw.load_model(f"loopback/{name}", remote=server_url, precision=precision)
        trace = sw.trace(there, PROMPT)
        expected, before = trace.estimate(sizes, **mean), replace(there.server.traffic)
        theirs = trace.evaluate(sizes, toggles, **mean)
        now = there.server.traffic
        assert now.requests - before.requests == expected.requests == 2
        assert now.bytes_up - before.bytes_up <= expected.bytes_up
        assert now.bytes_down - before.bytes_down <= expected.bytes_down + 2 * estimates.OVERHEAD
        assert theirs.total_variation == pytest.approx(ours.total_variation, abs=close)
        trace.evaluate([0.5], **mean)
        assert there.server.traffic.requests - before.requests == 3
        for answers in zip(there.means(), twin.model.means(), strict=True):
            rough, exact = (unpacked(answer) for answer in answers)
            assert np.abs(rough - exact).max() <= close * max(1, np.abs(exact).max())
    job = trace.submit(sizes, toggles, **mean)
    assert job.result().total_variation == pytest.approx(ours.total_variation, abs=close)


def test_the_default_model_agrees_and_its_weights_stay_there(
    remote_model: Remote, smollm2: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NDIF_API_KEY", rig.KEY)
    model = remote_model("smollm2")
    assert all(parameter.is_meta for parameter in model.nnsight._module.parameters())
    trace, twin = sw.trace(model, CAPITAL), sw.trace(smollm2, CAPITAL)
    same_trace(trace, twin, ties=1e-6)
    sizes = [0.001, 0.03, 0.2, 0.5, 1]
    theirs, ours = trace.evaluate(sizes), twin.evaluate(sizes)
    assert theirs.total_variation == pytest.approx(ours.total_variation, abs=1e-4)
    assert theirs.top[-1][0].token == " Paris"


@pytest.mark.parametrize("importance", ["l2", "proximity", "cosine", "projection"])
def test_every_measure_works_there(importance: str, remote_model: Remote, local_model: Remote) -> None:
    trace = sw.trace(remote_model("tiny-gpt2"), PROMPT, importance)
    same_trace(trace, sw.trace(local_model("tiny-gpt2"), PROMPT, importance), ties=1e-5)


def largest(captured: Any) -> sw.Edges:
    """A measure of a user's own: the largest entry of each edge's vector."""
    heads = np.abs(captured.heads).max(-1)
    tokens = (captured.attention_residual, captured.mlp, captured.mlp_residual)
    attention = np.abs(captured.factors) * heads[:, :, None, :]
    return sw.Edges(attention, *(np.abs(kind).max(-1) for kind in tokens))


def test_a_measure_of_ones_own_works_there(remote_model: Remote, local_model: Remote) -> None:
    trace, twin = (sw.trace(model("tiny-olmo2"), PROMPT, largest) for model in (remote_model, local_model))
    for theirs, ours in zip(trace.weights, twin.weights, strict=True):
        assert theirs == pytest.approx(ours, abs=1e-4)


def test_half_precision_is_half_the_bytes_and_nearly_the_same(remote_model: Remote) -> None:
    single, half = remote_model("tiny-llama"), remote_model("tiny-llama", precision="float16")
    before = single.server.traffic.bytes_down, half.server.traffic.bytes_down
    prompt = list(range(2, 30))  # long enough for the arrays to outweigh their wrapping
    trace, rough = sw.trace(single, prompt), sw.trace(half, prompt)
    full, less = (m.server.traffic.bytes_down - b for m, b in zip((single, half), before, strict=True))
    assert less < 0.6 * full
    assert np.abs(trace.weights.attention - rough.weights.attention).max() < 1e-3
    assert rough.evaluate([0.5]).total_variation == pytest.approx(trace.evaluate([0.5]).total_variation, abs=1e-2)


def test_a_large_answer_comes_in_parts(remote_model: Remote, monkeypatch: pytest.MonkeyPatch) -> None:
    model = remote_model("tiny-llama")
    whole = sw.trace(model, PROMPT)
    monkeypatch.setattr(estimates, "BYTES_AN_ANSWER", 100)
    before = model.server.traffic.requests
    parts = sw.trace(model, PROMPT)
    assert model.server.traffic.requests - before == model.architecture.n_layers
    same_trace(parts, whole)


def test_the_estimate_bounds_what_is_sent(remote_model: Remote) -> None:
    model = remote_model("tiny-llama")
    trace = sw.trace(model, PROMPT)
    expected, before = trace.estimate(), (model.server.traffic.bytes_up, model.server.traffic.bytes_down)
    trace.sweep()
    up, down = model.server.traffic.bytes_up - before[0], model.server.traffic.bytes_down - before[1]
    assert 0 < up <= expected.bytes_up
    assert 0 < down <= expected.bytes_down + estimates.OVERHEAD
    assert expected.requests == 1
    assert "1 forward pass in 1 request" in str(expected)


def test_a_study_there_has_the_tables_of_one_here(remote_model: Remote, local_model: Remote, tmp_path: Path) -> None:
    prompts = [PROMPT, "says it again and"]
    options: dict[str, Any] = {
        "baselines": ("random",),
        "sizes": [0.01, 0.1, 1.0],
        "hidden_states": True,
        "progress": False,
    }
    there, here = (
        sw.study(model("tiny-llama"), prompts, tmp_path / str(index), **options)
        for index, model in enumerate((remote_model, local_model))
    )
    for column in ("prompt_id", "subgraph", "size", "n_edges"):
        assert there.points[column].tolist() == here.points[column].tolist()
    assert there.points["total_variation"].to_numpy() == pytest.approx(
        here.points["total_variation"].to_numpy(), abs=1e-4
    )
    assert there.components["n_edges"].tolist() == here.components["n_edges"].tolist()


def test_stages_are_told(remote_model: Remote) -> None:
    told: list[str] = []
    with listening(lambda stage: told.append(stage.name)):
        sw.trace(remote_model("tiny-llama"), PROMPT)
    assert told[0] == "received"
    assert told[-1] == "completed"


def test_the_imitation_in_this_process_agrees(local_model: Remote) -> None:
    imitated = sw.load_model("loopback/tiny-llama", remote="local")
    same_trace(sw.trace(imitated, PROMPT), sw.trace(local_model("tiny-llama"), PROMPT))


# Jobs.


def test_a_job_of_one_process_is_collected_in_another(
    server_url: str, tmp_path: Path, local_model: Remote, remote_model: Remote
) -> None:
    environment = os.environ | {"NDIF_API_KEY": rig.KEY}
    send_from_another_process("loopback/tiny-gpt2", server_url, PROMPT, tmp_path, environment)
    twin = sw.trace(local_model("tiny-gpt2"), PROMPT)
    job = sw.load_job(tmp_path / "trace.json", remote=server_url)
    same_trace(job.result(), twin, ties=1e-6)
    assert job.status == "completed"
    sweep = sw.load_job(tmp_path / "sweep.json", remote_model("tiny-gpt2")).result()
    expected = twin.evaluate([0.1, 1.0], toggles={"0.1": "off"})
    assert sweep.total_variation == pytest.approx(expected.total_variation, abs=CLOSE)
    assert sweep.n_edges_kept.tolist() == expected.n_edges_kept.tolist()


def test_a_submitted_sweep_is_the_one_that_is_waited_for(remote_model: Remote, tmp_path: Path) -> None:
    model = remote_model("tiny-llama")
    trace = sw.trace(model, PROMPT)
    for modes in ({"attention": "frozen"}, {"ablation": "mean", "inverse": True}):
        file = trace.submit([0.1, 0.5], **modes).save(tmp_path / "sweep.json")
        submitted, waited_for = sw.load_job(file, model).result(), trace.evaluate([0.1, 0.5], **modes)
        assert submitted.total_variation == pytest.approx(waited_for.total_variation, abs=CLOSE)


def test_a_job_file_that_is_none(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    for text in ("{", "[]", json.dumps({"format": "x"}), json.dumps({"format": jobs.FORMAT, "version": 99})):
        file.write_text(text)
        with pytest.raises(sw.errors.JobFileError, match="no job file"):
            sw.load_job(file)


def test_a_model_that_is_here_takes_no_jobs(local_model: Remote) -> None:
    with pytest.raises(ValueError, match="runs on this machine"):
        sw.submit(local_model("tiny-llama"), PROMPT)


@pytest.mark.parametrize("who", KEYS)
@pytest.mark.parametrize("name", FAMILIES)
def test_the_walk_that_looks_for_what_is_not_finite_travels(
    name: str, who: str, remote_model: Remote, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is to be found on a sound model, at none of the steps, in the whole model and in subgraphs."""
    monkeypatch.setenv("NDIF_API_KEY", KEYS[who])
    model = remote_model(name)
    trace = sw.trace(model, PROMPT)
    n_steps = 3 + 5 * model.architecture.n_layers
    form = partial(steps, model)
    whole = model.ask(Call(finite.whole_model, lambda: (as_row(trace.token_ids),), form=partial(form, 1)))
    assert tuple(whole.shape) == (n_steps, 1)
    (call,) = model.sweeps(trace.token_ids, trace.ranks, np.array([3, trace.n_edges]), None, Modes())
    subgraphs = model.ask(Call(finite.subgraphs, call.args, form=partial(form, 2)))
    assert tuple(subgraphs.shape) == (n_steps, 2)
    assert not whole.any()
    assert not subgraphs.any()
