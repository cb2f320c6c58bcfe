"""A proved model, here or on a server, and the interventions on it: numpy outside, torch inside."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any

import nnsight
import numpy as np
import torch

from ..cache import Cache
from ..errors import NotCopiedError, RemoteError, UnsupportedArchitectureError
from ..graph.edges import Array, Edges, Graph
from ..graph.measures import GRADIENTS, PROBED, Captured, Probing
from ..graph.modes import Modes
from ..graph.toggles import Toggles, stacked
from ..interventions import attribution, capture, gradients, masked, mean_ablation
from ..waiting import saying
from . import answers, derivatives, finite, local_evaluation, local_proof, tensors
from . import request_estimates as estimates
from .calls import Call, Server
from .changes import check_in_place, modules_read, state_of
from .discovery.matrices import rows_of, width_taken
from .reuse import Reuse
from .running import running
from .shipped import models as shipped
from .tensors import as_row, coarsened, digest, toggle_rows, unpacked, with_others_kept
from .text.contrasts import Contrast, check_rows
from .text.reader import Reader
from .text.reference_text import N_TOKENS, reference_ids

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .architecture import Architecture

# The functions travel to a server as source, since this package is not installed there.
nnsight.register("strace_widgets.interventions")

UNFINISHED = 4
"""Of how many requests that failed half-way the answers so far are kept."""


@dataclass(frozen=True, repr=False, eq=False)
class Model(Reader):
    """A proved model: what `strace_widgets.trace` takes. Two models are equal only if they are the same object.

    Attributes
    ----------
    name : str
    source : str
        What it was loaded from: a hub id or a folder. Empty for a model that you hold.
    options : dict
        How it was loaded: the arguments of `strace_widgets.load_model` besides the source and ``remote``.
    nnsight : nnsight model
    tokenizer : Hugging Face tokenizer or None
        Without one, prompts are token ids.
    architecture : Architecture
    gaps : dict of float
        The largest relative gap that each identity showed in the proof.
    dtype : str
        The weights' number format, such as ``float32``.
    server : Server or None
        Where it runs, if not here.
    backend : callable or None
        What sends a request there: `strace_widgets.remote.backend.JobBackend`.
    simulated : bool
        Whether every run goes through nnsight's in-process imitation of a server.
    """

    name: str
    source: str
    nnsight: Any
    tokenizer: Any
    architecture: Architecture
    gaps: dict[str, float] = field(default_factory=dict)
    dtype: str = ""
    server: Server | None = None
    backend: Callable[..., Any] | None = None
    simulated: bool = False
    options: dict[str, Any] = field(default_factory=dict)
    # One pass at a time; of a model at hand that of its module, which others may wrap, too: `turns.lock_of`.
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _unfinished: Cache[bytes, list[Any]] = field(default_factory=partial(Cache, UNFINISHED))  # of sweeps cut off
    _reuse: Reuse = field(default_factory=Reuse)

    def __repr__(self) -> str:
        a = self.architecture
        where = f" on {self.server.url}" if self.server else ""
        return f"Model {self.name}{where}: {a.name}, {a.sizes()}"

    def __getstate__(self) -> dict[str, Any]:
        raise NotCopiedError(
            f"A model cannot be pickled or copied: load {self.name} where you need it, with strace_widgets.load_model."
        )

    @cached_property
    def _modules_read(self) -> dict[str, Any]:
        return modules_read(self.nnsight, self.architecture)

    @property
    def d_model(self) -> int:
        """M, the width of the residual stream."""
        return int(self.nnsight._module.config.get_text_config().hidden_size)

    @property
    def d_heads(self) -> int:
        """H d, the numbers that all heads of a token write before the output projection."""
        a = self.architecture
        projection = self.nnsight._module.get_submodule(f"{a.layers}.0.{a.output_projection}")
        return width_taken(projection)

    @cached_property
    def sizes(self) -> estimates.ModelSizes:
        """What the cost of a request is counted with."""
        a = self.architecture
        number_bytes = 2 if self.half else 4
        return estimates.ModelSizes(
            a.n_layers,
            a.n_heads,
            self.d_model,
            self.d_heads,
            self.vocabulary_size,
            number_bytes,
            self.server is not None,
        )

    @property
    def vocabulary_size(self) -> int:
        """How many token ids the model reads."""
        return rows_of(self.nnsight._module.get_input_embeddings())

    def describe(self) -> str:
        """Return what was found and proved about the model, a line a part."""
        lines = {"model": f"{self.name} ({self.architecture.name}), {self.dtype}"} | self.architecture.described()
        lines |= shipped.described(self.source)
        lines |= {f"proved, {identity}": f"gap {gap:.1e}" for identity, gap in self.gaps.items()}
        width = max(map(len, lines))
        return "\n".join(f"{name:{width}}  {text}" for name, text in lines.items())

    def state(self) -> int | None:
        """Return a number that says whether the model is still what it was; None for one on a server."""
        if self.server:
            return None
        with self._lock:  # while it runs, weights may be brought from elsewhere
            return state_of(self.nnsight._module)

    def capture(
        self, token_ids: Array, score: str, probing: Probing | None = None, contrast: Contrast | None = None
    ) -> tuple[Edges, Array]:
        """Return a score of every edge and the full model's last logits (V,), in one forward pass.

        The scores of `GRADIENTS` take backward passes as well. A server's answer that
        would be large comes in several parts, a few layers each, at these passes a part.
        """
        calls = self.captures(token_ids, score, probing, contrast)
        scores, logits = self.joined_scores(self._run(calls, "scores", token_ids, f"{score} {probing} {contrast}"))
        finite.check_scores(self, scores, logits, calls[0], backward=score in GRADIENTS)
        return scores, logits

    def capture_gains(self, token_ids: Array, mask: Edges, full_logits: Array) -> Edges:
        """Return what each edge's presence gains a subgraph: see `gradients.capture_gains`."""
        self._check(estimates.of_gains(self.sizes, len(token_ids)))

        def args() -> tuple[Any, ...]:
            keep = tuple(torch.from_numpy(kind) for kind in mask)
            return as_row(token_ids), keep, torch.from_numpy(full_logits), self.half

        form = partial(answers.scores, self, len(token_ids))
        gains, logits = self.joined_scores([self.ask(Call(gradients.capture_gains, args, gradients=True, form=form))])
        ranks = Edges(*(np.where(kind, 0, 1).astype(np.int32) for kind in mask))
        (forward,) = self.sweeps(token_ids, ranks, np.array([1]))
        finite.check_scores(self, gains, logits, forward, backward=True, n_edges=mask.n_kept)
        return gains

    def capture_vectors(self, token_ids: Array) -> tuple[Captured, Array]:
        """Return what every edge carries, and the full model's last logits (V,), in one forward pass."""
        calls = self.captures(token_ids)
        parts = self._run(calls, "vectors", token_ids)
        kinds = [np.concatenate([unpacked(part[kind]) for part in parts]) for kind in range(7)]
        logits = unpacked(parts[0][7])
        finite.check_vectors(self, kinds, logits, calls[0])
        return Captured(*kinds), logits

    def evaluate(
        self,
        token_ids: Array,
        ranks: Edges,
        kept: Array,
        toggles: Toggles | Sequence[Toggles] | None = None,
        modes: Modes | None = None,
        *,
        states: bool = False,
    ) -> Array:
        """Return the last logits (K, V) under K masks ``rank < kept[k]``, in as few batched passes as memory allows.

        ``toggles`` are for all masks, or a list of K, one for each.
        With ``states``, the last hidden states (K, M) that the unembedding reads instead.
        """
        calls = self.sweeps(token_ids, ranks, kept, toggles, modes, states=states)
        found = self._run(calls, token_ids, *ranks, kept, f"{toggles} {modes} {states}")
        logits = self.joined_logits(found, modes)
        graph = Graph(ranks.n_layers, ranks.n_heads, ranks.n_tokens, self.architecture.parallel)
        finite.check_logits(self, logits, kept, graph.n_edges, toggles, calls)
        return logits

    def means(self) -> list[Any]:
        """Return what dropped edges carry under ``ablation="mean"``: see `mean_ablation.reference_means`.

        One forward pass, the first time only. What comes down from a server goes up again as it is.
        """
        with self._lock:
            return self._means

    @cached_property
    def _means(self) -> list[Any]:
        row = as_row(self.reference_ids())
        call = Call(mean_ablation.reference_means, lambda: (row, self.half), form=partial(answers.means, self))
        means = list(self.ask(call))
        if not all(np.isfinite(unpacked(each)).all() for each in means):
            raise finite.not_finite(self, "on the reference text of the means", call)
        return means

    def reference_ids(self) -> Array:
        """Return the token ids (R,) of the text that `means` are taken over."""
        return reference_ids(self.tokenizer, min(self.architecture.context, N_TOKENS), self.vocabulary_size)

    # The same in three steps, for who does not wait for the answer: what to ask, asking it, putting it together.

    def captures(
        self,
        token_ids: Array,
        score: str | tuple[str, ...] | None = None,
        probing: Probing | None = None,
        contrast: Contrast | None = None,
    ) -> list[Call]:
        """Return the calls that score every edge, or without a score capture what every edge carries.

        Raises
        ------
        RequestTooLargeError
        """
        estimate = estimates.of_capture(self.sizes, len(token_ids), vectors=score is None)
        self._check(estimate)
        function: Callable[..., Any] = capture.capture
        how: tuple[Any, ...] = (score,)
        if score is None:
            function, how = capture.capture_vectors, ()
        elif score in GRADIENTS:
            derivatives.check_batch(self.name, self.architecture, score)
            function = gradients.capture_probed if score in PROBED else attribution.capture_attributed
            how = ((probing or Probing()).plain(score) | (contrast.plain() if contrast else {}),)

        def call(part: tuple[int, int]) -> Call:
            form = partial(answers.captured, self, len(token_ids), score, part)
            return Call(function, lambda: (as_row(token_ids), *how, part, self.half), score in GRADIENTS, form=form)

        return [call(part) for part in estimates.parts(self.architecture.n_layers, estimate.requests)]

    def sweeps(
        self,
        token_ids: Array,
        ranks: Edges,
        kept: Array,
        toggles: Toggles | Sequence[Toggles] | None = None,
        modes: Modes | None = None,
        *,
        states: bool = False,
    ) -> list[Call]:
        """Return the calls that evaluate masks, a pass each. The first to need the reference means asks for them.

        Raises
        ------
        PromptError, RequestTooLargeError
        """
        check_rows(token_ids, modes := modes or Modes())
        mean, patched = modes.ablation == "mean", int(modes.patched)
        self._check(estimates.of_sweep(self.sizes, token_ids.shape[-1], len(kept) + patched, mean=mean))
        flags = modes.flags()
        rows = estimates.rows_a_pass(ranks.n_heads, ranks.n_tokens)
        if self.architecture.rows_apart:
            if flags["frozen"] or patched:
                mode = 'attention="frozen"' if flags["frozen"] else f"ablation={modes.ablation!r}"
                raise UnsupportedArchitectureError(
                    f"{mode} reads another row of the same batch, and what runs beside a prompt changes the numbers "
                    f"of {self.name}, whose modules round by the whole batch: choose another."
                )
            ranks, rows = with_others_kept(ranks), 1
        # Frozen attention is that of a row of the whole model, which each pass then carries in front.
        # What is patched in is that of a row of the counterfactual prompt, at the end.
        whole, last = np.full(int(flags["frozen"]), -1), np.full(patched, -1)
        how = (flags, states, self.half, self.means() if mean else modes.ablation if patched else None)
        arguments = partial(self._masks, token_ids, ranks, how)
        switched = stacked(toggles or Toggles(ranks.n_layers, ranks.n_heads))
        calls = []
        for start in range(0, len(kept), rows):
            sizes = np.concatenate([whole, kept[start : start + rows], last])
            of_pass = toggle_rows(switched, start, len(sizes), len(whole), patched)
            form = partial(answers.logits, self, len(sizes), states=states)
            calls.append(Call(masked.evaluate, partial(arguments, of_pass, sizes), states=states, form=form))
        return calls

    def capture_each(self, token_ids: Array, scores: tuple[str, ...]) -> tuple[list[Edges], Array]:
        """Return several scores of every edge, without gradients, and the full model's last logits, in one pass."""
        calls = self.captures(token_ids, scores)
        parts = self._run(calls, "each", token_ids, " ".join(scores))
        found = [self.joined_scores([part[number] for part in parts]) for number in range(len(scores))]
        for each, logits in found:
            finite.check_scores(self, each, logits, calls[0])
        return [each for each, _ in found], found[0][1]

    joined_scores = staticmethod(tensors.joined_scores)

    def joined_logits(self, parts: list[Any], modes: Modes | None = None) -> Array:
        """Return the logits (K, V) of the answers to `sweeps`."""
        modes = modes or Modes()
        of_sizes = slice(int(modes.flags()["frozen"]), -1 if modes.patched else None)
        return np.concatenate([unpacked(part)[of_sizes] for part in parts])

    def _run(self, calls: list[Call], *what: Any) -> list[Any]:
        """Return the answers to several calls; those before one that fails are kept until the same is asked again."""
        if len(calls) == 1:
            return [self.ask(calls[0])]
        key = digest(*what)
        with self._lock:
            found = self._unfinished.pop(key, [])  # taken out, so that two threads never share one list
        try:
            for call in calls[len(found) :]:
                with saying(f"running the model: part {len(found) + 1} of {len(calls)}"):
                    found.append(self.ask(call))
        except RemoteError:
            self._unfinished[key] = found
            raise
        return found

    def _check(self, estimate: estimates.Estimate) -> None:
        if self.server:
            estimate.check(self.server.limit)

    def _masks(
        self, token_ids: Array, ranks: Edges, how: tuple[Any, ...], switched: tuple[Array, ...], kept: Array
    ) -> tuple[Any, ...]:
        """Return the arguments of `masked.evaluate`: to a server, as few bytes as say the same."""
        if self.server:
            ranks, kept = coarsened(ranks, kept, attention=how[0]["mask_attention"])
        tensors = tuple(torch.from_numpy(kind) for kind in ranks)
        toggles = tuple(torch.from_numpy(kind) for kind in switched)
        return as_row(token_ids), tensors, torch.as_tensor(kept, dtype=torch.int32), toggles, *how

    @property
    def half(self) -> bool:
        """Whether large arrays of an answer come in float16."""
        return self.server is not None and self.server.precision == "float16"

    def ask(self, call: Call) -> Any:
        """Run one of `strace_widgets.interventions`, here or on the server, and return its answer."""
        if self.server and self.backend:
            run = partial(self._trace, call, backend=self.backend(self.server, self.nnsight, self.name))
            return answers.of_server(run, call.form, self.server.url)
        if self.simulated:
            return self._trace(call, remote="local")
        with self._lock:  # proved once, whoever asks first
            if call.function is masked.evaluate and self._by_hooks and local_proof.untouched(self.nnsight._module):
                call = call._replace(function=partial(local_evaluation.evaluate, reuse=self._reuse))
        return self._trace(call)

    @cached_property
    def _by_hooks(self) -> bool:
        """Whether masks are evaluated by hooks of torch in place of nnsight's: proved before the first of them."""
        # The proof of the model itself goes by nnsight.
        may = bool(self.gaps) and local_proof.may_agree(self.nnsight, self.architecture)
        return may and local_proof.proved(self, self._trace)

    def send(self, call: Call, mark: str) -> str:
        """Send a call to the server and return at once, with the job's id; its answer will repeat the mark."""
        if self.backend is None:
            raise ValueError(f"{self.name} runs on this machine: there is no server to send to.")
        backend = self.backend(self.server, self.nnsight, self.name, wait=False)
        self._trace(call, mark, backend=backend)
        return str(backend.job_id)

    def _trace(self, call: Call, mark: str = "", **run: Any) -> Any:
        here = nullcontext() if self.server else running(self.nnsight._module)
        if not self.server:
            check_in_place(self.nnsight._module, self._modules_read)
        if call.gradients and not self.server:
            derivatives.check(self.name, self.nnsight._module, self.architecture)
        with self._lock, here, torch.set_grad_enabled(call.gradients):
            try:
                plain = self.architecture.plain() | ({"mark": mark} if mark else {})
                return call.function(self.nnsight, plain, *call.args(), **run)
            except Exception as reason:
                refusal = derivatives.refusal(reason, self.name)
                if refusal is None:
                    raise
                raise refusal from reason
