"""Where the first value that is not finite arises, in a pass whose answer has shown that there is one.

The pass is run again, with the same arguments, and looked at step by step: this costs nothing as long as all is well.
"""

from __future__ import annotations

from typing import Any

import torch

from .access import find, first, predicted
from .block import walk
from .masked import masked_blocks
from .packing import marked

INFINITE, NOT_A_NUMBER = 1, 2
"""What is found at a step; 0 is finite."""


def whole_model(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    **run: Any,
) -> Any:
    """Run one forward pass of the model as it is, and return what `steps` returns."""
    found: Any = None
    with model.trace(token_ids, **architecture["keywords"], **run):
        layers = find(model, architecture["layers"])
        each = (block_as_it_is(layer, architecture) for layer in layers)
        found = marked(steps(model, architecture, layers, each), architecture).save()
    return found


def subgraphs(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    ranks: tuple[Any, ...],
    kept: Any,
    toggles: tuple[Any, ...],
    modes: dict[str, bool],
    states: bool = False,  # noqa: ARG001, FBT001, FBT002
    half: bool = False,  # noqa: ARG001, FBT001, FBT002
    means: Any = None,
    **run: Any,
) -> Any:
    """Run the pass of `strace_widgets.interventions.masked.evaluate` again, and return what `steps` returns."""
    found: Any = None
    with model.trace(token_ids.expand(len(kept), -1), **architecture["keywords"], **run):
        layers = find(model, architecture["layers"])
        blocks = masked_blocks(layers, architecture, ranks, kept, toggles, modes, means)
        found = marked(steps(model, architecture, layers, blocks), architecture).save()
    return found


def block_as_it_is(layer: Any, architecture: dict[str, Any]) -> tuple[Any, Any, Any]:
    """Return the three steps of a block, its heads read."""
    block = walk(layer, architecture)
    heads = next(block)
    heads.read()
    attention, mlp = block
    return heads, attention, mlp


def steps(model: Any, architecture: dict[str, Any], layers: Any, blocks: Any) -> Any:
    """Return what is found at each step of a pass.

    Returns
    -------
    (1 + 5 L + 2, B) int8 tensor
        The embeddings; of each layer the attention's values and probabilities, what it adds, the stream after it, what
        the MLP adds, the stream after it; the final norm; the unembedding.
    """
    found = [kind_of(layers[0].input)]
    for layer, (heads, attention, mlp) in zip(layers, blocks, strict=True):
        added = kind_of(attention.added)
        # Where no mask asked for the heads they were not read.
        found.append(torch.maximum(*[kind_of(each) for each in heads.known]) if heads.known else added)
        found += [added, kind_of(attention.node()), kind_of(mlp.added)]
        found.append(kind_of(first(layer.output, architecture["layer_in_tuple"])))
    last = kind_of(find(model, architecture["final_norm"]["path"]).output) if architecture["final_norm"] else found[-1]
    logits = predicted(model.output)[:, -1].float()
    # Minus infinity suppresses a token; where it suppresses all of them, their softmax is no number.
    unembedding = torch.maximum(kind_of(logits.clamp_min(-1.0)), kind_of(torch.softmax(logits, dim=-1)))
    return torch.stack([each.to(logits.device) for each in (*found, last, unembedding)])


def kind_of(values: Any) -> Any:
    """Return what each row (B, ...) of values holds, (B,) int8: 0, `INFINITE` or `NOT_A_NUMBER`."""
    rows = values.reshape(len(values), -1)
    nan, infinite = torch.isnan(rows).any(-1), torch.isinf(rows).any(-1)
    return torch.where(nan, NOT_A_NUMBER, torch.where(infinite, INFINITE, 0)).to(torch.int8)
