"""Work that is sent to a server now and collected later: after a long queue, or from another process."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import numpy as np

from ..errors import JobFileError, RemoteError, StraceError
from ..graph.edges import Graph
from ..graph.measures import Probing, measure_named, probing_of
from ..graph.modes import Modes, modes_of
from ..json_files import Header, decode_file, encode_readable
from ..model import answers, finite
from ..model.text.contrasts import Contrast, read_contrast
from ..model.text.prompts import Origin, ReadPrompt
from ..paths import read_file, write_file
from ..remote.backend import collect, stage_of
from ..remote.key import was_set_for
from ..remote.server import JOB_ID, without_login
from ..remote.stages import Stage
from .run import from_scores, read_prompt
from .sweep import Sweep, compare

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..graph.toggles import Toggles
    from ..model.calls import Call
    from ..model.model import Model
    from ..model.text.contrasts import Tokens
    from ..model.text.prompts import Prompt
    from ..paths import AnyPath
    from .strace import STrace

FORMAT, VERSION = "strace-job", 1
ORDER = ("error", "received", "queued", "provisioning", "deploying", "dispatched", "running", "completed")
"""The stages of a request. Of several requests, the job's stage is the one that comes first here."""


@dataclass(frozen=True)
class Work:
    """What was asked for, as plain data: enough to make sense of the answer anywhere.

    Attributes
    ----------
    kind : {"trace", "sweep"}
    token_ids : list of int
    prompt, importance : str
    origin : Origin
        How the prompt became token ids.
    seed : int
    probes, constant, steps
        See `strace_widgets.graph.measures.Probing`.
    sizes : list of float
        Of a sweep.
    kept, counted : list of int
        The edges of each size, before and after toggles.
    modes : dict
        Of a sweep: see `strace_widgets.graph.modes.Modes`.
    contrast : Contrast
        What is asked.
    """

    kind: Literal["trace", "sweep"]
    token_ids: list[int]
    prompt: str = ""
    importance: str = "l1"
    seed: int = 0
    sizes: list[float] = field(default_factory=list)
    kept: list[int] = field(default_factory=list)
    counted: list[int] = field(default_factory=list)
    modes: dict[str, Any] = field(default_factory=dict)
    probes: int = Probing.probes
    constant: float = Probing.constant
    steps: int = Probing.steps
    origin: Origin = field(default_factory=Origin)
    contrast: Contrast = field(default_factory=Contrast)

    @property
    def empty(self) -> bool:
        """Whether a sweep has the subgraph without an edge, against which the target's figure is measured."""
        return bool(self.contrast.target) and not modes_of(**self.modes).inverse

    @property
    def probing(self) -> Probing:
        """How the prediction is asked."""
        return Probing(self.probes, self.seed, self.constant, self.steps)


class JobFile(Header):
    """What the file of a job holds."""

    server: str
    model: str
    ids: Annotated[list[Annotated[str, msgspec.Meta(pattern=f"^{JOB_ID}$")]], msgspec.Meta(min_length=1)]
    work: Work
    revision: str | None = None
    marks: list[str] = msgspec.field(default_factory=list)
    """What the answers repeat; none in files of before there were marks."""


