"""Programs that reproduce what is on screen: a few lines with this package, and the whole of it with nnsight alone."""

from __future__ import annotations

import base64
import inspect
import zlib
from typing import TYPE_CHECKING

import numpy as np

from ..graph.edges import size_of

if TYPE_CHECKING:
    from ..model.model import Model
    from ..results.strace import STrace

WIDTH = 100


def programs(trace: STrace, n_edges: int, toggles: dict[str, str], masks: str) -> dict[str, str]:
    """Return ``{"strace_widgets": program, "nnsight": program}`` for the subgraph of a size and set of toggles."""
    return {
        "strace_widgets": with_this_package(trace, n_edges, toggles, masks),
        "nnsight": with_nnsight(trace, n_edges, toggles, masks),
    }


def note(model: Model) -> str:
    """Return what the programs need besides themselves, in a sentence; empty where that is nothing."""
    if model.server:
        return f"The model runs on {model.server.url}, with the API key of this machine if it wants one."
    return "" if model.source else "Define my_model first: the model that you hold."


def with_this_package(trace: STrace, n_edges: int, toggles: dict[str, str], masks: str) -> str:
    """Return the short program."""
    modes = "" if masks == "all" else f", masks={masks!r}"
    options = "".join(f", {name}={value!r}" for name, value in trace.options.items())
    return f"""import strace_widgets as sw

{_loaded(trace.model)}
trace = sw.trace(model, {trace.token_ids.tolist()}, importance={trace.importance!r}{options})  # {trace.prompt!r}
sweep = trace.evaluate([{size_of(n_edges, trace.n_edges)!r}], toggles={toggles!r}{modes})
print("TV", sweep.total_variation[0])
for token in sweep.top[0]:
    print(f"{{token.probability:.4f}} {{token.token!r}}")
"""


def with_nnsight(trace: STrace, n_edges: int, toggles: dict[str, str], masks: str) -> str:
    """Return the long program: the mask spelled out, and the interventions of one masked pass."""
    a = trace.model.architecture
    mask = trace.mask(size_of(n_edges, trace.n_edges), toggles)
    bits = np.packbits(np.concatenate([kind.ravel() for kind in mask]))
    packed = base64.b64encode(zlib.compress(bits.tobytes(), 9)).decode()
    lines = "\n".join(f'    "{packed[at : at + WIDTH]}"' for at in range(0, len(packed), WIDTH))
    run = _where(trace.model)
    token = "model.tokenizer.decode([int(token)])" if trace.model.source else "int(token)"
    return f"""# {mask.n_kept:,} of {trace.n_edges:,} edges of {trace.prompt!r}; 1 bit an edge below.
import base64, zlib

import numpy as np
import torch
{_loaded_by_nnsight(trace.model)}
token_ids = torch.tensor([{trace.token_ids.tolist()}])
L, H, T = {a.n_layers}, {a.n_heads}, {len(trace.tokens)}
packed = (
{lines}
)
bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8))[: L * H * T * T + 3 * L * T]
keep = torch.from_numpy(bits).to(torch.{trace.model.dtype})
attention, attention_residual, mlp, mlp_residual = keep.split([L * H * T * T, L * T, L * T, L * T])
attention = attention.view(L, H, T, T)
attention_residual, mlp, mlp_residual = (kind.view(L, T, 1) for kind in (attention_residual, mlp, mlp_residual))

with torch.no_grad():
    with model.trace(token_ids, use_cache=False{run}):
        for index in range(L):
            layer = model.{a.layers}[index]
            stream = layer.input
{_indent(_layer(trace.model, masks))}
        logits = model.output.logits[0, -1].float().save()

    with model.trace(token_ids, use_cache=False{run}):
        full = model.output.logits[0, -1].float().save()

p, q = full.softmax(-1), logits.softmax(-1)
print("TV", (0.5 * (p - q).abs().sum()).item())
for probability, token in zip(*q.topk(10)):
    print(f"{{probability:.4f}} {{{token}!r}}")
"""


