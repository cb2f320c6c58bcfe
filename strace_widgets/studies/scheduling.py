"""A study carried out: what is left to do in its folder, who does it, and the results written as they come.

Prompts are not batched with one another: a sweep of 25 sizes already fills the processor (four prompts' worth of rows
in one pass took 0.93 of the time a row on SmolLM2 and 2 CPU cores), and every prompt's results then depend on that
prompt alone, whoever computes them and in which order.
"""

from __future__ import annotations

import warnings
from contextlib import closing
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from tqdm.auto import tqdm

from ..errors import StudyError
from . import folder as folders
from . import growing, manifest
from .on_ray import OnRay, RayCluster
from .store import Study
from .work import Asked, Begun, Result, Task, Worker

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from .elsewhere import Elsewhere
    from .prompts import Prompt
    from .settings import Choices, Settings


class How(NamedTuple):
    """How a study is run, which changes nothing of its results.

    Attributes
    ----------
    retry, extend : bool
    shard : (k, n)
        The prompts of this run: every nth from the kth on, counted from 1.
    on : RayCluster or None
    progress : bool
    """

    retry: bool = False
    extend: bool = False
    shard: tuple[int, int] = (1, 1)
    on: RayCluster | None = None
    progress: bool = True


class Engine(Protocol):
    """Who does the work."""

    def begin(self, choices: Choices) -> Begun:
        """Return what the study is."""

    def asked(self, prompts: list[Prompt], positions: str) -> dict[str, Asked]:
        """Return what is to be traced, by the name of its part."""

    def results(self, tasks: Iterable[Task], settings: Settings) -> Iterator[Result]:
        """Yield the results of tasks, in any order."""

    def label(self) -> str:
        """Say who is at work, for the progress bar."""

    def close(self) -> None:
        """Let go of what was started for it."""


class Here(Worker):
    """The process that the study was started in."""

    def results(self, tasks: Iterable[Task], settings: Settings) -> Iterator[Result]:
        """Yield the results of tasks in their order."""
        for task in tasks:
            yield self.run(task, settings)

    def label(self) -> str:
        """Say nothing: there is one process."""
        return ""

    def close(self) -> None:
        """Do nothing: nothing was started."""


class Left(NamedTuple):
    """What this run is to do: all prompts of it by the name of their parts, and the names of those that are left."""

    mine: dict[str, Asked]
    fresh: list[str]
    longer: list[str]


def carry_out(
    source: Any,
    prompts: list[Prompt],
    folder: Path,
    place: Elsewhere | None,
    choices: Choices,
    how: How,
    repeated: manifest.Manifest | None = None,
) -> Study:
    """Trace the prompts that the folder does not hold yet; return the study.

    Parameters
    ----------
    source : Model, or what stands for one
        See `strace_widgets.studies.work.opened`.
    prompts : list of Prompt
    folder : Path
    place : Elsewhere or None
        Where the folder is a copy of, which is kept in step.
    choices : Choices
    how : How
    repeated : Manifest, optional
        Of the study that this one repeats: its weights must be the same.
    """
    engine: Engine = Here(source) if how.on is None else OnRay(how.on, source)
    with closing(engine):
        begun = engine.begin(choices)
        if repeated is not None:
            manifest.refuse_other_weights(repeated.model, begun.model, "the manifest")
            manifest.warn_of_other_versions(repeated.environments, begun.environment)
        asked = engine.asked(prompts, choices.positions)
        grows = folders.open_study(folder, begun.settings, len(asked), extend=how.extend)
        manifest.keep(folder, begun.settings, begun.model, begun.environment, prompts)
        if place:
            place.put_settings()
            place.put_unknown()
        left = _left(folder, asked, begun.settings, how, grows=grows)
        _work(engine, folder, left, begun.settings, place, progress=how.progress)
    if grows and all(growing.whole(part, begun.settings) for part in folders.finished_parts(folder)):
        folders.describe(folder, begun.settings, len(asked))
        if place:
            place.put_settings()
    _refuse_all_failed(folder, left)
    return Study(folder, begun.settings, len(asked))


