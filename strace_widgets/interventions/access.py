"""How the parts of a model are reached in a run: modules by path, the attention call, projections and norms as maps."""

from __future__ import annotations

from typing import Any, NamedTuple

import torch


def find(root: Any, path: str) -> Any:
    """Return the module at a dotted path below another."""
    for name in path.split("."):
        root = getattr(root, name)
    return root


def first(output: Any, in_tuple: bool) -> Any:  # noqa: FBT001
    """Return a module's output, or the first of several."""
    return output[0] if in_tuple else output


def predicted(output: Any) -> Any:
    """Return the logits (B, T, V) of a model's output, in whichever form it comes; None where there are none."""
    if torch.is_tensor(output):
        return output
    if isinstance(output, (tuple, list)):
        return output[0] if torch.is_tensor(output[0]) else None
    return output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)


def last_hidden(model: Any, architecture: dict[str, Any]) -> Any:
    """Return what the unembedding reads at the last position, (B, M)."""
    if architecture["head"] is not None:
        return find(model, architecture["head"]).input[:, -1]
    if architecture["final_norm"] is not None:
        return find(model, architecture["final_norm"]["path"]).output[:, -1]
    last_layer = find(model, architecture["layers"])[architecture["n_layers"] - 1]
    return first(last_layer.output, architecture["layer_in_tuple"])[:, -1]


# Attention.


def attention_operation(layer: Any, architecture: dict[str, Any], name: str) -> Any:
    """Return an operation in the source of a layer's attention."""
    return getattr(find(layer, architecture["attention"]).source, name)


def attention_call(layer: Any, architecture: dict[str, Any]) -> Any:
    """Return the operation whose output is what the heads say.

    Where it is the one through which Hugging Face calls any attention, its inputs are (module, query, key, value, ...),
    its output is (the heads' output, the probabilities).
    """
    return attention_operation(layer, architecture, architecture["attention_call"])


def attention_value(layer: Any, architecture: dict[str, Any]) -> Any:
    """Return the values (B, key-value heads, T, d) of an attention."""
    if architecture["written_out"] is None:
        return attention_call(layer, architecture).inputs[0][architecture["value_argument"]]
    return by_head(attention_operation(layer, architecture, architecture["written_out"][0]).output, architecture)


def attention_probabilities(layer: Any, architecture: dict[str, Any]) -> Any:
    """Return the probabilities (B, H, T, T) of an attention.

    A fused kernel, which a server may run, keeps them to itself: then they are computed anew from its own query, key,
    mask and scale. Whether that is what the kernel did is among what `identity_gaps` proves.
    """
    if architecture["written_out"] is not None:
        return by_head(attention_operation(layer, architecture, architecture["written_out"][1]).output, architecture)
    call = attention_call(layer, architecture)
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


def by_head(tensor: Any, architecture: dict[str, Any]) -> Any:
    """View (B H, T, ...), where batch and heads are one axis, as (B, H, T, ...)."""
    return tensor if tensor.ndim == 4 else tensor.view(-1, architecture["n_heads"], *tensor.shape[1:])  # noqa: PLR2004


# Linear maps.


def linear_map(projection: Any, read: str) -> tuple[Any, Any]:
    """Return a linear module's weight (out, in) and its bias (out,) or None, in float32.

    ``read`` says how, see `strace_widgets.model.architecture.Architecture`. A module whose weight is not there (a
    server's sandbox holds the modules without it, and others are on disk until they run) is always asked.
    """
    if read == "asked" or projection.weight.is_meta:
        return asked_map(projection, projection.input)
    weight, bias = projection.weight, getattr(projection, "bias", None)
    weight = weight.T if read == "transposed" else weight
    return weight.float(), None if bias is None else bias.float()


def asked_map(linear: Any, taken: Any) -> tuple[Any, Any]:
    """Return the weight (out, in) and bias (out,) of a linear module: what it answers to units like what it has taken.

    A unit is as large as the largest number that the module takes (..., in): one that rounds to a few bits then rounds
    nothing away, since every number that it sees is 0 or the largest. In half precision a bias would swallow the
    weights: there the unit is larger.
    """
    width = taken.shape[-1]
    with torch.no_grad():
        bias = linear(taken.new_zeros(1, width))[0].float()
        unit = taken.abs().max().clamp_min(1e-3)
        if taken.dtype in {torch.float16, torch.bfloat16} and bias.any():
            unit = torch.full_like(unit, 256.0)
        answers = linear(unit * torch.eye(width, dtype=taken.dtype, device=taken.device)).float()
        return (answers - bias).T / unit.float(), bias


class LinearNorm(NamedTuple):
    """A norm held fixed at an input: it centres, or not, and multiplies by a number a row and a number a column."""

    row: Any
    gain: Any
    centred: bool


def linearised(norm: Any, described: dict[str, Any], y: Any) -> LinearNorm:
    """Return a norm held fixed at an input y (T, M): ``row`` (T, 1), ``gain`` (M,) or 1."""
    row = normed(y.float(), described)[1]
    gain: Any = 1.0
    if described["gain"] == "asked" or (described["gain"] != "none" and norm.weight.is_meta):  # see `linear_map`
        gain = asked_gain(norm, described, y)
    elif described["gain"] != "none":
        gain = norm.weight.float() + (1.0 if described["gain"] == "1 + weight" else 0.0)
    return LinearNorm(row, gain, described["centred"])


def asked_gain(norm: Any, described: dict[str, Any], like: Any) -> Any:
    """Return the numbers (M,) with which a norm multiplies the columns: what it answers to ones of both signs."""
    signs = torch.ones_like(like[:1])
    signs[..., ::2] = -1
    answer, bias = norm(signs)[0].float(), norm_bias(norm, like)
    return (answer if bias is None else answer - bias) / normed(signs.float(), described)[0][0]


def normed(y: Any, described: dict[str, Any]) -> tuple[Any, Any]:
    """Return rows normalised without gain and bias, and the scalar of each row."""
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


def through_norm(vectors: Any, linear: LinearNorm) -> Any:
    """Pass vectors (..., M) through a linearised norm."""
    vectors = vectors.float()
    return (vectors - vectors.mean(-1, keepdim=True) if linear.centred else vectors) * linear.gain * linear.row
