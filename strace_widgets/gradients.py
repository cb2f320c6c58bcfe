"""Scores of edges by what the prediction makes of them: gradients of random probes of the output distribution.

With p the model's distribution, held constant, and probes e of random signs over the vocabulary,
phi = sum_y sqrt(p_y) e_y log p_y has gradients g whose products with a vector v average, squared, to v' F v: F is the
Fisher information of the output distribution, read at the node that v enters, and v' F v is twice the KL divergence
that a small share of v costs, to second order. One backward pass a probe gives g at every node.

Like `strace_widgets.interventions`, this travels to a server as source.
"""

from __future__ import annotations

from typing import Any

import torch

from .edge_vectors import layer_vectors
from .interventions import packed, stack
from .parts import find

REFUSED = "The output of the model has no derivatives"


def capture_probed(
    model: Any,
    places: dict[str, Any],
    token_ids: Any,
    probing: dict[str, Any],
    layers: tuple[int, int] | None = None,
    half: bool = False,  # noqa: FBT001, FBT002
    **run: Any,
) -> Any:
    """Run one forward pass and a backward pass a probe, and return a weight of every edge.

    Parameters
    ----------
    model, places, token_ids, layers, half, **run
        As for `strace_widgets.interventions.capture`.
    probing : dict
        ``probes``, how many; ``seed``, of their signs; ``constant``, see `weigh_probed`.

    Returns
    -------
    tensors
        As `strace_widgets.interventions.capture`.
    """
    captured: Any = None
    with model.trace(token_ids, use_cache=False, **run):
        # Where the weights want no gradients, as on a server, the graph of derivatives begins here.
        find(model, places["layers"])[0].input.requires_grad_()
        chosen = range(*(layers or (0, places["n_layers"])))
        vectors = [layer_vectors(model, places, index, through_final=False) for index in chosen]
        added = [output for *_, outputs in vectors for output in outputs]
        logits = model.output.logits[0, -1].float()

        log_p = torch.log_softmax(logits, dim=-1)
        root_p = torch.exp(log_p / 2).detach()
        signs = torch.Generator().manual_seed(probing["seed"])
        gradients = []
        for _ in range(probing["probes"]):
            # Drawn where every machine draws alike.
            probe = torch.randint(0, 2, log_p.shape, generator=signs).mul(2).sub(1).to(root_p)
            phi = (root_p * probe * log_p).sum()
            # In a server's sandbox tensors arrive without what they were made from, whatever they say of themselves.
            drawn: Any = (
                torch.autograd.grad(phi, added, retain_graph=True, allow_unused=True) if phi.requires_grad else [None]
            )
            if any(gradient is None for gradient in drawn):
                raise RuntimeError(REFUSED)
            gradients.append(drawn)

        scores: list[Any] = []
        with torch.no_grad():
            for place in range(len(chosen)):
                factors, heads, residual, mlp, mlp_residual, middle, after, _ = vectors[place]
                # What a sublayer adds to a node moves as the node does, up to its scale.
                into_middle, into_after = [
                    torch.stack([drawn[2 * place + kind].reshape(residual.shape).float() for drawn in gradients])
                    / places[f"{name}_scale"]
                    for kind, name in enumerate(("attention", "mlp"))
                ]
                constant = probing["constant"]
                attention = [
                    weigh_probed(factors[h], heads(h), middle, into_middle, constant) for h in range(places["n_heads"])
                ]
                own = [
                    weigh_probed(None, *edge, constant)
                    for edge in (
                        (residual, middle, into_middle),
                        (mlp, after, into_after),
                        (mlp_residual, after, into_after),
                    )
                ]
                scores.append((torch.stack(attention), *own))
            attention, *tokens = [stack([layer[kind] for layer in scores]) for kind in range(4)]
            captured = [packed(attention, half), *tokens, packed(logits.detach(), half)].save()  # type: ignore[attr-defined]
    return captured


def weigh_probed(factors: Any, vectors: Any, node: Any, gradients: Any, constant: float) -> Any:
    """Weigh edges by F + constant G P: what matters to the output, and what the node is made of.

    The first sees one edge at a time, and to first order; the second sees many small edges that agree.

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
    length = torch.linalg.vector_norm(node, dim=-1).clamp_min(1e-30)
    if factors is None:
        effect = (gradients * vectors).sum(-1)
        share = ((vectors * node).sum(-1) / length).abs()
    else:
        effect = factors * (gradients @ vectors.T)
        share = (factors * (node @ vectors.T) / length[:, None]).clamp_min(0)
    fisher = effect.pow(2).mean(0).sqrt()
    reach = gradients.pow(2).sum(-1).mean(0).sqrt()
    return fisher + constant * (reach if factors is None else reach[:, None]) * share
