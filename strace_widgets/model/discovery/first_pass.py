"""Run a module for the first time: which keywords it takes, what of it runs, and whether it predicts tokens."""

from __future__ import annotations

import inspect
from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch

from ...errors import UnsupportedArchitectureError
from ...interventions.access import predicted
from ..placement import token_device
from ..running import running
from .closeness import doubled
from .matrices import rows_of

KEYWORDS = {"use_cache": False, "logits_to_keep": 1}
"""What a run asks for, where a forward lets it: nothing is kept for later tokens, and only the last is predicted."""

OLDER = {"num_logits_to_keep": 1}
"""The same by a name that older versions give it."""


SAME = {torch.float64: 1e-6, torch.float32: 1e-4}
"""The largest total variation between two ways of asking for one prediction; 3e-2 in half precision."""


@dataclass(frozen=True)
class FirstPass:
    """How a module is run.

    Attributes
    ----------
    keywords : dict
        What its forward is called with besides token ids.
    runs : Counter of str
        How often each part of it ran, by its path.
    """

    keywords: dict[str, Any]
    runs: Counter[str]


def first_pass(module: Any, name: str) -> FirstPass:
    """Run four tokens through a module and return how that is done: with what it predicts when it is just called.

    Raises
    ------
    UnsupportedArchitectureError
        When it does not run on token ids alone, or does not give a number for each token of the vocabulary.
    """
    runs: Counter[str] = Counter()
    hooks = [
        part.register_forward_hook(lambda *_, path=path: runs.update([path])) for path, part in module.named_modules()
    ]
    try:
        logits = _logits(_called(module, name), module, name)
    finally:
        for hook in hooks:
            hook.remove()
    for keywords in _keywords(module):
        try:
            asked = predicted(run(module, keywords))
        except TypeError:  # some forwards take any keyword, and hand it on to one that does not
            continue
        # PaliGemma, for one, reads its prompt in another way when it is to keep nothing.
        if _distance(asked, logits) <= SAME.get(logits.dtype, 3e-2):
            return FirstPass(keywords, runs)
    return FirstPass({}, runs)


def _called(module: Any, name: str) -> Any:
    """Return what a module gives for four tokens when it is just called, or else when it is to keep nothing."""
    try:
        return run(module, {})
    except Exception as reason:  # noqa: BLE001 - whatever a forward of someone else's raises
        try:
            return run(module, {"use_cache": False})
        except Exception:  # noqa: BLE001 - the first reason says more
            raise UnsupportedArchitectureError(
                f"{name} is not supported: its forward does not run on token ids alone ({type(reason).__name__}: "
                f"{reason})."
            ) from reason


def attention_gap(module: Any, keywords: dict[str, Any]) -> tuple[str, float]:
    """Return a module's usual attention, and the total variation of its prediction from that of eager attention.

    Parameters
    ----------
    module : torch.nn.Module
        As it is given.
    keywords : dict
        What its forward is called with besides token ids.
    """
    given = getattr(module.config, "_attn_implementation", "eager")
    usual = "sdpa" if given == "eager" and getattr(module, "_supports_sdpa", False) else given
    if usual == "eager":
        return usual, 0.0
    predictions = []
    try:
        for attention in ("eager", usual):
            with running(module, attention):
                predictions.append(predicted(run(module, keywords)))
    except Exception:  # noqa: BLE001 - made for eager attention alone: there is nothing to compare
        return usual, 0.0
    return usual, _distance(*predictions)


def _distance(logits: Any, others: Any) -> float:
    """Return the total variation between two predictions of the last token."""
    p, q = (doubled(each[0, -1]).softmax(-1) for each in (logits, others))
    return float(0.5 * (p - q).abs().sum())


def run(module: Any, keywords: dict[str, Any]) -> Any:
    """Run four tokens through a module."""
    with torch.no_grad():
        return module(torch.arange(1, 5, device=token_device(module))[None], **keywords)


def takes(module: Any, keyword: str) -> bool:
    """Tell whether a module's forward takes a keyword, by its name or by taking any."""
    taken = inspect.signature(module.forward).parameters
    return keyword in taken or any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values())


def _keywords(module: Any) -> list[dict[str, Any]]:
    """Return the keywords to try: all that a forward may take, then those that it names itself."""
    taken = inspect.signature(module.forward).parameters
    named = {key: value for key, value in (KEYWORDS | OLDER).items() if key in taken}
    if "logits_to_keep" in named:
        named.pop("num_logits_to_keep", None)
    allowed = {key: value for key, value in KEYWORDS.items() if takes(module, key)}
    return [allowed | named, named]


def _logits(output: Any, module: Any, name: str) -> Any:
    """Return the logits of an output (1, 4, V), or refuse what does not predict tokens."""
    logits = predicted(output)
    if not torch.is_tensor(logits):
        raise UnsupportedArchitectureError(
            f"{name} has no head that predicts tokens: load the model with transformers.AutoModelForCausalLM, or give "
            "load_model its folder or name."
        )
    vocabulary = rows_of(module.get_input_embeddings())
    # Some vocabularies are padded on one side alone.
    if logits.ndim != 3 or 2 * logits.shape[-1] < vocabulary:  # noqa: PLR2004
        raise UnsupportedArchitectureError(
            f"{name} does not predict tokens: its output is {tuple(logits.shape)}, not one number for each of the "
            f"{vocabulary:,} tokens of its vocabulary. Load the model with transformers.AutoModelForCausalLM."
        )
    return logits
