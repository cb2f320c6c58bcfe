"""A deliberately naive s-Trace (arXiv 2605.27033), edge by edge, to check the fast engine against.

Shares no code with the package: it calls the modules of a Hugging Face model and loops in plain PyTorch, so it is only
for tiny float32 models in eval mode. It knows three kinds of block: sequential pre-norm (Llama), sequential post-norm
(Olmo2) and parallel (GPT-NeoX with `use_parallel_residual=True`).
"""

import heapq
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from transformers import GPTNeoXForCausalLM, LlamaForCausalLM, Olmo2ForCausalLM
from transformers.models.gpt_neox.modeling_gpt_neox import apply_rotary_pos_emb as rotate_neox
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb as rotate_llama
from transformers.models.olmo2.modeling_olmo2 import apply_rotary_pos_emb as rotate_olmo2

# (kind, transformer layer, target token, source token, head): the head is -1 and source == target unless the kind is
# "attention". The kinds: "attention_residual", "attention", "mlp", "mlp_residual" (the last not in parallel models).
Edge = tuple[str, int, int, int, int]
# (graph layer, token): graph layer 0 holds the embeddings.
Place = tuple[int, int]


@dataclass(frozen=True)
class Block:
    """One layer's own modules under common names; a norm that the kind lacks is an identity."""

    attention: nn.Module
    mlp: nn.Module
    before_attention: nn.Module
    after_attention: nn.Module
    before_mlp: nn.Module
    after_mlp: nn.Module


@dataclass(frozen=True)
class Parts:
    """A model taken apart into its own modules."""

    embedding: nn.Module
    blocks: list[Block]
    final_norm: nn.Module
    head: nn.Module
    angles: nn.Module
    rotate: Callable[..., tuple[Tensor, Tensor]]
    n_heads: int
    parallel: bool


@dataclass(frozen=True)
class Node:
    """What enters a node in push order, the bias that belongs to no edge, and what the true run holds there."""

    entering: list[tuple[Edge, Tensor]]
    bias: Tensor
    held: Tensor


def take_apart(model: nn.Module) -> Parts:
    """Find the modules of a model of one of the three kinds."""
    no = nn.Identity()
    if isinstance(model, LlamaForCausalLM):
        base, rotate, parallel = model.model, rotate_llama, False
        blocks = [Block(b.self_attn, b.mlp, b.input_layernorm, no, b.post_attention_layernorm, no) for b in base.layers]
    elif isinstance(model, Olmo2ForCausalLM):
        base, rotate, parallel = model.model, rotate_olmo2, False
        blocks = [
            Block(b.self_attn, b.mlp, no, b.post_attention_layernorm, no, b.post_feedforward_layernorm)
            for b in base.layers
        ]
    elif isinstance(model, GPTNeoXForCausalLM) and model.config.use_parallel_residual:
        base, rotate, parallel = model.gpt_neox, rotate_neox, True
        blocks = [Block(b.attention, b.mlp, b.input_layernorm, no, b.post_attention_layernorm, no) for b in base.layers]
    else:
        message = f"the naive reference does not know {type(model).__name__} with this configuration"
        raise TypeError(message)
    norm = base.final_layer_norm if parallel else base.norm
    n_heads = model.config.num_attention_heads
    head = model.get_output_embeddings()  # its name is another one in transformers 4
    return Parts(base.get_input_embeddings(), blocks, norm, head, base.rotary_emb, rotate, n_heads, parallel)


def embed(parts: Parts, token_ids: list[int]) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return the embeddings (T, D) and the rotary (cos, sin)."""
    ids = torch.as_tensor(token_ids).reshape(-1)
    x = parts.embedding(ids)
    return x, parts.angles(x[None], torch.arange(len(ids))[None])


def output_projection(attention: nn.Module) -> nn.Linear:
    """Return W_O, whatever the family calls it."""
    return attention.dense if hasattr(attention, "dense") else attention.o_proj


def bias_of(module: nn.Module, like: Tensor) -> Tensor:
    """Return a module's bias, or zeros of the shape of `like`."""
    bias = getattr(module, "bias", None)
    return torch.zeros_like(like) if bias is None else bias


