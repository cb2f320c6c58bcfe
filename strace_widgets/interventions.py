"""The functions that run inside a model: capture all edges' norms, evaluate under masks, prove that edges sum to nodes.

They run on this machine or, unchanged, on an NDIF server, to which their *source* travels. So: plain, undecorated
functions, torch only, no import of this package, everything they need passed in as plain data (design, section 6).

Two identities keep them small. A norm is absolutely homogeneous and an attention probability is a scalar, so
``||A W_O v|| = A ||W_O v||``: the (T, T, H, d) tensor of edge vectors is never built. And dropping a residual edge
is the same as subtracting the stream from what the attention (or the MLP) adds to it, so that no hook into the
block's own sums is needed.
"""

from __future__ import annotations

from typing import Any

import torch


def capture(model: Any, places: dict[str, Any], token_ids: Any, order: int, **run: Any) -> tuple[Any, ...]:
    """Run one forward pass and return the norm of every edge's vector.

    Parameters
    ----------
    model : nnsight model
    places : dict
        `strace_widgets.architectures.Architecture` as plain data.
    token_ids : (1, T) int64 tensor
    order : int
        1 or 2, the order of the norm.
    **run
        How nnsight is to run it (nothing for here, ``remote=True`` for NDIF).

    Returns
    -------
    attention (L, H, T, T), attention_residual (L, T), mlp (L, T), mlp_residual (L, T), logits (V,) : float32 tensors
        The norms in the order of `strace_widgets.edges.Edges`, then the full model's last-position logits.
    """
    with model.trace(token_ids, use_cache=False, **run):
        attention, attention_residual, mlp, mlp_residual = [], [], [], []
        layers = find(model, places["layers"])
        for index in range(places["n_layers"]):
            layer = layers[index]
            stream = layer.input
            call = attention_call(layer, places)
            value, probabilities = call.inputs[0][3], call.output[1]
            projection = find(layer, places["output_projection"])
            value_norms = projected_norms(value[0], projection.weight, places["n_heads"], order)
            middle = stream + projection.output
            added = find(layer, places["mlp"]).output
            if index == places["n_layers"] - 1:
                # The last node is read through the final norm, linearised at the true output.
                scale = linear_scale(find(model, places["final_norm"]), middle + added, places["final_norm_epsilon"])
            else:
                scale = 1.0
            attention.append(probabilities[0].float() * value_norms[:, None, :])
            attention_residual.append(vector_norms(stream[0], order))
            mlp.append(vector_norms((added * scale)[0], order))
            mlp_residual.append(vector_norms((middle * scale)[0], order))
        logits = model.output.logits[0, -1].float().save()
        all_attention = stack(attention).save()
        all_attention_residual = stack(attention_residual).save()
        all_mlp = stack(mlp).save()
        all_mlp_residual = stack(mlp_residual).save()
    return all_attention, all_attention_residual, all_mlp, all_mlp_residual, logits


