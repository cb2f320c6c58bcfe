"""Saved traces: one zip file of plain arrays and JSON, which opens without torch or a model.

``docs/strace-file.md`` describes the format. Whatever is read is checked before it is used: the manifest lists every
member with its size and checksum, arrays have the shapes that the graph gives them, and nothing is unpickled. What is
large, the weights, is written and held a layer at a time, and an order that follows from them is not in the file.
"""

from __future__ import annotations

import math
import zipfile
from base64 import b64decode
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any, cast

import msgspec
import numpy as np

from ..errors import NonFiniteError, TraceFileError
from ..graph.edges import NOT_IN_GRAPH, Array, Edges, Graph
from ..graph.modes import Modes, modes_of
from ..graph.order import Order, SavedOrder, by_layer, checksum
from ..graph.toggles import parse
from ..json_files import decode, decode_file, encode
from ..paths import AnyPath, expanded, reading, writing
from . import edge_coding, metrics, tried, upgrade
from .effects import ARRAYS
from .members import Members, compression, opened_archive, write
from .npy import packed
from .replay import ReplayModel
from .strace import STrace
from .sweep import FIGURES, Sweep, TopToken
from .switching_off import nothing_known
from .trace_manifest import EffectsEntry, GraphEntry, Manifest, Member, ModelEntry, ShownGraph, SweepEntry

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ..model.model import Model
    from ..model.text.contrasts import Contrast
    from .effects import Effects, Kept

FORMAT, VERSION = "strace", 3
WHOLE_ARRAYS = 2
"""The last version with weights and ranks as whole arrays."""

LARGEST_JSON = 1 << 28
"""Bytes of the manifest or the view beyond which a file is refused unread."""

LARGEST_RESULTS, SMALL_RESULTS = 1 << 29, 1 << 24
"""Probabilities that the sweeps of a file may have, and how many if its logits take few bytes: all take memory."""

COLUMNS: dict[str, type[np.generic]] = {
    **dict.fromkeys(("sizes", *FIGURES), np.float64),
    **dict.fromkeys(("n_edges", "n_edges_kept", "nucleus", "nucleus_size"), np.int64),
    "top1": np.bool_,
}
"""The columns of a sweep that a file has, and their types; nuclei are in per cent there."""


def save_trace(trace: STrace, path: AnyPath, view: str) -> Path:
    """Write a trace, its results and what an Explorer shows of it (``view``, JSON) to a file; return its path.

    Raises
    ------
    NonFiniteError
        When a weight is no finite number.
    """
    # Whoever changed the weights of a trace, or its order, has an order that does not follow from them.
    follows = trace.order.weights is trace.weights
    edges = {"weights.zst": edge_coding.coded(_finite(trace.weights, trace.graph), trace.graph)}
    if not follows:
        edges["ranks.zst"] = edge_coding.coded(by_layer(trace.ranks, trace.graph), trace.graph)
    members = {}
    with writing(path) as unfinished, zipfile.ZipFile(unfinished, "w") as archive:
        for name, content in {"view.json": view.encode(), **_arrays(trace)}.items():
            members[name] = write(archive, name, [content], compression(name, content))
        for name, frames in edges.items():
            members[name] = write(archive, name, frames, zipfile.ZIP_STORED, edge_coding.most_bytes(trace.graph))
        manifest = encode(_manifest(trace, members, _checksum(trace) if follows else ""))
        write(archive, "manifest.json", [manifest], compression("manifest.json", manifest))
    return expanded(path)


def _finite(weights: Edges, graph: Graph) -> Iterator[Array]:
    """Yield the weights of each layer as float32, if a file may hold them."""
    for layer, values in enumerate(by_layer(weights, graph)):
        if not np.isfinite(values).all():
            raise NonFiniteError(
                f"A weight of layer {layer} is no finite number, and a saved trace has no other.", "scores", layer
            )
        yield values.astype(np.float32, copy=False)


