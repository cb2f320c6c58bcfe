"""Find a model's parts by watching one short forward pass: who hands what to whom, and what adds up to the stream.

Every module below a layer is watched. The sublayer outputs that are added to the residual stream are those for which
``next stream = a * stream + b * output`` holds on the numbers, so that norms after a sublayer, residual multipliers,
mixtures of experts and blocks without an MLP module need no table of names.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import torch

from ..errors import UnsupportedArchitectureError
from .architecture import UNLIMITED, Architecture, Norm
from .attention_calls import describe_call, find_attention
from .first_pass import first_pass, run

INDEPENDENT = 1e-3
"""The smallest singular value at which directions count as several: of one direction twice it is a rounding error."""


@dataclass(eq=False)
class Call:
    """One module's call: its path below the layer (or the model), first input and first output as (T, width)."""

    path: str
    module: Any
    input: Any
    output: Any
    in_tuple: bool


@dataclass
class Watched:
    """One layer's forward pass: the stream before and after, and its modules' calls in order of completion."""

    before: Any = None
    after: Any = None
    in_tuple: bool = False
    calls: list[Call] = field(default_factory=list)


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
    """
    name = type(module).__name__
    seen = first_pass(module, name)
    layers_path, attention_path = find_attention(module, name, seen.runs)
    layers = list(module.get_submodule(layers_path))
    watched, final = watch(module, layers_path, len(layers), seen.keywords)
    first = describe_layer(watched[0], attention_path, f"layer 0 of {name}")
    for index, layer in enumerate(watched[1:], start=1):
        other = describe_layer(layer, attention_path, f"layer {index} of {name}")
        different = sorted(key for key in first if first[key] != other[key] and not key.endswith("_scale"))
        if different:
            raise UnsupportedArchitectureError(
                f"{name} is not supported: layer {index} differs from layer 0 in {', '.join(different)}."
            )
    final_norm = find_final_norm(final, watched[-1].after, name)
    if first["closing_norm"] is not None:
        if final_norm is not None:
            raise UnsupportedArchitectureError(f"{name} is not supported: two norms follow the last layer's MLP.")
        closing = first["closing_norm"]
        final_norm = replace(closing, path=f"{layers_path}.{len(layers) - 1}.{closing.path}")
    elif final_norm is not None and seen.runs[final_norm.path] > 1:
        raise UnsupportedArchitectureError(
            f"{name} is not supported: {final_norm.path!r}, its final norm, runs elsewhere in the pass, too."
        )
    return Architecture(
        name=name,
        layers=layers_path,
        head=head_of(module, seen.runs),
        attention=attention_path,
        final_norm=final_norm,
        n_layers=len(layers),
        n_heads=heads_of(module.config),
        context=context_of(module.config),
        **describe_call(wrapped, module, f"{layers_path}.0.{attention_path}", seen.keywords),
        keywords=seen.keywords,
        **first,
    )


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


def watch(module: Any, layers_path: str, n_layers: int, keywords: dict[str, Any]) -> tuple[list[Watched], list[Call]]:
    """Run four tokens through the model; return what happened in each layer, and after the layers."""
    layers = [Watched() for _ in range(n_layers)]
    after_layers: list[Call] = []
    hooks = []

    def watch_part(path: str, calls: list[Call]) -> Any:
        def hook(part: Any, args: Any, kwargs: Any, output: Any) -> None:
            taken, given = _first_tensor((*args, *kwargs.values())), _first_tensor(output)
            if taken is not None and given is not None:
                calls.append(Call(path, part, _flat(taken), _flat(given), not torch.is_tensor(output)))

        return hook

    def watch_layer(record: Watched) -> Any:
        def hook(_: Any, args: Any, kwargs: Any, output: Any) -> None:
            after_layers.clear()
            record.before = _flat(_first_tensor((*args, *kwargs.values())))
            record.after, record.in_tuple = _flat(_first_tensor(output)), not torch.is_tensor(output)

        return hook

    for path, part in module.named_modules():
        inside, _, below = path.removeprefix(f"{layers_path}.").partition(".")
        if path.startswith(f"{layers_path}.") and inside.isdecimal():
            record = layers[int(inside)]
            hook = watch_part(below, record.calls) if below else watch_layer(record)
        elif path and not layers_path.startswith(path):
            hook = watch_part(path, after_layers)
        else:
            continue
        hooks.append(part.register_forward_hook(hook, with_kwargs=True))
    try:
        run(module, keywords)
    finally:
        for registered in hooks:
            registered.remove()
    return layers, after_layers


def describe_layer(layer: Watched, attention_path: str, where: str) -> dict[str, Any]:
    """Return the parts of one layer by the names of `Architecture`."""
    counts = Counter(call.path for call in layer.calls)
    calls = [call for call in layer.calls if counts[call.path] == 1]
    if layer.calls and not calls:
        raise UnsupportedArchitectureError(f"{where} runs several times in one pass, so it is several layers at once.")
    projection = _output_projection(calls, attention_path, where)
    start = calls.index(projection)
    found, closing = _sums(layer, calls, start), None
    if found is None:
        closing = next((c for c in reversed(calls) if torch.equal(c.output, layer.after) and c is not projection), None)
        if closing is not None and closing.input.shape == layer.after.shape:
            found = _sums(replace(layer, after=closing.input), calls, start)
    if not found:
        raise UnsupportedArchitectureError(
            f"{where}: no two of its outputs add up with the residual stream to the next layer's input, so its edges "
            "would not sum to its nodes."
        )
    write = found.pop("attention_write")
    inside = [c for c in calls[:start] if c.path.startswith(f"{attention_path}.") and not _is_linear(c.module)]
    inner = [c for c in inside if c.input.shape == c.output.shape]
    between = calls[start + 1 : calls.index(write) + 1]
    return {
        **found,
        "output_projection": projection.path,
        "transposed_projection": type(projection.module).__name__ == "Conv1D",
        "attention_write": write.path,
        "attention_write_in_tuple": write.in_tuple,
        "layer_in_tuple": layer.in_tuple,
        "inner_norm": next((_norm(c, where) for c in inner if _equal(c.output, projection.input)), None),
        "outer_norm": next((_norm(c, where) for c in between if not _equal(c.output, projection.output)), None),
        "closing_norm": None if closing is None else _norm(closing, where),
    }


def _output_projection(calls: list[Call], attention_path: str, where: str) -> Call:
    """Return the call of the linear map from the heads to the stream: the attention's last."""
    inside = [call for call in calls if call.path.startswith(f"{attention_path}.") and _is_linear(call.module)]
    if not inside:
        raise UnsupportedArchitectureError(f"{where}: the attention has no linear map from its heads to the stream.")
    whole = next((call for call in calls if call.path == attention_path), None)
    outside = [call for call in calls if not call.path.startswith(f"{attention_path}.") and _is_linear(call.module)]
    for call in outside:
        if whole is not None and call.input is not whole.input and torch.equal(call.input, whole.output):
            raise UnsupportedArchitectureError(
                f"{where}: {call.path!r}, the linear map from the heads to the stream, is not a part of the attention "
                f"{attention_path!r}, where it is looked for."
            )
    return inside[-1]


