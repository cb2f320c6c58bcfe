"""Score every edge in one forward pass, or return what every edge carries.

What an edge carries factors: ``A[h, t, s] r[t] u[h, s]``, an attention probability, a scalar of the target (1, or that
of a linearised norm), and a vector of the source alone; so the (T, T, H, d) tensor of edge vectors is never built.
"""

from __future__ import annotations

from typing import Any

import torch

from .access import predicted
from .edge_vectors import LayerVectors, layer_vectors, score_factored, score_vectors
from .packing import answer, marked, packed, stack

AT_ONCE = 1 << 22
"""How many numbers the vectors of all heads may have to be made at once, which takes less time than one by one."""


def capture(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    score: str | tuple[str, ...],
    layers: tuple[int, int] | None = None,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward pass and return a score of every edge.

    Parameters
    ----------
    model : nnsight model
    architecture : dict
    token_ids : (1, T) int64 tensor
    score : {"l1", "l2", "proximity", "cosine", "projection"}
        See `score_vectors`. Several names are scored in the same pass.
    layers : (int, int), optional
        The first layer, and that after the last; all of them by default. A large answer comes in several parts.
    half : bool
        Whether to return the large arrays in float16.
    **run
        How nnsight is to run it: nothing for here, ``backend=`` for a server.

    Returns
    -------
    attention (L, H, T, T), attention_residual (L, T), mlp (L, T), mlp_residual (L, T), logits (V,) : tensors
        The scores in the order of `Edges`, then the full model's last-position logits. The first
        and the last as `packed`, the others in float32. None when the run was only sent. With several names, one such
        list for each.
    """
    captured: Any = None
    names = (score,) if isinstance(score, str) else score
    with model.trace(token_ids, **architecture["keywords"], **run):
        scores: list[list[Any]] = [[] for _ in names]
        for index in range(*(layers or (0, architecture["n_layers"]))):
            layer = layer_vectors(model, architecture, index)
            for name, scored in zip(names, scores, strict=True):
                scored.append(score_layer(layer, name, architecture["n_heads"]))
        logits = predicted(model.output)[0, -1].float()
        answers: Any = [answer(scored, logits, half) for scored in scores]
        captured = marked(answers[0] if isinstance(score, str) else answers, architecture).save()
    return captured


def score_layer(layer: LayerVectors, score: str, n_heads: int) -> tuple[Any, ...]:
    """Return a score of every edge of a layer: (H, T, T), and three (T,)."""
    node = layer.attention_node
    if score in {"l1", "l2"}:  # all heads at once: memory is what this takes
        if n_heads * node.numel() <= AT_ONCE:
            lengths = score_vectors(score, layer.heads(None), node)
        else:
            lengths = torch.stack([score_vectors(score, layer.heads(h), node) for h in range(n_heads)])
        attention = (layer.factors * lengths[:, None]).abs_()
    else:
        attention = torch.stack([score_factored(score, layer.factors[h], layer.heads(h), node) for h in range(n_heads)])
    return (
        attention,
        score_vectors(score, layer.attention_residual, node),
        score_vectors(score, layer.mlp, layer.mlp_node),
        score_vectors(score, layer.mlp_residual, layer.mlp_node),
    )


def capture_vectors(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    layers: tuple[int, int] | None = None,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward pass and return what every edge carries, factored, for a measure of the user's own.

    Returns
    -------
    factors (L, H, T, T), heads (L, H, T, M), then attention_residual, mlp, mlp_residual, attention_node and mlp_node
    (L, T, M), and logits (V,) : tensors, each as `packed`
    """
    captured: Any = None
    with model.trace(token_ids, **architecture["keywords"], **run):
        vectors = []
        for index in range(*(layers or (0, architecture["n_layers"]))):
            layer = layer_vectors(model, architecture, index)
            heads = torch.stack([layer.heads(h) for h in range(architecture["n_heads"])])
            # In the order of `Captured`, without the handles.
            vectors.append((layer.factors, heads, *layer[2:7]))
        logits = predicted(model.output)[0, -1].float()
        kinds = [stack([layer[kind] for layer in vectors]) for kind in range(7)]
        captured = marked([packed(kind, half) for kind in [*kinds, logits]], architecture).save()
    return captured
