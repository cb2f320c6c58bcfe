"""Weights that are packed into few bits: what the modules do is what counts, and how far they round is shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import held_models
import numpy as np
import pytest
import torch
from held_models import PROMPT

import strace_widgets as sw

pytestmark = pytest.mark.filterwarnings("ignore")
# The largest gap of the proof, and how far a trace may be from that of the unpacked weights.
EXACT, ROUNDED = 1e-4, 3e-2
KINDS: dict[str, tuple[Any, float]] = {
    "int8": (held_models.int8, ROUNDED),
    "int8-biases": (held_models.int8_with_biases, ROUNDED),
    "nf4": (held_models.nf4, ROUNDED),  # exact, or with bfloat16's rounding: what the processor has
    "fp4": (held_models.fp4, ROUNDED),
    "torch-dynamic": (held_models.dynamic, ROUNDED),
    "torchao-weights": (held_models.torchao_weights, EXACT),
    "torchao-dynamic": (held_models.torchao_dynamic, ROUNDED),
    "quanto8": (held_models.quanto8, EXACT),
    "quanto4": (held_models.quanto4, EXACT),
}
BY_THE_BATCH = {"int8", "int8-biases", "torch-dynamic"}


@pytest.fixture(scope="module", params=KINDS)
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Any, Any]:
    """A kind, the quantized model, and the same in float32."""
    make, _ = KINDS[request.param]
    module, plain = make(tmp_path_factory.mktemp("quantized"))
    return request.param, module, sw.load_model(plain)


def test_a_quantized_model_is_traced_as_its_unpacked_weights_are(case: tuple[str, Any, Any]) -> None:
    kind, module, plain = case
    close = KINDS[kind][1]
    model = sw.load_model(module)
    assert max(model.gaps.values()) <= close
    assert model.architecture.projection_read == "asked"
    assert ("some modules round" in model.describe()) == model.architecture.rounds
    assert model.d_heads == model.d_model == 64
    trace = sw.trace(model, PROMPT)
    held_models.assert_same_weights(trace, sw.trace(plain, PROMPT), close)
    assert held_models.variation(trace.full_logits, held_models.own_logits(module)) <= 1e-4


def test_the_whole_graph_is_the_quantized_model_beside_other_sizes(case: tuple[str, Any, Any]) -> None:
    """One scale for a batch would let the size 0.01 change what s = 1 gives: then each runs by itself."""
    kind, module, _ = case
    model = sw.load_model(module)
    assert model.architecture.rows_apart == (kind in BY_THE_BATCH)
    assert ("one by one" in model.describe()) == (kind in BY_THE_BATCH)
    trace = sw.trace(model, PROMPT)
    sweep = trace.evaluate([1.0, 0.5, 0.01, 0.3])
    assert sweep.total_variation[0] <= 1e-4
    alone = trace.evaluate([0.5])
    close = 1e-12 if kind in BY_THE_BATCH else 1e-5
    np.testing.assert_allclose(sweep.probabilities[1], alone.probabilities[0], atol=close)
    if kind in BY_THE_BATCH:
        with pytest.raises(sw.errors.UnsupportedArchitectureError, match=r"frozen.* by the whole batch"):
            trace.evaluate([0.5], attention="frozen")
    else:
        assert trace.evaluate([1.0], attention="frozen").total_variation[0] <= 1e-4


def test_gradients_of_a_quantized_model_are_right_or_refused(case: tuple[str, Any, Any]) -> None:
    """Where an operation has no derivative torch only warns, and the gradient is that of the residual stream alone."""
    kind, module, plain = case
    model = sw.load_model(module)
    if model.architecture.no_gradients is not None:
        assert kind in {"torch-dynamic", "torchao-dynamic", "nf4", "fp4"}
        with pytest.raises(sw.errors.NoGradientsError, match=r"no derivative passes '.*layers\.0\.self_attn\.q_proj'"):
            sw.trace(model, PROMPT, importance="fisher")
        return
    assert kind not in {"torch-dynamic", "torchao-dynamic"}
    if model.architecture.rows_apart:
        with pytest.raises(sw.errors.UnsupportedArchitectureError, match=r"steps of 'eap-ig' run in one batch"):
            sw.trace(model, PROMPT, importance="eap-ig")
    held, unpacked = (sw.trace(each, PROMPT, importance="fisher").weights for each in (model, plain))
    # Without the gradients of quantized parts it is below 0.8, for attention edges below 0.5.
    for part in sw.Edges._fields:
        assert np.corrcoef(getattr(held, part).ravel(), getattr(unpacked, part).ravel())[0, 1] > 0.85


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_rounding_by_the_batch_shows_in_half_precision(dtype: torch.dtype, tmp_path: Path) -> None:
    """Its own rounding is as large at the worst number, but not on the whole."""
    module, _ = held_models.bitsandbytes_of(tmp_path, "OPT", dtype, load_in_8bit=True)
    model = sw.load_model(module)
    assert model.architecture.rows_apart
    assert max(model.gaps.values()) <= ROUNDED
    assert not sw.load_model(held_models.lora("all-linear", held_models.dense().to(dtype))).architecture.rows_apart
    trace = sw.trace(model, PROMPT)
    sweep = trace.evaluate([1.0, 0.3, 0.01])
    np.testing.assert_array_equal(sweep.probabilities[1], trace.evaluate([0.3]).probabilities[0])
    assert sweep.total_variation[0] <= 1e-6
    if dtype == torch.float16:  # it adds biases in place
        with pytest.raises(sw.errors.NoGradientsError, match="changes in place what derivatives are made from"):
            sw.trace(model, PROMPT, importance="fisher")


class Coarse(torch.nn.Module):
    """Rounds what another module is given to three bits, with a scale for each token."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-9) / 4
        return self.inner((x / scale).round() * scale)


class Scaled(torch.nn.Module):
    """Divides what another module says by the largest of a batch."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        output = self.inner(x)
        return output / output.abs().max()


def test_activations_rounded_too_coarsely_are_refused_with_the_gap(tmp_path: Path) -> None:
    module, _ = held_models.quanto8(tmp_path)
    for layer in module.model.layers:
        layer.self_attn.o_proj = Coarse(layer.self_attn.o_proj)
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError, match=r"'attention edges' of layer 0 misses by 0\.\d+ .*more than 3e-02"
    ):
        sw.load_model(module)


def test_a_model_whose_rows_share_their_numbers_without_rounding_is_refused() -> None:
    """A norm over the batch is no quantization: nothing says how to run it."""
    module = held_models.dense()
    module.model.layers[1].mlp = Scaled(module.model.layers[1].mlp)
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match="runs the same in a batch"):
        sw.load_model(module)
