"""The best-first order of `ranking`, compiled, for graphs of millions of edges: by sorting, without a heap of edges.

Apart from `ranking` because importing numba takes half a second, which only the first trace should pay. What is
compiled runs without the interpreter's lock, so a thread beside it goes on.

Number the nodes in the order in which they are reached. Between reaching node g - 1 and node g nothing is pushed, so
what is popped in this *gap* comes in sorted order, and the edge that reaches g last. An edge into node i is popped in
the first gap g > i whose reaching edge is worse than it, or the edge itself. So the order is that of (gap, weight,
push), and only the nodes need a heap (`_reach`): of the edges between two nodes the best alone can reach anything.

For most edges weight decides the gap: those no heavier than the lightest edge that reached anything before their node.
They are sorted by weight alone. The others are *waiting* when their node is reached. They follow the edge that opened
their *stretch*, the nodes reached before the next edge as light as that one.

The sort is one pass into buckets, one sort in each bucket, which the processor's cache holds, and one more pass that
repeats the first to bring each edge its rank: memory is read and written in order, and no edge's place is stored.

A node is numbered ``graph_layer * T + token``. Its edges in push order are residual, (MLP in a parallel block,) heads
from the token itself, heads from each earlier token; into an MLP node residual, then MLP. Weights are compared as
keys: integers in the order of the floats, the smaller the heavier.
"""

from __future__ import annotations

import heapq
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numba import config

from ._compiled import compiled

if TYPE_CHECKING:
    from collections.abc import Callable

    from .edges import Array, Edges

DIGITS = 1 << 16
"""Buckets of edges sorted by weight alone: the upper half of the key. Behind them comes a bucket for each gap."""

SHARE = 1_000_000
"""So many edges are worth a thread."""

FEW = 40
"""Up to so many edges are sorted by insertion."""

FIRST_KEY, LAST_KEY = -(1 << 31), (1 << 31) - 1
"""No weight has these keys."""


class Reached(NamedTuple):
    """The n nodes whose edges are in the graph, in the order in which they are reached; arrays (n,).

    Attributes
    ----------
    node, n_entering, first_push : Array
        The node's number, how many edges enter it, and the push counter of the first of them.
    key, push, target : Array
        Of the edge that reaches the node: key, push counter, and place in this order of the node that it enters.
    limit : Array
        The largest key until here: the node's edges with smaller keys are waiting.
    following : Array
        The next place whose edge is worse than this one's.
    """

    node: Array
    n_entering: Array
    first_push: Array
    key: Array
    push: Array
    target: Array
    limit: Array
    following: Array


