"""The Explorer of one prompt of a study: on the model, or as its trace was kept.

What needs a model is imported with it: a study can be looked at where there is no torch.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..errors import StudyError
from ..results.run import trace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from ..results.strace import STrace
    from ..studies.prompts import Prompt
    from ..studies.store import Study
    from ..studies.work import Worker
    from .contract import Opens


class Opening:
    """How the prompts of one study are opened.

    Parameters
    ----------
    study : Study
    model : Model or what `strace_widgets.load_model` takes, optional
        The study's; loaded when the first prompt is opened.
    """

    def __init__(self, study: Study, model: Any = None) -> None:
        self.study = study
        self._model = model

    @cached_property
    def _worker(self) -> Worker:
        from ..studies.work import Worker  # noqa: PLC0415

        return Worker(self._model)

    @property
    def opens(self) -> Opens:
        """Whether prompts open on the model, as their traces were kept, or not at all."""
        if self._model is not None:
            return "live"
        return "kept" if self.study.settings.keep_traces else "none"

    def traced(self, prompt_id: str, importance: str) -> STrace:
        """Trace a prompt again.

        Raises
        ------
        StudyError
            When the model's weights are not the study's, or the study has no such prompt.
        """
        if prompt_id not in self._prompts:
            raise StudyError(f"The file of prompts in {self.study.folder} has no {prompt_id!r}.")
        prompt = self._prompts[prompt_id]
        return trace(self._worker.model, prompt.content, importance, **prompt.question())

    @cached_property
    def _prompts(self) -> dict[str, Prompt]:
        """What was asked, by the prompt's id."""
        from ..studies import manifest  # noqa: PLC0415

        kept = manifest.read_kept(self.study.folder / manifest.FILE)
        where = str(self.study.folder)
        manifest.refuse_other_weights(kept.manifest.model, manifest.model_entry(self._worker.model), where)
        asked = self._worker.asked(kept.prompts, self.study.settings.positions)
        return {each.prompt.id: each.prompt for each in asked.values()}


def openings(studies: Sequence[Study], models: Any) -> list[Opening]:
    """Return how the prompts of several studies are opened, each on the model of its name.

    Parameters
    ----------
    studies : sequence of Study
    models : Model, or what stands for one, or several of them, or None

    Raises
    ------
    StudyError
        When a model is none of the studies'.
    """
    if models is None:
        return [Opening(study) for study in studies]
    from ..model.model import Model  # noqa: PLC0415

    given: Iterable[Any] = models if isinstance(models, (list, tuple)) else [models]
    by_name: dict[str, Any] = {}
    names = [study.settings.model for study in studies]
    for model in given:
        if not isinstance(model, Model) and len(names) == 1:
            by_name[names[0]] = model  # its weights are compared when it is loaded
            continue
        name = model.name if isinstance(model, Model) else str(model)
        if name not in names:
            raise StudyError(f"{name} is none of the models that were studied: {', '.join(names)}.")
        by_name[name] = model
    return [Opening(study, by_name.get(study.settings.model)) for study in studies]
