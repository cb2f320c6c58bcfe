"""Prompts by the hundred: read from files, tables and data sets, sampled, and those that come with the package."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import StudyError
from .sources import Rows, rows_of
from .templates import CONTENTS, applied, combined, is_grid

if TYPE_CHECKING:
    from ...paths import AnyPath

HALVES = ("tuning", "reporting")
"""The two sets of shipped prompts: one to choose a method on, one to report the chosen method's figures on."""

_SAID = ("id", "kind", "expected", "language", "target", "foil", "counterfactual")

HALF = 10
"""Prompts of each kind in either half."""


@dataclass(frozen=True)
class Prompt:
    """One prompt of a study.

    Attributes
    ----------
    number : int
        Its position in the source, from 0.
    id : str
        Unique in a study; the number, where none was given.
    content : str, list of int or list of dict
        Text, token ids, or messages with ``role`` and ``content``.
    kind, expected, language : str or None
        What sort of prompt it is; how its text should continue, with the space before it (``" Paris"``); and the
        language, by its BCP 47 tag (``"en"``).
    target, foil, counterfactual
        What its trace is asked: see `strace_widgets.trace`.
    """

    number: int
    id: str
    content: Any
    kind: str | None = None
    expected: str | None = None
    language: str | None = None
    target: Any = None
    foil: Any = None
    counterfactual: Any = None

    def question(self) -> dict[str, Any]:
        """Return what its trace is asked, as keyword arguments of `strace_widgets.trace`; nothing where that is all."""
        asked = {"target": self.target, "foil": self.foil, "counterfactual": self.counterfactual}
        return {name: value for name, value in asked.items() if value is not None}


def read_prompts(
    source: AnyPath | Any,
    *,
    column: str | None = None,
    template: Any = None,
    limit: int | None = None,
    seed: int = 0,
) -> list[Prompt]:
    """Return the prompts of a source in its order, as `strace_widgets.study` reads them.

    Parameters
    ----------
    source : iterable, str or Path, or table
        Texts, token id lists, lists of messages, or dicts with ``text`` (or ``token_ids``, or ``messages``) and, if
        wanted, ``id``, ``kind``, ``expected``, ``language``, ``target``, ``foil`` and ``counterfactual``; the path of a
        text file, one prompt a line, or of a ``.jsonl``, ``.csv``, ``.tsv`` or ``.parquet`` file; a `datasets` data
        set, also one that streams; a pandas, polars or Arrow table or column.
    column : str, optional
        The column of a table, or the key of the dicts, that has the texts; ``"text"`` unless given.
    template : str, list of dict, or dict, optional
        A text, messages, or a whole row, with slots: ``"The capital of {country} is"`` is filled with the column
        ``country`` of each row, and ``{"text": "{question}", "id": "{uid}"}`` says which columns are what. The source
        may then also be a dict of lists, ``{"country": ["France", "Italy"]}``, of which every combination is a prompt.
    limit : int, optional
        How many prompts to draw at random. A larger limit with the same seed draws the same prompts and more, so that
        a study can grow. Of a stream, which does not say how many it has, the first ones are taken.
    seed : int
        The seed of that draw.

    Raises
    ------
    StudyError
        When the file does not exist or is not what its name says, when a row has no text or lacks what a slot asks
        for, when an id is given twice, or when there is nothing to study.
    """
    if column is not None and template is not None:
        raise StudyError("column= names the texts, and template= makes them: give one of the two.")
    found = Rows(combined(source)) if template is not None and is_grid(source) else rows_of(source, limit)
    items = found.rows if template is None else [applied(template, row, n) for n, row in enumerate(found.rows)]
    prompts = [_prompt(number, item, column) for number, item in enumerate(items)]
    refuse_repeated(prompts)
    if limit is not None and limit < len(prompts) and found.whole:
        drawn = np.random.default_rng(seed).permutation(len(prompts))[: max(limit, 0)]
        prompts = [prompts[number] for number in sorted(drawn.tolist())]
    if not prompts:
        raise StudyError("There is no prompt to study: give at least one.")
    return prompts