def _checksum(trace: STrace) -> str:
    """Return the checksum of the ranks; of a trace that was loaded, without working them out."""
    return trace.order.sha256 if isinstance(trace.order, SavedOrder) else checksum(trace.ranks, trace.graph)


def _arrays(trace: STrace) -> dict[str, bytes]:
    """Return the members that are arrays, but for the edges."""
    members = {
        "token_ids.npy": packed(trace.token_ids),
        "full_logits.npy": packed(trace.full_logits.astype(np.float32)),
    }
    for number, sweep in enumerate(trace.sweeps.values()):
        columns = {name: getattr(sweep, name) for name in COLUMNS} | {
            "nucleus": np.rint(100 * sweep.nucleus),
            "top_ids": np.array([[token.id for token in row] for row in sweep.top]),
            "top_probabilities": np.array([[token.probability for token in row] for row in sweep.top]),
            "listed_probabilities": sweep.probabilities[:, sorted(_listed(sweep, trace))],
        }
        for name, column in columns.items():
            members[f"sweeps/{number}/{name}.npy"] = packed(column.astype(COLUMNS.get(name, column.dtype)))
        if sweep.figure is not None:
            members[f"sweeps/{number}/figure.npy"] = packed(sweep.figure)
    for number, effects in enumerate(_effects(trace).values()):
        itself = np.array([effects.subgraph_total_variation, effects.subgraph_logit_difference])
        for name, values in {**{name: getattr(effects, name) for name in ARRAYS}, "subgraph": itself}.items():
            members[f"effects/{number}/{name}.npy"] = packed(values)
    return members


def _effects(trace: STrace) -> dict[Kept, Effects]:
    """Return what is known of the effects of components in this trace: those under other orders stay behind."""
    return {kept: found for kept, found in trace.effect_maps.items() if kept.order in (None, trace.order)}


def _manifest(trace: STrace, members: dict[str, Member], ranks_sha256: str) -> Manifest:
    named = {*trace.token_ids.tolist(), *(token.id for token in trace.top)}
    named = named.union(*(_listed(sweep, trace) for sweep in trace.sweeps.values()))
    named |= {*trace.contrast.target, *trace.contrast.foil, *trace.contrast.counterfactual}
    return Manifest(
        format=FORMAT,
        version=VERSION,
        model=ModelEntry(trace.model.name, trace.model.dtype),
        prompt=trace.prompt,
        tokens=trace.tokens,
        importance=trace.importance,
        graph=GraphEntry(**trace.graph._asdict()),
        vocabulary_size=len(trace.full_logits),
        texts={i: trace.model.decode(i) for i in sorted(named)},
        sweeps=[
            SweepEntry(asdict(modes), len(sweep), None if sweep.figure is None else _known(sweep.empty_figure))
            for modes, sweep in trace.sweeps.items()
        ],
        effects=tuple(EffectsEntry(kept.by, kept.n_edges, asdict(kept.modes)) for kept in _effects(trace)),
        members=members,
        ranks_sha256=ranks_sha256,
        probing=trace.probing,
        refined=trace.refined,
        origin=trace.origin,
        contrast=trace.contrast,
    )


def _known(figure: float) -> float | None:
    return figure if np.isfinite(figure) else None


def _listed(sweep: Sweep, trace: STrace) -> set[int]:
    """Return the ids of the tokens whose probabilities are saved."""
    return {token.id for row in (*sweep.top, trace.top) for token in row}


def load_trace(path: AnyPath) -> STrace:
    """Load a trace that was saved, without torch and without its model.

    Its masks, weights, ranks and saved results are there, and ``trace.explore()`` replays them. What needs the model
    says so; ``trace.with_model(model)`` brings one. An order that follows from the weights is worked out when it is
    first asked for, and then a `TraceFileError` if it is not the one that was saved.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    STrace
        Its model is a `strace_widgets.results.replay.ReplayModel`.

    Raises
    ------
    TraceFileError
        When the file is no saved trace, of a newer version, cut off or altered; names the part at fault.
    PathError
        When it cannot be read; a `MissingFileError` when it is not there.
    """
    with reading(path, "a saved trace") as file, opened_archive(file) as archive:
        return _Reader(file, archive).trace()