def heads_of(parts: Parts, attention: nn.Module, normed: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value (before rotation), each (query heads, T, head_dim)."""
    n_tokens = len(normed)
    if parts.parallel:
        # GPT-NeoX fuses the three head by head: q0 k0 v0 q1 k1 v1 ...
        fused = attention.query_key_value(normed).view(n_tokens, parts.n_heads, 3 * attention.head_size)
        query, key, value = fused.transpose(0, 1).chunk(3, dim=-1)
        return query, key, value
    query, key, value = attention.q_proj(normed), attention.k_proj(normed), attention.v_proj(normed)
    if hasattr(attention, "q_norm"):
        # Olmo2 norms all heads together, before they are split.
        query, key = attention.q_norm(query), attention.k_norm(key)
    query, key, value = (p.view(n_tokens, -1, attention.head_dim).transpose(0, 1) for p in (query, key, value))
    # Grouped-query attention: consecutive query heads share one key-value head.
    shared = [head * len(key) // parts.n_heads for head in range(parts.n_heads)]
    return query, key[shared], value[shared]


def attention_pieces(
    parts: Parts, block: Block, normed: Tensor, angles: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Return the probabilities A[h, t, s] and what each source has to give, W_O^h v[h, s]."""
    query, key, value = heads_of(parts, block.attention, normed)
    query, key = (rotated[0] for rotated in parts.rotate(query[None], key[None], *angles))
    n_heads, n_tokens, head_dim = query.shape
    output = output_projection(block.attention)
    probabilities = normed.new_zeros(n_heads, n_tokens, n_tokens)
    given = normed.new_zeros(n_heads, n_tokens, output.out_features)
    for head in range(n_heads):
        columns = output.weight[:, head * head_dim : (head + 1) * head_dim]
        for token in range(n_tokens):
            scores = [query[head, token] @ key[head, source] * head_dim**-0.5 for source in range(token + 1)]
            probabilities[head, token, : token + 1] = torch.stack(scores).softmax(0)
            given[head, token] = columns @ value[head, token]
    return probabilities, given


def true_attention(block: Block, normed: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    """Return what the attention module itself computes, as a check on the pieces."""
    n_tokens = len(normed)
    future = normed.new_full((n_tokens, n_tokens), float("-inf")).triu(1)
    return block.attention(normed[None], position_embeddings=angles, attention_mask=future[None, None])[0][0]


def linearised(norm: nn.Module, at: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the linear map that a norm, less its bias, applies to the parts of the vector `at`."""
    if isinstance(norm, nn.Identity):
        return lambda vector: vector
    if isinstance(norm, nn.LayerNorm):
        scale = norm.weight * torch.rsqrt(at.var(correction=0) + norm.eps)
        return lambda vector: (vector - vector.mean()) * scale
    scale = norm.weight * torch.rsqrt(at.square().mean() + norm.variance_epsilon)
    return lambda vector: vector * scale


def target_of(edge: Edge, *, parallel: bool) -> Place:
    """Return the node that an edge enters."""
    kind, layer, target, _, _ = edge
    if parallel:
        return layer + 1, target
    return (2 * layer + 1 if kind.startswith("attention") else 2 * layer + 2), target


def source_of(edge: Edge, *, parallel: bool) -> Place:
    """Return the node that an edge leaves: always one graph layer below its target."""
    return target_of(edge, parallel=parallel)[0] - 1, edge[3]


def nodes_of(model: nn.Module, token_ids: list[int], *, through_final: bool = True) -> dict[Place, Node]:
    """Build every edge vector, and keep the nodes from which the output node can be reached."""
    parts = take_apart(model)
    x, angles = embed(parts, token_ids)
    nothing = torch.zeros_like(x[0])
    nodes: dict[Place, Node] = {}
    for layer, block in enumerate(parts.blocks):
        normed = block.before_attention(x)
        probabilities, given = attention_pieces(parts, block, normed, angles)
        attended = true_attention(block, normed, angles)
        middle = x + block.after_attention(attended)
        mlp = block.after_mlp(block.mlp(block.before_mlp(x if parts.parallel else middle)))
        out = middle + mlp
        for t in range(len(x)):
            # A post-norm acts on the sum: at its true value it is one linear map for all edges into this token.
            after = linearised(block.after_attention, attended[t])
            attention_edges = [
                (("attention", layer, t, s, h), after(probabilities[h, t, s] * given[h, s]))
                for s in [t, *range(t)]
                for h in range(parts.n_heads)
            ]
            bias = after(bias_of(output_projection(block.attention), nothing))
            residual_edge = (("attention_residual", layer, t, t, -1), x[t])
            mlp_edge = (("mlp", layer, t, t, -1), mlp[t])
            if parts.parallel:
                nodes[layer + 1, t] = Node([residual_edge, mlp_edge, *attention_edges], bias, out[t])
            else:
                nodes[2 * layer + 1, t] = Node([residual_edge, *attention_edges], bias, middle[t])
                middle_edge = (("mlp_residual", layer, t, t, -1), middle[t])
                nodes[2 * layer + 2, t] = Node([middle_edge, mlp_edge], nothing, out[t])
        x = out
    output = max(nodes)  # the highest graph layer, and there the last token
    if not through_final:
        return ancestors(nodes, output, parallel=parts.parallel)
    node = nodes[output]
    final = linearised(parts.final_norm, node.held)
    nodes[output] = Node(
        [(edge, final(vector)) for edge, vector in node.entering],
        final(node.bias) + bias_of(parts.final_norm, nothing),
        parts.final_norm(node.held),
    )
    return ancestors(nodes, output, parallel=parts.parallel)


def ancestors(nodes: dict[Place, Node], output: Place, *, parallel: bool) -> dict[Place, Node]:
    """Keep the output node and the nodes with a path to it."""
    reached, waiting = {output}, [output]
    while waiting:
        for edge, _ in nodes[waiting.pop()].entering:
            source = source_of(edge, parallel=parallel)
            if source in nodes and source not in reached:  # the embeddings have no node: nothing enters them
                reached.add(source)
                waiting.append(source)
    return {place: node for place, node in nodes.items() if place in reached}


@torch.no_grad()
def edge_weights(model: nn.Module, token_ids: list[int], order: int = 1) -> dict[Edge, float]:
    """Return each edge's norm (L1 or L2) over the sum of the norms of all edges that enter the same node."""
    weights = {}
    for node in nodes_of(model, token_ids).values():
        norms = [torch.linalg.vector_norm(vector.double(), order).item() for _, vector in node.entering]
        weights |= {edge: norm / sum(norms) for (edge, _), norm in zip(node.entering, norms, strict=True)}
    return weights


def derivatives(model: nn.Module, token_ids: list[int]) -> tuple[Tensor, dict[Place, Tensor]]:
    """Return the last position's logits (V,), and their derivatives (V, D) with respect to every node's stream."""
    parts = take_apart(model)
    x, angles = embed(parts, token_ids)
    moved: dict[int, Tensor] = {}  # by graph layer: nothing, added to all its nodes

    def node(graph_layer: int, stream: Tensor) -> Tensor:
        moved[graph_layer] = torch.zeros_like(stream, requires_grad=True)
        return stream + moved[graph_layer]

    for layer, block in enumerate(parts.blocks):
        attended = block.after_attention(true_attention(block, block.before_attention(x), angles))
        middle = x + attended if parts.parallel else node(2 * layer + 1, x + attended)
        mlp = block.after_mlp(block.mlp(block.before_mlp(x if parts.parallel else middle)))
        x = node(layer + 1 if parts.parallel else 2 * layer + 2, middle + mlp)
    logits = parts.head(parts.final_norm(x[-1]))
    rows = [torch.autograd.grad(logit, list(moved.values()), retain_graph=True) for logit in logits]
    by_layer = {layer: torch.stack(found) for layer, found in zip(moved, zip(*rows, strict=True), strict=True)}
    return logits.detach(), {(layer, t): rows[:, t] for layer, rows in by_layer.items() for t in range(len(x))}


def probed_weights(model: nn.Module, token_ids: list[int], probes: Tensor, constant: float = 0.0) -> dict[Edge, float]:
    """Return F + c G P of every edge, with probes (K, V) of signs: see `strace_widgets.interventions.gradients`."""
    logits, by_node = derivatives(model, token_ids)
    p = torch.softmax(logits.double(), dim=-1)
    # d log p_y = d logit_y - sum_z p_z d logit_z
    combined = [(sign * p.sqrt()) - (sign * p.sqrt()).sum() * p for sign in probes.double()]
    weights = {}
    for place, node in nodes_of(model, token_ids, through_final=False).items():
        gradients = torch.stack([row @ by_node[place].double() for row in combined])
        reach = (gradients**2).sum(-1).mean().sqrt()
        for edge, vector in node.entering:
            effect = ((gradients @ vector.double()) ** 2).mean().sqrt()
            share = (vector.double() @ node.held.double()) / node.held.double().norm()
            share = share.clamp_min(0) if edge[0] == "attention" else share.abs()
            weights[edge] = (effect + constant * reach * share).item()
    return weights


def fisher_effects(model: nn.Module, token_ids: list[int]) -> dict[Edge, Tensor]:
    """Return sqrt(p_y) d log p_y (V,) along every edge's vector: their squares sum to its Fisher effect, squared."""
    logits, by_node = derivatives(model, token_ids)
    p = torch.softmax(logits.double(), dim=-1)
    effects = {}
    for place, node in nodes_of(model, token_ids, through_final=False).items():
        for edge, vector in node.entering:
            along = by_node[place].double() @ vector.double()
            effects[edge] = (p.sqrt() * (along - p @ along)).detach()
    return effects


def gains(model: nn.Module, token_ids: list[int], kept: set[Edge], full_logits: Tensor) -> dict[Edge, float]:
    """Return -dD/dx . v of every edge in the run of a subgraph, D = sqrt(2 KL(full || subgraph))."""
    parts = take_apart(model)
    x, angles = embed(parts, token_ids)
    tokens = range(len(x))
    moved: dict[Place, Tensor] = {}
    vectors: dict[Edge, Tensor] = {}

    def node(graph_layer: int, rows: list[Tensor]) -> Tensor:
        for t, row in enumerate(rows):
            moved[graph_layer, t] = torch.zeros_like(row, requires_grad=True)
        return torch.stack([row + moved[graph_layer, t] for t, row in enumerate(rows)])

    def passed(edge: Edge, vector: Tensor) -> Tensor:
        vectors[edge] = vector
        return vector * float(edge in kept)

    for layer, block in enumerate(parts.blocks):
        probabilities, given = attention_pieces(parts, block, block.before_attention(x), angles)
        bias = bias_of(output_projection(block.attention), x[0])
        attended = []
        for t in tokens:
            pieces = {
                ("attention", layer, t, s, h): probabilities[h, t, s] * given[h, s]
                for s, h in itertools.product(range(t + 1), range(parts.n_heads))
            }
            attended.append(bias + sum(piece for edge, piece in pieces.items() if edge in kept))
            after = linearised(block.after_attention, attended[t])
            vectors |= {edge: after(piece) for edge, piece in pieces.items()}
        written = block.after_attention(torch.stack(attended))
        middle = [passed(("attention_residual", layer, t, t, -1), x[t]) + written[t] for t in tokens]
        if not parts.parallel:
            middle = list(node(2 * layer + 1, middle))
        mlp = block.after_mlp(block.mlp(block.before_mlp(x if parts.parallel else torch.stack(middle))))
        rows = [passed(("mlp", layer, t, t, -1), mlp[t]) for t in tokens]
        if parts.parallel:
            x = node(layer + 1, [middle[t] + rows[t] for t in tokens])
        else:
            x = node(2 * layer + 2, [passed(("mlp_residual", layer, t, t, -1), middle[t]) + rows[t] for t in tokens])
    log_q = torch.log_softmax(parts.head(parts.final_norm(x[-1])), dim=-1)
    log_p = torch.log_softmax(full_logits, dim=-1)
    distance = torch.sqrt(2 * (log_p.exp() * (log_p - log_q)).sum())
    slopes = torch.autograd.grad(distance, list(moved.values()), allow_unused=True)
    by_node = dict(zip(moved, slopes, strict=True))
    return {
        edge: float(-(by_node[target_of(edge, parallel=parts.parallel)] @ vector).detach())
        for edge, vector in vectors.items()
        if by_node[target_of(edge, parallel=parts.parallel)] is not None
    }


@torch.no_grad()
def edge_vectors_gap(model: nn.Module, token_ids: list[int]) -> float:
    """Return the largest relative distance between the sum of a node's edge vectors, with bias, and the node."""
    gaps = []
    for node in nodes_of(model, token_ids).values():
        total = sum((vector for _, vector in node.entering), start=node.bias)
        gaps.append(((total - node.held).norm() / node.held.norm()).item())
    return max(gaps)


def push_key(edge: Edge) -> tuple[bool, bool, bool, int, int]:
    """Sort the edges into one node: residual, MLP, heads of the node's own token, heads of the tokens before."""
    kind, _, target, source, head = edge
    return not kind.endswith("residual"), kind != "mlp", source != target, source, head


def best_first(weights: dict[Edge, float]) -> list[Edge]:
    """Return all edges in the order in which the global best-first search from the output node pops them."""
    parallel = all(kind != "mlp_residual" for kind, *_ in weights)
    entering: dict[Place, list[Edge]] = {}
    for edge in sorted(weights, key=push_key):
        entering.setdefault(target_of(edge, parallel=parallel), []).append(edge)
    output = max(entering)
    pushes = itertools.count()
    heap = [(-weights[edge], next(pushes), edge) for edge in entering[output]]
    heapq.heapify(heap)
    reached, popped = {output}, []
    while heap:
        edge = heapq.heappop(heap)[2]
        popped.append(edge)
        source = source_of(edge, parallel=parallel)
        if source not in reached:
            reached.add(source)
            for above in entering.get(source, []):  # none enter an embedding
                heapq.heappush(heap, (-weights[above], next(pushes), above))
    return popped