def _sums(layer: Watched, calls: list[Call], start: int) -> dict[str, Any] | None:
    """Return what adds up to the stream; a sum that holds to the last bit is the block's own, so it goes first."""
    return (
        _sequential(layer, calls, start, _sum_exactly)
        or _sequential(layer, calls, start, _fit)
        or _parallel(layer, calls, start)
    )


def _sequential(layer: Watched, calls: list[Call], start: int, fit: Any) -> dict[str, Any] | None:
    """Look for a stream between attention and MLP that a module reads and that is the sum of two outputs."""
    residuals = [_stream(layer.before), *calls[:start]]
    for reader, residual in product(range(start + 1, len(calls)), residuals):
        middle = calls[reader].input
        for attention in calls[start:reader]:
            scales = fit(middle, residual.output, attention.output)
            if scales is None:
                continue
            # The reader may complete late (an MLP reads first and completes last), so look at all completed after it.
            after_attention = calls[calls.index(attention) + 1 :]
            for mlp_residual, mlp in product([_stream(middle), *after_attention], reversed(after_attention)):
                mlp_scales = fit(layer.after, mlp_residual.output, mlp.output)
                if mlp_scales is not None:
                    return _found(attention, residual, scales, mlp, mlp_residual, mlp_scales, parallel=False)
    return None


def _parallel(layer: Watched, calls: list[Call], start: int) -> dict[str, Any] | None:
    """Look for two outputs that are added to the stream together."""
    for attention, mlp in product(calls[start:], reversed(calls[start:])):
        if calls.index(mlp) > calls.index(attention):
            scales = _fit(layer.after, layer.before, attention.output, mlp.output)
            if scales is not None:
                stream, mlp_scales = _stream(layer.before), [1.0, scales[2]]
                return _found(attention, stream, scales, mlp, stream, mlp_scales, parallel=True)
    return None


def _stream(tensor: Any) -> Call:
    """Return the residual stream itself in the form of a call without a module."""
    return Call("", None, None, tensor, in_tuple=False)


def _found(
    attention: Call,
    residual: Call,
    scales: list[float],
    mlp: Call,
    mlp_residual: Call,
    mlp_scales: list[float],
    *,
    parallel: bool,
) -> dict[str, Any]:
    return {
        "attention_write": attention,
        "attention_residual": residual.path or None,
        "attention_residual_scale": scales[0],
        "attention_scale": scales[1],
        "mlp_write": mlp.path,
        "mlp_write_in_tuple": mlp.in_tuple,
        "mlp_residual": mlp_residual.path or None,
        "mlp_residual_scale": mlp_scales[0],
        "mlp_scale": mlp_scales[1],
        "parallel": parallel,
    }


