"""What can go wrong, each with a type of its own, so that a program can tell and a person can read."""


class StraceError(Exception):
    """The base of every error that this package raises on purpose."""


class ModelNotFoundError(StraceError, LookupError):
    """No model could be loaded under the name or folder that was given."""


class UnsupportedArchitectureError(StraceError, NotImplementedError):
    """The model's blocks are not of a kind whose edges are known to sum to its nodes."""


class MissingExtraError(StraceError, ImportError):
    """Studies and findings need packages that a widget does not, and they are not installed."""


class PromptError(StraceError, ValueError):
    """The prompt cannot be traced: it is empty, or longer than the model's context."""


class SessionFileError(StraceError, ValueError):
    """A session file cannot be read: it is something else, of another version, or of another model."""


class StudyError(StraceError, ValueError):
    """A study cannot run or be read: no prompts, a folder of another study, or not one prompt that could be traced."""


class ToggleError(StraceError, ValueError):
    """A switch names a component that the model does not have, or a state that does not exist."""
