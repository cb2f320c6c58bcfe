"""From a server's words to an exception that says what happened and what to do.

The sentence is for a person; the server's whole text goes along in ``error.text``.
"""

from __future__ import annotations

from importlib.metadata import requires, version
from typing import Protocol

from ..errors import (
    GradientsRefusedError,
    JobCancelledError,
    MissingKeyError,
    ModelNotServedError,
    RemoteError,
    RemoteRunError,
    RemoteTimeoutError,
    RequestTooLargeError,
    ServerUnreachableError,
    VersionMismatchError,
    WrongKeyError,
)
from ..graph.measures import GRADIENTS
from ..interventions.gradients import REFUSED
from .key import PAGE, scrubbed

UNAUTHORIZED, FORBIDDEN, TOO_LARGE = 401, 403, 413


class Asked(Protocol):
    """The server that failed, as far as a sentence may ask it for more: see `strace_widgets.remote.server.Server`."""

    @property
    def url(self) -> str:
        """Its address."""

    def served(self) -> dict[str, str]:
        """Return the models that are up."""

    def differences(self) -> str:
        """Return which versions differ between here and there."""


def missing_key(url: str, text: str = "") -> MissingKeyError:
    """Return the exception for a key that is wanted and not there."""
    return MissingKeyError(
        f"The server {url} wants an API key, and there is none. Get one at {PAGE} and set NDIF_API_KEY, or call "
        "nnsight.CONFIG.set_default_api_key.",
        text,
    )


def unreachable(url: str, text: str, patience: float) -> ServerUnreachableError:
    """Return the exception for a server that stayed silent, or ill, for as long as it was asked."""
    text = scrubbed(text)
    return ServerUnreachableError(
        f"The server {url} does not answer as it should ({text}), and was asked for {patience:.0f} s. Is it running, "
        "and is the address right?",
        text,
    )


def unreadable(url: str, text: str) -> RemoteError:
    """Return the exception for an answer that no server of NDIF gives, such as the page of another one."""
    text = scrubbed(text)
    return RemoteError(
        f"{url} does not answer as an NDIF server does ({last_line(text)[:100]!r}). Is the address right?", text
    )


def too_large(url: str, most: int) -> RequestTooLargeError:
    """Return the exception for an answer that is larger than it may be."""
    return RequestTooLargeError(
        f"The server {url} answers with more than {most:,} bytes, the most that are fetched under its limit. Use fewer "
        "sizes or tokens, or load the model with a larger limit."
    )


def refused(server: Asked, code: int, text: str) -> RemoteError:
    """Return the exception for a request that the server did not take."""
    text = scrubbed(text)
    if code == UNAUTHORIZED:
        return missing_key(server.url, text)
    if code == FORBIDDEN or "API key" in text:
        return WrongKeyError(
            f"The server {server.url} does not know your API key. Look it up or make a new one at {PAGE} and set "
            "NDIF_API_KEY, or call nnsight.CONFIG.set_default_api_key.",
            text,
        )
    if "version" in text and "minimum" in text:
        return mismatch(server, text)
    if code == TOO_LARGE:
        return RequestTooLargeError(f"The request is larger than {server.url} takes: use fewer sizes or tokens.", text)
    return RemoteError(f"The server {server.url} refused the request ({code}): {last_line(text)}", text)


def failed(server: Asked, text: str, model_name: str) -> RemoteError:
    """Return the exception for a job that the server gave up."""
    text = scrubbed(text)
    if _says(text, "not deploy this model", "provisioning model", "starting model"):
        return ModelNotServedError(
            f"The server {server.url} does not run {model_name} and could not start it: {last_line(text)} "
            f"{_what_it_runs(server)}",
            text,
        )
    if _says(text, "payload could not be read", "doesn't match the one your code was traced against"):
        return mismatch(server, text)
    if _says(text, "execution timeout"):
        return RemoteTimeoutError(
            f"The server {server.url} stops a job after a time of its own: {last_line(text)} Use a shorter prompt or "
            "fewer sizes at once.",
            text,
        )
    if _says(text, REFUSED):
        return GradientsRefusedError(
            f"The server {server.url} gives your requests no gradients, which the measures "
            f"{', '.join(map(repr, GRADIENTS))} need: it runs the code of people whom it has no reason to trust in a "
            "sandbox, and none pass its wall. Choose another measure, such as 'l2', or ask who runs the server.",
            text,
        )
    if _says(text, "cancelled") and "Traceback" not in text:
        return JobCancelledError(f"The server {server.url} gave the job up: {last_line(text)} Try again.", text)
    return RemoteRunError(f"The job failed on {server.url}: {last_line(text)}", text)


def mismatch(server: Asked, text: str) -> VersionMismatchError:
    """Return the exception for two machines that do not understand each other, with both machines' versions."""
    differ = server.differences() or f"nnsight here is {version('nnsight')}"
    return VersionMismatchError(
        f"This machine and the server {server.url} do not understand each other: {differ}. Install the server's "
        f"versions here. The server says: {last_line(text)}",
        text,
    )


def no_model_without_weights(source: str, reason: Exception) -> VersionMismatchError:
    """Return the exception for an nnsight and a transformers that do not get on, with the ranges that were tested."""
    pair = ("nnsight", "transformers")
    tested = [wish for wish in requires("strace_widgets") or () if wish.startswith(pair)]
    return VersionMismatchError(
        f"{source!r} could not be made without its weights, as a model on a server needs it, with "
        f"{' and '.join(f'{name} {version(name)}' for name in pair)} ({last_line(str(reason))}). A local model may "
        f"still work; for one on a server install versions within {' and '.join(sorted(tested))}, or the server's own.",
        str(reason),
    )


def last_line(text: str) -> str:
    """Return the line of a server's text that says most: a traceback's last, else the first."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return "no reason given."
    return lines[-1] if "Traceback" in text else lines[0]


def _says(text: str, *words: str) -> bool:
    return any(each in text for each in words)


def _what_it_runs(server: Asked) -> str:
    try:
        names = sorted(server.served())
    except RemoteError:
        return "Choose another model."
    return f"It runs {', '.join(names)}." if names else "It runs no model at present."
