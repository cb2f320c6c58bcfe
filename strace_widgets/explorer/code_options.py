"""How a model was loaded, as the arguments of a call in a program."""

from __future__ import annotations

import ast
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..model.model import Model

WRITTEN = (ast.Expression, ast.Constant, ast.Dict, ast.List, ast.Tuple, ast.UnaryOp, ast.USub, ast.Load, ast.Attribute)
"""What an option may consist of to be written down; besides these, only names of torch."""


@dataclass(frozen=True)
class Options:
    """Arguments, as they are written in a program.

    Attributes
    ----------
    values : dict of str
        An expression for each option.
    missing : list of str
        The names in these that the program's reader has to define: a secret, or an object that cannot be written down.
    """

    values: dict[str, str]
    missing: list[str]

    @property
    def needs_torch(self) -> bool:
        """Whether an expression names something of torch."""
        return any("torch." in value for value in self.values.values())

    def arguments(self, names: Iterable[str] | None = None) -> str:
        """Return the options, or those of these names, as further arguments of a call: ``", revision='main'"``."""
        wanted = [name for name in self.values if names is None or name in names]
        return "".join(f", {name}={self.values[name]}" for name in wanted)


def loaded_as(model: Model) -> Options:
    """Return how a model was loaded, ready to be written; a token never is."""
    written = {name: None if name == "token" else expression(value) for name, value in model.options.items()}
    values = {name: f"my_{name}" if value is None else value for name, value in written.items()}
    return Options(values, [values[name] for name, value in written.items() if value is None])


def expression(value: Any) -> str | None:
    """Return an expression that gives a value back, or None where only the object itself will do."""
    text = repr(os.fspath(value) if isinstance(value, os.PathLike) else value)
    try:
        parts = list(ast.walk(ast.parse(text, mode="eval")))
    except SyntaxError:
        return None
    plain = all(isinstance(part, WRITTEN) or (isinstance(part, ast.Name) and part.id == "torch") for part in parts)
    return text if plain else None
