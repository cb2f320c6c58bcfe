"""What the stream predicts after each layer, and what each head and MLP writes to the prediction itself.

The first is the logit lens (nostalgebraist 2020, "interpreting GPT: the logit lens"): the last token's stream after a
layer, read by the model's own end. The second is direct logit attribution (Elhage et al. 2021, "A Mathematical
Framework for Transformer Circuits"): what a component adds to the last token's stream, read by the final norm, held
fixed at its true input, and by the unembedding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from .access import asked_map, find, first, linearised, predicted, through_norm
from .block import walk
from .edge_vectors import heads_to_stream
from .masked import batch_of, dropped, layers_with_masks, mask_heads, mask_mlp, mask_residual
from .packing import marked, packed


class Written(NamedTuple):
    """What a layer does to the last token's stream, row by row.

    Attributes
    ----------
    heads, mlp : (B, H, M) and (B, M) tensors
        What they add to it.
    passes : two (B, 1) tensors
        Whether what was there before the attention, and before the MLP, goes on past it.
    pattern : (B, H, T, T) tensor
        The attention probabilities of the edges that are kept.
    after : (B, M) tensor
    """

    heads: Any
    mlp: Any
    passes: tuple[Any, Any]
    pattern: Any
    after: Any


def look(
    model: Any,
    architecture: dict[str, Any],
    token_ids: Any,
    ranks: tuple[Any, ...],
    kept: Any,
    toggles: tuple[Any, ...],
    modes: dict[str, bool],
    half: bool,  # noqa: FBT001
    means: Any,
    asked: dict[str, Any],
    **run: Any,
) -> Any:
    """Run one batched forward pass, each row under its own mask, and return what it is made of at the last position.

    Parameters
    ----------
    model, architecture, token_ids, ranks, kept, toggles, modes, half, means, **run
        As for `strace_widgets.interventions.masked.evaluate`.
    asked : dict
        ``layer``: whose attention is returned, or None. ``tokens``: two lists of token ids, those asked for and those
        that they are set against. ``n_top``: how many tokens of each prediction. ``direct``: whether to say what
        components write directly.

    Returns
    -------
    top, top_logits : (B, L + 1, n_top) tensors
        Token ids and log probabilities: of the embeddings, then of the stream after each layer.
    log_probabilities : (B, L + 1, N) tensor
        Of the tokens asked about, in the order of ``asked``.
    direct : (B, L, H), (B, L) and (B,) tensors, or None
        What each head, each MLP and the embeddings write directly, in logits: to the mean of the first tokens less that
        of the others.
    pattern : (B, H, T, T) tensor, as `packed`, or None
        The probabilities of the attention edges kept in ``layer``.
    promoted, promoted_logits : (B, H, n_top) tensors, or None
        The tokens to which each head of ``layer`` writes most.
    """
    result: Any = None
    # Every position is needed where `read_by_the_end` puts a layer in the place of each.
    keywords = {name: 0 if "logits_to_keep" in name else value for name, value in architecture["keywords"].items()}
    with model.trace(batch_of(token_ids, len(kept)), **keywords, **run):
        layers, pattern = find(model, architecture["layers"]), None
        streams, written = [layers[0].input[:, -1]], []
        masked = layers_with_masks(layers, architecture, ranks, kept, toggles, modes, means)
        for index, (block, keep, mean) in enumerate(masked):
            layer = looked_block(block, architecture, keep, modes["frozen"], mean)
            if index == asked["layer"]:
                pattern = packed(layer.pattern.float(), half)
            streams.append(layer.after)
            written.append(layer._replace(pattern=None))  # large, and one layer's is asked for
        end = streams[-1]
        logits = read_by_the_end(model, architecture, torch.stack([each.to(end) for each in streams], dim=1))
        tokens = asked["tokens"][0] + asked["tokens"][1]
        chances = torch.log_softmax(logits.float(), dim=-1)
        best = chances.topk(asked["n_top"])
        direct = written_directly(model, architecture, streams, written, asked)
        found = [best.indices, best.values, chances[..., tokens], direct[0], pattern, direct[1]]
        result = marked(found, architecture).save()
    return result


def looked_block(layer: Any, architecture: dict[str, Any], keep: Any, frozen: bool, means: Any) -> Written:  # noqa: FBT001
    """Run one block under its masks as `strace_widgets.interventions.masked.mask_block` does; return what it writes."""
    steps = walk(layer, architecture)
    pattern, said = mask_heads(next(steps), keep[0], frozen, means and means[0])
    n_rows = len(said)
    by_head = []
    for row in range(n_rows):
        to_stream = heads_to_stream(layer, architecture, row)
        of_row = torch.einsum("hd,mhd->hm", said[row, :, -1].float(), to_stream.weights)
        by_head.append(of_row * (to_stream.row[-1] if torch.is_tensor(to_stream.row) else 1))
    attention = next(steps)
    stays = [torch.ones(n_rows, 1, device=said.device)] * 2
    if keep[1] is not None:
        mask_residual(attention, keep[1], means and means[1])
        stays[0] = keep[1][:, -1:].to(stays[0])
    mlp = next(steps)
    residual, keep_residual = mlp.residual, None if architecture["parallel"] else keep[3]
    mask_mlp(mlp, keep[2], keep_residual, means and means[2:])
    added = mlp.added
    if keep_residual is not None:
        added = added + dropped(residual, keep_residual, means and means[3])
        stays[1] = keep_residual[:, -1:].to(stays[1])
    return Written(torch.stack(by_head), added[:, -1].float(), (stays[0], stays[1]), pattern, mlp.node()[:, -1])


def read_by_the_end(model: Any, architecture: dict[str, Any], streams: Any) -> Any:
    """Return the logits (B, N, V) of streams (B, N, M): the model's own end reads them in the place of its tokens.

    Some models go by the number of tokens there: as many streams come in a row, and more rows where there are more.
    """
    n_rows, n_streams, width = streams.shape
    norm = None if architecture["final_norm"] is None else find(model, architecture["final_norm"]["path"])
    last, in_tuple = find(model, architecture["layers"])[architecture["n_layers"] - 1], architecture["layer_in_tuple"]
    n_tokens = (norm.input if norm else first(last.output, in_tuple)).shape[1]
    missing = -n_streams % n_tokens
    given = torch.cat([streams, streams[:, -1:].expand(-1, missing, -1)], dim=1).reshape(-1, n_tokens, width)
    if norm:
        norm.input = given
    else:
        last.output = (given, *last.output[1:]) if in_tuple else given
    return predicted(model.output).reshape(n_rows, n_streams + missing, -1)[:, :n_streams]


def written_directly(
    model: Any, architecture: dict[str, Any], streams: list[Any], written: list[Written], asked: dict[str, Any]
) -> tuple[Any, Any]:
    """Return what components write directly, and the tokens to which a layer's heads write; None where not asked."""
    if not asked["direct"]:
        return None, None
    reader, layer = Direct(model, architecture, streams[-1], asked["tokens"]), asked["layer"]
    promoted = None if layer is None else reader.promoted(written[layer], asked["n_top"])
    return reader.of_all(written, streams[0]), promoted