def _where(model: Model) -> str:
    if model.server:
        return f", remote={model.server.url!r}"
    return ', remote="local"' if model.simulated else ""


def _loaded(model: Model) -> str:
    if not model.source:
        return "model = sw.load_model(my_model)  # the model that you hold"
    return f"model = sw.load_model({model.source!r}{_where(model)})"


def _loaded_by_nnsight(model: Model) -> str:
    if not model.source:
        return """from nnsight import NNsight

module = getattr(my_model, "_module", my_model).eval()  # the model that you hold
module.set_attn_implementation("eager")
model = NNsight(module)"""
    if model.server:
        from ..interventions import access  # noqa: PLC0415 - a saved trace is shown without torch

        # Its kernel may keep the attention probabilities to itself.
        return f"""from typing import Any

from nnsight.modeling.transformers import TransformersModel

model = TransformersModel({model.source!r}, task="text-generation")


{inspect.getsource(access.attention_probabilities)}
"""
    return f"""from nnsight.modeling.transformers import TransformersModel

model = TransformersModel({model.source!r}, task="text-generation", dispatch=True,
                          attn_implementation="eager", dtype=torch.{model.dtype})"""


def _layer(model: Model, masks: str) -> list[str]:
    """Return the lines that mask one layer."""
    a = model.architecture
    heads = "heads" if a.heads_first else "heads.transpose(1, 2).contiguous()"
    probabilities = "attention_probabilities(call)" if model.server else "call.output[1]"
    attention = [
        f"call = layer.{a.attention}.source.{a.attention_call}",
        f"value = call.inputs[0][{a.value_argument}]",
        f"kept = {probabilities} * attention[index].to(stream)",
        "heads = kept @ value.repeat_interleave(H // value.shape[1], dim=1)",
        f"call.output = ({heads}, *call.output[1:])",
    ]
    residual = _carried("residual", a.attention_residual, a.attention_residual_scale, "stream")
    after_attention = [
        f"added = {_written(a.attention_write, a.attention_scale, in_tuple=a.attention_write_in_tuple)}",
        "added = added - (1 - attention_residual[index].to(stream)) * residual",
        *_rewritten(a.attention_write, "added", a.attention_scale, in_tuple=a.attention_write_in_tuple),
    ]
    mlp = [f"added = {_written(a.mlp_write, a.mlp_scale, in_tuple=a.mlp_write_in_tuple)} * mlp[index].to(stream)"]
    between = []
    if not a.parallel:
        between = ["stream = residual + added", *_carried("residual", a.mlp_residual, a.mlp_residual_scale, "stream")]
        mlp.append("added = added - (1 - mlp_residual[index].to(stream)) * residual")
    mlp += _rewritten(a.mlp_write, "added", a.mlp_scale, in_tuple=a.mlp_write_in_tuple)
    return [*residual, *(attention if masks == "all" else []), *after_attention, *between, *mlp]


def _carried(name: str, path: str | None, scale: float, stream: str) -> list[str]:
    source = stream if path is None else f"layer.{path}.output"
    return [f"{name} = {source}" + ("" if scale == 1 else f" * {scale!r}")]


def _written(path: str, scale: float, *, in_tuple: bool) -> str:
    output = f"layer.{path}.output{'[0]' if in_tuple else ''}.view_as(stream)"
    return output if scale == 1 else f"({output} * {scale!r})"


def _rewritten(path: str, value: str, scale: float, *, in_tuple: bool) -> list[str]:
    value = value if scale == 1 else f"{value} / {scale!r}"
    output = f"layer.{path}.output"
    if in_tuple:
        return [f"{output} = (({value}).view_as({output}[0]), *{output}[1:])"]
    return [f"{output} = ({value}).view_as({output})"]


def _indent(lines: list[str]) -> str:
    return "\n".join(" " * 12 + line for line in lines)
