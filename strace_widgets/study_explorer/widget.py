"""The widget over a study: its prompts in linked views, and the Explorer of the one that is opened."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING, Any

import anywidget
import traitlets

from ..errors import CancelledError, StudyError
from ..explorer import bundle
from ..explorer.closing import ClosingWidget
from ..explorer.messages import Messages, sentence
from ..explorer.requests import RequestRunner, SupersededError
from ..explorer.widget import Explorer
from ..explorer.worker import kernel_loop, post_to
from ..paths import write_file
from ..studies.kept_views import read_view
from .following import Damaged, Portion, follow, portions
from .opening import openings
from .page import study_page
from .rows import planned
from .state import study_state

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from ..explorer.messages import Show
    from ..explorer.requests import Progress
    from ..paths import AnyPath
    from ..studies.store import Study

LOG = logging.getLogger(__name__)

READY = {"state": "ready", "message": "", "progress": 0.0}
FROM_BROWSER = ("selected", "compared", "opened")
KEPT_OPEN = 3
"""Explorers of prompts that stay open, so that going back to one takes no time."""


class StudyExplorer(ClosingWidget):
    """Studies in linked views: made by `strace_widgets.Study.explore`.

    Parameters
    ----------
    *studies : Study
        Of different models, if there are several.
    model : Model, or what `strace_widgets.load_model` takes, or a list of them, optional
        On which prompts are opened.

    Attributes
    ----------
    selected, compared : list of str
        The ids of the prompts in the first group, and in the second one if there is one; of several studies
        ``model/id``. The browser writes them once the hand rests; they are empty where nothing is filtered.
    opened : str
        The same of the prompt whose Explorer is shown, or "". Setting it opens one.
    explorer : Explorer or None
        The Explorer of that prompt, where it is on the model.
    n_rows : int
        How many prompts have been read.
    whole : bool
        Whether these are all.

    Raises
    ------
    StudyError
        When the studies cannot be shown together, or a model is none of theirs.
    """

    _esm = bundle.module("study")
    _css = bundle.style("study")

    study = traitlets.Dict().tag(sync=True)
    n_portions = traitlets.Int(0).tag(sync=True)
    n_rows = traitlets.Int(0).tag(sync=True)
    whole = traitlets.Bool(default_value=False).tag(sync=True)
    status = traitlets.Dict(default_value=READY).tag(sync=True)
    selected: traitlets.List[str] = traitlets.List(traitlets.Unicode()).tag(sync=True)
    compared: traitlets.List[str] = traitlets.List(traitlets.Unicode()).tag(sync=True)
    opened = traitlets.Unicode().tag(sync=True)
    explorer = anywidget.WidgetTrait().tag(sync=True)

    def __init__(self, *studies: Study, model: Any = None, **kwargs: Any) -> None:
        self._studies = studies
        self._plan = planned(studies)
        self._openings = openings(studies, model)
        self._portions: list[Portion] = []
        self._explorers: dict[tuple[int, str], Explorer] = {}
        self._requests = RequestRunner(self._show_progress, lambda _: None)
        self._messages = Messages(
            self._answer,
            self._requests,
            self._tell,
            at_once={"rows": self._rows},
            later={"open": self._open},
        )
        super().__init__(study=study_state(studies, self._plan, self._openings), **kwargs)
        self.on_msg(lambda _, content, __: self._messages.hear(content))
        post = post_to(kernel_loop())
        self._stop = follow(
            studies,
            self._plan,
            lambda found: post(partial(self._add, found)),
            lambda: post(partial(self.set_trait, "whole", True)),  # noqa: FBT003 - as traitlets has it
            lambda reason: post(partial(self._tell, "rows", reason)),
        )

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what the browser may say: which prompts the groups hold, and which one is open."""
        try:
            super().set_state({name: value for name, value in sync_data.items() if name in FROM_BROWSER})
        except traitlets.TraitError as reason:
            self._tell("rows", reason)

    def close(self) -> None:
        """Close the widget and the Explorers of its prompts; nothing is read any more."""
        if self.comm is None:
            return
        self._stop.set()
        self._requests.cancel()
        for explorer in self._explorers.values():
            explorer.close()
        self._explorers.clear()
        super().close()

    def to_html(self, path: AnyPath, *, title: str | None = None) -> Path:
        """Write what is shown as one page that needs no kernel and no network; return its path.

        Prompts whose traces the study kept can be opened on it: that is some 170 kB for each. The page's size is
        logged, at level INFO.

        Parameters
        ----------
        path : str or Path
        title : str, optional

        Raises
        ------
        StudyError
            When a part of the study is damaged, or it has no prompt.
        """
        read: list[Portion] = []
        for found in portions(self._studies, self._plan, set()):
            if isinstance(found, Damaged):
                raise StudyError(found.reason)
            read.append(found)
        if not read:
            raise StudyError(f"No prompt of the study in {self._studies[0].folder} is done yet.")
        state = study_state(self._studies, self._plan, self._openings)
        content = study_page(title, state, read, self._plan.importances)
        LOG.info("%s: a page of %.2f MB", path, len(content) / 1e6)
        return write_file(path, content)

    def __repr__(self) -> str:
        return f"s-Trace study explorer of {self.study['title']}: {self.n_rows:,} of {self.study['n_asked']:,} prompts"

    def _add(self, found: Portion | Damaged) -> None:
        if self.comm is None:
            return
        if isinstance(found, Damaged):
            self._tell("rows", StudyError(found.reason))
            return
        self._portions.append(found)
        with self.hold_sync():
            self.n_portions = len(self._portions)
            self.n_rows += len(found.parts)

    def _rows(self, content: dict[str, Any]) -> Mapping[str, Any]:
        portion = content.get("portion")
        if type(portion) is not int or not 0 <= portion < len(self._portions):
            raise StudyError(f"There is no portion {portion!r} of prompts: {len(self._portions)} have been read.")
        return {"rows": self._portions[portion].rows}

    def _open(self, content: dict[str, Any], progress: Progress) -> Show:
        row, importance = content.get("row"), content.get("importance")
        if type(row) is not int or not 0 <= row < self.n_rows:
            raise StudyError(f"There is no prompt {row!r}: {self.n_rows} have been read.")
        if importance not in self._plan.importances:
            raise StudyError(f"The study has no importance measure {importance!r}.")
        portion, place = self._place(row)
        model, prompt_id = portion.rows["model"], portion.rows["ids"][place]
        opening, name = self._openings[model], self._name(model, prompt_id)
        if reason := portion.rows["reasons"][place]:
            raise StudyError(f"{prompt_id} could not be traced: {reason}")
        key = (row, importance)
        if opening.opens != "live":
            state = read_view(portion.parts[place], importance)
            return lambda: self._show(name, None, {"state": state})
        known = self._explorers.get(key)
        if known is not None:
            return lambda: self._show(name, self._kept_open(key, known), {})
        progress(f"tracing {prompt_id}", 0.0)
        traced = opening.traced(prompt_id, importance)
        return lambda: self._show(name, self._kept_open(key, Explorer(traced)), {})

    def _name(self, model: int, prompt_id: str) -> str:
        """Return what a prompt is called: with its model, where several are shown."""
        models = self.study["models"]
        return prompt_id if len(models) == 1 else f"{models[model]['name']}/{prompt_id}"

    def _place(self, row: int) -> tuple[Portion, int]:
        for portion in self._portions:
            if row < len(portion.parts):
                return portion, row
            row -= len(portion.parts)
        raise IndexError(row)

    def _kept_open(self, key: tuple[int, str], explorer: Explorer) -> Explorer:
        self._explorers.pop(key, None)
        self._explorers[key] = explorer  # the last one is the newest
        while len(self._explorers) > KEPT_OPEN:
            self._explorers.pop(next(iter(self._explorers))).close()
        return explorer

    def _show(self, name: str, explorer: Explorer | None, answer: dict[str, Any]) -> dict[str, Any]:
        with self.hold_sync():
            self.explorer, self.opened, self.status = explorer, name, READY
        return answer

    def _show_progress(self, message: str, progress: float) -> None:
        self.status = {"state": "running", "message": message, "progress": progress}

    def _tell(self, kind: str, reason: Exception) -> None:
        if isinstance(reason, SupersededError):
            return  # the status is about the newer request
        state = self._requests.state if isinstance(reason, CancelledError) else "error"
        self.status = READY | {"state": state, "message": sentence(reason), "kind": kind}

    def _answer(self, content: dict[str, Any]) -> None:
        """Send an answer; the bytes of a portion travel beside it, in the order of its arrays."""
        rows = content.get("rows")
        if rows is None:
            self.send(content)
            return
        arrays = {name: array | {"data": None} for name, array in rows["arrays"].items()}
        buffers = [array["data"] for array in rows["arrays"].values()]
        self.send(content | {"rows": rows | {"arrays": arrays}}, buffers)