class Direct:
    """How much a vector in the last token's stream adds to the logit asked for.

    Parameters
    ----------
    model, architecture
    end : (B, M) tensor
        The stream after the last layer, at which the final norm is held fixed.
    tokens : two lists of token ids
    """

    def __init__(self, model: Any, architecture: dict[str, Any], end: Any, tokens: list[list[int]]) -> None:
        self.head, self.norm = find(model, architecture["head"]), None
        self.parallel, self.end = architecture["parallel"], end
        self.scales = architecture["attention_residual_scale"], architecture["mlp_residual_scale"]
        described = architecture["final_norm"]
        if described is not None:
            module = find(model, described["path"])
            self.norm = [linearised(module, described, row[None]) for row in end]
        directions = [self.rows(ids).mean(0) for ids in tokens]
        self.direction = directions[0] - directions[1]

    def rows(self, ids: list[int]) -> Any:
        """Return rows (N, M) of the unembedding."""
        weight = getattr(self.head, "weight", None)
        if weight is not None and not weight.is_meta and weight.is_floating_point() and weight.ndim == 2:  # noqa: PLR2004
            return weight[ids].float()
        return asked_map(self.head, self.end)[0][ids]  # a server's sandbox has no weights

    def normed(self, vectors: Any) -> Any:
        """Pass vectors (B, ..., M) through the final norm."""
        if self.norm is None:
            return vectors
        return torch.stack([through_norm(row, norm) for row, norm in zip(vectors, self.norm, strict=True)])

    def of_all(self, written: list[Written], embeddings: Any) -> list[Any]:
        """Return what heads (B, L, H), MLPs (B, L) and the embeddings (B, M) add, where residual edges carry it on."""
        reaches = torch.ones_like(written[-1].passes[1]).to(self.end.device)
        heads, mlps = [], []
        for layer in reversed(written):
            past_attention, past_mlp = (stay.to(self.end.device) for stay in layer.passes)
            mlps.append(self.to_logit(layer.mlp[:, None]) * reaches)
            if not self.parallel:  # there what the heads write passes by the MLP
                reaches = reaches * past_mlp * self.scales[1]
            heads.append(self.to_logit(layer.heads) * reaches)
            reaches = reaches * past_attention * self.scales[0]
        first_written = self.to_logit(embeddings.float()[:, None]) * reaches
        return [torch.stack(heads[::-1], dim=1), torch.cat(mlps[::-1], dim=1), first_written[:, 0]]

    def to_logit(self, vectors: Any) -> Any:
        """Return how much vectors (B, ..., M) add to the logit."""
        return self.normed(vectors.to(self.end.device)) @ self.direction

    def promoted(self, layer: Written, n_top: int) -> list[Any]:
        """Return the tokens (B, H, n_top) to which each head of a layer writes most, and how much, in logits."""
        vectors = self.normed(layer.heads.to(self.end.device))
        nothing = self.head(torch.zeros_like(vectors[:1, :1]).to(self.end.dtype))
        best = (self.head(vectors.to(self.end.dtype)) - nothing).float().topk(n_top)
        return [best.indices, best.values]
