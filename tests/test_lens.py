"""The logit lens, and what a head attends to and writes, against the model itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny_models
import torch
from conftest import PROMPT

import strace_widgets as sw
from strace_widgets import charts
from strace_widgets.results.lens import FULL, SUBGRAPH

JOHN_AND_MARY = "When John and Mary went to the store, John gave a drink to"
SWAPPED = "When John and Mary went to the store, Mary gave a drink to"
MODES = (
    {},
    {"ablation": "mean"},
    {"ablation": "patch"},
    {"attention": "frozen"},
    {"attention": "frozen", "ablation": "patch values"},
    {"masks": "mlp+residual"},
    {"inverse": True},
    {"residual": "kept"},
)


@pytest.fixture(scope="module", params=["smollm2", "gemma"])
def asked(request: pytest.FixtureRequest) -> sw.STrace:
    model = request.getfixturevalue(request.param)
    return sw.trace(model, JOHN_AND_MARY, target=" Mary", foil=" John", counterfactual=SWAPPED)


@pytest.mark.parametrize("modes", MODES, ids=str)
def test_what_components_write_adds_up_to_the_logit_difference(asked: sw.STrace, modes: dict[str, Any]) -> None:
    """At sizes at which the last token's residual edges are all kept, or carry nothing."""
    for s in (0.02, 0.3):
        lens, swept = asked.lens(s, **modes), asked.evaluate([s], **modes)
        assert lens.heads is not None
        assert lens.mlp is not None
        assert lens.embeddings is not None
        written = lens.heads.sum((1, 2)) + lens.mlp.sum(1) + lens.embeddings
        truth = [swept.full_figure, swept.figure[0]]
        np.testing.assert_allclose(lens.logit_difference[:, -1], truth, atol=2e-3)
        np.testing.assert_allclose(written, truth, atol=2e-3)


def test_the_lens_is_the_models_own_end_on_each_layer(smollm2: Any) -> None:
    trace = sw.trace(smollm2, "The capital of France is")
    module = smollm2.nnsight._module
    with torch.no_grad():
        states = module(torch.from_numpy(trace.token_ids)[None], output_hidden_states=True).hidden_states
        # The last of these is behind the final norm already.
        logits = module.lm_head(module.model.norm(torch.stack([state[0, -1] for state in states[:-1]])))
    chances = logits.log_softmax(-1)
    lens = trace.lens(0.1)
    for row, truth in zip(lens.full, chances, strict=False):
        assert [top.id for top in row] == truth.topk(len(row)).indices.tolist()
        assert row[0].probability == pytest.approx(float(truth.max().exp()), abs=1e-5)
    assert lens.answers == [" Paris"]
    assert lens.full[-1][0].token == " Paris"
    assert "first after layer" in repr(lens)
    assert len(lens.to_frame()) == trace.graph.n_layers + 1


def test_a_head_is_what_it_attends_to_and_writes(smollm2: Any) -> None:
    trace = sw.trace(smollm2, JOHN_AND_MARY, target=" Mary", foil=" John")
    module, s = smollm2.nnsight._module, 0.3
    with torch.no_grad():
        attentions = module(torch.from_numpy(trace.token_ids)[None], output_attentions=True).attentions
    head = trace.head("23.2", s)
    np.testing.assert_allclose(head.attention[FULL], attentions[23][0, 2], atol=1e-5)
    kept = trace.mask(s).attention[23, 2]
    assert (head.attention[SUBGRAPH][~kept] == 0).all()
    assert (head.attention[SUBGRAPH][kept] > 0).all()
    # The name mover: it attends to the other name, and writes it.
    assert trace.tokens[head.attention[FULL, -1].argmax()] == " Mary"
    assert head.promoted[FULL][0][0] == " Mary"
    assert head.direct is not None
    assert head.direct[FULL] > 0.5
    assert " Mary" in repr(head)
    assert "subgraph" in head._repr_html_()


def test_what_a_head_attends_to_is_drawn(tiny_trace: sw.STrace) -> None:
    drawn = (charts.attention(tiny_trace.head("1.0", s)).to_dict() for s in (1.0, 0.5))
    whole, part = ([row for rows in chart["datasets"].values() for row in rows] for chart in drawn)
    panels = [{row["in"] for row in rows} for rows in (whole, part)]
    assert panels == [{"full model"}, {"full model", "subgraph, s = 0.5"}]
    cells = [row for row in part if row["in"] != "full model"]
    assert len(cells) == int(tiny_trace.mask(0.5).attention[1, 0].sum())


def test_a_toggle_and_a_server_change_what_they_should(tiny: Any) -> None:
    off = {"1.0": "off"}
    there = sw.load_model(tiny_models.tiny(), tokenizer=tiny_models.words(), remote="local")
    traces = [sw.trace(model, PROMPT) for model in (tiny, there)]
    here, far = (trace.head("1.0", 0.5, off) for trace in traces)
    assert (here.attention[SUBGRAPH] == 0).all()
    assert here.direct is not None
    assert here.direct[SUBGRAPH] == 0
    assert here.direct[FULL] != 0
    np.testing.assert_allclose(here.attention, far.attention, atol=1e-6)
    np.testing.assert_allclose(here.lens.heads, far.lens.heads, atol=1e-5)
    np.testing.assert_allclose(here.lens.log_probabilities, far.lens.log_probabilities, atol=1e-5)


def test_a_head_that_is_not_there_is_named(tiny_trace: sw.STrace) -> None:
    for name in ("3.0", "0.9", "0", "0.mlp", "x"):
        with pytest.raises(sw.errors.ToggleError, match=r"from '0\.0' to '2\.\d'"):
            tiny_trace.head(name)
    with pytest.raises(ValueError, match="0 < s <= 1"):
        tiny_trace.lens(1.5)