def _work(
    engine: Engine, folder: Path, left: Left, settings: Settings, place: Elsewhere | None, *, progress: bool
) -> None:
    """Write the results of what is left as they come."""
    folders.remove_unfinished(folder, left.mine)
    n_left = len(left.fresh) + len(left.longer)
    unchanged = []
    with tqdm(desc="prompts", total=len(left.mine), initial=len(left.mine) - n_left, disable=not progress) as bar:
        for result in engine.results(_tasks(folder, left), settings):
            if result.reason:
                unchanged.append(result)
            else:
                try:
                    folders.write_part(folder, result.name, result.files)
                except OSError as reason:
                    raise StudyError(f"The results of {result.name!r} cannot be written: {reason}.") from reason
                if place:
                    place.put(result.name)
            bar.set_postfix_str(engine.label(), refresh=False)
            bar.update()
    if unchanged:
        warnings.warn(
            f"What was added could not be run on {len(unchanged)} prompts; {unchanged[0].name!r} says: "
            f"{unchanged[0].reason} The same call tries again.",
            stacklevel=4,
        )


def _tasks(folder: Path, left: Left) -> Iterator[Task]:
    """Yield what is left, each with the files of its part only when its turn comes."""
    for name in left.fresh:
        yield Task(name, left.mine[name].prompt)
    for name in left.longer:
        files = {file: (folder / "parts" / name / file).read_bytes() for file in growing.FILES}
        yield Task(name, left.mine[name].prompt, files)


def _left(folder: Path, asked: dict[str, Asked], settings: Settings, how: How, *, grows: bool) -> Left:
    """Return what this run is to do; refuse a folder with other prompts."""
    parts = {part.name: part for part in folders.finished_parts(folder)}
    placed = _placed(folder, asked, parts)
    k, n = how.shard
    mine = dict(list(placed.items())[k - 1 :: n])
    folders.put_back(folder, set(mine) - set(parts))
    parts = {part.name: part for part in folders.finished_parts(folder)}
    # Other runs may be writing the rest.
    done = {part.name: part for part in folders.without_damaged(parts[name] for name in mine if name in parts)}
    states = dict(zip(done, folders.statuses(list(done.values())), strict=True))
    for name, row in states.items():
        _refuse_another(folder, name, row, mine[name])
    retried = {name for name, row in states.items() if how.retry and row["status"] == "failed"}
    longer = [name for name in done if name not in retried and not growing.whole(done[name], settings)] if grows else []
    return Left(mine, [name for name in mine if name not in done or name in retried], longer)


def _placed(folder: Path, asked: dict[str, Asked], parts: dict[str, Path]) -> dict[str, Asked]:
    """Return what is asked by the names that its parts have in the folder, where a prompt may have had another place.

    A prompt is known by its id: one that stands elsewhere in its source by now keeps the part that it has.
    """
    strangers = [part for name, part in parts.items() if name not in asked]
    if not strangers:
        return asked
    by_id = {each.prompt.id: name for name, each in asked.items()}
    moved: dict[str, str] = {}
    for part, row in zip(strangers, folders.statuses(strangers), strict=True):
        name = by_id.get(row["prompt_id"])
        _refuse_another(folder, part.name, row, None if name is None else asked[name])
        moved[by_id[row["prompt_id"]]] = part.name
    return {moved.get(name, name): each for name, each in asked.items()}


def _refuse_another(folder: Path, name: str, row: dict[str, Any], asked: Asked | None) -> None:
    if asked is not None and (asked.prompt.id, asked.text) == (row["prompt_id"], row["text"]):
        return
    instead = "no such prompt" if asked is None else repr(asked.text)
    raise StudyError(
        f"{str(folder)!r} holds a study of other prompts: {name} is {row['text']!r} in it, and this study has "
        f"{instead}. Give another folder, or the prompts that it was begun with (more may follow)."
    )


def _refuse_all_failed(folder: Path, left: Left) -> None:
    rows = folders.statuses([folder / "parts" / name for name in left.mine])
    if rows and all(row["status"] == "failed" for row in rows):
        raise StudyError(
            f"Not one of {len(rows)} prompts could be traced; the first says: {rows[0]['reason']} "
            f"All reasons: strace_widgets.load_study({str(folder)!r}).prompts"
        )
