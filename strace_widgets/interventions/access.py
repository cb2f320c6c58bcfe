"""What a traced run reads and writes of a model: its modules, its attention, its norms as linear maps.

Like `strace_widgets.interventions`, which is made of these, it travels to a server as source: plain functions, torch
only.
"""

from __future__ import annotations

from typing import Any

import torch


def find(root: Any, path: str) -> Any:
    """Return the module at a dotted path below another."""
    for name in path.split("."):
        root = getattr(root, name)
    return root


# What a sublayer adds to the stream, and what is carried past it.


def first(output: Any, in_tuple: bool) -> Any:  # noqa: FBT001
    """Return a module's output, or the first of several."""
    return output[0] if in_tuple else output


def carried(layer: Any, places: dict[str, Any], sublayer: str, stream: Any) -> Any:
    """Return what a block carries on as the residual stream past a sublayer."""
    path, scale = places[f"{sublayer}_residual"], places[f"{sublayer}_residual_scale"]
    if path is not None:
        stream = find(layer, path).output
    return stream if scale == 1 else stream * scale


def written(layer: Any, places: dict[str, Any], sublayer: str, stream: Any) -> Any:
    """Return what a sublayer adds to the stream, in the stream's shape (some modules flatten batch and tokens)."""
    output, scale = sublayer_output(layer, places, sublayer), places[f"{sublayer}_scale"]
    return output.view_as(stream) if scale == 1 else output.view_as(stream) * scale


def sublayer_output(layer: Any, places: dict[str, Any], sublayer: str) -> Any:
    """Return what a sublayer's last module says: what it adds to the stream, before any scale."""
    return first(find(layer, places[f"{sublayer}_write"]).output, places[f"{sublayer}_write_in_tuple"])


def rewrite(layer: Any, places: dict[str, Any], sublayer: str, added: Any) -> None:
    """Replace what a sublayer adds to the stream."""
    module, in_tuple = find(layer, places[f"{sublayer}_write"]), places[f"{sublayer}_write_in_tuple"]
    before = module.output
    output = first(before, in_tuple)
    scale = places[f"{sublayer}_scale"]
    value = (added if scale == 1 else added / scale).view_as(output).to(output.dtype)
    module.output = (value, *before[1:]) if in_tuple else value


# Attention.


def attention_call(layer: Any, places: dict[str, Any]) -> Any:
    """Return the operation through which Hugging Face calls any attention.

    Its inputs are (module, query, key, value, ...), its output is (the heads' output, the probabilities).
    """
    return getattr(find(layer, places["attention"]).source, places["attention_call"])


def attention_probabilities(call: Any) -> Any:
    """Return the probabilities (B, H, T, T) of an attention call.

    A fused kernel, which a server may run, keeps them to itself: then they are computed anew from its own query, key,
    mask and scale. Whether that is what the kernel did is among what `identity_gaps` proves.
    """
    arguments, options = call.inputs
    given = call.output[1]
    if given is not None:
        return given
    query, key = arguments[1], arguments[2]
    mask = arguments[4] if len(arguments) > 4 else options.get("attention_mask")  # noqa: PLR2004
    scale = options.get("scaling")
    key = key.repeat_interleave(query.shape[1] // key.shape[1], dim=1)
    scores = query @ key.transpose(2, 3) * (query.shape[-1] ** -0.5 if scale is None else scale)
    cap = options.get("softcap")
    if cap is not None:
        scores = torch.tanh(scores / cap) * cap
    if mask is None:  # the kernel was told that it is causal, or that there is one query
        mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    mask = mask[..., : scores.shape[-1]]
    scores = scores.masked_fill(~mask, float("-inf")) if mask.dtype == torch.bool else scores + mask
    return torch.softmax(scores.float(), dim=-1).to(query.dtype)


def replace_heads(call: Any, places: dict[str, Any], heads: Any) -> None:
    """Let an attention call say other heads' outputs (B, H, T, d)."""
    call.output = (heads if places["heads_first"] else heads.transpose(1, 2).contiguous(), *call.output[1:])


# Linear maps.


def linear_map(projection: Any, transposed: bool, like: Any) -> tuple[Any, Any]:  # noqa: FBT001
    """Return a linear module's weight (out, in) and its bias (out,) or None, in float32.

    A server's sandbox holds the modules without their weights, and has the server run them: then both are what the
    module answers to well-chosen inputs, in the number format of ``like``.
    """
    weight, bias = projection.weight, getattr(projection, "bias", None)
    if weight.is_meta:
        width = weight.shape[0 if transposed else 1]
        bias = None if bias is None else projection(like.new_zeros(1, width))[0].float()
        # A large unit, so that in half precision the bias does not swallow the weights.
        unit = 256.0
        answer = projection(unit * torch.eye(width, dtype=like.dtype, device=like.device)).float()
        return (answer if bias is None else answer - bias).T / unit, bias
    weight = weight.T if transposed else weight
    return weight.float(), None if bias is None else bias.float()


def linearised(norm: Any, described: dict[str, Any], y: Any) -> tuple[Any, Any, bool]:
    """Return a norm held fixed at an input y as (scalar of each row, gain of each column, whether it centres)."""
    row = normed(y, described)[1]
    gain: Any = 1.0
    if described["gain"] != "none" and norm.weight.is_meta:  # see `linear_map`
        signs = torch.ones_like(y[:1])
        signs[..., ::2] = -1
        answer, bias = norm(signs)[0].float(), norm_bias(norm, y)
        gain = (answer if bias is None else answer - bias) / normed(signs, described)[0][0]
    elif described["gain"] != "none":
        gain = norm.weight.float() + (1.0 if described["gain"] == "1 + weight" else 0.0)
    return row, gain, described["centred"]


def normed(y: Any, described: dict[str, Any]) -> tuple[Any, Any]:
    """Return rows normalised without gain and bias, and the scalar of each row."""
    y = y.float()
    if described["centred"]:
        y = y - y.mean(-1, keepdim=True)
    row = torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + described["epsilon"])
    return y * row, row


def norm_bias(norm: Any, like: Any) -> Any:
    """Return a norm's bias in float32, or None."""
    bias = getattr(norm, "bias", None)
    if bias is None:
        return None
    return norm(torch.zeros_like(like[:1]))[0].float() if bias.is_meta else bias.float()


def through_norm(vectors: Any, linear: tuple[Any, Any, bool]) -> Any:
    """Pass vectors (..., M) through a linearised norm."""
    row, gain, centred = linear
    vectors = vectors.float()
    return (vectors - vectors.mean(-1, keepdim=True) if centred else vectors) * gain * row
