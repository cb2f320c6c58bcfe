"""What the front end asks by a message: each has an id, which its answer repeats. And errors in words for a person."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from traitlets import TraitError

from ..errors import CancelledError, PromptError, RemoteError, StraceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .requests import Progress, RequestRunner

    Content = dict[str, Any]
    AtOnce = Callable[[Content], Mapping[str, Any] | None]
    """Answers a message."""
    Show = Callable[[], "Work | Mapping[str, Any] | None"]
    """Is called on the kernel's thread once work has been done; returns what is to be done next, or what the answer
    holds, if there is either."""
    Work = Callable[[Progress], Show]
    """Is done on the worker."""
    Later = Callable[[Content, Progress], Show]
    """Does on the worker what a message asks for."""


class Messages:
    """Answers messages: at once, or when a request has run.

    Parameters
    ----------
    send : callable
        Sends an answer.
    requests : RequestRunner
    failed : callable
        Is told the kind of a request that has no result, and why.
    at_once, later : dict
        How each kind of message is answered.
    """

    def __init__(
        self,
        send: Callable[[Content], None],
        requests: RequestRunner,
        failed: Callable[[str, Exception], None],
        *,
        at_once: Mapping[str, AtOnce],
        later: Mapping[str, Later],
    ) -> None:
        self._send, self._requests, self._failed = send, requests, failed
        self._at_once, self._later = at_once, later

    def hear(self, content: Content) -> None:
        """Answer a message, now or later; a failure is an answer as well."""
        if not isinstance(content, Mapping):
            content = {}  # nobody knows how to ask
        kind = content.get("kind", "")
        if not isinstance(kind, str):
            self._reply(content, error="A request has a kind, which is a word.")
        elif kind in self._later:
            self._run(content, partial(self._later[kind], content))
        elif kind in self._at_once:
            try:
                self._reply(content, **(self._at_once[kind](content) or {}))
            except Exception as reason:  # noqa: BLE001 - the sentence belongs on screen
                self._refuse(content, reason)
        else:
            self._reply(content, error=f"There is no request {kind!r}.")

    def _run(self, content: Content, work: Work) -> None:
        def done(show: Show) -> None:
            further = show()
            if callable(further):
                self._run(content, further)
            else:
                self._reply(content, **(further or {}))

        def failed(reason: Exception) -> None:
            self._failed(content["kind"], reason)
            self._refuse(content, reason)

        self._requests.run(content["kind"], work, done, failed)

    def _reply(self, content: Content, error: str | None = None, **payload: Any) -> None:
        outcome = {"ok": True} if error is None else {"ok": False, "error": error}
        asked = {name: content.get(name) for name in ("id", "kind")}
        # What is no name of anything is not repeated: it may be no JSON, as an infinity is.
        named = {name: value if isinstance(value, (str, int)) else None for name, value in asked.items()}
        self._send({**named, **outcome, **payload})

    def _refuse(self, content: Content, reason: Exception) -> None:
        cancelled = {"cancelled": True} if isinstance(reason, CancelledError) else {}
        self._reply(content, error=sentence(reason), **detail(reason), **cancelled)


def sentence(reason: Exception) -> str:
    """Return what a person reads of an error: a sentence of ours, or the last line, where nnsight puts the cause."""
    lines = str(reason).strip().splitlines()
    ours = isinstance(reason, (StraceError, ValueError, TraitError)) and len(lines) < 2  # noqa: PLR2004
    if ours or isinstance(reason, PromptError):  # which may show two prompts below each other
        return str(reason)
    return f"{lines[-1]} ({type(reason).__name__})" if lines else type(reason).__name__


def detail(reason: Exception) -> dict[str, str]:
    """Return what a server said, whole; nothing for what went wrong here."""
    return {"detail": reason.text} if isinstance(reason, RemoteError) else {}
