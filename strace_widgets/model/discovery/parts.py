"""Find a model's parts by watching one short forward pass: who hands what to whom, and what adds up to the stream.

Every module below a layer is watched. The sublayer outputs that are added to the residual stream are those for which
``next stream = a * stream + b * output`` holds on the numbers, so that norms after a sublayer, residual multipliers,
mixtures of experts and blocks without an MLP module need no table of names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, replace
from typing import Any

import torch

from ...errors import UnsupportedArchitectureError
from ..architecture import UNLIMITED, Architecture, Norm
from ..finite import check_watched
from .attention_calls import describe_call, find_attention
from .closeness import equal
from .first_pass import FirstPass, first_pass
from .matrices import arithmetic, holds_matrix, how_read
from .norms import describe_norm, find_final_norm
from .sums import as_stated, sums
from .watching import Call, Watched, outer, watch


def inspect_model(wrapped: Any, module: Any) -> Architecture:
    """Describe a Hugging Face causal language model.

    Parameters
    ----------
    wrapped : nnsight model
    module : torch.nn.Module
        What it wraps, in eager attention and evaluation mode.

    Raises
    ------
    UnsupportedArchitectureError
        When a part cannot be found; names the model class, the layer and the part.
    NonFiniteError
        When a number on the way is not finite; says where the first of them arises.
    """
    name = type(module).__name__
    seen = first_pass(module, name)
    layers_path, attention_path = find_attention(module, name, seen.runs)
    layers = list(module.get_submodule(layers_path))
    watched, final = watch(module, layers_path, len(layers), seen.keywords)
    check_watched(module, attention_path, watched, final)
    found = [describe_layer(layer, attention_path, f"layer {index} of {name}") for index, layer in enumerate(watched)]
    first, *_ = alike = _read_alike(found)
    for index, other in enumerate(alike):
        different = sorted(key for key in first if first[key] != other[key] and not key.endswith("_scale"))
        if different:
            raise UnsupportedArchitectureError(
                f"{name} is not supported: layer {index} differs from layer 0 in {', '.join(different)}."
            )
    last_layer = f"{layers_path}.{len(layers) - 1}"
    inside = [(f"{layers_path}.{index}.", layer.calls) for index, layer in enumerate(watched)]
    parts = [
        (before + call.path, call.module, call.input, call.output)
        for before, calls_of in [*inside, ("", final)]
        for call in calls_of
    ]
    return Architecture(
        name=name,
        layers=layers_path,
        head=head_of(module, seen.runs),
        attention=attention_path,
        final_norm=_final_norm(final, watched[-1].after, first["closing_norm"], last_layer, seen, name),
        n_layers=len(layers),
        n_heads=heads_of(module.config),
        context=context_of(module.config),
        **describe_call(wrapped, module, f"{layers_path}.0.{attention_path}", seen.keywords),
        keywords=seen.keywords,
        **asdict(arithmetic(parts, first["output_projection"])),
        **as_stated(first, layers[0]),
    )


def _final_norm(
    calls: list[Call], after: Any, closing: Norm | None, last_layer: str, seen: FirstPass, name: str
) -> Any:
    """Return the norm through which the last node is read: a module after the layers, or the last layer's own."""
    final_norm = find_final_norm(calls, after, name)
    if closing is not None:
        if final_norm is not None:
            raise UnsupportedArchitectureError(f"{name} is not supported: two norms follow the last layer's MLP.")
        return replace(closing, path=f"{last_layer}.{closing.path}")
    if final_norm is not None and seen.runs[final_norm.path] > 1:
        raise UnsupportedArchitectureError(
            f"{name} is not supported: {final_norm.path!r}, its final norm, runs elsewhere in the pass, too."
        )
    return final_norm