@dataclass(eq=False)
class Job:
    """Requests that a server has taken; the server keeps their answers for a while.

    There is no way to call a request back: a job that is not wanted any more is left alone.

    Attributes
    ----------
    ids : list of str
        The server's names for the requests; usually one.
    work : Work
    model : Model
    marks : list of str
        What the answers repeat, by which they are known; empty for a job of an older file.
    """

    ids: list[str]
    work: Work
    model: Model
    marks: list[str] = field(default_factory=list, repr=False)
    _result: STrace | Sweep | None = field(default=None, repr=False)

    def __repr__(self) -> str:
        return f"Job {', '.join(self.ids)}: a {self.work.kind} of {self.work.prompt!r} on {self.model.name}"

    @property
    def stage(self) -> Stage:
        """Where the job is, with the server's words for it; of several requests, the one furthest behind."""
        found = [stage_of(_server(self.model), one)[0] or Stage("received", job_id=one) for one in self.ids]
        # A stage that this package does not know is one on the way.
        return min(found, key=lambda stage: ORDER.index(stage.name) if stage.name in ORDER else ORDER.index("queued"))

    @property
    def status(self) -> str:
        """Where the job is, in a word: see `strace_widgets.remote.stages.Stage`."""
        return self.stage.name

    def result(self, timeout: float | None = None) -> STrace | Sweep:
        """Wait for the answer and return it: a trace, or a sweep.

        Parameters
        ----------
        timeout : float, optional
            Seconds; by default the server's.

        Returns
        -------
        STrace or Sweep

        Raises
        ------
        RemoteError
            When the job failed or its answer is gone; of the type that says why.
        NonFiniteError
            When numbers of the answer are not finite.
        """
        if self._result is None:
            server = _server(self.model)
            found = [collect(server, one, self.model.name, timeout) for one in self.ids]
            # Each request saved one value, under the name that its function gave it.
            saved = [next(iter(each.values())) for each in found]
            try:
                self._result = self._trace(saved) if self.work.kind == "trace" else self._sweep(saved)
            except StraceError:
                raise
            except Exception as reason:
                raise RemoteError(
                    f"The answer of job {', '.join(self.ids)} on {server.url} is none to a {self.work.kind} of this "
                    f"prompt ({type(reason).__name__}: {reason}). Send it again.",
                    str(reason),
                ) from reason
        return self._result

    def _opened(self, saved: list[Any], forms: list[answers.Form]) -> list[Any]:
        """Return the answers without their marks, if they are the answers to these requests."""
        if len(saved) != len(forms):
            raise ValueError(f"there are {len(saved)} answers to {len(forms)} requests")
        marks = self.marks or [""] * len(saved)
        return [answers.opened(*each) for each in zip(saved, forms, marks, strict=True)]

    def _trace(self, saved: list[Any]) -> STrace:
        ids = np.array(self.work.token_ids, dtype=np.int64)
        score = measure_named(self.work.importance).score
        calls = self.model.captures(ids, score, self.work.probing, self.work.contrast)
        scores, logits = self.model.joined_scores(self._opened(saved, [call.form() for call in calls]))
        finite.check_scores(self.model, scores, logits, calls[0], backward=calls[0].gradients)
        read = ReadPrompt(self.work.prompt, ids, self.work.origin)
        found = from_scores(self.model, read, self.work.importance, scores, logits, self.work.probing)
        return replace(found, contrast=self.work.contrast)

    def _sweep(self, saved: list[Any]) -> Sweep:
        work = self.work
        of_a_pass = answers.logits(self.model, None)
        logits = self.model.joined_logits(self._opened(saved, [of_a_pass] * len(saved)), modes_of(**work.modes))
        if len(logits) != 1 + len(work.kept) + work.empty:
            raise ValueError(f"it has {len(logits)} rows for {len(work.kept)} sizes")
        a = self.model.architecture
        n_edges = Graph(a.n_layers, a.n_heads, len(work.token_ids), a.parallel).n_edges
        finite.check_logits(self.model, logits, np.array([-1, *work.kept, *[0] * work.empty]), n_edges)
        full, of_sizes, contrast = logits[0], logits[1 : 1 + len(work.kept)], work.contrast
        kept, counted = np.array(work.kept), np.array(work.counted)
        found = compare(full, of_sizes, work.sizes, kept, counted, self.model.decode)
        if not contrast.target:
            return found
        empty = float(contrast.of(logits[-1])) if work.empty else np.nan
        return replace(found, figure=contrast.of(of_sizes), full_figure=float(contrast.of(full)), empty_figure=empty)

    def save(self, path: AnyPath) -> Path:
        """Write where the job is and what it was, as JSON, without a key; return the path. See `load_job`.

        Parameters
        ----------
        path : str or Path
        """
        model, server = self.model, _server(self.model)
        revision = model.options.get("revision")
        content = JobFile(FORMAT, VERSION, server.url, model.source, self.ids, self.work, revision, self.marks)
        return write_file(path, encode_readable(content, JobFile, FORMAT, VERSION))


