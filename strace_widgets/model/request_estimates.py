"""What a request costs before it is sent: forward passes, requests, and bytes up and down, from sizes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

from ..errors import RequestTooLargeError

PROBABILITIES_A_PASS = 1 << 26
"""Attention probabilities (rows x H x T x T) that one batched pass may hold: 256 MB in float32; the rest waits."""

BYTES_AN_ANSWER = 1 << 28
"""Beyond this, an answer comes in parts: a few layers each."""

OVERHEAD = 60_000
"""Bytes of every request besides its arrays: the functions' source and the model's tree, compressed."""


class ModelSizes(NamedTuple):
    """What an estimate counts with.

    Attributes
    ----------
    n_layers, n_heads : int
        L and H (query heads).
    d_model, d_heads : int
        M, the width of the residual stream; and that of all heads together.
    vocabulary_size : int
        V.
    number_bytes : int
        Of a number in a large array of an answer.
    travels : bool
        Whether the model runs on a server.
    """

    n_layers: int
    n_heads: int
    d_model: int
    d_heads: int
    vocabulary_size: int
    number_bytes: int
    travels: bool


@dataclass(frozen=True)
class Estimate:
    """What a request costs at most: arrays are counted before they are compressed.

    Attributes
    ----------
    passes : int
        Forward passes; those of a sweep run a batch of sizes, those of ``eap-ig`` one of steps, and a backward pass
        counts as one.
    requests : int
    bytes_up, bytes_down : int
    """

    passes: int
    requests: int
    bytes_up: int
    bytes_down: int

    def __str__(self) -> str:
        return (
            f"{self.passes} forward pass{'es' * (self.passes != 1)} in {self.requests} "
            f"request{'s' * (self.requests != 1)}, at most {_amount(self.bytes_up)} up and "
            f"{_amount(self.bytes_down)} down"
        )

    def __add__(self, other: Estimate) -> Estimate:
        return Estimate(
            self.passes + other.passes,
            self.requests + other.requests,
            self.bytes_up + other.bytes_up,
            self.bytes_down + other.bytes_down,
        )

    def check(self, limit: float) -> None:
        """Refuse what is larger than a limit in bytes, either way.

        Parameters
        ----------
        limit : float
            In bytes.

        Raises
        ------
        RequestTooLargeError
        """
        if max(self.bytes_up, self.bytes_down) > limit:
            raise RequestTooLargeError(
                f"This would take {self}, more than the limit of {_amount(limit)}. If you want that, load it with "
                f"limit={1.1 * max(self.bytes_up, self.bytes_down):.1e}; else use a shorter prompt, fewer sizes, or "
                "precision='float16'."
            )


def of_capture(model: ModelSizes, n_tokens: int, *, vectors: bool = False, backward: int = 0) -> Estimate:
    """Return what weighing every edge costs; with ``vectors``, for a measure of the user's own.

    ``backward`` is the number of backward passes that it takes.
    """
    large = model.n_layers * model.n_heads * n_tokens**2
    if vectors:
        large += model.n_layers * n_tokens * (model.n_heads + 5) * model.d_model
    small = 3 * model.n_layers * n_tokens * 4
    down = large * model.number_bytes + small
    # Here nothing travels, so that nothing has to come in parts.
    requests = min(model.n_layers, math.ceil(down / BYTES_AN_ANSWER)) if model.travels else 1
    return Estimate(
        requests * (1 + backward),
        requests,
        requests * OVERHEAD,
        down + requests * model.vocabulary_size * model.number_bytes,
    )


def of_gains(model: ModelSizes, n_tokens: int) -> Estimate:
    """Return what asking every edge's gain costs: a forward and a backward pass of one subgraph, in one request."""
    edges = _entries(model, n_tokens)
    logits = model.vocabulary_size * model.number_bytes
    return Estimate(2, 1, OVERHEAD + edges + model.vocabulary_size * 4, edges * model.number_bytes + logits)


def of_subgraphs(model: ModelSizes, n_tokens: int, n_subgraphs: int, answers: int | None = 0) -> Estimate:
    """Return what looking at some subgraphs costs, of whose masks a bit an edge goes up.

    Parameters
    ----------
    model : ModelSizes
    n_tokens, n_subgraphs : int
    answers : int, optional
        How many gains of every edge come back of a request, which takes a backward pass, too; one of each subgraph
        without. At 0, only how far each subgraph is from the model.
    """
    rows = rows_a_pass(model.n_heads, n_tokens)
    if answers != 0:
        rows = rows_a_gain(model.n_layers, model.n_heads, n_tokens)
    requests, edges = math.ceil(n_subgraphs / rows), _entries(model, n_tokens)
    masks = edges * sum(math.ceil(min(rows, n_subgraphs - first) / 8) for first in range(0, n_subgraphs, rows))
    back = n_subgraphs if answers is None else requests * answers
    passes = requests * (1 if answers == 0 else 2)
    up = requests * (OVERHEAD + model.vocabulary_size * 4) + masks
    return Estimate(passes, requests, up, n_subgraphs * 4 + back * edges * model.number_bytes)


def of_sweep(model: ModelSizes, n_tokens: int, n_sizes: int, *, mean: bool = False) -> Estimate:
    """Return what evaluating several sizes costs; with toggles, a sweep of one.

    With ``mean``, dropped edges carry the reference means: those are asked for once, then travel with every request.
    """
    passes = math.ceil(n_sizes / rows_a_pass(model.n_heads, n_tokens))
    ranks = _entries(model, n_tokens)  # a byte each: see `tensors.coarsened`
    logits = n_sizes * model.vocabulary_size * model.number_bytes
    sweep = Estimate(passes, passes, passes * (OVERHEAD + ranks), logits)
    if not mean:
        return sweep
    means = 2 * model.n_layers * (model.d_heads + 3 * model.d_model) * model.number_bytes
    return sweep + Estimate(1, 1, OVERHEAD + passes * means, means)


def rows_a_pass(n_heads: int, n_tokens: int) -> int:
    """Return how many sizes one batched pass runs."""
    return max(1, PROBABILITIES_A_PASS // (n_heads * n_tokens**2))


def rows_a_gain(n_layers: int, n_heads: int, n_tokens: int) -> int:
    """Return how many subgraphs one forward and backward pass runs: the probabilities of all layers are kept."""
    return max(1, 2 * PROBABILITIES_A_PASS // (n_layers * n_heads * n_tokens**2))


def parts(n_layers: int, n_parts: int) -> list[tuple[int, int]]:
    """Return the layers in nearly equal parts, each as (first, after the last)."""
    bounds = [round(part * n_layers / n_parts) for part in range(n_parts + 1)]
    return list(pairwise(bounds))


def _entries(model: ModelSizes, n_tokens: int) -> int:
    """Return how many numbers `Edges` of a prompt hold."""
    return model.n_layers * (model.n_heads * n_tokens**2 + 3 * n_tokens)


def _amount(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:  # noqa: PLR2004
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"
