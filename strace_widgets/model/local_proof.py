"""Whether a model's masked runs may go by hooks: only where they are proved to say what nnsight's say."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from ..graph.edges import Array, Edges, Graph
from ..graph.ranking import rank_edges
from ..interventions.access import find
from .local_evaluation import evaluate
from .placement import BroughtWhenRun
from .tensors import unpacked

if TYPE_CHECKING:
    from collections.abc import Callable

    from .architecture import Architecture
    from .calls import Call

CLOSE = {"float64": 1e-10, "float32": 1e-5}
"""The largest difference of the two ways, relative to the largest number; 3e-2 in half precision."""

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


def masks(architecture: Architecture) -> tuple[Array, Edges, list[Array]]:
    """Return a prompt (T,), a random order of its edges, and sizes (K,) of each pass on which both ways are compared.

    The last pass keeps so little that whole layers are left out.
    """
    graph = Graph(architecture.n_layers, architecture.n_heads, len(PROMPT), architecture.parallel)
    random = np.random.default_rng(0)
    weights = (np.where(there, random.random(there.shape), 0).astype(np.float32) for there in graph.exists())
    n_edges = graph.n_edges
    sizes = [np.array([-1, n_edges // 2, n_edges // 10]), np.array([n_edges // 50])]
    return PROMPT, rank_edges(Edges(*weights), graph), sizes


def agree(run: Callable[[Call], Any], calls: list[Call], dtype: str) -> bool:
    """Tell whether both ways give the same hidden states for some calls, and neither fails.

    Parameters
    ----------
    run : callable
        Runs a call on the machine at hand.
    calls : list of Call
        Of `strace_widgets.interventions.masked.evaluate`.
    dtype : str
        The weights' number format.
    """
    close = CLOSE.get(dtype, 3e-2)
    try:
        for call in calls:
            truth, found = (unpacked(run(each)) for each in (call, call._replace(function=evaluate)))
            if not np.abs(found - truth).max() <= close * np.abs(truth).max():  # not where one is no number
                return False
    except Exception:  # noqa: BLE001 - whatever the forward of a family raises when it is called in another way
        return False
    return True


def untouched(module: Any) -> bool:
    """Tell whether a module runs as its classes say: what others have hooked into it may count on all positions."""
    for part in module.modules():
        for hook in (*part._forward_hooks.values(), *part._forward_pre_hooks.values()):
            if not getattr(hook, "__module__", "").startswith("transformers."):  # its own note what is asked for
                return False
        forward = part.__dict__.get("forward")
        if forward is not None and not type(forward).__module__.startswith("nnsight."):
            return False
    return True
