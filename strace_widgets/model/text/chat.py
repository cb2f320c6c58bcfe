"""Messages, and the text that a tokenizer's chat template writes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import PromptError, first_line

if TYPE_CHECKING:
    from collections.abc import Callable

ROLES = ("system", "user", "assistant", "tool", "developer")
"""The roles that templates know; one may name others."""


class Written(NamedTuple):
    """Messages as a text, which template wrote it, what it added of its own, and the messages that it left out."""

    text: str
    template: str
    system: str
    generation_prompt: str
    left_out: tuple[int, ...]


def single(prompt: Any) -> Any:
    """Return a prompt out of a list that holds it alone.

    Raises
    ------
    PromptError
        When the list holds several texts or conversations.
    """
    if isinstance(prompt, Mapping) or not isinstance(prompt, Sequence) or isinstance(prompt, str) or not prompt:
        return prompt
    if all(isinstance(each, str) for each in prompt) or all(map(is_messages, prompt)):
        if len(prompt) == 1:
            return prompt[0]
        raise PromptError(
            f"These are {len(prompt)} {'texts' if isinstance(prompt[0], str) else 'conversations'}: a trace explains "
            "one. Trace each, or give them all to strace_widgets.study."
        )
    return prompt


def is_messages(prompt: Any) -> bool:
    """Whether a prompt is a list of messages, be they good ones or not."""
    is_list = isinstance(prompt, Sequence) and not isinstance(prompt, str)
    return is_list and len(prompt) > 0 and any(isinstance(message, Mapping) for message in prompt)


def written(messages: Sequence[Any], tokenizer: Any, model: str) -> Written:
    """Return messages as the tokenizer's chat template writes them.

    Where the last message is the assistant's, the text stops in it, so that its continuation is explained; else the
    generation prompt follows.

    Parameters
    ----------
    messages : list of dict
        Each with ``role`` and ``content``.
    tokenizer : Hugging Face tokenizer
    model : str
        The model's name, for messages to a person.

    Raises
    ------
    PromptError
        When the tokenizer has no chat template, a message has no role or content, a role is unknown, or the template
        refuses them.
    """
    template = getattr(tokenizer, "chat_template", None)
    if not template:
        raise PromptError(
            f"The tokenizer of {model} has no chat template, so it cannot write messages as a text: give the prompt as "
            "a text, or load the model with a tokenizer that has one."
        )
    name = ""
    if isinstance(template, Mapping):
        name, template = _chosen(template, model)
    for place, message in enumerate(messages):
        _check(place, message, template, model)
    goes_on = messages[-1]["role"] == "assistant"
    how = {"continue_final_message": True} if goes_on else {"add_generation_prompt": True}
    apply = partial(tokenizer.apply_chat_template, chat_template=template, tokenize=False)
    try:
        text, bare = (str(apply(list(messages), **options)) for options in (how, how if goes_on else {}))
    except Exception as reason:  # templates are programs: they raise what they like
        sentence = first_line(reason).rstrip(".")
        raise PromptError(f"The chat template of {model} refuses these messages: {sentence}.") from reason
    system = "" if messages[0]["role"] == "system" else _own_system(text, messages, partial(apply, **how))
    left_out = tuple(place for place, message in enumerate(messages) if not _stands_in(message["content"], text))
    digest = hashlib.sha256(template.encode()).hexdigest()[:8]
    which = f"the chat template {name!r}" if name else "the chat template"
    generation_prompt = text.removeprefix(bare) if text.startswith(bare) else ""
    return Written(text, f"{which} of {model}'s tokenizer (sha256 {digest}…)", system, generation_prompt, left_out)


def _own_system(text: str, messages: Sequence[Any], apply: Callable[..., Any]) -> str:
    """Return the system message that a template writes where none is given."""
    stands = "\N{REPLACEMENT CHARACTER}system\N{REPLACEMENT CHARACTER}"
    try:
        before, _, after = str(apply([{"role": "system", "content": stands}, *messages])).partition(stands)
    except Exception:  # noqa: BLE001 - a template without system messages has none of its own
        return ""
    has_own = after and text.startswith(before) and text.endswith(after)
    return text[len(before) : len(text) - len(after)].strip() if has_own else ""


def _chosen(templates: Mapping[str, str], model: str) -> tuple[str, str]:
    if "default" not in templates:
        raise PromptError(
            f"The tokenizer of {model} has the chat templates {', '.join(map(repr, templates))} and none is its "
            "default: set tokenizer.chat_template to one of them."
        )
    return "default", templates["default"]


def _check(place: int, message: Any, template: str, model: str) -> None:
    if not isinstance(message, Mapping) or not isinstance(message.get("role"), str) or "content" not in message:
        raise PromptError(
            f"Message {place} is no dict with a role and a content, such as {{'role': 'user', 'content': 'Hello'}}."
        )
    role = message["role"]
    if role not in ROLES and f"'{role}'" not in template and f'"{role}"' not in template:
        raise PromptError(
            f"Message {place} has the role {role!r}, which the chat template of {model} does not know: the roles are "
            f"{', '.join(ROLES[:-1])} and {ROLES[-1]}."
        )
    if not texts(message["content"]):
        raise PromptError(f"Message {place} has no text as its content: a trace reads text alone.")


def texts(content: Any) -> list[str]:
    """Return the texts of a message: its content, or those of its parts; none where a part is no text."""
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, Sequence) else []
    found = [part["text"] for part in parts if isinstance(part, Mapping) and isinstance(part.get("text"), str)]
    return found if len(found) == len(parts) else []


def _stands_in(content: Any, text: str) -> bool:
    return all(part.strip() in text for part in texts(content))
