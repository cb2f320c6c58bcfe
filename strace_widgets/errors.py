"""What can go wrong, each with a type of its own, so that a program can tell and a person can read."""

from __future__ import annotations


class StraceError(Exception):
    """The base of every error that this package raises on purpose."""


class FindingError(StraceError, ValueError):
    """A finding cannot be computed: a table of the study is empty, lacks a column, or holds too little."""


class ModelNotFoundError(StraceError, LookupError):
    """No model could be loaded under the name or folder that was given."""


class UnsupportedArchitectureError(StraceError, NotImplementedError):
    """The model's blocks are not of a kind whose edges are known to sum to its nodes."""


class PromptError(StraceError, ValueError):
    """The prompt cannot be traced: it is empty, or longer than the model's context."""


class PathError(StraceError, OSError):
    """A file cannot be read or written; its whole path is named."""


class MissingFileError(PathError, FileNotFoundError):
    """A file that was to be read is not there; its whole path is named."""


class SessionFileError(StraceError, ValueError):
    """A session file cannot be read: it is something else, of another version, or of another model."""


class StudyError(StraceError, ValueError):
    """A study cannot run or be read: no prompts, a folder of another study, or not one prompt that could be traced."""


class ToggleError(StraceError, ValueError):
    """A toggle names a component that the model does not have, or a state that does not exist."""


class TraceFileError(StraceError, ValueError):
    """A saved trace cannot be read: it is something else, of a newer version, cut off, or altered."""


class NonFiniteError(StraceError, ValueError):
    """Numbers are NaN or infinite where a model, a subgraph or a measure must have a value.

    A logit of minus infinity is a value: the token is suppressed, its probability is 0.

    Attributes
    ----------
    part : str
        Where the first of them arises: ``"embeddings"``, ``"attention"``, ``"mlp"``, ``"final norm"``,
        ``"unembedding"``, ``"scores"`` or ``"gradients"`` of edges; empty where that is not known.
    layer : int or None
        Of ``"attention"``, ``"mlp"``, ``"scores"`` and ``"gradients"``.
    weights : tuple of str
        The model's own weights that hold such numbers there, by name; empty where they are sound or out of reach.
    n_edges : int or None
        Of the subgraph that was run, if it was one.
    """

    def __init__(
        self,
        sentence: str,
        part: str = "",
        layer: int | None = None,
        weights: tuple[str, ...] = (),
        n_edges: int | None = None,
    ) -> None:
        super().__init__(sentence)
        self.part, self.layer, self.weights, self.n_edges = part, layer, weights, n_edges


class NoGradientsError(StraceError, NotImplementedError):
    """The importance measure needs gradients, and the model gives none."""


class NotCopiedError(StraceError, TypeError):
    """A model, or a trace with its model, was to be pickled or copied."""


class NoModelError(StraceError, AttributeError):
    """What was asked needs a model, and the trace was loaded from a file."""


class ModelMismatchError(StraceError, ValueError):
    """A model does not predict what the model of a saved trace predicted."""


class ModelChangedError(StraceError, RuntimeError):
    """Parts of a model were replaced after it was loaded, so that what was proved of it need not hold."""


class MissingPackageError(StraceError, ImportError):
    """What was asked needs a package that is not installed."""


def missing_for_a_model(what: str, package: str | None) -> MissingPackageError:
    """Return the error of something that runs a model and lacks a package.

    Parameters
    ----------
    what : str
        The name of what was asked for.
    package : str or None
        The package that is missing.
    """
    return MissingPackageError(
        f"{what} needs {package}, which is not installed. What runs a model needs all of `pip install torch nnsight "
        "transformers numba tqdm platformdirs`; saved traces open without them."
    )


class CancelledError(StraceError):
    """A person gave up what was under way, or asked for something else in its place."""


class RemoteError(StraceError):
    """The base of what can go wrong with a model on a server.

    Attributes
    ----------
    text : str
        The server's own words, whole, where it said any.
    """

    def __init__(self, sentence: str, text: str = "") -> None:
        super().__init__(sentence)
        self.text = text


class MissingKeyError(RemoteError):
    """The server wants an API key, and there is none."""


class WrongKeyError(RemoteError):
    """The server does not know the API key."""


class ModelNotServedError(RemoteError):
    """The server does not run this model, and would not start it."""


class ServerUnreachableError(RemoteError):
    """No answer from the server, though nothing is under way yet."""


class ServerLostError(RemoteError):
    """The server stopped answering while a job was under way."""


class ResultLostError(RemoteError):
    """The job is done, or was accepted, but the server no longer has its result."""


class VersionMismatchError(RemoteError):
    """Here and there, versions of a package run that do not understand each other."""


class RemoteTimeoutError(RemoteError, TimeoutError):
    """The job took longer than it was given, here or on the server."""


class RemoteRunError(RemoteError):
    """The job failed on the server, in the model or in what was run on it."""


class JobCancelledError(RemoteError):
    """The job was given up, by the person who waits or by the server."""


class GradientsRefusedError(RemoteError, NoGradientsError):
    """The server gives no gradients, most often because it runs this request in a sandbox."""


class RequestTooLargeError(RemoteError):
    """A request or its answer would be larger than the limit that was set."""


class JobFileError(StraceError, ValueError):
    """A job file cannot be read: it is something else, or of another version."""


def first_line(reason: BaseException) -> str:
    """Return the first line of what an exception says, or its name where it says nothing.

    Parameters
    ----------
    reason : Exception
        Of whichever package.
    """
    return (str(reason).strip() or type(reason).__name__).splitlines()[0]
