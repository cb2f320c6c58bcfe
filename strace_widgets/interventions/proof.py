"""Measure how far a model is from what its graph says of it: the proof behind the other functions of this room."""

from __future__ import annotations

from typing import Any

import torch

from .access import find, first, last_hidden, linearised, norm_bias, through_norm
from .block import walk
from .edge_vectors import head_vectors, heads_to_stream
from .packing import marked, stack


def identity_gaps(model: Any, architecture: dict[str, Any], token_ids: Any, **run: Any) -> Any:
    """Run one forward pass and measure, layer by layer, how far the edges are from summing to the nodes.

    Returns
    -------
    ahead, heads, between, attention, block, norm : five (L,) float32 tensors and a () one
        The largest probability with which attention reads a later token. Largest gaps relative to the largest true
        value: of the values, weighed by attention, to what the heads say; of what the heads say to what is mapped to
        the stream; of the attention's edge vectors, with the biases that belong to no edge, to what it adds to the
        stream; of a layer's vectors to its output; of the linearised final norm to the true one.
    state : (M,) tensor
        What the unembedding reads at the last position, in the number format of the model.
    """
    gaps: Any = None
    with model.trace(token_ids, **architecture["keywords"], **run):
        ahead, heads_gaps, between_gaps, attention_gaps, block_gaps = [], [], [], [], []
        layers = find(model, architecture["layers"])
        for layer in layers:
            steps = walk(layer, architecture)
            heads = next(steps)
            value, probabilities = [tensor[0] for tensor in heads.read()]
            ahead.append(probabilities.float().triu(1).abs().max())
            said = heads.output()[0]
            shared = value.repeat_interleave(len(said) // len(value), dim=0).float()
            heads_gaps.append(relative_gap(probabilities.float() @ shared, said))
            mapped = find(layer, (architecture["inner_norm"] or {"path": architecture["output_projection"]})["path"])
            between_gaps.append(relative_gap(said.transpose(0, 1).reshape(mapped.input[0].shape), mapped.input[0]))
            to_stream = heads_to_stream(layer, architecture)
            attention = next(steps)
            by_head = [
                probabilities[h].float() @ head_vectors(value, to_stream, h) for h in range(architecture["n_heads"])
            ]
            summed = torch.stack(by_head).sum(0) * to_stream.row + to_stream.constant
            attention_gaps.append(relative_gap(summed, attention.added[0]))
            mlp = next(steps)
            block_gaps.append(relative_gap(mlp.node(), last_node(layer, architecture)))
        norm_gap: Any = torch.zeros(())
        if architecture["final_norm"] is not None:
            norm = find(model, architecture["final_norm"]["path"])
            bias = norm_bias(norm, norm.input[0])
            through = through_norm(norm.input[0], linearised(norm, architecture["final_norm"], norm.input[0]))
            norm_gap = relative_gap(through + (0.0 if bias is None else bias), norm.output[0])
        state = last_hidden(model, architecture)[0]
        by_layer = [stack(each) for each in (ahead, heads_gaps, between_gaps, attention_gaps, block_gaps)]
        gaps = marked([*by_layer, norm_gap, state], architecture).save()
    return gaps


def reading_gaps(model: Any, architecture: dict[str, Any], token_ids: Any, **run: Any) -> Any:
    """Run one batched forward pass and measure whether anything reads what the graph has no edge for.

    A prompt that shares only its last token with the first is given the first one's sublayers at that token: its values
    and its MLPs must say the same there. A prompt that shares no token with the first gets the whole stream of the
    first after one layer: it must end like the first.

    Parameters
    ----------
    model, architecture, **run
        As for `strace_widgets.interventions.capture.capture`.
    token_ids : (L + 1, T) int64 tensor
        The first prompt, one that shares its last token, then L - 1 times one that shares none.

    Returns
    -------
    token, stream : (L,) float32 tensors
        The largest gaps relative to the largest true value: of a layer's values and MLP at the last token; of the last
        hidden states, if the stream before a layer is that of the first prompt.
    state : (M,) tensor
        What the unembedding reads of the first prompt.
    """
    gaps: Any = None
    with model.trace(token_ids, **architecture["keywords"], **run):
        token_gaps = []
        layers, last_layer = find(model, architecture["layers"]), architecture["n_layers"] - 1
        for index in range(architecture["n_layers"]):
            steps = walk(layers[index], architecture)
            value = next(steps).value()
            attention = next(steps)
            attention.replace(with_last_of_first(attention.added))
            mlp = next(steps)
            of_value = relative_gap(value[1, :, -1], value[0, :, -1])
            of_mlp = relative_gap(mlp.added[1, -1], mlp.added[0, -1])
            token_gaps.append(torch.maximum(of_value, of_mlp.to(of_value.device)))
            mlp.replace(with_last_of_first(mlp.added))
            if index < last_layer:
                output = layers[index].output
                stream = first(output, architecture["layer_in_tuple"]).clone()
                stream[2 + index] = stream[0]
                layers[index].output = (stream, *output[1:]) if architecture["layer_in_tuple"] else stream
        states = last_hidden(model, architecture)
        stream_gaps = [relative_gap(state, states[0]) for state in states[1:]]
        gaps = marked([stack(token_gaps), stack(stream_gaps), states[0]], architecture).save()
    return gaps


def last_node(layer: Any, architecture: dict[str, Any]) -> Any:
    """Return what a layer's vectors should sum to, (B, T, M): its output, or what its closing norm reads."""
    if architecture["closing_norm"] is not None:
        return find(layer, architecture["closing_norm"]["path"]).input
    return first(layer.output, architecture["layer_in_tuple"])


def with_last_of_first(added: Any) -> Any:
    """Return what a sublayer adds (B, T, M), with the first row's last token in the second row, too."""
    added = added.clone()
    added[1, -1] = added[0, -1]
    return added


def relative_gap(value: Any, truth: Any) -> Any:
    """Return the largest absolute difference over the largest absolute true value."""
    return ((value - truth).abs().max() / truth.abs().max().clamp_min(1e-30)).float()
