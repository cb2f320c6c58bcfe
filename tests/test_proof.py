"""A model that reads what its graph has no edge for is refused, with the reason."""

from __future__ import annotations

from typing import Any

import families
import numpy as np
import pytest
import tiny_models
import torch
import transformers
from torch.nn import functional

import strace_widgets as sw

PROMPT = [5, 17, 3, 88, 41, 2]
GEMMA3 = {"config": "Gemma3TextConfig", "sliding_window": 4, "use_bidirectional_attention": True}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("Llama", {"is_causal": False}),
        ("Qwen2", {"is_causal": False}),
        ("Olmo2", {"is_causal": False}),  # post-norm
        ("GPTNeoX", {"is_causal": False}),  # parallel
        ("Gemma3", GEMMA3),
    ],
)
def test_a_model_that_looks_ahead_is_refused(name: str, options: dict[str, Any]) -> None:
    module = families.build(name, options)
    if transformers.__version__ < "5" and not looks_ahead(module):  # it knows no such switch in these classes
        assert sw.load_model(module)
        return
    with pytest.raises(
        sw.errors.UnsupportedArchitectureError, match=r"'attention looks back only' of layer \d.* reads later tokens"
    ):
        sw.load_model(module)


def looks_ahead(module: Any) -> bool:
    with torch.no_grad():
        first, other = (module(torch.tensor([ids])).logits[0, 0] for ids in (PROMPT, [*PROMPT[:-1], 7]))
    return not torch.allclose(first, other, atol=1e-5)


def test_a_model_that_looks_ahead_only_in_longer_prompts_is_refused_when_it_does() -> None:
    """The proof's prompts have four tokens; a window that looks ahead by blocks shows itself later."""
    module = families.build("Llama", {})
    for layer in module.model.layers:
        layer.self_attn.register_forward_pre_hook(_open_the_mask_of_long_prompts, with_kwargs=True)
    model = sw.load_model(module)
    assert sw.trace(model, PROMPT[:4]).n_edges
    for importance in ("l1", "fisher", lambda captured: sw.Edges(*(np.abs(kind) for kind in _weights(captured)))):
        with pytest.raises(sw.errors.UnsupportedArchitectureError, match="attention of layer 0 reads later tokens"):
            sw.trace(model, PROMPT, importance)


def _weights(captured: Any) -> list[Any]:
    return [captured.factors, *(np.zeros(captured.mlp.shape[:2]) for _ in range(3))]


def _open_the_mask_of_long_prompts(_: Any, args: Any, kwargs: Any) -> Any:
    mask = kwargs["attention_mask"]
    return args, kwargs | {"attention_mask": torch.zeros_like(mask) if mask.shape[-1] > 4 else mask}


class Mixing(torch.nn.Module):
    """An MLP whose input is mixed with the token before."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Any) -> Any:
        return self.inner(x + 0.3 * functional.pad(x, (0, 0, 1, 0))[:, :-1])


def mixing_mlp(module: Any) -> None:
    module.model.layers[1].mlp = Mixing(module.model.layers[1].mlp)


def mixing_values(module: Any) -> None:
    module.model.layers[1].self_attn.v_proj = Mixing(module.model.layers[1].self_attn.v_proj)


def embeddings_read_again(module: Any) -> None:
    seen: list[Any] = []
    module.model.embed_tokens.register_forward_hook(lambda *args: seen.append(args[-1]))
    module.model.layers[2].mlp.register_forward_pre_hook(lambda _, args: (args[0] + seen[-1],))


def values_of_an_earlier_layer(module: Any) -> None:
    seen: list[Any] = []
    module.model.layers[0].self_attn.v_proj.register_forward_hook(lambda *args: seen.append(args[-1]))
    module.model.layers[2].self_attn.v_proj.register_forward_hook(lambda *_: seen[-1])


def noise(module: Any) -> None:
    module.model.layers[1].mlp.register_forward_pre_hook(lambda _, args: (functional.dropout(args[0], 0.2),))


def scale_of_the_batch(module: Any) -> None:
    """As in dynamic quantization with one scale a tensor: what a row gives depends on the others."""

    def rounded(_: Any, args: Any) -> Any:
        scale = args[0].abs().max() / 7
        return ((args[0] / scale).round() * scale,)

    module.model.layers[1].mlp.register_forward_pre_hook(rounded)


@pytest.mark.parametrize(
    ("change", "identity", "layer"),
    [
        (mixing_mlp, "values and MLP read one token", 1),
        (mixing_values, "values and MLP read one token", 1),
        (embeddings_read_again, "layers read the stream alone", 2),
        (values_of_an_earlier_layer, "layers read the stream alone", 2),
        (noise, "a prompt runs the same in a batch", None),
        (scale_of_the_batch, "a prompt runs the same in a batch", None),
    ],
)
def test_what_the_graph_cannot_hold_is_named_with_its_layer(change: Any, identity: str, layer: int | None) -> None:
    module = families.build("Llama", {})
    change(module)
    where = "" if layer is None else f" of layer {layer}"
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match=f"the identity '{identity}'{where} misses by"):
        sw.load_model(module)


def test_models_of_one_layer_are_proved() -> None:
    model = sw.load_model(tiny_models.tiny(num_hidden_layers=1))
    assert sw.trace(model, PROMPT).evaluate([1.0]).total_variation[0] < 1e-6