def refuse_repeated(prompts: Sequence[Prompt]) -> None:
    """Refuse two prompts with one id."""
    seen: dict[str, int] = {}
    for prompt in prompts:
        if prompt.id in seen:
            raise StudyError(
                f"Prompts {seen[prompt.id]} and {prompt.number} both have the id {prompt.id!r}: give each its own, "
                "or leave the ids out."
            )
        seen[prompt.id] = prompt.number


@cache
def _shipped() -> tuple[dict[str, str], ...]:
    lines = resources.files(__package__).joinpath("shipped.jsonl").read_text(encoding="utf-8").splitlines()
    return tuple(json.loads(line) for line in lines)


def shipped_prompts(kind: str | None = None, *, half: str | None = None) -> list[dict[str, str]]:
    """Return the prompts that come with the package, written for it: dicts that `strace_widgets.study` takes.

    Parameters
    ----------
    kind : str, optional
        One of the ten kinds: ``"facts"``, ``"syntax"``, ``"agreement"``, ``"arithmetic"``, ``"code"``,
        ``"repetition"``, ``"rare words"``, ``"names"``, ``"other languages"``, ``"open-ended"``.
    half : {"tuning", "reporting"}, optional
        One of two sets without a common prompt, `HALF` prompts of each kind: choose a method on one and report its
        figures on the other, so that the choice does not flatter them. Prompts are drawn by a hash of their ids, so
        the halves do not depend on any order; the remaining prompts belong to neither.

    Returns
    -------
    list of dict
        ``id``, ``text``, ``kind``, ``language`` ("zxx", no language, for code), and ``expected`` if the next word is
        well defined. A text never ends in a space; ``expected`` begins with one (``" Paris"``), unless the text
        continues without (``"px"`` in code, or Chinese).

    Raises
    ------
    StudyError
        When there is no such kind.
    ValueError
        When there is no such half.
    """
    if half not in {None, *HALVES}:
        raise ValueError(f"half={half!r} does not exist: choose {' or '.join(map(repr, HALVES))}.")
    prompts = [dict(prompt) for prompt in _shipped() if kind in {None, prompt["kind"]}]
    if not prompts:
        kinds = ", ".join(repr(name) for name in dict.fromkeys(prompt["kind"] for prompt in _shipped()))
        raise StudyError(f"There is no kind of prompts {kind!r}: choose one of {kinds}.")
    return prompts if half is None else [prompt for prompt in prompts if prompt["id"] in _half(half)]


@cache
def _half(half: str) -> frozenset[str]:
    """Return the ids of one half: of each kind, the first by the hash of their ids, or the next as many."""
    by_kind: dict[str, list[str]] = {}
    for prompt in sorted(_shipped(), key=lambda prompt: hashlib.sha256(prompt["id"].encode()).digest()):
        by_kind.setdefault(prompt["kind"], []).append(prompt["id"])
    start = HALF * HALVES.index(half)
    return frozenset(name for ids in by_kind.values() for name in ids[start : start + HALF])


def _prompt(number: int, item: Any, column: str | None) -> Prompt:
    if not isinstance(item, Mapping):
        return Prompt(number, str(number), item if isinstance(item, str) else _plain(item))
    named = column or next((name for name in CONTENTS if name in item), CONTENTS[0])
    if named not in item:
        raise StudyError(
            f"Prompt {number} has no {named!r}, only {', '.join(map(repr, item))}: name the column of texts."
        )
    said = {name: _said(item.get(name)) for name in _SAID}
    described = {name: said[name] if isinstance(said[name], str) else None for name in ("kind", "expected", "language")}
    asked = {name: said[name] for name in ("target", "foil", "counterfactual")}
    identity = number if said["id"] is None else said["id"]
    return Prompt(number, str(identity), _plain(item[named]), **described, **asked)


def _said(value: Any) -> Any:
    """Return what a row says, as plain data; None for what a table has in an empty cell: "", NaN or NA."""
    plain = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(plain, str):
        return plain or None
    empty = isinstance(plain, float) and math.isnan(plain)
    return None if empty or type(plain).__name__ in {"NAType", "NaTType"} else plain


def _plain(content: Any) -> Any:
    """Return token ids and messages as a list; anything else fails with a reason when it is traced."""
    if isinstance(content, str) or not (isinstance(content, Sequence) or hasattr(content, "tolist")):
        return content
    return list(content) if any(isinstance(each, Mapping) for each in content) else np.asarray(content).tolist()
