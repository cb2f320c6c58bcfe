"""Studies: traces and sweeps of many prompts, written as they come, so that a stop loses at most the prompt under way.

Each prompt is a few batched passes: one capture an importance measure, one sweep an importance measure, masks mode
and baseline.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import StudyError
from ..paths import expanded
from .elsewhere import brought
from .manifest import read_kept
from .on_ray import RayCluster
from .prompts import read_prompts
from .scheduling import How, carry_out
from .settings import Choices, grid, several
from .work import Recipe

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.model import Model
    from ..paths import AnyPath
    from .manifest import ModelEntry
    from .store import Study


def study(
    model: Model | Any,
    prompts: AnyPath | Any,
    folder: AnyPath,
    *,
    importance: Iterable[str] | str = ("l1",),
    masks: Iterable[str] | str = ("all",),
    baselines: Iterable[str] | str = ("inverse", "random"),
    attention: str = "recomputed",
    ablation: str = "zero",
    sizes: Iterable[float] | None = None,
    positions: str = "last",
    seed: int = 0,
    keep_traces: bool = False,
    hidden_states: bool = False,
    column: str | None = None,
    template: Any = None,
    limit: int | None = None,
    **how: Any,
) -> Study:
    """Trace many prompts and evaluate their subgraphs, or continue a study that was stopped.

    Parameters
    ----------
    model : Model, or what `strace_widgets.load_model` takes, or a function that returns a Model
    prompts, column, template, limit
        What to study, the column or the template of its texts, and how many to draw: see `strace_widgets.read_prompts`.
    folder : str or Path
        For the results, or an address of fsspec's (``"s3://b/run"``). A study there goes on, with new prompts if any.
    importance, masks, baselines : str or several
        Measures by name, masks modes (each with everything), and "inverse", "random" or "random-residual-kept".
    attention, ablation : str
        The other modes of every sweep: see `strace_widgets.graph.modes.Modes`.
    sizes : floats in (0, 1], optional
        The grid, with 1 added where it lacks; `settings.SIZES` unless given.
    positions, seed : {"last", "all"}, and int
        Explain the prediction after the prompt, or after each token from the second on (prompts named ``id@token``);
        the seed of the random baselines and of the draw for `limit`.
    keep_traces, hidden_states : bool
        Keep weights and ranks (`Study.edges`), and last states (`Study.hidden_states`).
    **how
        How it is run, which changes no result: see `run_options`.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        When there is nothing to study, the folder holds another study, or not one prompt could be traced.
    ValueError
        When a measure, mode, baseline or size does not exist.
    """
    choices = Choices(
        *(several(importance), several(masks), several(baselines), grid(sizes), positions, int(seed)),
        *(keep_traces, hidden_states, attention, ablation),
    )
    read = read_prompts(prompts, column=column, template=template, limit=limit, seed=seed)
    return carry_out(model, read, *brought(folder), choices, run_options(**how))


def run_options(
    *,
    retry: bool = False,
    extend: bool = False,
    shard: str | tuple[int, int] | None = None,
    on: str | RayCluster | None = None,
    progress: bool = True,
) -> How:
    """Return how a study is run: what `strace_widgets.study` and `strace_widgets.repeat_study` take besides the rest.

    Parameters
    ----------
    retry : bool
        Try the prompts again that failed before.
    extend : bool
        Add to the study in the folder the measures, masks modes, baselines and sizes that it lacks of those asked for,
        which must be all that it has and more; only what is missing is run.
    shard : str or (k, n), optional
        ``"2/8"``: only every 8th prompt, from the second on. Several runs, on machines with a folder in common, then
        share a study: all with the same prompts and n, each with a k of its own, from 1 to n.
    on : "ray" or RayCluster, optional
        Where to run, if not in this process: on a cluster of Ray (the extra ``ray``), whose workers each load the
        model. A model that you hold cannot be sent there.
    progress : bool
        Whether to show a progress bar.

    Raises
    ------
    ValueError
        When there is no such shard, or no such place to run.
    """
    try:
        k, n = (1, 1) if shard is None else map(int, shard.split("/") if isinstance(shard, str) else shard)
    except ValueError:
        k, n = 0, 0
    if not 1 <= k <= n:
        raise ValueError(f"shard={shard!r} is no part of the prompts: write '2/8' for the second of eight.")
    if not (on is None or on == "ray" or isinstance(on, RayCluster)):
        raise ValueError(f"on={on!r} is no place to run a study: 'ray', or a RayCluster with its address.")
    return How(retry, extend, (k, n), RayCluster() if isinstance(on, str) else on, progress)


def _refuse_a_strange_server(entry: ModelEntry) -> None:
    """Refuse to send the API key where only a file says so."""
    from ..remote.key import was_set_for  # noqa: PLC0415 - nnsight, which reads its configuration then

    server = entry.options.get("remote", "local")
    if server != "local" and not was_set_for(str(server)):
        raise StudyError(
            f"The model of the study, {entry.name}, runs on {server}, for which no API key was set: it would be sent "
            "there. If you know this server, load the model from it, and give it as model=...."
        )


def repeat_study(manifest: AnyPath, folder: AnyPath, *, model: Model | Any = None, **how: Any) -> Study:
    """Run a study once more: the same prompts and settings on the same model, from its ``manifest.json``.

    Parameters
    ----------
    manifest : str or Path
        ``manifest.json`` in the folder of a study, with ``prompts.jsonl`` beside it.
    folder : str or Path
        For the results.
    model : Model, or what stands for one, optional
        As for `study`; unless given, it is loaded as the manifest says. Its weights must be those of the study.
    **how
        See `run_options`.

    Returns
    -------
    Study

    Raises
    ------
    StudyError
        When the manifest or the prompts cannot be read or do not belong together, when the weights are others, or when
        the manifest cannot say how the model was loaded.
    """
    kept = read_kept(expanded(manifest))
    entry = kept.manifest.model
    if model is None and (not entry.source or entry.unsaid):
        why = f"with {', '.join(entry.unsaid)}" if entry.unsaid else "by hand"
        raise StudyError(
            f"The model of the study, {entry.name}, was loaded {why}: load it so, and give it as model=...."
        )
    if model is None:
        _refuse_a_strange_server(entry)
    source = Recipe(entry.source, dict(entry.options)) if model is None else model
    choices = kept.manifest.settings.choices()
    return carry_out(source, kept.prompts, *brought(folder), choices, run_options(**how), kept.manifest)
