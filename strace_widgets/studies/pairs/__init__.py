"""Pairs of prompts that differ in what decides the next token: the tasks of circuit research, made from templates.

``tasks.json`` holds the lists of words and, for each task, its templates. A template's slots are filled with words that
are drawn, in two ways: the clean prompt, and its counterfactual, after which the foil is right instead of the target.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...errors import PromptError, StudyError
from ...model.text.tokenizer import placed

if TYPE_CHECKING:
    from ...graph.edges import Array
    from ...model.model import Model

PAIRS = 40
"""How many pairs a task has, unless more are wanted."""

ATTEMPTS = 50
"""How many pairs are drawn for each that is wanted: a tokenizer may cut words that another one has whole."""

SLOT = re.compile(r"\{([^}]+)\}")
RANGE = re.compile(r"(\d+)\.\.(\d+)")


class Filled(NamedTuple):
    """A template's text, and for each slot the characters from where to where its word stands."""

    text: str
    spans: dict[str, tuple[int, int]]


@cache
def _contents() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(resources.files(__package__).joinpath("tasks.json").read_text(encoding="utf-8"))
    return found


def pair_tasks() -> dict[str, str]:
    """Return what each task of `shipped_pairs` asks, by its name."""
    return {name: task["about"] for name, task in _contents()["tasks"].items()}


def shipped_pairs(
    task: str, *, model: Model | None = None, n_pairs: int = PAIRS, seed: int = 0
) -> list[dict[str, Any]]:
    """Return pairs of prompts of a task, with the tokens that tell them apart.

    Parameters
    ----------
    task : str
        One of `pair_tasks`: ``"ioi"``, ``"agreement"``, ``"greater-than"``, ``"capitals"``, ``"pronouns"``,
        ``"arithmetic"``, ``"induction"``.
    model : Model, optional
        Keeps the pairs whose two prompts have as many tokens for its tokenizer, and whose answers are single tokens.
    n_pairs : int
        How many. A larger number with the same seed gives the same pairs and more.
    seed : int

    Returns
    -------
    list of dict
        ``id``, ``kind`` (the task), ``text``, ``counterfactual`` (a text of the same form), ``target`` and ``foil``
        (lists of texts, of tokens that are right after the one and after the other), and ``spans``: the characters of
        the text at which each slot of the template stands, such as ``{"subject": (25, 29)}``.

    Raises
    ------
    StudyError
        When there is no such task, or fewer pairs than wanted.
    """
    tasks = _contents()["tasks"]
    if task not in tasks:
        raise StudyError(f"There is no task {task!r}: choose one of {', '.join(map(repr, tasks))}.")
    random = np.random.default_rng([seed, *task.encode()])
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for _ in range(ATTEMPTS * n_pairs):
        if len(found) >= n_pairs:
            break
        pair = _drawn(tasks[task], random)
        key = pair["text"], pair["counterfactual"]
        if key in found or pair["text"] == pair["counterfactual"] or set(pair["target"]) & set(pair["foil"]):
            continue
        if model is None or _fits(pair, model):
            found[key] = {"id": f"{task}-{len(found)}", "kind": task, **pair}
    if len(found) < n_pairs:
        by = f" for the tokenizer of {model.name}" if model else ""
        raise StudyError(f"The task {task!r} has {len(found)} pairs{by}, not {n_pairs}: ask for no more of them.")
    return list(found.values())


def token_roles(pair: dict[str, Any], model: Model) -> list[str]:
    """Return the role of each token of a pair's text: the template's slot that it is part of, ``"end"`` for the last.

    A token that belongs to none is named after the slot before it, as what follows ("after subject"); those before all
    slots are the ``"beginning"``. So a component's use can be compared over pairs whose words differ.

    Parameters
    ----------
    pair : dict
        Of `shipped_pairs`.
    model : Model
        Whose tokens are meant.

    Raises
    ------
    PromptError
        When the model has no tokenizer, or one that does not say where tokens stand in a text.
    """
    slots = sorted((tuple(span), slot) for slot, span in pair["spans"].items())
    roles = []
    for start, end in _characters(pair["text"], model):
        inside = [slot for (first, last), slot in slots if start < last and end > first]
        before = [slot for (_, last), slot in slots if last <= start]
        roles.append(inside[0] if inside else f"after {before[-1]}" if before else "beginning")
    return [*roles[:-1], "end"]


def _drawn(task: dict[str, Any], random: np.random.Generator) -> dict[str, Any]:
    """Draw a template, its words and one of its variants."""
    lists: dict[str, Any] = _contents()["lists"]
    words: dict[str, Any] = {}
    for name in dict.fromkeys(task["draw"].values()):
        slots = [slot for slot, which in task["draw"].items() if which == name]
        drawn = random.permutation(len(lists[name]))[: len(slots)]  # no word twice
        words.update(zip(slots, (lists[name][place] for place in drawn), strict=True))
    template = task["templates"][random.integers(len(task["templates"]))]
    variant = task["variants"][random.integers(len(task["variants"]))]
    clean, other = (
        _filled(template, words | {slot: _words(ref, words) for slot, ref in variant[side].items()})
        for side in ("clean", "counterfactual")
    )
    answers = {
        name: [each for text in variant[name] for each in _spread(_words(text, words))] for name in ("target", "foil")
    }
    return {"text": clean.text, "counterfactual": other.text, **answers, "spans": clean.spans}


def _words(text: str, words: dict[str, Any]) -> str:
    """Return a text with words in place of ``{slot}`` and of ``{slot.field}``."""

    def word(found: re.Match[str]) -> str:
        slot, _, field = found[1].partition(".")
        return str(words[slot][field] if field else words[slot])

    return SLOT.sub(word, text)


def _spread(text: str) -> list[str]:
    """Return the numbers of a range, such as ``"07..12"``, with as many digits; any other text alone."""
    bounds = RANGE.fullmatch(text)
    if bounds is None:
        return [text]
    return [f"{number:0{len(bounds[1])}}" for number in range(int(bounds[1]), int(bounds[2]) + 1)]


def _filled(template: str, words: dict[str, Any]) -> Filled:
    text, spans, at = "", {}, 0
    for slot in SLOT.finditer(template):
        text += template[at : slot.start()]
        word = str(words[slot[1]])
        spans[slot[1]] = len(text), len(text) + len(word)
        text, at = text + word, slot.end()
    return Filled(text + template[at:], spans)


def _fits(pair: dict[str, Any], model: Model) -> bool:
    """Tell whether both prompts have as many tokens, and each answer is one more."""
    clean, other = (model.encode(pair[side]) for side in ("text", "counterfactual"))
    if len(clean) != len(other):
        return False
    return all(_is_one_more(clean, model.encode(pair["text"] + answer)) for answer in (*pair["target"], *pair["foil"]))


def _is_one_more(prompt: Array, longer: Array) -> bool:
    return len(longer) == len(prompt) + 1 and np.array_equal(longer[:-1], prompt)


def _characters(text: str, model: Model) -> list[tuple[int, int]]:
    """Return the characters of a text from where to where each token stands; none for a special token."""
    if model.tokenizer is None:
        raise PromptError(f"{model.name} has no tokenizer, and so no tokens of a text to give roles.")
    ids = model.encode(text)
    found, spans = placed(model.tokenizer, text)
    if not np.array_equal(found, ids):
        raise PromptError(f"The tokenizer of {model.name} does not say where the tokens of a text stand in it.")
    return spans
