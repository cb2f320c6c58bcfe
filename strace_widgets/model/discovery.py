"""Find a model's parts by watching one short forward pass: who hands what to whom, and what adds up to the stream.

Every module below a layer is watched. The sublayer outputs that are added to the residual stream are those for which
``next stream = a * stream + b * output`` holds on the numbers, so that norms after a sublayer, residual multipliers,
mixtures of experts and blocks without an MLP module need no table of names.
"""

from __future__ import annotations

import inspect
import re
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from itertools import product
from typing import Any

import torch

from ..errors import UnsupportedArchitectureError
from ..interventions.access import asked_gain, norm_bias, normed
from .architecture import ATTENTION_CALLS, Architecture, AttentionCall, Norm
from .closeness import doubled, equal, tolerance
from .finite import check_watched
from .matrices import arithmetic, holds_matrix, how_read, plain_weight
from .placement import token_device


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


def inspect_model(module: Any, operations: Any) -> Architecture:
    """Describe a Hugging Face causal language model.

    Parameters
    ----------
    module : torch.nn.Module
        In eager attention and evaluation mode.
    operations : callable
        Given the path of a module, returns the names of the operations in its source.

    Raises
    ------
    UnsupportedArchitectureError
        When a part cannot be found; names the model class, the layer and the part.
    NonFiniteError
        When a number on the way is not finite; says where the first of them arises.
    """
    name = type(module).__name__
    layers_path, attention_path, call = find_attention(module, name)
    layers = list(module.get_submodule(layers_path))
    watched, final = watch(module, layers_path, len(layers))
    check_watched(module, attention_path, watched, final)
    found = [describe_layer(layer, attention_path, f"layer {index} of {name}") for index, layer in enumerate(watched)]
    first = found[0]
    for index, other in enumerate(_read_alike(found)):
        different = sorted(key for key in first if first[key] != other[key] and not key.endswith("_scale"))
        if different:
            raise UnsupportedArchitectureError(
                f"{name} is not supported: layer {index} differs from layer 0 in {', '.join(different)}."
            )
    calls = [o for o in operations(f"{layers_path}.0.{attention_path}") if o.startswith(call.operation)]
    config = module.config.get_text_config()
    inside = [(f"{layers_path}.{index}.", layer.calls) for index, layer in enumerate(watched)]
    parts = [
        (before + call.path, call.module, call.input, call.output)
        for before, calls_of in [*inside, ("", final)]
        for call in calls_of
    ]
    return Architecture(
        name=name,
        layers=layers_path,
        attention=attention_path,
        attention_call=calls[-1],
        value_argument=call.value_argument,
        heads_first=call.heads_first,
        final_norm=find_final_norm(final, watched[-1].after, name),
        n_layers=len(layers),
        n_heads=config.num_attention_heads,
        context=config.max_position_embeddings,
        **asdict(arithmetic(parts, first["output_projection"])),
        **first,
    )


