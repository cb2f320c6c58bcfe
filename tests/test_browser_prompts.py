"""How a prompt was read, and tokens that could be taken for one another, on screen."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import tokenizer_kinds
from browser_steps import picture, wait_answered
from live_page import Recording, axe, mount, mount_live, new_page, with_tokens
from playwright.sync_api import Browser, Locator, Page, expect

import strace_widgets as sw

pytestmark = pytest.mark.browser

MESSAGES = [{"role": "user", "content": "The cat is"}]
ALIKE = [
    *(" Paris", "Paris", "·Paris", " Paris ", "\u00a0Paris", "Par\u200bis", "Paris\u200d", "\u0420\u0430ris"),
    *("\u202eParis", " ", "  ", "\n", "\r", "\x00", "\x01", "\t", "⏎", " " * 12, " " * 13, "\n" * 7),
    *("é", "e\u0301", "\u0301", "❤", "❤\ufe0f", "⟨F0 9F⟩", "⟨A6 8A⟩", "", "∅"),
    *(" internationalisation", " internationalization", " internationalizations"),
    *("𓀀", "𓀁", "本", "の"),  # which few fonts have
]


@pytest.fixture(scope="module")
def model() -> Any:
    tokenizer = tokenizer_kinds.sentencepiece()
    return sw.load_model(tiny_models.tiny(vocab_size=len(tokenizer)), tokenizer=tokenizer)


@pytest.fixture
def chat(browser: Browser, page: Page, model: Any) -> Iterator[Locator]:
    """The Explorer on messages, with Python behind it."""
    del browser
    explorer = sw.Explorer(sw.trace(model, MESSAGES), loop=asyncio.get_running_loop())
    yield mount_live(page, explorer)
    explorer.close()


def edit(card: Locator, prompt: str) -> None:
    card.get_by_test_id("prompt-edit").click()
    card.get_by_test_id("prompt-input").fill(prompt)
    card.get_by_test_id("prompt-input").press("Enter")
    expect(card.get_by_test_id("prompt-input")).to_have_count(0)
    wait_answered(card)


def test_what_a_chat_template_added_is_shown(page: Page, chat: Locator) -> None:
    wait_answered(chat)
    note = chat.get_by_test_id("prompt-note")
    expect(note).to_contain_text("Messages, written by the chat template of LlamaForCausalLM's tokenizer (sha256 ")
    expect(note).to_contain_text("added: the start token '<s>', the generation prompt '[answer]'.")
    expect(chat.get_by_test_id("prompt-warning")).to_have_count(0)
    assert axe(page) == []
    picture(chat, "chat")


def test_an_edited_prompt_that_has_two_start_tokens_says_so(page: Page, chat: Locator) -> None:
    wait_answered(chat)
    edit(chat, "<s><s> The cat")
    expect(chat.get_by_test_id("prompt-warning")).to_contain_text("The prompt has two start tokens '<s>'")
    assert axe(page) == []
    picture(chat, "two-start-tokens")
    edit(chat, "<s> The cat")
    expect(chat.get_by_test_id("prompt-warning")).to_have_count(0)
    assert chat.locator(".sw-tokens bdi").all_inner_texts().count("<s>") == 1


@pytest.mark.parametrize("width", [1100, 420])
def test_no_two_tokens_look_the_same(page: Page, recording: Recording, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1100})
    card = mount(page, with_tokens(recording, ALIKE), live=False)
    for listed in (".sw-tokens bdi", ".sw-strip-labels bdi"):
        shown = card.locator(listed).all_inner_texts()
        assert len(set(shown)) == len(shown), listed
    # What is drawn, not what is in the document: each chip's picture is its own.
    chips = card.locator(".sw-next .sw-chip").all()
    tokens = [chip.locator("xpath=ancestor::tr").get_attribute("data-token") for chip in chips]
    drawn = {chip.screenshot(): token for chip, token in zip(chips, tokens, strict=True)}
    assert len(drawn) == len(set(tokens)) > 5
    drawn = {token.screenshot() for token in card.locator(".sw-tokens bdi").all()}
    assert len(drawn) == len(ALIKE)
    picture(card, f"alike-{width}px")


def test_a_part_of_a_character_says_of_which(page: Page, recording: Recording) -> None:
    card = mount(page, with_tokens(recording, ["A", " ⟨F0 9F⟩", "⟨A6 8A⟩", "."]), live=False)
    token = card.locator(".sw-tokens > *").nth(2)
    expect(token).to_have_attribute("title", re.compile("^Token 2, part of “🦊”"))


def test_a_page_shows_how_its_prompt_was_read(browser: Browser, model: Any, tmp_path: Path) -> None:
    page = new_page(browser)
    page.goto(sw.trace(model, MESSAGES).to_html(tmp_path / "chat.html").as_uri())
    expect(page.get_by_test_id("prompt-note")).to_contain_text("added: the start token '<s>'")
    page.close()
