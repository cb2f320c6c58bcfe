"""Programs that reproduce what is on screen: a few lines with this package, and the whole of it with nnsight alone."""

from __future__ import annotations

import base64
import inspect
import pprint
import re
import zlib
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.edges import size_of
from ..graph.modes import Modes
from ..model.load_options import OF_THE_HUB
from . import code_question
from .code_options import loaded_as

if TYPE_CHECKING:
    from ..model.model import Model
    from ..model.shipped.models import Shipped
    from ..results.strace import STrace

WIDTH = 100

PARTS = (
    *("attention", "attention_call", "value_argument", "written_out", "heads_first", "n_heads", "parallel"),
    *("attention_residual", "attention_residual_scale", "mlp_residual", "mlp_residual_scale"),
    *("attention_write", "attention_write_in_tuple", "attention_scale"),
    *("mlp_write", "mlp_write_in_tuple", "mlp_scale"),
)
"""What the walk through a block reads of an `Architecture`."""


def programs(trace: STrace, n_edges: int, toggles: dict[str, str], modes: Modes) -> dict[str, str]:
    """Return ``{"strace_widgets": program, "nnsight": program}`` for the subgraph of a size and set of toggles."""
    return {
        "strace_widgets": with_this_package(trace, n_edges, toggles, modes),
        "nnsight": with_nnsight(trace, n_edges, toggles, modes),
    }


def note(model: Model) -> str:
    """Return what the programs need besides themselves, in a sentence; empty where that is nothing."""
    missing = loaded_as(model).missing
    needed = f"Define {' and '.join(missing)} first: what the model was loaded with." if missing else ""
    if model.server:
        where = f"The model runs on {model.server.url}, with the API key of this machine if it wants one."
        return f"{where} {needed}".rstrip()
    return needed if model.source else "Define my_model first: the model that you hold."


def with_this_package(trace: STrace, n_edges: int, toggles: dict[str, str], modes: Modes) -> str:
    """Return the short program."""
    usual = asdict(Modes())
    given = _arguments({name: value for name, value in asdict(modes).items() if value != usual[name]})
    figure = 'print("f", sweep.faithfulness[0])\n' if trace.contrast.target else ""
    return f"""import strace_widgets as sw

{_loaded(trace.model)}
{_about(trace)}{_traced(trace)}
sweep = trace.evaluate([{size_of(n_edges, trace.n_edges)!r}], toggles={toggles!r}{given})
print("TV", sweep.total_variation[0])
{figure}for token in sweep.top[0]:
    print(f"{{token.probability:.4f}} {{token.token!r}}")
"""


def _traced(trace: STrace) -> str:
    """Return the lines that make the trace again."""
    refined = trace.refined
    start = refined.start if refined else ""
    importance, options = (start, {}) if start else (trace.importance, trace.options)
    prompt = repr(trace.prompt) if _is_read_from_its_text(trace) else repr(trace.token_ids.tolist())
    words = "" if prompt == repr(trace.prompt) else f"  # {trace.prompt!r}"
    asked = _arguments(code_question.arguments(trace))
    lines = [f"trace = sw.trace(model, {prompt}, importance={importance!r}{_arguments(options)}{asked}){words}"]
    further = refined.refinements[0 if start else 1 :] if refined else ()
    lines += [f"trace = trace.refine({_arguments(each.options())[2:]})" for each in further]
    return "\n".join(lines)


def _is_read_from_its_text(trace: STrace) -> bool:
    """Tell whether the prompt's text gives the very same token ids again."""
    if trace.origin.given != "text" or not trace.origin.special_tokens or trace.model.tokenizer is None:
        return False
    return bool(np.array_equal(trace.model.encode(trace.prompt), trace.token_ids))


def _arguments(options: dict[str, Any]) -> str:
    return "".join(f", {name}={value!r}" for name, value in options.items())