def best_first(weights: Edges, ranks: Edges, *, parallel: bool, workers: int | None = None) -> None:
    """Write each edge's rank into ``ranks``.

    Parameters
    ----------
    weights : Edges of float32
        Contiguous.
    ranks : Edges of int32
    parallel : bool
        Whether attention and MLP of a layer enter one node together.
    workers : int, optional
        How many threads share the work; by default one for every `SHARE` edges, as far as there are processors.
    """
    bits: Any = tuple(kind.view(np.int32) for kind in weights)
    entering = _n_entering(weights, parallel=parallel)
    workers = workers or min(config.NUMBA_NUM_THREADS, 1 + int(entering.sum()) // SHARE)
    found = _reach(bits, entering, parallel)
    reached = Reached(*found, *_limits(found[3]))
    n_nodes, until = len(reached.node), reached.n_entering.cumsum(dtype=np.int64)
    opening = np.append(1 + np.flatnonzero(reached.key[1:] >= reached.limit[:-1]), n_nodes)
    by_target = opening[:-1][np.argsort(reached.target[opening[:-1]], kind="stable")]

    def shares(sums: Array) -> list[tuple[int, int]]:
        """Cut what has these running sums into a share for each worker."""
        cuts = np.searchsorted(sums, [sums[-1] * share // workers for share in range(1, workers)]).tolist()
        return list(zip([0, *cuts], [*cuts, len(sums)], strict=True))

    by_node = shares(until)
    counts = np.zeros((workers, DIGITS + n_nodes + 1), dtype=np.int32)
    with ThreadPoolExecutor(workers) as pool:

        def share_out(work: Callable[..., None], each: list[tuple[Any, ...]]) -> None:
            """Let every worker do its part; the first alone needs no thread."""
            if workers == 1:
                work(*each[0])
            else:
                list(pool.map(work, *zip(*each, strict=True)))

        share_out(_count, [(counts[w], bits, reached, *by_node[w], parallel) for w in range(workers)])
        ends = counts.T.cumsum(dtype=np.int32).reshape(-1, workers)
        begins = np.ascontiguousarray((ends - counts.T).T)
        starts = np.append(np.int32(0), ends[:, -1])
        keys, places, moving = np.empty(until[-1], dtype=np.int32), np.full(n_nodes + 1, -1), begins.copy()
        each = [(keys, moving[w], places, by_target, bits, reached, *by_node[w], parallel) for w in range(workers)]
        share_out(_fill, each)
        opened_at = np.append(places[opening[:-1]], -1)
        released = starts[DIGITS + 1 + opening] - starts[DIGITS]
        spare = np.empty((workers, 2, int(np.diff(starts).max())), dtype=np.int32)
        by_digit = shares(starts[1 : DIGITS + 1])
        share_out(
            _rank_by_weight, [(keys, starts, opened_at, released, spare[w], *by_digit[w]) for w in range(workers)]
        )
        _rank_waiting(keys, starts, opened_at, opening, spare[0])
        share_out(_write, [(ranks, keys, begins[w], bits, reached, *by_node[w], parallel) for w in range(workers)])


def _n_entering(weights: Edges, *, parallel: bool) -> Array:
    """Return how many edges enter each node, by its number."""
    by_token = 1 + weights.n_heads * np.arange(1, weights.n_tokens + 1, dtype=np.int32)
    layer = [by_token + 1] if parallel else [by_token, np.full_like(by_token, 2)]
    return np.concatenate([np.zeros_like(by_token), *(layer * weights.n_layers)])


@compiled
def _key(bits: int) -> int:
    """Return a float's bits as an integer that is the smaller the larger the float; both zeros are alike."""
    return -bits if bits >= 0 else bits & LAST_KEY


@compiled
def _copy_keys(keys: Any, bits: Any, node: int, parallel: bool) -> Any:  # noqa: FBT001
    """Write the keys of the edges that enter a node, in push order; return how many come from its own token."""
    attention, attention_residual, mlp, mlp_residual = bits
    _, n_heads, n_tokens, _ = attention.shape
    graph_layer, token = node // n_tokens, node % n_tokens
    layer = graph_layer - 1 if parallel else (graph_layer - 1) // 2
    if not parallel and graph_layer % 2 == 0:
        keys[0], keys[1] = _key(mlp_residual[layer, token]), _key(mlp[layer, token])
        return 2
    keys[0], first = _key(attention_residual[layer, token]), 1
    if parallel:
        keys[1], first = _key(mlp[layer, token]), 2
    for head in range(n_heads):
        by_source = attention[layer, head, token]
        keys[first + head] = _key(by_source[token])
        place = first + n_heads + head
        for source in range(token):
            keys[place] = _key(by_source[source])
            place += n_heads
    return first + n_heads


@compiled
def _reach(bits: Any, entering: Any, parallel: bool) -> Any:  # noqa: FBT001
    """Return the first fields of `Reached` (6, n), by a best-first search that pushes what may reach a new node."""
    n_heads, n_tokens = bits[0].shape[1:3]
    found, n_found, pushed = np.empty((6, len(entering)), dtype=np.int32), 0, 0
    best = np.full(len(entering), LAST_KEY, dtype=np.int32)  # into each node; FIRST_KEY once it is reached
    keys = np.empty(entering.max(), dtype=np.int32)
    heap: Any = [(FIRST_KEY, 0, len(entering) - 1, 0)]  # the output node
    while len(heap) > 0:
        key, push, node, target = heapq.heappop(heap)
        if best[node] == FIRST_KEY:
            continue
        best[node] = FIRST_KEY
        found[0, n_found], found[1, n_found], found[2, n_found] = node, entering[node], pushed
        found[3, n_found], found[4, n_found], found[5, n_found] = key, push, target
        if node >= 2 * n_tokens:  # into the sources of the others no edge leads
            begin, end = 0, _copy_keys(keys, bits, node, parallel)
            source, first_source = node - n_tokens, node - node % n_tokens - n_tokens
            while begin < entering[node]:
                for place in range(begin, end):
                    if keys[place] < best[source]:
                        best[source] = keys[place]
                        heapq.heappush(heap, (np.int64(keys[place]), pushed + place, source, n_found))
                source = first_source if begin == 0 else source + 1
                begin, end = end, end + n_heads
        pushed += entering[node]
        n_found += 1
    return found[:, :n_found]


@compiled
def _limits(key: Any) -> Any:
    """Return ``limit`` and ``following`` of `Reached`."""
    limit, following = key.copy(), np.empty(len(key), dtype=np.int32)
    for i in range(1, len(key)):
        limit[i] = max(limit[i - 1], key[i])
    for i in range(len(key) - 1, -1, -1):
        after = i + 1
        while after < len(key) and key[after] < key[i]:
            after = following[after]
        following[i] = after
    return limit, following


@compiled
def _copy_buckets(buckets: Any, keys: Any, gaps: Any, bits: Any, reached: Any, i: int, parallel: bool) -> None:  # noqa: FBT001
    """Write bucket and key of the edges that enter node i, in push order; ``gaps`` is room to work in."""
    _copy_keys(keys, bits, reached.node[i], parallel)
    limit, n_waiting = reached.limit[i], 0
    for edge in range(reached.n_entering[i]):
        buckets[edge] = (keys[edge] >> 16) + DIGITS // 2
        n_waiting += keys[edge] < limit
    if n_waiting == 0:
        return
    n_gaps, gap = 0, i + 1  # only these come into question, each with a worse edge than the one before
    while gap < len(reached.key) and reached.key[gap] < limit:
        gaps[0, n_gaps], gaps[1, n_gaps] = gap, reached.key[gap]
        n_gaps, gap = n_gaps + 1, reached.following[gap]
    gaps[0, n_gaps], gaps[1, n_gaps] = gap, LAST_KEY
    for edge in range(reached.n_entering[i]):
        key = keys[edge]
        if key < limit:
            low, left = 0, n_gaps + 1
            while left > 1:  # no branch depends on the keys, which no processor could foresee
                low += left // 2 if gaps[1, low + left // 2 - 1] < key else 0
                left -= left // 2
            while gaps[1, low] == key and reached.push[gaps[0, low]] < reached.first_push[i] + edge:
                low += 1
            buckets[edge] = DIGITS + gaps[0, low]


@compiled
def _room(reached: Any) -> Any:
    """Return the room in which `_copy_buckets` works."""
    most = reached.n_entering.max()
    return np.empty(most, np.int32), np.empty(most, np.int32), np.empty((2, len(reached.node) + 1), np.int32)


@compiled
def _count(counts: Any, bits: Any, reached: Any, begin: int, end: int, parallel: bool) -> None:  # noqa: FBT001
    """Count the edges of each bucket, of those that enter the nodes from ``begin`` to ``end``."""
    buckets, keys, gaps = _room(reached)
    for i in range(begin, end):
        _copy_buckets(buckets, keys, gaps, bits, reached, i, parallel)
        for edge in range(reached.n_entering[i]):
            counts[buckets[edge]] += 1


@compiled
def _fill(
    held: Any,
    free: Any,
    places: Any,
    opening: Any,
    bits: Any,
    reached: Any,
    begin: int,
    end: int,
    parallel: bool,  # noqa: FBT001
) -> None:
    """Put the keys of the edges into their buckets, in push order, from the ``free`` place of each bucket on.

    Of the edges that reach the nodes ``opening``, which are sorted by target, note in ``places`` where they lie.
    """
    buckets, keys, gaps = _room(reached)
    at = 0
    while at < len(opening) and reached.target[opening[at]] < begin:
        at += 1
    for i in range(begin, end):
        _copy_buckets(buckets, keys, gaps, bits, reached, i, parallel)
        while at < len(opening) and reached.target[opening[at]] == i:
            edge = reached.push[opening[at]] - reached.first_push[i]
            places[opening[at]] = free[buckets[edge]] + (buckets[:edge] == buckets[edge]).sum()
            at += 1
        for edge in range(reached.n_entering[i]):
            held[free[buckets[edge]]] = keys[edge]
            free[buckets[edge]] += 1


@compiled
def _sorted(keys: Any, order: Any, spare: Any) -> Any:
    """Return the stable order of some keys, in one of two arrays at least as long."""
    n_keys, differing = len(keys), 0
    for edge in range(n_keys):
        order[edge] = edge
        differing |= keys[edge] ^ keys[0]
    if n_keys <= FEW:
        for edge in range(1, n_keys):
            place = edge
            while place > 0 and keys[order[place - 1]] > keys[edge]:
                order[place] = order[place - 1]
                place -= 1
            order[place] = edge
        return order
    free = np.empty(256, dtype=np.int32)
    for shift in range(0, 32, 8):
        if (differing >> shift) & 255 == 0:
            continue
        sign = 128 * (shift // 24)  # in the highest byte negative keys come first
        free[:] = 0
        for edge in range(n_keys):
            free[((keys[edge] >> shift) & 255) ^ sign] += 1
        before = 0
        for digit in range(256):
            before, free[digit] = before + free[digit], before
        for place in range(n_keys):
            digit = ((keys[order[place]] >> shift) & 255) ^ sign
            spare[free[digit]] = order[place]
            free[digit] += 1
        order, spare = spare, order
    return order


@compiled
def _rank_by_weight(held: Any, starts: Any, opened_at: Any, released: Any, spare: Any, begin: int, end: int) -> None:
    """Replace the keys in the buckets from ``begin`` to ``end`` by ranks.

    ``opened_at`` tells the places of the edges that open a stretch, and ``released`` how many edges wait in the
    stretches before each.
    """
    stretch = 0
    while 0 <= opened_at[stretch] < starts[begin]:
        stretch += 1
    for bucket in range(begin, end):
        first, n_edges = starts[bucket], starts[bucket + 1] - starts[bucket]
        if n_edges == 0:
            continue
        order = _sorted(held[first : first + n_edges], spare[0], spare[1])
        for place in range(n_edges):
            edge = first + order[place]
            held[edge] = first + place + released[stretch]
            stretch += edge == opened_at[stretch]


@compiled
def _rank_waiting(held: Any, starts: Any, opened_at: Any, opening: Any, spare: Any) -> None:
    """Replace the keys of waiting edges by ranks: stretch after stretch, from that of its opening edge on."""
    for stretch in range(len(opening) - 1):
        rank = held[opened_at[stretch]] + 1
        for gap in range(opening[stretch] + 1, opening[stretch + 1] + 1):
            first, n_edges = starts[DIGITS + gap], starts[DIGITS + gap + 1] - starts[DIGITS + gap]
            order = _sorted(held[first : first + n_edges], spare[0], spare[1])
            for place in range(n_edges):
                held[first + order[place]] = rank + place
            rank += n_edges


@compiled
def _write(
    ranks: Any,
    held: Any,
    taken: Any,
    bits: Any,
    reached: Any,
    begin: int,
    end: int,
    parallel: bool,  # noqa: FBT001
) -> None:
    """Write the ranks of the edges that enter some nodes, taken from the buckets as `_fill` put them there."""
    attention, attention_residual, mlp, mlp_residual = ranks
    n_heads, n_tokens = attention.shape[1:3]
    buckets, keys, gaps = _room(reached)
    for i in range(begin, end):
        _copy_buckets(buckets, keys, gaps, bits, reached, i, parallel)
        for edge in range(reached.n_entering[i]):
            keys[edge] = held[taken[buckets[edge]]]
            taken[buckets[edge]] += 1
        graph_layer, token = reached.node[i] // n_tokens, reached.node[i] % n_tokens
        layer = graph_layer - 1 if parallel else (graph_layer - 1) // 2
        if not parallel and graph_layer % 2 == 0:
            mlp_residual[layer, token], mlp[layer, token] = keys[0], keys[1]
            continue
        attention_residual[layer, token], first = keys[0], 1
        if parallel:
            mlp[layer, token], first = keys[1], 2
        for head in range(n_heads):
            by_source = attention[layer, head, token]
            by_source[token] = keys[first + head]
            place = first + n_heads + head
            for source in range(token):
                by_source[source] = keys[place]
                place += n_heads
