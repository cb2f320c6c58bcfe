"""What a request costs before it is sent: forward passes, requests, and bytes up and down, from sizes alone."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from .errors import RequestTooLargeError
from .importance import PROBED, RESCORED_AT, probing_of

if TYPE_CHECKING:
    from .models import Model

PROBABILITIES_A_PASS = 1 << 26
"""Attention probabilities (rows x H x T x T) that one batched pass may hold: 256 MB in float32; the rest waits."""

BYTES_AN_ANSWER = 1 << 28
"""Beyond this, an answer comes in parts: a few layers each."""

OVERHEAD = 60_000
"""Bytes of every request besides its arrays: the functions' source and the model's tree, compressed."""


@dataclass(frozen=True)
class Estimate:
    """What a request costs at most: arrays are counted before they are compressed.

    Attributes
    ----------
    passes : int
        Forward passes; those of a sweep run a batch of sizes, and a probe's backward pass counts as one.
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


def estimate(
    model: Model,
    prompt: str | list[int],
    n_sizes: int = 48,
    *,
    importance: str = "l1",
    probes: int | None = None,
) -> Estimate:
    """Return what tracing a prompt and a sweep over its sizes will cost, from the model's configuration alone.

    Parameters
    ----------
    model : Model
    prompt : str or token ids
    n_sizes : int
        Of the sweep.
    importance, probes
        As for `strace_widgets.trace`; a measure by name.

    Raises
    ------
    PromptError
        When the prompt is empty or longer than the model's context.
    """
    n_tokens, asked = len(model.encode(prompt)), importance in PROBED
    found = of_capture(model, n_tokens, probes=probing_of(importance, probes).probes if asked else 0)
    for _ in RESCORED_AT if importance == "rescored" else ():
        found += of_gains(model, n_tokens)
    return found + of_sweep(model, n_tokens, n_sizes)


def of_capture(model: Model, n_tokens: int, *, vectors: bool = False, probes: int = 0) -> Estimate:
    """Return what weighing every edge costs; with ``vectors``, for a measure of the user's own."""
    a = model.architecture
    large = a.n_layers * a.n_heads * n_tokens**2
    if vectors:
        large += a.n_layers * n_tokens * (a.n_heads + 5) * model.width
    small = 3 * a.n_layers * n_tokens * 4
    down = large * number_bytes(model) + small
    # Here nothing travels, so that nothing has to come in parts.
    requests = min(a.n_layers, math.ceil(down / BYTES_AN_ANSWER)) if model.server else 1
    return Estimate(
        requests * (1 + probes),
        requests,
        requests * OVERHEAD,
        down + requests * model.vocabulary_size * number_bytes(model),
    )


def of_gains(model: Model, n_tokens: int) -> Estimate:
    """Return what asking every edge's gain costs: a forward and a backward pass of one subgraph, in one request."""
    edges = _entries(model, n_tokens)
    logits = model.vocabulary_size * number_bytes(model)
    return Estimate(2, 1, OVERHEAD + edges + model.vocabulary_size * 4, edges * number_bytes(model) + logits)


def of_sweep(model: Model, n_tokens: int, n_sizes: int, *, mean: bool = False) -> Estimate:
    """Return what evaluating several sizes costs; a switch is a sweep of one.

    With ``mean``, dropped edges carry the reference means: those are asked for once, then travel with every request.
    """
    a = model.architecture
    passes = math.ceil(n_sizes / rows_a_pass(a.n_heads, n_tokens))
    ranks = _entries(model, n_tokens)  # a byte each: see `packing.coarsened`
    sweep = Estimate(passes, passes, passes * (OVERHEAD + ranks), n_sizes * model.vocabulary_size * number_bytes(model))
    if not mean:
        return sweep
    means = 2 * a.n_layers * (model.heads_width + 3 * model.width) * number_bytes(model)
    return sweep + Estimate(1, 1, OVERHEAD + passes * means, means)


def rows_a_pass(n_heads: int, n_tokens: int) -> int:
    """Return how many sizes one batched pass runs."""
    return max(1, PROBABILITIES_A_PASS // (n_heads * n_tokens**2))


def parts(n_layers: int, n_parts: int) -> list[tuple[int, int]]:
    """Return the layers in nearly equal parts, each as (first, after the last)."""
    bounds = [round(part * n_layers / n_parts) for part in range(n_parts + 1)]
    return list(pairwise(bounds))


def number_bytes(model: Model) -> int:
    """Return the bytes of a number in a large array of an answer."""
    return 2 if model.server and model.server.precision == "float16" else 4


def _entries(model: Model, n_tokens: int) -> int:
    """Return how many numbers `Edges` of a prompt hold."""
    a = model.architecture
    return int(a.n_layers * (a.n_heads * n_tokens**2 + 3 * n_tokens))


def _amount(n_bytes: float) -> str:
    for unit in ("B", "kB", "MB"):
        if n_bytes < 1000:  # noqa: PLR2004
            return f"{n_bytes:.0f} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.1f} GB"