def submit(
    model: Model,
    prompt: Prompt,
    importance: str = "l1",
    *,
    target: Tokens | None = None,
    foil: Tokens | None = None,
    counterfactual: Prompt | Mapping[Any, str | int] | None = None,
    seed: int = 0,
    probes: int | None = None,
    constant: float | None = None,
    steps: int | None = None,
) -> Job:
    """Send a prompt to be traced and return at once, with the job; `Job.result` is what `trace` would return.

    Parameters
    ----------
    model : Model
        On a server.
    prompt, importance, target, foil, counterfactual, seed, probes, constant, steps
        As for `strace_widgets.trace`; a measure by name.

    Raises
    ------
    ValueError
        When the model runs on this machine, or the measure takes several requests.
    RemoteError
        When the server does not take the request; of the type that says why.
    """
    _server(model)
    measure = measure_named(importance)
    if importance in ("rescored", "refined"):
        raise ValueError(
            f"{importance!r} takes several requests, each of which waits for the one before: use sw.trace, which "
            "waits, or submit another measure, such as 'fisher+projection'."
        )
    read = read_prompt(model, prompt)
    ids = read.token_ids
    contrast = read_contrast(model, ids, target, foil, counterfactual)
    probing = probing_of(importance, probes, seed, constant, steps)
    how: dict[str, Any] = {**asdict(probing), "origin": read.origin, "contrast": contrast}
    work = Work("trace", ids.tolist(), read.text, importance, **how)
    return _sent(model.captures(ids, measure.score, work.probing, contrast), work, model)


def submit_sweep(trace: STrace, sizes: list[float], toggles: Toggles, modes: Modes) -> Job:
    """Send a sweep and return at once: see `STrace.submit`."""
    _server(trace.model)
    kept = trace.kept(sizes).tolist()
    counted = [trace.mask(size, toggles).n_kept for size in sizes] if toggles else kept
    work = Work(
        kind="sweep",
        token_ids=trace.token_ids.tolist(),
        prompt=trace.prompt,
        origin=trace.origin,
        importance=trace.importance,
        sizes=[float(size) for size in sizes],
        kept=kept,
        counted=counted,
        modes=asdict(modes),
        contrast=trace.contrast,
    )
    # The first row is the whole model, so that the answer can be compared without the trace.
    n_kept = np.array([-1, *kept, *[0] * work.empty])
    each = [*[toggles] * (1 + len(kept)), *[trace.parsed(None)] * work.empty] if toggles else toggles
    calls = trace.model.sweeps(trace.rows(modes), trace.ranks, n_kept, each, modes)
    return _sent(calls, work, trace.model)


def _sent(calls: list[Call], work: Work, model: Model) -> Job:
    """Send calls and return at once, with their job."""
    marks = [answers.new_mark() for _ in calls]
    return Job([model.send(call, mark) for call, mark in zip(calls, marks, strict=True)], work, model, marks)


def load_job(path: AnyPath, model: Model | None = None, *, remote: str | None = None) -> Job:
    """Return a job that was saved, here or elsewhere, to go on with.

    Parameters
    ----------
    path : str or Path
    model : Model, optional
        The model that it runs on; without it, the model is loaded from the job's server.
    remote : str, optional
        The address of the job's server. The API key goes to the server, so one that nnsight is not configured for is
        asked only when it is named here, and not because a file names it.

    Raises
    ------
    JobFileError
        When the file is no job of this package, of another version, or of a server for which the key was not set.
    PathError
        When it cannot be read.
    """
    content = read_file(path, "a job")
    try:
        file = decode_file(content, JobFile, FORMAT, VERSION)
    except ValueError as reason:
        raise JobFileError(f"{path} is no job file of strace_widgets that can be read: {reason}.") from reason
    if len(file.marks) not in (0, len(file.ids)):
        raise JobFileError(f"{path} is no job file of strace_widgets that can be read: a mark for each request is due.")
    if model is None:
        from ..model.loading import load_model  # noqa: PLC0415 - loading is above the jobs' own needs

        if remote is None and not was_set_for(file.server):
            raise JobFileError(
                f"{path} is a job on {_shown(file.server)}, for which no API key was set: it would be sent there. If "
                f"you know this server, name it: sw.load_job({str(path)!r}, remote={_shown(file.server)!r})."
            )
        model = load_model(file.model, remote=remote or file.server, revision=file.revision)
    return Job(file.ids, file.work, model, file.marks)


def _shown(address: str) -> str:
    """Return an address as it may be read by anybody; what is none, as nothing."""
    try:
        return without_login(address)[0]
    except ValueError:
        return ""


def _server(model: Model) -> Any:
    if model.server is None:
        raise ValueError(f"{model.name} runs on this machine, so nothing can be submitted: use sw.trace and evaluate.")
    return model.server
