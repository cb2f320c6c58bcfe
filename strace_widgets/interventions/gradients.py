"""Scores of edges by what they do to the prediction, from gradients.

How far does the prediction move when a small share of an edge's vector v is taken away? In KL divergence, to second
order, by v' F v / 2 times that share squared: F is the Fisher information of the output distribution with respect to
the node that v enters. F is too large to build, but v' F v is the mean of (g . v)^2 over random probes. A probe gives
every token y of the vocabulary a random sign e_y; g is the gradient of sum_y sqrt(p_y) e_y log p_y at the node, with
the factor sqrt(p_y) held constant. One backward pass a probe gives g at every node.

A gradient times an activation, as in g . v, is known as attribution patching (Nanda 2023; for edges: Syed, Rager and
Conmy, arXiv 2310.10348).
"""

from __future__ import annotations

from typing import Any

import torch

from .access import find, predicted
from .edge_vectors import LayerVectors, layer_vectors, score_factored, score_vectors
from .packing import answer, marked

REFUSED = "The output of the model has no derivatives"


def capture_probed(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    probing: dict[str, Any],
    layers: tuple[int, int] | None = None,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward pass and a backward pass a probe, and return a weight of every edge.

    Parameters
    ----------
    model, architecture, token_ids, layers, half, **run
        As for `capture`.
    probing : dict
        ``probes``, how many; ``seed``, of their signs; ``constant``, see `weigh_probed`.

    Returns
    -------
    tensors
        As `capture`.
    """
    captured: Any = None

    def score(factors: Any, vectors: Any, node: Any, gradients: Any) -> Any:
        return weigh_probed(factors, vectors, node, gradients, probing["constant"])

    with model.trace(token_ids, **architecture["keywords"], **run):
        # Where the weights want no gradients, as on a server, the graph of derivatives begins here.
        find(model, architecture["layers"])[0].input.requires_grad_()
        chosen = range(*(layers or (0, architecture["n_layers"])))
        vectors = [layer_vectors(model, architecture, index, through_final=False) for index in chosen]
        logits = predicted(model.output)[0, -1].float()
        log_p = torch.log_softmax(logits, dim=-1)
        root_p = torch.exp(log_p / 2).detach()
        # A suppressed token has the probability 0 and no logarithm of it: it moves nothing.
        log_p = log_p.masked_fill(root_p == 0, 0.0)
        signs = torch.Generator().manual_seed(probing["seed"])
        drawn = []
        for _ in range(probing["probes"]):
            # Drawn where every machine draws alike.
            probe = torch.randint(0, 2, log_p.shape, generator=signs).mul(2).sub(1).to(root_p)
            drawn.append(into_nodes((root_p * probe * log_p).sum(), vectors))
        with torch.no_grad():
            weights = []
            for index, layer in enumerate(vectors):
                into = [torch.stack([probe[index][kind] for probe in drawn]) for kind in (0, 1)]
                weights.append(over_edges(layer, into, architecture, score))
            captured = marked(answer(weights, logits, half), architecture).save()
    return captured


def capture_gains(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    keep: tuple[Any, ...],
    full_logits: Any,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run a subgraph forward and backward once, and return what each edge's presence gains there, to first order.

    The gain is -dD/dx . v for D = sqrt(2 KL(full || subgraph)): how much nearer to the full model's distribution the
    subgraph's is with the edge. This is edge attribution patching, at the subgraph instead of the full model. Edges
    that the subgraph drops are scored as well, with what they would carry.

    Parameters
    ----------
    model, architecture, token_ids, half, **run
        As for `capture`.
    keep : four bool tensors
        The subgraph, in the order and shapes of `Edges`.
    full_logits : (V,) tensor
        The full model's.

    Returns
    -------
    tensors
        As `capture`; the logits are the subgraph's.
    """
    captured: Any = None
    with model.trace(token_ids, **architecture["keywords"], **run):
        find(model, architecture["layers"])[0].input.requires_grad_()
        vectors = [
            layer_vectors(model, architecture, index, through_final=False, keep=[kind[index][None] for kind in keep])
            for index in range(architecture["n_layers"])
        ]
        for tensor in [tensor for layer in vectors for tensor, _ in layer.handles]:
            tensor.register_hook(bounded)
        logits = predicted(model.output)[0, -1].float()
        log_p, log_q = [torch.log_softmax(each, dim=-1) for each in (full_logits.to(logits), logits)]
        suppressed = log_p == float("-inf")
        kl = (log_p.exp() * (log_p.masked_fill(suppressed, 0.0) - log_q.masked_fill(suppressed, 0.0))).sum()
        into = into_nodes(-torch.sqrt(2 * kl.clamp_min(1e-12)), vectors)
        with torch.no_grad():
            gains = [over_edges(*each, architecture, gain) for each in zip(vectors, into, strict=True)]
            captured = marked(answer(gains, logits, half), architecture).save()
    return captured


def bounded(gradient: Any) -> Any:
    """Return the gradient at a node, no larger than leaves room for what a block may multiply it by.

    A node that no kept edges join to an embedding holds zeros, where the derivative of a norm is 1 / sqrt(epsilon), a
    thousand. A subgraph may keep a chain of such nodes; their thousands multiply, and what is infinite would spoil the
    gradients of other nodes: 0 times it is not a number.
    """
    limit = torch.finfo(gradient.dtype).max ** 0.5
    return gradient.clamp(-limit, limit)


def into_nodes(figure: Any, vectors: list[Any]) -> list[Any]:
    """Return the gradients (T, M) of a figure with respect to each layer's attention node and MLP node, in pairs.

    Where the run is a batch, these are the sums over its rows.
    """
    handles = [tensor for layer in vectors for tensor, _ in layer.handles]
    # In a server's sandbox tensors arrive without what they were made from, whatever they say of themselves.
    found: Any = [None]
    if figure.requires_grad:
        found = torch.autograd.grad(figure, handles, retain_graph=True, allow_unused=True)
    if any(gradient is None for gradient in found):
        raise RuntimeError(REFUSED)
    pairs = []
    for index, layer in enumerate(vectors):
        both = zip(found[2 * index : 2 * index + 2], layer.handles, strict=True)
        rows = (-1, *layer.mlp_node.shape)
        pairs.append([gradient.reshape(rows).float().sum(0) / scale for gradient, (_, scale) in both])
    return pairs


def over_edges(layer: LayerVectors, into: Any, architecture: dict[str, Any], score: Any) -> Any:
    """Score the edges of one layer by the gradients into its nodes: (H, T, T), and three (T,)."""
    into_attention, into_mlp = into
    attention = [
        score(layer.factors[h], layer.heads(h), layer.attention_node, into_attention)
        for h in range(architecture["n_heads"])
    ]
    return (
        torch.stack(attention),
        score(None, layer.attention_residual, layer.attention_node, into_attention),
        score(None, layer.mlp, layer.mlp_node, into_mlp),
        score(None, layer.mlp_residual, layer.mlp_node, into_mlp),
    )


def gain(factors: Any, vectors: Any, _node: Any, gradients: Any) -> Any:
    """Return g . v of each edge; shapes as for `weigh_probed`, with one gradient (T, M) or several."""
    if factors is None:
        return (gradients * vectors).sum(-1)
    return factors * (gradients @ vectors.T)


def weigh_probed(factors: Any, vectors: Any, node: Any, gradients: Any, constant: float) -> Any:
    """Weigh edges by F + constant G P: what matters to the output, and what the node is made of.

    F sees one edge at a time, and to first order; P sees many small edges that point the same way.

    F = sqrt(mean_j (g_j . v)^2), the edge's effect on the output distribution; G = sqrt(mean_j ||g_j||^2), the node's;
    P = v . x / ||x||, the edge's share in the length of its node x: set to 0 where negative for attention edges,
    without its sign for the others.

    Parameters
    ----------
    factors : (T, T) tensor or None
        The edges carry ``factors[t, s] * vectors[s]`` into node t; without, ``vectors[t]``, one each.
    vectors, node : (T, M) tensors
    gradients : (K, T, M) tensor
        g_j at the nodes.
    constant : float
        0 leaves F alone.

    Returns
    -------
    (T, T) or (T,) tensor
    """
    fisher = gain(factors, vectors, node, gradients).pow(2).mean(0).sqrt()
    reach = gradients.pow(2).sum(-1).mean(0).sqrt()
    if factors is None:
        return fisher + constant * reach * score_vectors("projection", vectors, node).abs()
    return fisher + constant * reach[:, None] * score_factored("projection", factors, vectors, node).clamp_min(0)
