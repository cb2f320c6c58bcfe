"""Saved traces: one zip file of plain arrays and JSON, which opens without torch or a model.

``docs/strace-file.md`` describes the format. Whatever is read is checked before it is used: the manifest lists every
member with its size and checksum, arrays have the shapes that the graph gives them, and nothing is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
import zlib
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from ..errors import StraceError, TraceFileError
from ..graph.edges import NOT_IN_GRAPH, Edges, Graph
from ..graph.measures import Probing
from ..graph.modes import Modes
from ..graph.toggles import normalise
from . import metrics, upgrade
from .replay import ReplayModel
from .strace import STrace
from .sweep import Sweep, TopToken

if TYPE_CHECKING:
    from ..model.model import Model

FORMAT, VERSION = "strace", 2
LARGEST_JSON = 1 << 28
"""Bytes of the manifest or the view beyond which a file is refused unread."""

ARRAY_HEADER = 4096
"""Bytes that the header of an array may take at most; it takes 128."""

FIGURES = tuple(
    column.name
    for column in fields(Sweep)
    if column.name not in ("top", "probabilities", "full_probabilities", "loss", "rank")
)
"""What a sweep has a number of at each size."""

Array = np.ndarray[Any, Any]


def save_trace(trace: STrace, path: str | Path, view: str, *, precision: str = "float32") -> Path:
    """Write a trace, its results and what an Explorer shows of it (``view``, JSON) to a file; return its path.

    Raises
    ------
    ValueError
        When the precision does not exist.
    """
    if precision not in ("float32", "float16"):
        raise ValueError(f"precision={precision!r} does not exist: choose 'float32' or 'float16'.")
    members: dict[str, bytes] = {
        "view.json": view.encode(),
        "token_ids.npy": _packed(trace.token_ids),
        "full_logits.npy": _packed(trace.full_logits.astype(np.float32)),
    }
    for kind in Edges._fields:
        members[f"weights/{kind}.npy"] = _packed(getattr(trace.weights, kind).astype(precision))
        members[f"ranks/{kind}.npy"] = _packed(getattr(trace.ranks, kind))
    named = {*trace.token_ids.tolist(), *(token.id for token in trace.top)}
    for number, sweep in enumerate(trace.sweeps.values()):
        listed = sorted({token.id for row in (*sweep.top, trace.top) for token in row})
        named.update(listed)
        columns = {name: getattr(sweep, name) for name in FIGURES} | {
            "top_ids": np.array([[token.id for token in row] for row in sweep.top]),
            "top_probabilities": np.array([[token.probability for token in row] for row in sweep.top]),
            "listed_probabilities": sweep.probabilities[:, listed],
        }
        members |= {f"sweeps/{number}/{name}.npy": _packed(column) for name, column in columns.items()}
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "model": {"name": trace.model.name, "dtype": trace.model.dtype},
        "prompt": trace.prompt,
        "tokens": trace.tokens,
        "importance": trace.importance,
        "probing": trace.probing and asdict(trace.probing),
        "graph": trace.graph._asdict(),
        "vocabulary_size": len(trace.full_logits),
        "precision": precision,
        "texts": {str(i): trace.model.decode(i) for i in sorted(named)},
        "sweeps": [{"modes": asdict(modes), "n_sizes": len(sweep)} for modes, sweep in trace.sweeps.items()],
        "members": {
            name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
            for name, content in members.items()
        },
    }
    path = Path(path)
    unfinished = path.with_name(path.name + ".part")  # a file under its own name is always whole
    with zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        text = json.dumps(manifest, ensure_ascii=False, indent=1)
        for name, content in {"manifest.json": text.encode(), **members}.items():
            # No time of day: the same trace gives the same file.
            member = zipfile.ZipInfo(name)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, content)
    return unfinished.replace(path)


def load_trace(path: str | Path) -> STrace:
    """Load a trace that was saved, without torch and without its model.

    Its masks, weights, ranks and saved results are there, and ``trace.explore()`` replays them. What needs the model
    says so; ``trace.with_model(model)`` brings one.

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
    FileNotFoundError
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            return _Reader(path, archive).trace()
    except zipfile.BadZipFile as reason:
        raise TraceFileError(f"{path} is no saved trace, or was cut off: {reason}.") from reason