def evaluate(
    model: Any,
    places: dict[str, Any],
    token_ids: Any,
    ranks: tuple[Any, ...],
    kept: Any,
    forced: tuple[Any, ...],
    **run: Any,
) -> Any:
    """Run one batched forward pass, one row a size, each row under its own mask, and return the last-position logits.

    Attention probabilities come from the masked run's own softmax over all keys and are not renormalised after
    masking; norms are recomputed; embeddings are never masked (design, section 2).

    Parameters
    ----------
    model, places, **run
        As for `capture`.
    token_ids : (1, T) int64 tensor
    ranks : four int32 tensors
        In the order and shapes of `strace_widgets.edges.Edges`.
    kept : (B,) int32 tensor
        The number of edges of each row: a mask is ``rank < kept``.
    forced : (L, H) and (L,) int8 tensors
        Heads and MLPs forced on (1), forced off (-1) or left to the trace (0), in every row.

    Returns
    -------
    (B, V) float32 tensor
    """
    attention_ranks, attention_residual_ranks, mlp_ranks, mlp_residual_ranks = ranks
    forced_heads, forced_mlps = forced
    with model.trace(token_ids.expand(len(kept), -1), use_cache=False, logits_to_keep=1, **run):
        layers = find(model, places["layers"])
        for index in range(places["n_layers"]):
            layer = layers[index]
            stream = layer.input
            device, dtype = stream.device, stream.dtype
            sizes = kept.to(device)[:, None]

            heads = forced_heads[index].to(device)[None, :, None, None]
            keep = attention_ranks[index].to(device)[None] < sizes[:, :, None, None]
            keep = ((keep | (heads > 0)) & (heads >= 0)).to(dtype)
            call = attention_call(layer, places)
            value, output = call.inputs[0][3], call.output
            value = value.repeat_interleave(places["n_heads"] // value.shape[1], dim=1)
            call.output = (((output[1] * keep) @ value).transpose(1, 2).contiguous(), *output[1:])

            keep = (attention_residual_ranks[index].to(device)[None] < sizes).to(dtype)[..., None]
            projection = find(layer, places["output_projection"])
            added = projection.output - (1 - keep) * stream
            projection.output = added
            middle = stream + added

            forced_mlp = forced_mlps[index].to(device)
            keep = mlp_ranks[index].to(device)[None] < sizes
            keep = ((keep | (forced_mlp > 0)) & (forced_mlp >= 0)).to(dtype)[..., None]
            keep_residual = (mlp_residual_ranks[index].to(device)[None] < sizes).to(dtype)[..., None]
            block = find(layer, places["mlp"])
            block.output = block.output * keep - (1 - keep_residual) * middle
        logits: Any = model.output.logits[:, -1].float().save()
    return logits


def identity_gaps(model: Any, places: dict[str, Any], token_ids: Any, **run: Any) -> tuple[Any, ...]:
    """Measure, layer by layer, how far the edges are from summing to the nodes: the proof behind the other two.

    Returns
    -------
    attention, block, norm : (L,), (L,) and () float32 tensors
        Largest gaps relative to the largest true value: of the attention's edge vectors to its output; of stream +
        attention + MLP to the layer's output; of the linearised final norm to the true one.
    """
    with model.trace(token_ids, use_cache=False, **run):
        attention_gaps, block_gaps = [], []
        layers = find(model, places["layers"])
        for index in range(places["n_layers"]):
            layer = layers[index]
            stream = layer.input
            call = attention_call(layer, places)
            value, probabilities = call.inputs[0][3][0], call.output[1][0]
            projection = find(layer, places["output_projection"])
            by_head = split_projection(projection.weight, places["n_heads"])
            value = value.repeat_interleave(places["n_heads"] // value.shape[0], dim=0)
            summed = torch.einsum("hts,hsd,mhd->tm", probabilities, value, by_head)
            attention_gaps.append(relative_gap(summed, projection.output[0]))
            summed = stream + projection.output + find(layer, places["mlp"]).output
            block_gaps.append(relative_gap(summed, layer.output))
        norm = find(model, places["final_norm"])
        scale = linear_scale(norm, norm.input, places["final_norm_epsilon"])
        norm_gap = relative_gap(norm.input * scale, norm.output).save()
        all_attention_gaps = stack(attention_gaps).save()
        all_block_gaps = stack(block_gaps).save()
    return all_attention_gaps, all_block_gaps, norm_gap


def find(root: Any, path: str) -> Any:
    """Return the module at a dotted path below another."""
    for name in path.split("."):
        root = getattr(root, name)
    return root


def attention_call(layer: Any, places: dict[str, Any]) -> Any:
    """Return the operation through which Hugging Face calls any attention.

    Its inputs are (module, query, key, value, ...), its output is (the heads' output, the probabilities).
    """
    return getattr(find(layer, places["attention"]).source, places["attention_call"])


def stack(by_layer: list[Any]) -> Any:
    """Return a list of one tensor a layer as one tensor."""
    return torch.stack([tensor.to(by_layer[0].device) for tensor in by_layer])


def vector_norms(vectors: Any, order: int) -> Any:
    """Norm over the last axis, accumulated in float32."""
    return torch.linalg.vector_norm(vectors.float(), ord=order, dim=-1)


def split_projection(weight: Any, n_heads: int) -> Any:
    """View the output projection's weight (M, H d) as one matrix a head (M, H, d)."""
    return weight.view(weight.shape[0], n_heads, -1)


def projected_norms(value: Any, weight: Any, n_heads: int, order: int) -> Any:
    """Return ||W_O^h v[h, s]|| as (H, T), for values (key-value heads, T, d).

    One head at a time bounds the memory to (T, M) for a stream of width M.
    """
    by_head = split_projection(weight, n_heads)
    group = n_heads // value.shape[0]
    return torch.stack([vector_norms(value[head // group] @ by_head[:, head].T, order) for head in range(n_heads)])


def linear_scale(norm: Any, output: Any, epsilon: float) -> Any:
    """Return what an RMSNorm held fixed at an output y multiplies by: gamma * rsqrt(mean(y^2) + epsilon)."""
    mean_square = output.float().pow(2).mean(-1, keepdim=True)
    return norm.weight * torch.rsqrt(mean_square + epsilon).to(output.dtype)


def relative_gap(value: Any, truth: Any) -> Any:
    """Return the largest absolute difference over the largest absolute true value."""
    return ((value - truth).abs().max() / truth.abs().max().clamp_min(1e-30)).float()
