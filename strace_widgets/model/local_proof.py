"""Whether a model's masked runs may go by hooks: only where they are proved to say what nnsight's say."""

from __future__ import annotations

import inspect
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from ..graph.edges import Edges, Graph
from ..graph.modes import Modes
from ..graph.ranking import rank_edges
from ..graph.toggles import Toggles, parse
from ..interventions.access import find
from .discovery.matrices import width_taken
from .local_evaluation import evaluate
from .placement import BroughtWhenRun
from .reuse import Reuse
from .running import parts_of
from .tensors import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from .architecture import Architecture
    from .calls import Call, Runner

CLOSE = {"float64": 1e-8, "float32": 1e-3}
"""The largest difference of the two ways, relative to the length of what they say: deep models make rounding large.
3e-2 in half precision."""

CHOOSING = re.compile(
    r"""get_interface\(\s*self\.config\._attn_implementation|if self\.config\._attn_implementation != "eager":\s+"""
    r"""attention_interface[^=]*= ALL_ATTENTION_FUNCTIONS\[self\.config\._attn_implementation\]|"""
    r"""using_eager = self\.config\._attn_implementation == "eager\""""
)
"""How families choose their attention function. One that asks more of its name may do something else under ours, and on
long prompts alone."""

PROMPT = np.arange(1, 7)


def may_agree(wrapped: Any, architecture: Architecture) -> bool:
    """Tell whether there is any hope: attention by the shared call, modules that neither round nor come from elsewhere.

    Parameters
    ----------
    wrapped : nnsight model
    architecture : Architecture
    """
    if architecture.rounds or architecture.rows_apart or isinstance(wrapped, BroughtWhenRun):
        return False
    attention = type(find(find(wrapped._module, architecture.layers)[0], architecture.attention))
    asks = "_attn_implementation" in CHOOSING.sub("", inspect.getsource(inspect.unwrap(attention.forward)))
    return architecture.attention_call.startswith("attention_interface_") and not asks


def proved(model: Runner, run: Callable[[Call], Any]) -> bool:
    """Tell whether both ways give the same hidden states and logits, of each row, and neither fails.

    Parameters
    ----------
    model : Runner
    run : callable
        Runs a call on the machine at hand.
    """
    close, by_hooks = CLOSE.get(model.dtype, 3e-2), partial(evaluate, reuse=Reuse())
    try:
        for call in compared(model):
            answers = (unpacked(run(each)) for each in (call, call._replace(function=by_hooks)))
            truth, found = (np.where(np.isneginf(each), 0, each) for each in answers)  # which suppresses a token
            gaps, sizes = (np.linalg.norm(each.astype(np.float64), axis=1) for each in (found - truth, truth))
            if not (gaps < close * sizes).all():  # neither where a row is nothing, or no number
                return False
    except Exception:  # noqa: BLE001 - whatever the forward of a family raises when it is called in another way
        return False
    return True


def compared(model: Runner) -> list[Call]:
    """Return calls by nnsight whose rows are the model, and subgraphs that all say something.

    The first has toggles; in the second, attention is frozen and dropped edges carry means, which are random; others
    differ in a layer half-way up, so that the last can begin there.
    """
    a = model.architecture
    graph, random = Graph(a.n_layers, a.n_heads, len(PROMPT), a.parallel), np.random.default_rng(0)
    # Residual edges come first: where a stream hardly holds anything, rounding alone moves what a norm makes of it.
    first = (0, 1, 0, 1)
    weights = (
        np.where(there, random.random(there.shape) + early, 0).astype(np.float32)
        for there, early in zip(graph.exists(), first, strict=True)
    )
    ranks, n_edges = rank_edges(Edges(*weights), graph), graph.n_edges
    sizes = np.array([-1, n_edges // 2, n_edges // 5, min(2 * a.n_layers + 2, n_edges)])
    toggles = [
        Toggles(a.n_layers, a.n_heads),
        *(
            parse({f"{layer}.{part}": state for layer, part, state in drawn}, a.n_layers, a.n_heads)
            for drawn in (_drawn(random, a) for _ in sizes[1:])
        ),
    ]
    switched = model.sweeps(PROMPT, ranks, sizes, toggles, states=True)
    frozen = model.sweeps(PROMPT, ranks, sizes[1:3], modes=Modes(attention="frozen"), states=True)
    averaged = [call._replace(args=partial(_with_means, call, _means(model, random))) for call in frozen]
    off = parse({f"{a.n_layers // 2}.mlp": "off"}, a.n_layers, a.n_heads)
    in_turns = [call for each in (toggles[0], off) for call in model.sweeps(PROMPT, ranks, sizes[1:2], each)]
    return [*switched, *averaged, *in_turns]


def _means(model: Runner, random: np.random.Generator) -> list[Any]:
    """Return means at random, those of values alike for all heads, and at least as wide: see `reference_means`."""
    a, module = model.architecture, model.nnsight._module
    heads = max(width_taken(find(layer, a.output_projection)) for layer in find(module, a.layers))
    stream = module.config.get_text_config().hidden_size
    drawn = (random.normal(scale=0.1, size=(a.n_layers, 2, width)) for width in (heads, stream, stream, stream))
    values, *tokens = (torch.from_numpy(each.astype(np.float32)) for each in drawn)
    return [(each, torch.ones(())) for each in (values[:, None].expand(-1, a.n_heads, -1, -1), *tokens)]


def _drawn(random: np.random.Generator, architecture: Architecture) -> list[tuple[int, int | str, str]]:
    """Return some components at random, each with a state."""
    parts: list[int | str] = [*range(architecture.n_heads), "mlp"]
    layers = random.integers(architecture.n_layers, size=4)
    numbers = random.integers(len(parts), size=4)
    return [
        (int(layer), parts[part], state)
        for layer, part, state in zip(layers, numbers, ("on", "off", "on", "off"), strict=True)
    ]


def _with_means(call: Call, means: list[Any]) -> tuple[Any, ...]:
    return (*call.args()[:-1], means)


def untouched(module: Any) -> bool:
    """Tell whether a module runs as its classes say: what others have hooked into it may count on all positions."""
    for part in parts_of(module):
        for hook in (*part._forward_hooks.values(), *part._forward_pre_hooks.values()):
            if not getattr(hook, "__module__", "").startswith("transformers."):  # its own note what is asked for
                return False
        forward = part.__dict__.get("forward")
        if forward is not None and not type(forward).__module__.startswith("nnsight."):
            return False
    return True