def with_nnsight(trace: STrace, n_edges: int, toggles: dict[str, str], modes: Modes) -> str:
    """Return the long program: the mask bit by bit, and the very functions that run it here."""
    model, a = trace.model, trace.model.architecture
    mask = trace.mask(size_of(n_edges, trace.n_edges), toggles)
    bits = np.packbits(np.concatenate([kind.ravel() for kind in mask]))
    packed = base64.b64encode(zlib.compress(bits.tobytes(), 9)).decode()
    lines = "\n".join(f'    "{packed[at : at + WIDTH]}"' for at in range(0, len(packed), WIDTH))
    parts = {key: value for key, value in a.plain().items() if key in PARTS}
    kept = "kinds[0].view(L, 1, H, T, T)" if modes.masks == "all" else "[None] * L"
    run = "".join(f", {name}={value!r}" for name, value in a.keywords.items() if name == "use_cache") + _where(model)
    token = "model.tokenizer.decode([int(token)])" if model.source and model.tokenizer else "int(token)"
    asked = code_question.Written(trace.contrast, modes, run, a.layers)
    return f"""# {mask.n_kept:,} of {trace.n_edges:,} edges of {trace.prompt!r}; 1 bit an edge below.
{_about(trace)}from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
{_loaded_by_nnsight(model)}
# Where the parts of a layer are.
architecture = {pprint.pformat(parts, width=WIDTH, sort_dicts=False)}

token_ids = torch.tensor([{trace.token_ids.tolist()}])
L, H, T = {a.n_layers}, {a.n_heads}, {len(trace.tokens)}
packed = (
{lines}
)
bits = np.unpackbits(np.frombuffer(zlib.decompress(base64.b64decode(packed)), np.uint8))[: L * H * T * T + 3 * L * T]
kinds = torch.from_numpy(bits).bool().split([L * H * T * T, L * T, L * T, L * T])
# Which edges are kept: attention, attention residual, MLP, MLP residual.
keep = [{kept}, *(kind.view(L, 1, T) for kind in kinds[1:])]
{asked.rows}

{(chr(10) * 2).join(map(_source, _functions()))}

with torch.no_grad():
{asked.masked_run("keep", "logits")}
    with model.trace(token_ids{run}):
        full = predicted(model.output)[0, -1].float().save()
{asked.empty_run}
p, q = full.softmax(-1), logits.softmax(-1)
print("TV", (0.5 * (p - q).abs().sum()).item())
{asked.figure}for probability, token in zip(*q.topk(10)):
    print(f"{{probability:.4f}} {{{token}!r}}")
"""


def _about(trace: STrace) -> str:
    """Return how the prompt became token ids, as lines of comments."""
    return "".join(f"# {text}\n" for text in (trace.origin.note, trace.origin.warning) if text)


def _functions() -> list[Any]:
    """Return what runs a block under masks, and what it calls."""
    from ..interventions import access, block, masked  # noqa: PLC0415 - a saved trace is shown without torch

    return [
        *(access.find, access.first, access.predicted),
        *(access.attention_operation, access.attention_call, access.attention_value),
        *(access.attention_probabilities, access.by_head),
        *(block.Heads, block.Addition, block.walk, block.residual_past, block.addition, block.sublayer_module),
        *(masked.mask_block, masked.mask_heads, masked.mask_residual, masked.mask_mlp, masked.dropped),
        *(masked.carried, masked.at_positions),
    ]


def _where(model: Model) -> str:
    if model.server:
        return f", remote={model.server.url!r}"
    return ', remote="local"' if model.simulated else ""


def _loaded(model: Model) -> str:
    if not model.source:
        return "model = sw.load_model(my_model)  # the model that you hold"
    options = loaded_as(model)
    needed = "import torch\n\n" if options.needs_torch else ""
    shipped, default = _unpacked(model)
    name = repr(shipped.hub_id if shipped else model.source)
    given = f"{name}{_where(model)}{options.arguments()}"
    return f"{needed}model = sw.load_model({'' if given == repr(default.hub_id) else given})"


def _unpacked(model: Model) -> tuple[Shipped | None, Shipped]:
    """Return the shipped model that a model was unpacked from, if it was, and the default one."""
    from ..model.shipped import models  # noqa: PLC0415 - a saved trace is shown without what reads models

    return models.unpacked_in(model.source), models.DEFAULT


def _loaded_by_nnsight(model: Model) -> str:
    if not model.source:
        return """from nnsight import NNsight

module = getattr(my_model, "_module", my_model).eval()  # the model that you hold
module.set_attn_implementation("eager")
model = NNsight(module)
"""
    options = loaded_as(model)
    if model.server:
        revision = options.arguments(("revision",))
        return f"""from nnsight.modeling.transformers import TransformersModel

model = TransformersModel({model.source!r}, task="text-generation"{revision})
"""
    settings = {"dtype": "torch.float32", "attn_implementation": "'eager'"} | options.values
    how = "".join(f", {name}={value}" for name, value in settings.items() if name != "tokenizer")
    unpacked, _ = _unpacked(model)
    about = f"# Unpacked here by strace_widgets: {unpacked.hub_id}, {unpacked.weights}.\n" if unpacked else ""
    lines = f"""from transformers import AutoModelForCausalLM, AutoTokenizer

{about}module = AutoModelForCausalLM.from_pretrained({model.source!r}{how})
"""
    if model.tokenizer is None:
        return f"from nnsight import NNsight\n{lines}model = NNsight(module)\n"
    of_the_hub = options.arguments(OF_THE_HUB)
    read = f"AutoTokenizer.from_pretrained({model.source!r}{of_the_hub})"
    return f"""from nnsight.modeling.transformers import TransformersModel
{lines}tokenizer = {options.values.get("tokenizer", read)}
model = TransformersModel(module, tokenizer=tokenizer, task="text-generation")
"""


def _source(function: Any) -> str:
    """Return a function as it is written here, without the marks that only this package's linters read."""
    return re.sub(r"  # (noqa|type: ignore).*", "", inspect.getsource(function))
