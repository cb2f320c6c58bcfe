"""What is asked of a model, and of the server on which it may run."""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - a NamedTuple's field
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

if TYPE_CHECKING:
    from .architecture import Architecture


class Server(Protocol):
    """Where a model runs that is not here; `strace_widgets.remote.server.Server` is one."""

    @property
    def url(self) -> str:
        """Its address, as it may be shown."""

    @property
    def address(self) -> str:
        """Its address, as another process of the same person needs it."""

    @property
    def precision(self) -> str:
        """The number format of large arrays in its answers."""

    @property
    def limit(self) -> float:
        """Bytes that a request or an answer may have."""


class Call(NamedTuple):
    """One of `strace_widgets.interventions`, and what makes its arguments, which are large: one call at a time runs."""

    function: Callable[..., Any]
    args: Callable[[], tuple[Any, ...]]
    gradients: bool = False
    """Whether the run keeps what derivatives need."""
    states: bool = False
    """Whether the answer holds hidden states in place of logits."""
    form: Callable[[], Any] = lambda: None
    """Returns the form that a server's answer has to have: see `strace_widgets.model.answers`."""


class Runner(Protocol):
    """What runs calls: a `strace_widgets.model.model.Model`."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def dtype(self) -> str:
        """The weights' number format."""

    @property
    def nnsight(self) -> Any:
        """The nnsight model."""

    @property
    def architecture(self) -> Architecture:
        """Where its parts are."""

    @property
    def server(self) -> Server | None:
        """Where it runs, if not here."""

    @property
    def sweeps(self) -> Callable[..., list[Call]]:
        """What returns the calls that evaluate masks, a pass each."""

    def ask(self, call: Call) -> Any:
        """Run a call and return its answer."""