def _read_alike(layers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Let a part that has to be asked in one layer be asked in all: some may be packed, or have an adapter, alone."""
    if any(layer["projection_read"] == "asked" for layer in layers):
        for layer in layers:
            layer["projection_read"] = "asked"
    for key in ("inner_norm", "outer_norm"):
        if any(layer[key] is not None and layer[key].gain == "asked" for layer in layers):
            for layer in layers:
                layer[key] = None if layer[key] is None else replace(layer[key], gain="asked")
    return layers


def find_attention(module: Any, name: str) -> tuple[str, str, AttentionCall]:
    """Return the path of the list of layers, that of the attention below each layer, and the call that computes it."""
    calls = {path: call for path, part in module.named_modules() if (call := _attention_call(part)) is not None}
    paths = list(calls)
    if not paths:
        raise UnsupportedArchitectureError(
            f"{name} is not supported: no module of it computes softmax attention through a call that can be reached "
            "(Hugging Face's shared `attention_interface`, or `_attn`), so its attention probabilities cannot be read."
        )
    layers_path, _, rest = re.sub(r"\.\d+\.", "\n", paths[0], count=1).partition("\n")
    layers = module.get_submodule(layers_path)
    if not rest or not isinstance(layers, torch.nn.ModuleList):
        raise UnsupportedArchitectureError(f"{name} is not supported: {paths[0]!r} is not in a list of layers.")
    for index, layer in enumerate(layers):
        if f"{layers_path}.{index}.{rest}" not in paths:
            parts = ", ".join(type(part).__name__ for part in layer.children())
            raise UnsupportedArchitectureError(
                f"{name} is not supported: layer {index} has no softmax attention (it holds {parts}), and only "
                "attention probabilities can be told apart by source token."
            )
    return layers_path, rest, calls[paths[0]]


def _attention_call(part: Any) -> AttentionCall | None:
    try:
        source = inspect.getsource(type(part).forward)
    except (OSError, TypeError):
        return None
    fitting = (call for call in ATTENTION_CALLS if not call.flag or getattr(part, call.flag, False))
    return next((call for call in fitting if call.source in source), None)


def watch(module: Any, layers_path: str, n_layers: int) -> tuple[list[Watched], list[Call]]:
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
        with torch.no_grad():
            module(torch.arange(1, 5, device=token_device(module))[None], use_cache=False)
    finally:
        for registered in hooks:
            registered.remove()
    return layers, after_layers


def describe_layer(layer: Watched, attention_path: str, where: str) -> dict[str, Any]:
    """Return the parts of one layer by the names of `Architecture`."""
    counts = Counter(call.path for call in layer.calls)
    calls = _outer([call for call in layer.calls if counts[call.path] == 1])
    inside = [call for call in calls if call.path.startswith(f"{attention_path}.") and holds_matrix(call.module)]
    if not inside:
        raise UnsupportedArchitectureError(f"{where}: the attention has no linear map from its heads to the stream.")
    projection = _outermost(inside[-1], calls, attention_path)
    start = calls.index(projection)
    # A sum that holds to the last bit is the block's own; others are looked for only where there is none.
    found = (
        _sequential(layer, calls, start, _sum_exactly)
        or _sequential(layer, calls, start, _fit)
        or _parallel(layer, calls, start)
    )
    if found is None:
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
        "inner_norm": next((_norm(c, where) for c in inner if equal(c.output, projection.input)), None),
        "outer_norm": next((_norm(c, where) for c in between if not equal(c.output, projection.output)), None),
    }


def _outer(calls: list[Call]) -> list[Call]:
    """Leave out modules inside another that takes and gives the same: it may hold others, and switch between them."""

    def stands_for(outer: Call, inner: Call) -> bool:
        return (
            inner.path.startswith(f"{outer.path}.")
            and all(a.shape == b.shape for a, b in ((outer.input, inner.input), (outer.output, inner.output)))
            and torch.equal(outer.input, inner.input)
            and torch.equal(outer.output, inner.output)
        )

    return [inner for inner in calls if not any(stands_for(outer, inner) for outer in calls)]


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
    for call in _outer(calls):
        if call.output.shape == last.shape and call.input.shape == last.shape and equal(call.input, last):
            return _norm(call, f"the final norm of {name}")
    return None


def _norm(call: Call, where: str) -> Norm:
    """Return which norm reproduces a module's output from its input."""
    held, taken = getattr(call.module, "weight", None), call.input
    fits = taken.shape == call.output.shape and (held is None or getattr(held, "shape", None) == taken.shape[-1:])
    names = ("variance_epsilon", "eps", "epsilon", "norm_eps")
    epsilon = next((float(getattr(call.module, e)) for e in names if getattr(call.module, e, None) is not None), 1e-5)
    plain = plain_weight(call.module)
    gains: dict[str, Any] = {} if plain is None else {"weight": doubled(plain), "1 + weight": 1 + doubled(plain)}
    gains |= {"none": 1.0} if held is None else {"asked": None}
    found: list[tuple[float, Norm]] = []
    for (name, gain), centred in product(gains.items() if fits else (), (False, True)):
        if name == "asked" and found:
            break
        norm = Norm(call.path, centred, name, epsilon)
        with torch.no_grad():
            factors = asked_gain(call.module, asdict(norm), taken) if name == "asked" else gain
            bias = norm_bias(call.module, taken)
        value = normed(doubled(taken), asdict(norm))[0] * (doubled(factors) if torch.is_tensor(factors) else factors)
        value = value + (0.0 if bias is None else doubled(bias))
        if equal(value, call.output):
            found.append((float((value - doubled(call.output)).square().mean()), norm))
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
    columns = torch.stack([doubled(part).flatten() for part in parts], dim=1)
    factors = torch.linalg.lstsq(columns, doubled(target).flatten()[:, None]).solution[:, 0]
    close = 10 * tolerance(target)
    if (factors.abs() < close).any() or not equal((columns @ factors).view_as(target), target):
        return None
    # A multiplier is a short decimal number in a configuration; what follows its sixth digit is rounding.
    return [1.0 if abs(factor - 1) < close else float(f"{factor:.6g}") for factor in factors.tolist()]


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
    """View (1, T, ...) or (T, ...) as (T, width)."""
    return tensor.detach().reshape(4, -1) if tensor.numel() % 4 == 0 and tensor.ndim > 1 else tensor.detach()