class _Reader(Members):
    """The members of a saved trace, and what they are together."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        super().__init__(path, archive)
        content = self.read("manifest.json", LARGEST_JSON)
        try:
            self.manifest = decode_file(content, Manifest, FORMAT, VERSION)
        except ValueError as reason:
            raise TraceFileError(
                f"{path} is no saved trace that can be read, by its manifest.json: {reason}."
            ) from reason
        self.written = self.manifest.members

    def trace(self) -> STrace:
        """Return the whole trace."""
        with self.describing("manifest.json"):
            return self._trace()

    def _trace(self) -> STrace:
        manifest = self.manifest
        graph = Graph(**msgspec.structs.asdict(manifest.graph))
        if len(manifest.tokens) != graph.n_tokens:
            raise ValueError(f"{len(manifest.tokens)} tokens in a graph {tuple(graph)}")
        self.no_others()
        self._refuse_too_many_results()
        weights, order = self._whole_arrays(graph) if manifest.version <= WHOLE_ARRAYS else self._edges(graph)
        trace = STrace(
            # It has what a replay needs and refuses the rest.
            model=cast("Model", ReplayModel(manifest.model.name, manifest.model.dtype, manifest.texts)),
            prompt=manifest.prompt,
            origin=manifest.origin,
            token_ids=self.array("token_ids.npy", np.int64, graph.n_tokens),
            tokens=manifest.tokens,
            importance=manifest.importance,
            graph=graph,
            weights=weights,
            order=order,
            full_logits=self._logits(manifest.vocabulary_size),
            probing=manifest.probing,
            refined=manifest.refined,
            contrast=self._contrast(),
            saved_view=self._view(graph),
        )
        for number, sweep in enumerate(manifest.sweeps):
            found = self._sweep(f"sweeps/{number}", sweep.n_sizes, trace)
            trace.sweeps[modes_of(**sweep.modes)] = self._with_figure(f"sweeps/{number}", found, sweep, trace)
        for number, entry in enumerate(manifest.effects):
            self._keep_effects(f"effects/{number}", entry, trace)
        return trace

    def _refuse_too_many_results(self) -> None:
        n_ids, logits = self.manifest.vocabulary_size, self.entries.get("full_logits.npy")
        most = LARGEST_RESULTS if logits is not None and logits.compress_size >= 2 * n_ids else SMALL_RESULTS
        if sum(sweep.n_sizes for sweep in self.manifest.sweeps) * n_ids > most:
            raise self.wrong("manifest.json", f"asks for more than {most:,} probabilities")

    def _logits(self, n_ids: int) -> Array:
        logits = self.array("full_logits.npy", np.float32, n_ids)
        if not np.isfinite(logits.max()):  # minus infinity suppresses a token, if not all of them
            raise self.wrong("full_logits.npy", "holds NaN or plus infinity, or suppresses every token")
        return logits

    def _edges(self, graph: Graph) -> tuple[Edges, Order | SavedOrder]:
        """Return the weights and the order."""
        weights = self.edges("weights.zst", graph, np.float32, 0)
        if not all(np.isfinite(layer).all() for layer in by_layer(weights, graph)):
            raise self.wrong("weights.zst", "has weights that are no finite numbers")
        if self.manifest.ranks_sha256:
            return weights, SavedOrder(weights, graph, self.manifest.ranks_sha256)
        ranks, seen = self.edges("ranks.zst", graph, np.int32, NOT_IN_GRAPH), np.zeros(graph.n_edges, dtype=bool)
        for layer in by_layer(ranks, graph):
            self._see(layer, seen, "ranks.zst")
        return weights, Order(self._all_seen(ranks, seen))

    def _whole_arrays(self, graph: Graph) -> tuple[Edges, Order]:
        """Return the weights and the order of versions 1 and 2."""
        # Before anything of the graph's size is made: a few bytes of manifest could ask for any amount of memory.
        attention = self.entries.get("ranks/attention.npy")
        if attention is None or attention.file_size < 4 * math.prod((*graph[:3], graph.n_tokens)):
            raise self.wrong("ranks/attention.npy", f"is too small for the graph {tuple(graph)}")
        return self._whole_weights(graph), Order(self._whole_ranks(graph))

    def _whole_weights(self, graph: Graph) -> Edges:
        exists, kinds = graph.exists(), []
        for kind, present in zip(Edges._fields, exists, strict=True):
            weights = self.array(f"weights/{kind}.npy", self.manifest.precision, *present.shape).astype(np.float32)
            if not np.isfinite(weights).all() or weights[~present].any():
                raise self.wrong(f"weights/{kind}.npy", "has weights that are no numbers, or outside the graph")
            kinds.append(weights)
        return Edges(*kinds)

    def _whole_ranks(self, graph: Graph) -> Edges:
        exists, kinds, seen = graph.exists(), [], np.zeros(graph.n_edges, dtype=bool)
        for kind, present in zip(Edges._fields, exists, strict=True):
            ranks = self.array(f"ranks/{kind}.npy", np.int32, *present.shape)
            if (ranks[~present] != NOT_IN_GRAPH).any():
                raise self.wrong(f"ranks/{kind}.npy", "has ranks outside the graph")
            self._see(ranks[present], seen, f"ranks/{kind}.npy")
            kinds.append(ranks)
        return self._all_seen(Edges(*kinds), seen)

    def _see(self, ranks: Array, seen: Array, member: str) -> None:
        if ranks.min(initial=0) < 0 or ranks.max(initial=0) >= len(seen):
            raise self.wrong(member, f"has ranks that are not 0 to {len(seen) - 1}")
        seen[ranks] = True

    def _all_seen(self, ranks: Edges, seen: Array) -> Edges:
        if not seen.all():  # as many edges as ranks: each rank is there once
            raise self.wrong("ranks", f"does not have each of 0 to {len(seen) - 1} once")
        return ranks

    def _sweep(self, folder: str, n_sizes: int, trace: STrace) -> Sweep:
        figures = {name: self.array(f"{folder}/{name}.npy", kind, n_sizes) for name, kind in COLUMNS.items()}
        for name, column in figures.items():
            # A divergence is infinite where a subgraph suppresses what the model does not.
            if np.isnan(column).any() or (name != "kl" and not np.isfinite(column).all()) or (column < 0).any():
                raise self.wrong(f"{folder}/{name}.npy", "holds figures that are negative or no numbers")
        figures["nucleus"] = figures["nucleus"] / 100
        n_edges, n_ids = figures["n_edges"], len(trace.full_logits)
        if n_sizes < 1 or n_edges[0] < 1 or n_edges[-1] != trace.n_edges or not (np.diff(n_edges) > 0).all():
            raise self.wrong(f"{folder}/n_edges.npy", f"does not ascend from 1 or more to {trace.n_edges:,} edges")
        leading = [token.id for token in trace.top]
        ids = self.array(f"{folder}/top_ids.npy", np.int64, n_sizes, len(leading))
        of_top = self.array(f"{folder}/top_probabilities.npy", np.float64, n_sizes, len(leading))
        if ids.min() < 0 or ids.max() >= n_ids:
            raise self.wrong(f"{folder}/top_ids.npy", f"has token ids that are not 0 to {n_ids - 1}")
        listed = np.union1d(ids, leading)
        of_listed = self.array(f"{folder}/listed_probabilities.npy", np.float32, n_sizes, len(listed))
        for name, shares in (("top", of_top), ("listed", of_listed)):
            if not ((shares >= 0) & (shares <= 1)).all():
                raise self.wrong(f"{folder}/{name}_probabilities.npy", "holds probabilities that are not from 0 to 1")
        # What the file does not have is no number, rather than a wrong one.
        probabilities = np.full((n_sizes, n_ids), np.nan, dtype=np.float32)
        probabilities[:, listed] = of_listed
        return Sweep(
            **cast("dict[str, Any]", figures),
            top=[
                [TopToken(int(i), trace.model.decode(int(i)), float(p)) for i, p in zip(*row, strict=True)]
                for row in zip(ids, of_top, strict=True)
            ],
            probabilities=probabilities,
            full_probabilities=np.exp(metrics.log_probabilities(trace.full_logits)).astype(np.float32),
        )

    def _contrast(self) -> Contrast:
        contrast, n_ids = self.manifest.contrast, self.manifest.vocabulary_size
        ids = (*contrast.target, *contrast.foil, *contrast.counterfactual)
        if not all(0 <= token < n_ids for token in ids):
            raise self.wrong("manifest.json", f"asks about token ids that are not 0 to {n_ids - 1}")
        if len(contrast.counterfactual) not in (0, len(self.manifest.tokens)):
            raise self.wrong("manifest.json", "has a counterfactual that is not as long as the prompt")
        return contrast

    def _with_figure(self, folder: str, sweep: Sweep, entry: SweepEntry, trace: STrace) -> Sweep:
        """Return a sweep with its target's figure, where there is one."""
        if not trace.contrast.target:
            return sweep
        figure = self.array(f"{folder}/figure.npy", np.float64, len(sweep))
        if np.isnan(figure).any():
            raise self.wrong(f"{folder}/figure.npy", "holds figures that are no numbers")
        empty = np.nan if entry.empty_figure is None else entry.empty_figure
        full = float(trace.contrast.of(trace.full_logits))
        return replace(sweep, figure=figure, full_figure=full, empty_figure=empty)

    def _keep_effects(self, folder: str, entry: EffectsEntry, trace: STrace) -> None:
        if entry.n_edges > trace.n_edges:
            raise self.wrong("manifest.json", f"has effects in {entry.n_edges:,} of {trace.n_edges:,} edges")
        kept, effects = nothing_known(trace, entry.by, entry.n_edges, modes_of(**entry.modes))
        shape = effects.known.shape
        far, change = (self.array(f"{folder}/{name}.npy", np.float64, *shape) for name in ARRAYS[:2])
        itself, difference = self.array(f"{folder}/subgraph.npy", np.float64, 2).tolist()
        if (far < 0).any() or (far > 1).any():  # NaN is what is not known, or overflows
            raise self.wrong(f"{folder}/total_variation.npy", "holds distances that are not from 0 to 1")
        trace.effect_maps[kept] = replace(
            effects,
            total_variation=far,
            logit_change=change,
            known=self.array(f"{folder}/known.npy", np.bool_, *shape),
            subgraph_total_variation=itself,
            subgraph_logit_difference=difference,
        )

    def _view(self, graph: Graph) -> dict[str, Any]:
        """Return the saved state of the Explorer, which has to be about this trace."""
        content = self.checked("view.json", LARGEST_JSON)
        with self.describing("view.json"):
            view = decode(content, dict[str, Any])
            if self.manifest.version == 1:
                view = upgrade.view(view)
            shown = msgspec.convert(view["view_state"], ShownGraph)
            sizes = shown.n_layers, shown.n_heads, shown.n_tokens, shown.n_edges
            answered = Modes(shown.masks, ablation=shown.ablation) in [
                modes_of(**sweep.modes) for sweep in self.manifest.sweeps
            ]
            if sizes != (*graph[:3], graph.n_edges) or not (answered and 1 <= view["n_edges"] <= graph.n_edges):
                raise self.wrong("view.json", "shows another trace")
            floats = [each for each in view["view_state"]["arrays"].values() if each["dtype"] == "float32"]
            if any(np.isnan(np.frombuffer(b64decode(each["data"]), np.float32)).any() for each in floats):
                raise self.wrong("view.json", "shows figures that are no numbers")
            tried.check(view.get("history", upgrade.NOTHING_TRIED))
            view["toggles"] = parse(view["toggles"], *graph[:3]).plain()
        return view
