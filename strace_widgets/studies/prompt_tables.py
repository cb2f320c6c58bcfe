"""What a study holds of one prompt: the rows of its four tables, from a trace by each measure and its sweeps."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import PromptError, StraceError
from ..graph.counts import component_counts
from ..graph.edges import edges_kept
from ..graph.measures import depends_on_modes
from ..graph.order import checksum
from ..results import metrics
from ..results.run import trace
from .folder import STATES
from .growing import NOTHING, TRACE, Had, Run, by_size, joined, runs
from .kept_views import view_bytes, view_file
from .settings import BASELINES
from .tables import CRITERIA
from .word_frequency import Unigram, rank_correlation

if TYPE_CHECKING:
    from ..graph.edges import Array
    from ..model.model import Model
    from ..results.strace import STrace
    from ..results.sweep import Sweep
    from .prompts import Prompt
    from .settings import Settings


def prompt_tables(
    model: Model, prompt: Prompt, settings: Settings, words: Unigram, had: Had = NOTHING
) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Trace one prompt; return the columns of its tables, and its arrays by file name.

    Parameters
    ----------
    model : Model
    prompt : Prompt
    settings : Settings
    words : Unigram
        Of the model's vocabulary.
    had : Had
        What was found before under fewer settings: only what that lacks is run. The table of prompts is then not among
        the tables, since nothing of it changes.
    """
    traces = Traces(model, prompt, settings)
    identity = {"prompt_id": prompt.id}
    points = {run: _block(run, traces, settings, words, had) for run in runs(settings)}
    new = [name for name in settings.importance if any(run.importance == name for run in had.lacking(settings))]
    components = [
        _components(traces.of(settings.masks[0], name), settings.sizes) if name in new else had.components[name]
        for name in settings.importance
    ]
    tables = {
        "points": joined([identity | run.columns() | block for run, block in points.items()]),
        "necessary": joined(
            [
                identity | {"importance": run.importance, "masks": run.masks} | _necessary(block)
                for run, block in points.items()
                if run.subgraph == TRACE
            ]
        ),
        "components": joined(
            [identity | {"importance": name} | each for name, each in zip(settings.importance, components, strict=True)]
        ),
    }
    if had is NOTHING:
        first = traces.of(settings.masks[-1], settings.importance[0])
        tables = {"prompts": described(model, prompt) | {"status": "ok"} | _full_model(first, prompt, words)} | tables
    return tables, _arrays({name: traces.of(settings.masks[0], name) for name in new}, settings)


class Traces:
    """The traces of one prompt, each made when it is first asked for."""

    def __init__(self, model: Model, prompt: Prompt, settings: Settings) -> None:
        self._model, self._read, self._settings = model, model.read(prompt.content), settings
        self._question, self._seed = prompt.question(), zlib.crc32(f"{settings.seed}/{prompt.id}".encode())
        self._made: dict[tuple[str, str], STrace] = {}

    def of(self, masks: str, importance: str) -> STrace:
        """Return the trace by a measure; the masks mode matters only to a measure that depends on the modes."""
        depends = depends_on_modes(importance)
        key = (masks if depends else "", importance)
        if key not in self._made:
            modes = {"masks": masks} | self._settings.modes() if depends else {}
            made = trace(self._model, self._read, importance, seed=self._seed, **self._question, **modes)
            self._made[key] = made
        return self._made[key]

    def evaluated(self, run: Run, sizes: tuple[float, ...]) -> Sweep:
        """Return the sweep of a run: of a trace, or of a baseline."""
        traced = self.of(run.masks, self._settings.importance[0] if run.subgraph != TRACE else run.importance)
        if run.subgraph not in {TRACE, "inverse"}:
            traced = traced.random(self._seed, like_authors=run.subgraph == "random-residual-kept")
        baseline = BASELINES.get(run.subgraph, {})
        return traced.evaluate(sizes, masks=run.masks, **self._settings.modes(), **baseline)


def _block(run: Run, traces: Traces, settings: Settings, words: Unigram, had: Had) -> dict[str, Any]:
    """Return the columns of a run's points, by ascending size; only sizes that were not had are evaluated."""
    before = had.points.get(run)
    missing = had.missing(run, settings)
    if not missing and before is not None:
        return before
    found = _points(traces.evaluated(run, missing), words)
    return found if before is None else by_size(before, found)


def described(model: Model, prompt: Prompt) -> dict[str, Any]:
    """Return what the table of prompts holds of a prompt before it is run."""
    return {
        "prompt_id": prompt.id,
        "text": prompt_text(model, prompt),
        "kind": prompt.kind,
        "expected": prompt.expected,
        "language": prompt.language,
    }


def prompt_text(model: Model, prompt: Prompt) -> str:
    """Return the text of a prompt, also of one that is given as token ids or messages, or that cannot be traced."""
    text = prompt.content
    if not isinstance(text, str):
        try:
            text = model.read(text).text
        except (StraceError, TypeError, ValueError, OverflowError):
            text = str(text)
    return text.encode(errors="replace").decode()  # half a surrogate pair fits in no file