def _read_alike(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let a part that has to be asked in one layer be asked in all: some may be packed, or have an adapter, alone."""
    if any(layer["projection_read"] == "asked" for layer in layers):
        for layer in layers:
            layer["projection_read"] = "asked"
    for key in ("inner_norm", "outer_norm", "closing_norm"):
        if any(layer[key] is not None and layer[key].gain == "asked" for layer in layers):
            for layer in layers:
                layer[key] = None if layer[key] is None else replace(layer[key], gain="asked")
    return layers


def head_of(module: Any, runs: Counter[str]) -> str | None:
    """Return the path of the unembedding, which need not read the final norm's output (OPT-350m)."""
    head = module.get_output_embeddings()
    if head is None or isinstance(head, torch.nn.Embedding):
        return None
    return next((path for path, part in module.named_modules() if part is head and runs[path] == 1), None)


def heads_of(config: Any) -> int:
    """Return the number of query heads that a model's configuration states for the decoder of text."""
    text = config.get_text_config(decoder=True)
    name = text.attribute_map.get("num_attention_heads", "num_attention_heads").replace("encoder", "decoder")
    try:
        found = int(getattr(text, name, 0))
    except Exception:  # noqa: BLE001 - transformers refuses to say where layers differ
        found = 0
    if not found:
        raise UnsupportedArchitectureError(
            f"{type(config).__name__} does not state the number of attention heads of one decoder of text."
        )
    return found


def context_of(config: Any) -> int:
    """Return the longest prompt in tokens, or `UNLIMITED` where positions are not counted (ALiBi, for one)."""
    text = config.get_text_config(decoder=True)
    names = ("max_position_embeddings", "max_seq_len", "max_target_positions")
    return next((int(n) for name in names if (n := getattr(text, name, None))), UNLIMITED)


def describe_layer(layer: Watched, attention_path: str, where: str) -> dict[str, Any]:
    """Return the parts of one layer by the names of `Architecture`."""
    counts = Counter(call.path for call in layer.calls)
    once = [call for call in layer.calls if counts[call.path] == 1]
    calls = outer(once)
    if layer.calls and not calls:
        raise UnsupportedArchitectureError(f"{where} runs several times in one pass, so it is several layers at once.")
    projection = _output_projection(once, calls, attention_path, where)
    start = calls.index(projection)
    found, closing = sums(layer, calls, start), None
    if found is None:
        closing = next((c for c in reversed(calls) if torch.equal(c.output, layer.after) and c is not projection), None)
        if closing is not None and closing.input.shape == layer.after.shape:
            found = sums(replace(layer, after=closing.input), calls, start)
    if not found:
        raise UnsupportedArchitectureError(
            f"{where}: no two of its outputs add up with the residual stream to the next layer's input, so its edges "
            "would not sum to its nodes."
        )
    write = found.pop("attention_write")
    inner = [c for c in calls[:start] if c.path.startswith(f"{attention_path}.") and _may_be_norm(c, projection)]
    between = calls[start + 1 : calls.index(write) + 1]
    return {
        **found,
        "output_projection": projection.path,
        "projection_read": how_read(projection.module, projection.input, projection.output),
        "attention_write": write.path,
        "attention_write_in_tuple": write.in_tuple,
        "layer_in_tuple": layer.in_tuple,
        "inner_norm": next((describe_norm(c, where) for c in inner if equal(c.output, projection.input)), None),
        "outer_norm": next((describe_norm(c, where) for c in between if not equal(c.output, projection.output)), None),
        "closing_norm": None if closing is None else describe_norm(closing, where),
    }


def _output_projection(once: list[Call], calls: list[Call], attention_path: str, where: str) -> Call:
    """Return the call of the linear map from the heads to the stream: the attention's last."""
    inside = [call for call in once if call.path.startswith(f"{attention_path}.") and holds_matrix(call.module)]
    if not inside:
        raise UnsupportedArchitectureError(f"{where}: the attention has no linear map from its heads to the stream.")
    whole = next((call for call in calls if call.path == attention_path), None)
    outside = [call for call in calls if not call.path.startswith(f"{attention_path}.") and holds_matrix(call.module)]
    for call in outside:
        if whole is not None and call.input is not whole.input and torch.equal(call.input, whole.output):
            raise UnsupportedArchitectureError(
                f"{where}: {call.path!r}, the linear map from the heads to the stream, is not a part of the attention "
                f"{attention_path!r}, where it is looked for."
            )
    return _outermost(inside[-1], calls, attention_path)


def _outermost(linear: Call, calls: list[Call], attention_path: str) -> Call:
    """Return the outermost module around a linear map that still maps the same widths: an adapter, say."""
    around = [
        call
        for call in calls
        if call.path.startswith(f"{attention_path}.")
        and f"{linear.path}.".startswith(f"{call.path}.")
        and call.input.shape[-1] == linear.input.shape[-1]
        and call.output.shape == linear.output.shape
    ]
    return min(around, key=lambda call: len(call.path))


def _may_be_norm(call: Call, projection: Call) -> bool:
    """Tell whether a module may stand between the heads and a projection: it is no part of it, and does something."""
    if call.path.startswith(f"{projection.path}.") or holds_matrix(call.module):
        return False
    return call.input.shape == call.output.shape and not torch.equal(call.input, call.output)
