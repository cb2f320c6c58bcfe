"""Every family that Hugging Face routes through one attention call, each on a tiny random model with random biases."""

from __future__ import annotations

from typing import Any

import both_ways
import families
import family_table
import numpy as np
import pytest
import refused_families
import torch
import wrapped_families
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

import strace_widgets as sw
from strace_widgets.graph.modes import Modes

PROMPT = [5, 17, 3, 88, 41, 2]


@pytest.fixture(
    params=families.FAMILIES + wrapped_families.WRAPPED,
    ids=lambda family: f"{family.name}-{family.kind}".replace(" ", "-"),
)
def family(request: pytest.FixtureRequest) -> families.Family:
    return request.param


@pytest.mark.filterwarnings("ignore")
def test_family(family: families.Family) -> None:
    module = families.build(family.name, family.options)
    with torch.no_grad():
        logits = module(torch.tensor([PROMPT])).logits[0, -1].float().numpy()
    model = sw.load_model(module)
    assert max(model.gaps.values()) <= 1e-4  # the proof: edges sum to nodes, layer by layer
    if family.kind != "with pictures":
        assert model.architecture.parallel == (family.kind == "parallel")
        assert (model.architecture.outer_norm is not None) == (family.kind == "post-norm")
        assert (model.architecture.closing_norm is not None) == (family.kind == "post-layer-norm")
    assert family.name in model.describe()

    trace = sw.trace(model, PROMPT)
    ranks, graph = trace.ranks, trace.graph
    assert graph.n_edges == graph.exists().n_kept
    np.testing.assert_allclose(trace.full_logits, logits, atol=1e-4)
    assert sorted(np.concatenate([kind[there] for kind, there in zip(ranks, graph.exists(), strict=True)])) == list(
        range(graph.n_edges)
    )

    none, one, every = model.evaluate(trace.token_ids, ranks, np.array([0, 1, graph.n_edges]))
    np.testing.assert_allclose(every, logits, atol=1e-4)
    assert np.isfinite(none).all()
    # An empty trace lets nothing of the prompt through: another prompt of the same length gives the same logits.
    other = model.evaluate(trace.token_ids[::-1].copy(), ranks, np.array([0]))[0]
    np.testing.assert_allclose(none, other, atol=1e-4)
    assert trace.mask(1.5 / graph.n_edges).n_kept == 1
    assert trace.ranks.mlp[-1, -1] == 0 or not np.allclose(none, every)
    assert np.isfinite(one).all()
    sizes, mean = np.array([0, graph.n_edges]), Modes(ablation="mean")
    means_only, every = model.evaluate(trace.token_ids, ranks, sizes, None, mean)
    np.testing.assert_allclose(every, logits, atol=1e-4)
    assert np.abs(means_only - none).max() > 1e-2

    # By hooks of torch it says the same, or is not asked.
    own_ways = {"DeepseekV32", "GlmMoeDsa", "MiniMaxM3VL"}  # they ask which attention function it is
    shared = model.architecture.attention_call.startswith("attention_interface_")
    assert model._by_hooks == (shared and family.name not in own_ways)
    if model._by_hooks:
        sizes = np.array([-1, graph.n_edges, graph.n_edges // 2, graph.n_edges // 3, graph.n_edges // 30, 2, 0])
        for number, modes in enumerate(both_ways.MODES):
            assert both_ways.largest_gap(model, trace, sizes, None, modes, states=number % 2 == 1) <= 1e-5

    # Read by the model's own end, the stream after the last layer is its prediction.
    lens, swept = trace.lens(0.5), trace.evaluate([0.5])
    for row, probabilities in ((lens.full, swept.full_probabilities), (lens.subgraph, swept.probabilities[0])):
        assert row[-1][0].probability == pytest.approx(probabilities.max(), abs=1e-4)
    assert (lens.heads is None) == (lens.refusal is not None)

    components = {
        f"{layer}.{part}": "off" for layer in range(graph.n_layers) for part in (*range(graph.n_heads), "mlp")
    }
    all_off = trace.evaluate([1.0], components)
    assert all_off.total_variation[0] > 1e-4
    back = trace.evaluate([1.0], components | dict.fromkeys(components, "auto"))
    np.testing.assert_allclose(back.probabilities[0], trace.evaluate([1.0]).probabilities[0], atol=1e-6)
    all_on = trace.evaluate([1.0], dict.fromkeys(components, "on"))
    np.testing.assert_allclose(all_on.probabilities[0], back.probabilities[0], atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["Granite", "MiniCPM3"])
def test_a_stream_that_is_taken_away_leaves_nothing(name: str) -> None:
    """Where the block multiplies what it adds: what rounding leaves of the stream, norms would blow up."""
    options = next(family.options for family in families.FAMILIES if family.name == name)
    module = families.build(name, options)
    trace = sw.trace(sw.load_model(module), PROMPT)
    assert trace.model.architecture.mlp_scale != 1
    mask, streams = trace.mask(0.4), []
    reached = mask.attention_residual | mask.mlp | mask.mlp_residual | mask.attention.any((1, 3))
    assert not reached.all()
    hooks = [
        layer.register_forward_hook(
            lambda _, __, output: streams.append(output[0] if isinstance(output, tuple) else output)
        )
        for layer in module.get_submodule(trace.model.architecture.layers)
    ]
    trace.evaluate([0.4])
    for hook in hooks:
        hook.remove()
    for stream, here in zip(streams[-len(reached) :], reached, strict=True):
        assert (stream[0][~torch.from_numpy(here)] == 0).all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["Llama", "Olmo2", "GPTNeoX"])
def test_half_precision(name: str, dtype: torch.dtype) -> None:
    """Weights are accumulated in float32; what is lost is the model's own rounding, stated in docs/models.md."""
    options = next(family.options for family in families.FAMILIES if family.name == name)
    exact = sw.trace(sw.load_model(families.build(name, options)), PROMPT)
    model = sw.load_model(families.build(name, options).to(dtype))
    half = sw.trace(model, PROMPT)
    assert half.weights.attention.dtype == np.float32
    for kind in sw.Edges._fields:
        np.testing.assert_allclose(getattr(half.weights, kind), getattr(exact.weights, kind), atol=0.02)
    assert max(model.gaps.values()) <= 3e-2
    for ablation in ("zero", "mean"):
        assert half.evaluate([1.0], ablation=ablation).total_variation[0] <= 1e-6
        rough, fine = (each.evaluate([0.5], ablation=ablation).total_variation[0] for each in (half, exact))
        assert abs(rough - fine) <= 0.1


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", ["Gemma2", "Gemma3"])
def test_a_norm_with_large_weights_is_found_in_half_precision(name: str, dtype: torch.dtype) -> None:
    """Gemma 3 270M has post-norms with weights around 100, and 1 + 100 is 100 within the rounding of bfloat16."""
    options = next(family.options for family in families.FAMILIES if family.name == name)
    module = families.build(name, options)
    with torch.no_grad():
        for layer in module.model.layers:
            layer.post_attention_layernorm.weight.mul_(100).add_(100)
    norm = sw.load_model(module.to(dtype)).architecture.outer_norm
    assert norm is not None
    assert norm.gain == "1 + weight"


def test_readme_lists_exactly_the_tested_families() -> None:
    """To refresh the tables: ``make tables``."""
    page = family_table.PAGE.read_text(encoding="utf-8")
    assert family_table.with_table(page) == page


def test_every_decoder_of_transformers_is_supported_or_refused() -> None:
    """transformers' auto-mapping of the installed version: what is new there goes into one of the lists."""
    listed = {name for names in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.values() for name in as_tuple(names)}
    known = family_table.SUPPORTED_CLASSES | family_table.REFUSED_CLASSES
    assert sorted(listed - known) == [], "put each into tests/families.py or tests/refused_families.py"


def as_tuple(names: Any) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else tuple(names)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("refused", refused_families.REFUSED, ids=lambda refused: refused.family.name)
def test_refused_family(refused: refused_families.Refused) -> None:
    """It says why, and at which layer or part."""
    family, reason = refused
    module = families.build(family.name, family.options)
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match=reason.says):
        sw.load_model(module)
