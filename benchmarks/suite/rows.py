"""What the suite measures: each row as a function of a prompt on a model, and what a plain forward pass is.

A row asks only for what the package offers to its users, so that older and newer versions can be measured by the same
functions.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import networkx_graph

import strace_widgets as sw

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

SIZE = 0.3
"""s at which components are toggled and masks are made."""

BETWEEN = 0.7
"""The size of a subgraph that is evaluated before each that is measured: the same one again would cost little."""

SMALL = (0.01, 0.001)
"""The sizes of small subgraphs, whose evaluation could cost less."""

PROBABILITIES_A_PASS = 1 << 26
"""How many attention probabilities (rows x H x T x T) a plain batch may hold; what is more comes in several."""

MOST_EDGES = 1_000_000
"""Beyond this a networkx graph takes minutes and gigabytes."""

MOST_TOKENS = 512
"""Up to how many tokens there are gradients within the memory of a usual machine."""


MANY = 500
"""Traces of a short prompt, one after the other, which are to take no more memory than a few."""


@dataclass(eq=False)
class Case:
    """A prompt on a model, and what rows have made for one another.

    Attributes
    ----------
    model : Model
    token_ids : (T,) int64
    folder : Path
        For files.
    rounds : iterator of int
        The components that are toggled one after the other.
    """

    model: sw.Model
    token_ids: np.ndarray
    folder: Path
    rounds: itertools.count[int] = field(default_factory=itertools.count)

    @cached_property
    def trace(self) -> sw.STrace:
        """The trace by the paper's measure, without a sweep."""
        return sw.trace(self.model, self.token_ids)

    @cached_property
    def swept(self) -> sw.STrace:
        """The trace with its standard sweep."""
        trace = replace(self.trace)  # a sweep is kept by the trace that made it
        trace.sweep()
        return trace

    @cached_property
    def written(self) -> Path:
        """The file of the trace with its standard sweep."""
        return self.swept.save(self.folder / "trace.strace")

    @cached_property
    def networkx_graph(self) -> Any:
        """The trace's graph with its weights."""
        return networkx_graph.graph_of(self.trace.weights, parallel=self.trace.graph.parallel)

    @cached_property
    def networkx_order(self) -> list[networkx_graph.Edge]:
        """Its edges, best first."""
        return networkx_graph.ordered(self.networkx_graph)

    def next_component(self) -> str:
        """Return a head or an MLP, spread evenly over all of them after any number of rounds."""
        graph = self.trace.graph
        components = [f"{layer}.{part}" for layer in range(graph.n_layers) for part in (*range(graph.n_heads), "mlp")]
        golden = (5**0.5 - 1) / 2
        return components[int((next(self.rounds) + 0.5) * golden % 1 * len(components))]

    def anew(self, name: str) -> Any:
        """Make something once more, which is kept in the place of what was made before."""
        self.__dict__.pop(name, None)
        return getattr(self, name)

    def forget(self) -> None:
        """Free what was made."""
        for name in ("trace", "swept", "networkx_graph", "networkx_order"):
            self.__dict__.pop(name, None)

    def plain(self, n_rows: int = 1) -> None:
        """Run the module itself, without nnsight, on so many rows of the prompt."""
        import torch  # noqa: PLC0415 - the names of the rows are known without

        module, architecture = self.model.nnsight._module, self.model.architecture
        n_tokens = len(self.token_ids)
        at_once = max(1, PROBABILITIES_A_PASS // (architecture.n_heads * n_tokens**2))
        row = torch.from_numpy(self.token_ids)[None].to(module.get_input_embeddings().weight.device)
        for start in range(0, n_rows, at_once):
            batch = row.expand(min(at_once, n_rows - start), -1).contiguous()
            with torch.no_grad():
                module(batch, **architecture.keywords).logits[:, -1].cpu()  # waits for an accelerator


def nothing(*_: Any) -> dict[str, Any]:
    return {}


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes
    ----------
    run : callable
        What is measured, of a `Case`.
    before : callable
        What is there already; not measured.
    found : callable
        Takes the case and what ``run`` returned: ``n_rows`` that ran, ``n_bytes`` that were written, and a ``note``.
    memory : bool
        Whether its memory is measured, in a process of its own, instead of its time.
    most_tokens, most_edges : float
        Beyond which it is left out.
    """

    run: Callable[[Case], Any]
    before: Callable[[Case], Any] = nothing
    found: Callable[[Case, Any], dict[str, Any]] = nothing
    memory: bool = False
    most_tokens: float = float("inf")
    most_edges: float = float("inf")


def capture(case: Case) -> Any:
    from strace_widgets.graph.measures import MEASURES  # noqa: PLC0415 - another version may have it elsewhere

    return case.model.capture(case.token_ids, MEASURES["l1"].score)


def order(case: Case) -> Any:
    from strace_widgets.graph.ranking import rank_edges  # noqa: PLC0415

    return rank_edges(case.trace.weights, case.trace.graph)


def trace(case: Case, importance: str = "l1") -> sw.STrace:
    return sw.trace(case.model, case.token_ids, importance)


def counted(case: Case, trace: sw.STrace) -> dict[str, Any]:
    """Return how many passes a trace is said to take: its budget, or the estimate."""
    if trace.refined:
        passes = trace.refined.refinements[0].passes
    else:
        passes = sw.estimate(case.model, case.token_ids, trace.importance, n_sizes=0).passes
    return {"note": f"{passes:.0f} counted"}


def evaluation(case: Case, size: float, toggles: dict[str, str] | None = None) -> Any:
    return case.trace.evaluate([size], toggles)


def another(case: Case) -> None:
    """Evaluate another subgraph, so that nothing of the next one is known already."""
    evaluation(case, BETWEEN)


def sweep_found(_: Case, trace: sw.STrace) -> dict[str, Any]:
    n_sizes = len(trace.sweep().sizes)
    return {"n_rows": n_sizes, "note": f"{n_sizes} sizes"}


def many(case: Case) -> None:
    for _ in range(MANY):
        trace(case).evaluate([SIZE])


def sweep(case: Case) -> sw.STrace:
    return case.anew("swept")


def toggle(case: Case) -> Any:
    return evaluation(case, SIZE, {case.next_component(): "off"})


def first_paint(case: Case) -> Any:
    return trace(case).explore()


def first_paint_found(_: Case, explorer: Any) -> dict[str, Any]:
    """Close the Explorer, and wait for what it went on to compute."""
    from strace_widgets.explorer.worker import worker  # noqa: PLC0415

    explorer.close()
    worker.submit(nothing).result()
    return {}


def save(case: Case) -> Path:
    return case.anew("written")


def saved_found(_: Case, file: Path) -> dict[str, Any]:
    return {"n_bytes": file.stat().st_size}


def read(case: Case) -> Any:
    return sw.load_trace(case.written)


def networkx_masks(case: Case) -> Any:
    kept = case.networkx_order[: int(SIZE * case.trace.n_edges)]
    return networkx_graph.masks_of(case.networkx_graph, kept, case.trace.ranks)


PASSES_COUNTED = ("fisher+projection", "rescored", "refined")
"""Measures that say how many passes they take."""

ROWS = {
    "capture": Row(capture),
    "order": Row(order, before=lambda case: case.trace),
    "graph by networkx": Row(
        lambda case: networkx_graph.graph_of(case.trace.weights, parallel=case.trace.graph.parallel),
        before=lambda case: case.trace,
        most_edges=MOST_EDGES,
    ),
    "order by networkx": Row(
        lambda case: networkx_graph.ordered(case.networkx_graph),
        before=lambda case: case.networkx_graph,
        most_edges=MOST_EDGES,
    ),
    "masks": Row(lambda case: case.trace.mask(SIZE), before=lambda case: case.trace),
    "masks by networkx": Row(networkx_masks, before=lambda case: case.networkx_order, most_edges=MOST_EDGES),
    "trace": Row(trace),
    **{
        f"trace by {name}": Row(partial(trace, importance=name), found=counted, most_tokens=MOST_TOKENS)
        for name in PASSES_COUNTED
    },
    **{f"evaluation at s = {size}": Row(partial(evaluation, size=size), before=another) for size in (SIZE, *SMALL)},
    "toggle": Row(toggle, before=lambda case: evaluation(case, SIZE)),
    "standard sweep": Row(sweep, before=another, found=sweep_found),
    "first paint": Row(first_paint, found=first_paint_found),
    "saving": Row(save, before=lambda case: case.swept, found=saved_found),
    "reading": Row(read, before=lambda case: case.written),
    "memory of a trace": Row(trace, memory=True),
    "memory of a standard sweep": Row(sweep, memory=True),
    f"memory of {MANY} traces": Row(many, memory=True, most_tokens=10),
    "memory of the first paint": Row(first_paint, found=first_paint_found, memory=True),
    "memory of saving": Row(save, memory=True),
    "memory of reading": Row(read, before=lambda case: case.written, memory=True),
}
"""By name, in the order of the table."""