class _Reader:
    """An open file, the checks that everything read from it passes, and the member at fault if none of them says it."""

    def __init__(self, path: Path, archive: zipfile.ZipFile) -> None:
        self.path, self.archive, self.member = path, archive, "manifest.json"
        self.sizes = {member.filename: member.file_size for member in archive.infolist()}
        if "manifest.json" not in self.sizes:
            raise TraceFileError(f"{path} is no saved trace: it has no manifest.json.")
        manifest = self.parsed("manifest.json", self.read("manifest.json", LARGEST_JSON))
        if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
            raise TraceFileError(f"{path} is no saved trace: its manifest.json does not say so.")
        if not isinstance(manifest.get("version"), int) or manifest["version"] > VERSION:
            raise TraceFileError(
                f"{path} is a saved trace of version {manifest.get('version')}; this package reads up to version "
                f"{VERSION}. Install a newer strace_widgets."
            )
        self.manifest: dict[str, Any] = manifest

    def wrong(self, member: str, what: str) -> TraceFileError:
        return TraceFileError(f"{self.path} cannot be used: {member} {what}.")

    def read(self, member: str, most: int) -> bytes:
        """Return a member that is not larger than it may be, uncompressed."""
        if member not in self.sizes:
            raise self.wrong(member, "is missing")
        if self.sizes[member] > most:
            raise self.wrong(member, f"has {self.sizes[member]:,} bytes, more than the {most:,} that it may have")
        try:
            return self.archive.read(member)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError, RuntimeError) as reason:
            raise self.wrong(member, f"is damaged ({reason})") from reason

    def checked(self, member: str, most: int) -> bytes:
        """Return a member that is what the manifest says."""
        content = self.read(member, most)
        told = self.manifest["members"][member]
        if len(content) != told["bytes"] or hashlib.sha256(content).hexdigest() != told["sha256"]:
            raise self.wrong(member, "is not what was saved: its checksum in manifest.json is another")
        return content

    def parsed(self, member: str, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError as reason:
            raise self.wrong(member, f"is no JSON ({reason})") from reason

    def array(self, member: str, dtype: Any, *shape: int) -> Array:
        """Return an array of a known type and shape."""
        wanted = np.dtype(dtype)
        content = self.checked(member, math.prod(shape) * wanted.itemsize + ARRAY_HEADER)
        try:
            array = np.load(io.BytesIO(content), allow_pickle=False)
        except (ValueError, EOFError) as reason:
            raise self.wrong(member, f"is no array ({reason})") from reason
        if array.dtype != wanted or array.shape != shape:
            raise self.wrong(member, f"holds {array.dtype} of shape {array.shape} instead of {wanted} of {shape}")
        return cast("Array", array)

    def trace(self) -> STrace:
        """Return the whole trace."""
        try:
            return self._trace()
        except StraceError:
            raise
        except (KeyError, TypeError, ValueError, AttributeError) as reason:
            what = f"does not describe a trace ({type(reason).__name__}: {reason})"
            raise self.wrong(self.member, what) from reason

    def _trace(self) -> STrace:
        manifest = self.manifest
        graph = Graph(**manifest["graph"])
        n_ids, tokens = manifest["vocabulary_size"], [str(token) for token in manifest["tokens"]]
        texts = {int(i): str(text) for i, text in manifest["texts"].items()}
        model = ReplayModel(str(manifest["model"]["name"]), str(manifest["model"]["dtype"]), texts)
        if min(graph[:3]) < 1 or len(tokens) != graph.n_tokens:
            raise ValueError(f"{len(tokens)} tokens in a graph {tuple(graph)}")
        self._no_more_than_told()
        # Before anything of the graph's size is made: a few bytes of manifest could ask for any amount of memory.
        if self.sizes.get("ranks/attention.npy", 0) < 4 * math.prod((*graph[:3], graph.n_tokens)):
            raise self.wrong("ranks/attention.npy", f"is too small for the graph {tuple(graph)}")
        logits = self.array("full_logits.npy", np.float32, n_ids)
        token_ids = self.array("token_ids.npy", np.int64, graph.n_tokens)
        trace = STrace(
            cast("Model", model),  # it has what a replay needs and refuses the rest
            str(manifest["prompt"]),
            token_ids,
            tokens,
            str(manifest["importance"]),
            graph,
            self._weights(graph),
            self._ranks(graph),
            logits,
            Probing(**manifest["probing"]) if manifest.get("probing") else None,
        )
        for number, sweep in enumerate(manifest["sweeps"]):
            trace.sweeps[Modes(**sweep["modes"])] = self._sweep(f"sweeps/{number}", sweep["n_sizes"], trace)
        trace.saved_view.update(self._view(trace))
        return trace

    def _no_more_than_told(self) -> None:
        unknown = sorted(set(self.sizes) - {"manifest.json"} - set(self.manifest["members"]))
        if unknown or len(self.sizes) != len(self.archive.infolist()):
            raise self.wrong(unknown[0] if unknown else "manifest.json", "does not belong into the file")

    def _weights(self, graph: Graph) -> Edges:
        exists, kinds = graph.exists(), []
        for kind, there in zip(Edges._fields, exists, strict=True):
            weights = self.array(f"weights/{kind}.npy", self.manifest["precision"], *there.shape).astype(np.float32)
            if not np.isfinite(weights).all() or weights[~there].any():
                raise self.wrong(f"weights/{kind}.npy", "has weights that are no numbers, or outside the graph")
            kinds.append(weights)
        return Edges(*kinds)

    def _ranks(self, graph: Graph) -> Edges:
        exists, kinds, seen = graph.exists(), [], np.zeros(graph.n_edges, dtype=bool)
        for kind, there in zip(Edges._fields, exists, strict=True):
            ranks = self.array(f"ranks/{kind}.npy", np.int32, *there.shape)
            inside = ranks[there]
            if (ranks[~there] != NOT_IN_GRAPH).any() or not ((inside >= 0) & (inside < graph.n_edges)).all():
                raise self.wrong(f"ranks/{kind}.npy", f"has ranks that are not 0 to {graph.n_edges - 1}")
            seen[inside] = True
            kinds.append(ranks)
        if not seen.all():  # as many edges as ranks: each rank is there once
            raise self.wrong("ranks", f"does not have each of 0 to {graph.n_edges - 1} once")
        return Edges(*kinds)

    def _sweep(self, folder: str, n_sizes: int, trace: STrace) -> Sweep:
        kinds = dict.fromkeys(("n_edges", "n_edges_kept", "nucleus", "nucleus_size"), np.int64) | {"top1": np.bool_}
        figures = {name: self.array(f"{folder}/{name}.npy", kinds.get(name, np.float64), n_sizes) for name in FIGURES}
        n_edges, n_ids = figures["n_edges"], len(trace.full_logits)
        if n_sizes < 1 or n_edges[0] < 1 or n_edges[-1] != trace.n_edges or not (np.diff(n_edges) > 0).all():
            raise self.wrong(f"{folder}/n_edges.npy", f"does not ascend from 1 or more to {trace.n_edges:,} edges")
        leading = [token.id for token in trace.top]
        ids = self.array(f"{folder}/top_ids.npy", np.int64, n_sizes, len(leading))
        of_top = self.array(f"{folder}/top_probabilities.npy", np.float64, n_sizes, len(leading))
        if ids.min() < 0 or ids.max() >= n_ids:
            raise self.wrong(f"{folder}/top_ids.npy", f"has token ids that are not 0 to {n_ids - 1}")
        listed = np.union1d(ids, leading)
        # What the file does not have is no number, rather than a wrong one.
        probabilities = np.full((n_sizes, n_ids), np.nan, dtype=np.float32)
        probabilities[:, listed] = self.array(f"{folder}/listed_probabilities.npy", np.float32, n_sizes, len(listed))
        return Sweep(
            **figures,
            top=[
                [TopToken(int(i), trace.model.decode(int(i)), float(p)) for i, p in zip(*row, strict=True)]
                for row in zip(ids, of_top, strict=True)
            ],
            probabilities=probabilities,
            full_probabilities=np.exp(metrics.log_probabilities(trace.full_logits)).astype(np.float32),
        )

    def _view(self, trace: STrace) -> dict[str, Any]:
        """Return the saved state of the Explorer, which has to be about this trace."""
        self.member = "view.json"
        view = self.parsed("view.json", self.checked("view.json", LARGEST_JSON))
        if self.manifest["version"] == 1:
            view = upgrade.view(view)
        graph, shown = trace.graph, view["view_state"]
        sizes = shown["n_layers"], shown["n_heads"], shown["n_tokens"], shown["n_edges"]
        answered = Modes(masks=shown["masks"]) in trace.sweeps and 1 <= view["n_edges"] <= graph.n_edges
        if sizes != (*graph[:3], graph.n_edges) or not answered:
            raise self.wrong("view.json", "shows another trace")
        view["toggles"] = normalise(view["toggles"], graph.n_layers, graph.n_heads)
        return cast("dict[str, Any]", view)


def _packed(array: Array) -> bytes:
    packed = io.BytesIO()
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    np.save(packed, little, allow_pickle=False)
    return packed.getvalue()
