"""What the map of effects costs: all heads switched off one by one, against plain forward passes of the same rows.

``python benchmarks/effects.py`` prints the ratio of processor times at 10 and 40 tokens, on the default model.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import torch

import strace_widgets as sw
from strace_widgets.results.switching_off import rows_a_batch

if TYPE_CHECKING:
    from collections.abc import Callable

PROMPT = (
    "When Mary and John went to the store, John gave a drink to Mary. Later that day they walked home together, "
    "and on the way Mary told John that the capital of France is Paris, which she had read in a very old book"
)
TOKENS, ROUNDS = (10, 40), 3


def main() -> None:
    model = sw.load_model()
    for n_tokens in TOKENS:
        print(ratio(model, model.encode(PROMPT)[:n_tokens]), flush=True)


def ratio(model: sw.Model, token_ids: Any) -> str:
    trace = sw.trace(model, token_ids)
    n_heads, rows = trace.graph.n_layers * trace.graph.n_heads, rows_a_batch(trace)
    module, ids = model.nnsight._module, torch.as_tensor(token_ids)[None]

    def plain() -> None:
        with torch.no_grad():
            for first in range(0, n_heads, rows):
                module(ids.expand(min(rows, n_heads - first), -1), **model.architecture.keywords)

    def effects() -> None:
        trace.effect_maps.clear()
        trace.effects(progress=False)

    figures = sorted(_seconds(effects) / _seconds(plain) for _ in range(ROUNDS))
    middle = figures[ROUNDS // 2]
    return (
        f"{len(token_ids)} tokens: the effects of {n_heads} heads take {middle:.2f} x the plain passes of as many rows"
    )


def _seconds(work: Callable[[], None]) -> float:
    begun = time.process_time()
    work()
    return time.process_time() - begun


if __name__ == "__main__":
    main()
