"""What is done with each prompt of a study, by whoever holds the model: this process, or a worker of a cluster."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property, partial
from inspect import isroutine
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import StraceError, StudyError
from ..model.loading import load_model
from ..model.model import Model
from ..waiting import silent
from .folder import part_files, part_name
from .growing import NOTHING, had
from .manifest import Environment, ModelEntry, environment, model_entry
from .prompt_tables import described, prompt_tables, prompt_text
from .tables import as_tables
from .word_frequency import Unigram, unigram

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .prompts import Prompt
    from .settings import Choices, Settings


class Asked(NamedTuple):
    """A prompt, or one token of it, and its text."""

    prompt: Prompt
    text: str


class Task(NamedTuple):
    """A prompt to trace; the name of its part, and where more is asked of it than before, the part's files."""

    name: str
    prompt: Prompt
    before: Mapping[str, bytes] = {}


class Result(NamedTuple):
    """What became of a task: the files of its part; or none, and why more could not be asked of it."""

    name: str
    files: dict[str, bytes]
    reason: str = ""


class Begun(NamedTuple):
    """What a study's first worker says of it."""

    settings: Settings
    model: ModelEntry
    environment: Environment


class Recipe(NamedTuple):
    """How a model is loaded."""

    source: str | None
    options: dict[str, Any]

    @classmethod
    def of(cls, source: Any) -> Any:
        """Return how what stands for a model is loaded elsewhere; a name or a function stays as it is.

        Raises
        ------
        StudyError
            When it is a model that a person holds.
        """
        if not isinstance(source, Model):
            return source
        if not source.source:
            raise StudyError(
                f"{source.name} is a model that you hold, and every worker loads its own: give the name or folder that "
                "it can be loaded from, or a function that returns it."
            )
        where = {"remote": source.server.address} if source.server else {"remote": "local"} if source.simulated else {}
        return cls(source.source, source.options | where)


def opened(source: Any) -> Model:
    """Return a model: as it is, made by a function, or loaded by what `strace_widgets.load_model` takes."""
    if isinstance(source, Model):
        return source
    if isinstance(source, Recipe):
        return load_model(source.source, **source.options)
    if isroutine(source) or isinstance(source, partial):
        made: Model = source()
        return made
    return load_model(source)


class Worker:
    """A model, and what a study asks of it; what methods take and return may be sent elsewhere."""

    def __init__(self, source: Any) -> None:
        self._source: Callable[[], Model] = partial(opened, source)

    @cached_property
    def model(self) -> Model:
        """The model, loaded when it is first needed."""
        return self._source()

    @cached_property
    def words(self) -> Unigram:
        """How frequent the words of its vocabulary are."""
        return unigram(self.model.texts)

    def open(self) -> str:
        """Load the model, so that what is asked next does not wait for it; return its name."""
        return self.model.name

    def begin(self, choices: Choices) -> Begun:
        """Return what a study of the model is."""
        return Begun(choices.on(self.model), model_entry(self.model), environment(self.model))

    def asked(self, prompts: list[Prompt], positions: str) -> dict[str, Asked]:
        """Return what is to be traced, by the name of its part: each prompt, or each token of each prompt."""
        parts: dict[str, Prompt] = {}
        for prompt in prompts:
            parts |= _every_token(self.model, prompt) if positions == "all" else _whole(prompt)
        return {name: Asked(prompt, prompt_text(self.model, prompt)) for name, prompt in parts.items()}

    def run(self, task: Task, settings: Settings) -> Result:
        """Return one prompt's files; of a prompt that fails, what it was and why."""
        try:
            before = had(task.before) if task.before else NOTHING
            with silent():  # the study's own bar says how far it is
                columns, arrays = prompt_tables(self.model, task.prompt, settings, self.words, before)
            return Result(task.name, part_files(as_tables(columns), arrays))
        except Exception as reason:  # noqa: BLE001 - whatever one prompt does, the others go on
            sentence = str(reason) if isinstance(reason, StraceError) else f"{type(reason).__name__}: {reason}"
            if task.before:
                return Result(task.name, {}, sentence)
            return Result(task.name, failed(described(self.model, task.prompt), sentence))


def failed(prompt: dict[str, Any], reason: str) -> dict[str, bytes]:
    """Return the files of a prompt that failed."""
    return part_files(as_tables({"prompts": prompt | {"status": "failed", "reason": reason}}), {})


def _whole(prompt: Prompt) -> dict[str, Prompt]:
    return {part_name(f"{prompt.number:06d}", prompt.id): prompt}


def _every_token(model: Model, prompt: Prompt) -> dict[str, Prompt]:
    try:
        token_ids = model.encode(prompt.content).tolist()
    except (StraceError, ValueError, TypeError):
        return _whole(prompt)  # it fails with a reason when it is traced
    parts = {}
    for end in range(min(2, len(token_ids)), len(token_ids) + 1):
        identity = f"{prompt.id}@{end - 1}"
        cut = {} if end == len(token_ids) else {"content": token_ids[:end], "expected": None}
        parts[part_name(f"{prompt.number:06d}.{end:06d}", identity)] = replace(prompt, id=identity, **cut)
    return parts