def _arrays(traces: dict[str, STrace], settings: Settings) -> dict[str, Any]:
    """Return the hidden states and the edges of a prompt, those of them that the study keeps."""
    arrays: dict[str, Any] = {}
    first = traces.get(settings.importance[0])
    if settings.hidden_states and first is not None:
        arrays[STATES] = first.hidden_states(settings.sizes, masks=settings.masks[0], **settings.modes())
    if settings.keep_traces:
        for name, traced in traces.items():
            weights = {f"weights_{kind}": values for kind, values in traced.weights._asdict().items()}
            arrays[f"edges-{name}.npz"] = weights | {"ranks_sha256": np.array(checksum(traced.ranks, traced.graph))}
            arrays[view_file(name)] = view_bytes(traced, settings)
    return arrays


def _full_model(traced: STrace, prompt: Prompt, words: Unigram) -> dict[str, Any]:
    log_p = metrics.log_probabilities(traced.full_logits)
    expected = _expected_id(traced, prompt)
    return {
        "n_tokens": len(traced.tokens),
        "n_edges": traced.n_edges,
        "full_top1_id": traced.top[0].id,
        "full_top1": traced.top[0].token,
        "full_top1_probability": traced.top[0].probability,
        "full_entropy": traced.entropy,
        "warning": traced.origin.warning or None,
        "expected_id": expected,
        "full_expected_probability": None if expected is None else float(np.exp(log_p[expected])),
        "full_unigram_correlation": float(rank_correlation(log_p[None, words.ids], words.log_frequency)[0]),
    }


def _expected_id(traced: STrace, prompt: Prompt) -> int | None:
    """Return the first token of the expected text; None where it is one token with the end of the prompt."""
    given, special_tokens = traced.origin.given, traced.origin.special_tokens
    if prompt.expected is None or given == "token ids":
        return None
    try:
        longer = traced.model.read(traced.prompt + prompt.expected, special_tokens=special_tokens).token_ids
    except PromptError:  # too long
        return None
    n_tokens = len(traced.token_ids)
    continues = len(longer) > n_tokens and np.array_equal(longer[:n_tokens], traced.token_ids)
    return int(longer[n_tokens]) if continues else None


def _points(sweep: Sweep, words: Unigram) -> dict[str, Any]:
    asked = {} if sweep.figure is None else {"figure": sweep.figure, "faithfulness": sweep.faithfulness}
    return {
        **sweep.columns(),
        "top5": sweep.top_agreement(5) == 1,
        **asked,
        "nucleus": np.rint(100 * sweep.nucleus).astype(int),  # the table has them in per cent
        "top1_id": [top[0].id for top in sweep.top],
        "top1_token": [top[0].token for top in sweep.top],
        "top1_probability": [top[0].probability for top in sweep.top],
        "full_correlation": rank_correlation(sweep.probabilities, sweep.full_probabilities),
        "unigram_correlation": rank_correlation(sweep.probabilities[:, words.ids], words.log_frequency),
    }


def _necessary(points: dict[str, Any]) -> dict[str, list[Any]]:
    """Return the smallest of the ascending sizes from which on each criterion holds: see `criteria.necessary_size`."""
    sizes, n_edges = np.asarray(points["size"]), np.asarray(points["n_edges"])
    rows = [metrics.first_lasting(n_edges, _holds(points, name)) for name in CRITERIA]
    return {"criterion": list(CRITERIA), "size": [float(sizes[-1 if row is None else row]) for row in rows]}


def _holds(points: dict[str, Any], criterion: str) -> Array:
    """Return at which sizes a criterion of `CRITERIA` holds."""
    if criterion in points:  # the leading tokens are compared where the distributions are at hand
        return np.asarray(points[criterion], dtype=bool)
    if criterion.startswith("nucleus"):
        return np.asarray(points["nucleus"]) >= int(criterion.removeprefix("nucleus"))
    return np.asarray(points["total_variation"]) <= float(criterion.removeprefix("tv"))


def _components(traced: STrace, sizes: tuple[float, ...]) -> dict[str, Any]:
    """Count the edges of each head, MLP and layer's residual stream in the trace of each size; the last size is 1."""
    n_heads = traced.graph.n_heads
    counts, _ = component_counts(traced.ranks, np.array([edges_kept(size, traced.n_edges) for size in sizes]))
    heads, mlp = counts["head_edges"], counts["mlp_edges"][..., None]
    residual = counts["layer_edges"][..., None] - heads.sum(axis=2, keepdims=True) - mlp
    n_edges = np.concatenate([heads, mlp, residual], axis=2)  # (K, L, H + 2)
    n_sizes, n_layers, n_components = n_edges.shape
    return {
        "size": np.repeat(sizes, n_layers * n_components),
        "layer": np.tile(np.repeat(np.arange(n_layers), n_components), n_sizes),
        "kind": [*["attention"] * n_heads, "mlp", "residual"] * (n_sizes * n_layers),
        "head": [*range(n_heads), None, None] * (n_sizes * n_layers),
        "n_edges": n_edges.ravel(),
        "n_total": np.tile(n_edges[-1].ravel(), n_sizes),
    }
