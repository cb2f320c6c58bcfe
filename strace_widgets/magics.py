"""``%load_ext strace_widgets``: trace a prompt in one line.

``%strace The capital of France is`` traces the rest of the line, ``%%strace`` the cell below it. The model is loaded by
the first call and kept; the last trace is in ``_strace``.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, cast

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from .errors import StraceError, missing_for_a_model
from .results.run import trace

if TYPE_CHECKING:
    from .model.model import Model
    from .results.strace import STrace
    from .results.sweep import Sweep

# Options come first. What follows is the prompt, taken literally: quotes and dashes in it have no meaning.
OPTIONS = re.compile(r"\s*((?:--(?:chat(?=\s|$)|\w+(?:=\S*|\s+\S+))\s*)*)")
KNOWN = ("--model", "--importance", "--size", "--chat")


@magics_class
class StraceMagics(Magics):
    """The magics, and the models that they have loaded."""

    def __init__(self, shell: Any) -> None:
        super().__init__(shell)
        self.variables: dict[str, Any] = shell.user_ns
        self.models: dict[str, Model] = {}
        self.chosen = ""

    @magic_arguments()
    @argument("--model", help="a hub id, a folder, or a variable that holds a model; kept for the calls that follow")
    @argument("--importance", default="l1", help="how an edge is weighed, such as l1, l2 or fisher+projection")
    @argument("--size", type=float, help="run the subgraph of this size, such as 0.05, and return its result")
    @argument("--chat", action="store_true", help="the prompt is a user's message, for the model's chat template")
    @line_cell_magic
    def strace(self, line: str, cell: str | None = None) -> STrace | Sweep | None:
        """Trace the prediction after a prompt: the rest of the line, or the cell.

        Options come before the prompt. The trace is returned, and put in ``_strace``.
        """
        split = OPTIONS.match(line)
        options, prompt = (split[1], line[split.end() :]) if split else ("", line)
        if cell is not None:
            prompt = (prompt + cell).removesuffix("\n")
        unknown = [name for name in re.findall(r"(?:^|\s)(--\w+)", options) if name not in KNOWN]
        if unknown:
            raise UsageError(f"%strace has no option {unknown[0]}: choose among {', '.join(KNOWN)}.")
        asked = parse_argstring(self.strace, options)
        if asked.model:
            self.chosen = asked.model
        only_model = not prompt.strip() and asked.model and cell is None
        if not prompt.strip() and not only_model:
            raise UsageError("%strace needs a prompt: write it after the magic, or below %%strace.")
        try:
            model = self._model()
            if only_model:  # it is loaded for the calls that follow
                return None
            messages = [{"role": "user", "content": prompt}]
            found = trace(model, messages if asked.chat else prompt, asked.importance)
            result = found if asked.size is None else found.evaluate([asked.size])
        except (StraceError, ValueError, TypeError) as reason:
            raise UsageError(str(reason)) from None
        self.variables["_strace"] = found
        return result

    def _model(self) -> Model:
        held: Any = self.variables.get(self.chosen)
        if hasattr(held, "capture_vectors"):
            return cast("Model", held)
        if self.chosen not in self.models:
            try:
                from .model.loading import load_model  # noqa: PLC0415 - torch is needed from here on
            except ModuleNotFoundError as reason:
                raise missing_for_a_model("%strace", reason.name) from reason

            self.models[self.chosen] = load_model(self.chosen or None)
        return self.models[self.chosen]