def find_final_norm(calls: list[Call], last: Any, name: str) -> Norm | None:
    """Return the norm that reads the last layer's output, or None where the head reads it directly."""
    for call in calls:
        if call.output.shape == last.shape and call.input.shape == last.shape and _equal(call.input, last):
            return _norm(call, f"the final norm of {name}")
    return None


def _norm(call: Call, where: str) -> Norm:
    """Return which norm reproduces a module's output from its input."""
    weight, bias = (getattr(call.module, name, None) for name in ("weight", "bias"))
    gains = {"none": 1.0} if weight is None else {"weight": weight.double(), "1 + weight": 1 + weight.double()}
    names = ("variance_epsilon", "eps", "epsilon", "norm_eps")
    epsilon = next((float(getattr(call.module, e)) for e in names if getattr(call.module, e, None) is not None), 1e-5)
    fits = call.input.shape == call.output.shape and (weight is None or weight.shape == call.input.shape[-1:])
    found = []
    for centred, (gain_name, gain) in product((False, True), gains.items() if fits else ()):
        y = call.input.double()
        y = y - y.mean(-1, keepdim=True) if centred else y
        normed = y * torch.rsqrt(y.pow(2).mean(-1, keepdim=True) + epsilon) * gain
        value = (normed + (0.0 if bias is None else bias.double())).detach()
        if _equal(value, call.output):
            missed = float((value - call.output).square().mean())
            found.append((missed, Norm(call.path, centred, gain_name, epsilon)))
    if found:  # in half precision several may be: a weight of 100 is within rounding of 1 + weight
        return min(found, key=lambda each: each[0])[1]
    raise UnsupportedArchitectureError(
        f"{where}: {call.path!r} ({type(call.module).__name__}) stands between the heads and the stream or the "
        "prediction, and is no RMSNorm or LayerNorm that could be linearised."
    )


def _sum_exactly(target: Any, *parts: Any) -> list[float] | None:
    """Return factors of 1 where the parts sum to the target to the last bit."""
    if any(part.shape != target.shape or part.dtype != target.dtype for part in parts):
        return None
    return [1.0] * len(parts) if torch.equal(sum(parts[1:], start=parts[0]), target) else None


def _fit(target: Any, *parts: Any) -> list[float] | None:
    """Return the factors with which the parts sum to the target, 1 where they are 1, or None where they do not."""
    if any(part.shape != target.shape for part in parts):
        return None
    columns = torch.stack([part.double().flatten() for part in parts], dim=1)
    if _along_each_other(columns):
        return None
    factors = torch.linalg.lstsq(columns, target.double().flatten()[:, None]).solution[:, 0]
    close = 10 * _tolerance(target)
    if (factors.abs() < close).any() or not _equal((columns @ factors).view_as(target), target):
        return None
    # A multiplier is a short decimal number in a configuration; what follows its sixth digit is rounding.
    return [1.0 if abs(factor - 1) < close else float(f"{factor:.6g}") for factor in factors.tolist()]


def _along_each_other(columns: Any) -> bool:
    """Tell whether one part is a multiple of others: then any factors would do, and none would mean anything."""
    directions = columns / columns.norm(dim=0).clamp_min(1e-30)
    return bool(torch.linalg.eigvalsh(directions.T @ directions)[0] < INDEPENDENT**2)


def _equal(value: Any, truth: Any) -> bool:
    """Tell whether two tensors are equal up to rounding, row by row, since one token's stream may dwarf the others'."""
    if value.shape != truth.shape:
        return False
    gap = (value.double() - truth.double()).abs().amax(-1)
    return bool((gap <= _tolerance(truth) * truth.double().abs().amax(-1).clamp_min(1e-30)).all())


def _tolerance(tensor: Any) -> float:
    """Return the relative gap at which two tensors of the watched pass count as equal."""
    return 1e-5 if tensor.dtype in {torch.float32, torch.float64} else 1e-2


def _is_linear(part: Any) -> bool:
    weight = getattr(part, "weight", None)
    return weight is not None and weight.ndim == 2 and not isinstance(part, torch.nn.Embedding)  # noqa: PLR2004


def _first_tensor(values: Any) -> Any:
    """Return the first hidden state among inputs or outputs: a floating-point tensor of at least two axes."""
    if torch.is_tensor(values):
        values = (values,)
    if hasattr(values, "to_tuple"):
        values = values.to_tuple()
    if not isinstance(values, (tuple, list)):
        return None
    return next((v for v in values if torch.is_tensor(v) and v.is_floating_point() and v.ndim >= 2), None)  # noqa: PLR2004


def _flat(tensor: Any) -> Any:
    """Return (1, T, ...) or (T, ...) as (T, width)."""
    # A copy: some blocks go on to add to it in place.
    tensor = tensor.detach().clone()
    return tensor.reshape(4, -1) if tensor.numel() % 4 == 0 and tensor.ndim > 1 else tensor
