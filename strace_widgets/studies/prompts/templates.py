"""Templates of prompts: texts, messages or whole rows with slots, which the rows of a table fill."""

from __future__ import annotations

import re
from collections.abc import Mapping
from itertools import product
from typing import Any

from ...errors import StudyError

CONTENTS = ("text", "token_ids", "messages")
"""The keys of a row that may hold a prompt, the first that is there."""

_SLOT = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")
_BRACES = {"{{": "{", "}}": "}"}


def is_grid(source: Any) -> bool:
    """Tell whether these are the words of each slot, such as ``{"country": ["France", "Italy"]}``."""
    return isinstance(source, Mapping) and all(isinstance(words, (list, tuple)) for words in source.values())


def combined(words: Any) -> list[dict[str, Any]]:
    """Return a row for every combination of the words of each slot, `is_grid`, with an id that says which."""
    return [
        {"id": "/".join(map(str, chosen)), **dict(zip(words, chosen, strict=True))}
        for chosen in product(*words.values())
    ]


def applied(template: Any, row: Any, number: int) -> dict[str, Any]:
    """Return the row of a prompt that a template makes of a table's row.

    Parameters
    ----------
    template : str, list of dict, or dict
        A text, messages, or a row, such as ``{"text": "{question}", "target": " {answer}", "id": "{uid}"}``. A slot
        ``{name}`` is filled with what the row has under that name; ``{{`` and ``}}`` are braces. A text that is one
        slot and nothing else becomes what the row has, as it is.
    row : dict, or any other value, which then is called ``text``
    number : int
        Of the row, for messages.

    Raises
    ------
    StudyError
        When the row has nothing under a slot's name.
    """
    row = dict(row) if isinstance(row, Mapping) else {"text": row}
    whole = template
    if not isinstance(template, Mapping):
        whole = {"text" if isinstance(template, str) else "messages": template}
    made: dict[str, Any] = filled(whole, row, number)
    return {name: value for name, value in row.items() if name not in CONTENTS} | made


def filled(template: Any, row: Mapping[str, Any], number: int) -> Any:
    """Return texts, and lists and dicts of them, with a row's values in their slots; see `applied`."""
    if isinstance(template, Mapping):
        return {name: filled(each, row, number) for name, each in template.items()}
    if isinstance(template, (list, tuple)):
        return [filled(each, row, number) for each in template]
    if not isinstance(template, str):
        return template
    whole = re.fullmatch(r"\{([^{}]+)\}", template)
    if whole:
        return _value(whole[1], row, number)
    return _SLOT.sub(lambda found: _BRACES.get(found[0]) or str(_value(found[1], row, number)), template)


def _value(slot: str, row: Mapping[str, Any], number: int) -> Any:
    if slot not in row:
        raise StudyError(
            f"The template has the slot {{{slot}}}, and row {number} has no {slot!r}, only "
            f"{', '.join(map(repr, row))}: write {{{{ and }}}} for braces of the text itself."
        )
    return row[slot]
