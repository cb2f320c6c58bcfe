"""The text of tokens: decoded in context, by tokenizers of every kind, and no two that differ look the same."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import tokenizer_kinds
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

import strace_widgets as sw
from strace_widgets import charts, token_text
from strace_widgets.model.text import prompts, vocabulary
from strace_widgets.model.text import tokenizer as asked

CASES = json.loads((Path(__file__).parent / "token_texts.json").read_text(encoding="utf-8"))
BEYOND = 3
"""Token ids that a model has beyond its tokenizer's."""


def load(make: Any, **options: Any) -> Any:
    tokenizer = make()
    size = len(tokenizer) + BEYOND
    return sw.load_model(tiny_models.tiny(vocab_size=size, **options), tokenizer=tokenizer)


@pytest.fixture(scope="module", params=tokenizer_kinds.KINDS, ids=lambda make: make.__name__)
def of_kind(request: pytest.FixtureRequest) -> Any:
    return load(request.param)


@pytest.fixture(scope="module")
def byte_level() -> Any:
    return load(tokenizer_kinds.byte_level, max_position_embeddings=64)


@pytest.fixture(scope="module")
def sentencepiece() -> Any:
    return load(tokenizer_kinds.sentencepiece)


@pytest.mark.parametrize(("token", "shown"), CASES["visible"])
def test_what_has_no_look_gets_one(token: str, shown: str) -> None:
    assert token_text.visible(token) == shown


@pytest.mark.parametrize(("tokens", "shown"), CASES["names"])
def test_tokens_of_a_list_are_told_apart(tokens: list[str], shown: list[str]) -> None:
    assert token_text.names(tokens) == shown


def test_no_two_tokens_of_a_vocabulary_have_one_text(of_kind: Any) -> None:
    texts = of_kind.texts
    assert len(set(texts)) == len(texts) == of_kind.vocabulary_size
    assert len(set(token_text.names(texts))) == len(texts)
    assert texts[-BEYOND:] == [f"<{len(texts) - BEYOND + i}>" for i in range(BEYOND)]
    assert not any("None" in text or "\ufffd" in text for text in texts)


def test_a_prompt_of_ids_is_decoded_as_a_whole(of_kind: Any) -> None:
    ids = of_kind.encode("The cat")
    trace = sw.trace(of_kind, ids)
    assert trace.prompt == of_kind.tokenizer.decode(ids, clean_up_tokenization_spaces=False)
    assert trace.tokens == [of_kind.decode(i) for i in ids]


def test_characters_of_several_tokens_are_shown_as_their_bytes(byte_level: Any, sentencepiece: Any) -> None:
    trace = sw.trace(byte_level, byte_level.encode("is 日 🦊é"))
    assert trace.prompt == "is 日 🦊é"
    assert "".join(trace.tokens).replace("⟩⟨", " ") == "is ⟨E6 97 A5⟩ ⟨F0 9F A6 8A C3 A9⟩"
    trace = sw.trace(sentencepiece, sentencepiece.encode("a 日"))
    assert trace.prompt == "<s> a 日"
    assert trace.tokens == ["<s>", " a", " ", "⟨E6⟩", "⟨97⟩", "⟨A5⟩"]


def test_spaces_of_sentencepiece_are_kept(sentencepiece: Any) -> None:
    known = sentencepiece.tokenizer.get_vocab()
    trace = sw.trace(sentencepiece, [known[token] for token in ("▁The", "▁a", "▁Paris", "The", "▁▁")])
    assert trace.tokens == [" The", " a", " Paris", "The", "  "]
    assert trace.prompt == "The a ParisThe  "


def test_a_word_and_its_continuation_are_told_apart() -> None:
    texts = vocabulary.texts(tokenizer_kinds.wordpiece(), 12)
    assert texts[3:8] == [" the", " ing", "ing", " cap", "ital"]
    assert {texts[8], texts[9]} == {".", ".⟨#9⟩"}


def test_a_byte_that_is_a_token_too_gives_way(sentencepiece: Any) -> None:
    known, texts = sentencepiece.tokenizer.get_vocab(), sentencepiece.texts
    assert (texts[known["A"]], texts[known["<0x41>"]]) == ("A", "⟨41⟩")
    assert texts[known["<0x0A>"]] == "\n"


def test_ids_beyond_the_tokenizer_stand_in_the_prompt(sentencepiece: Any) -> None:
    beyond = sentencepiece.vocabulary_size - 1
    the, a = (sentencepiece.tokenizer.get_vocab()[token] for token in ("▁The", "▁a"))
    assert sentencepiece.text([the, beyond, a]) == f"The<{beyond}> a"
    assert sw.trace(sentencepiece, [the, beyond, a]).tokens[1] == f"<{beyond}>"


@pytest.mark.parametrize("written", ["⟨41⟩", "the⟨#1⟩", "<4>", "⟨F0 9F⟩"])
def test_a_token_that_is_written_as_a_mark_is_no_mark(written: str) -> None:
    known = {word: i for i, word in enumerate(["the", "x", written, *tokenizer_kinds.BYTES])}
    tokenizer = Tokenizer(models.BPE(known, [], byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    texts = vocabulary.texts(PreTrainedTokenizerFast(tokenizer_object=tokenizer), 300)
    assert len(set(texts)) == 300


def test_a_tokenizer_that_is_written_in_python_is_read_too() -> None:
    tokenizer = ByT5Tokenizer()
    texts = vocabulary.texts(tokenizer, 386)
    assert len(set(texts)) == 386
    assert [texts[i] for i in tokenizer("é")["input_ids"]] == ["⟨C3⟩", "⟨A9⟩", "</s>"]
    assert vocabulary.text_of(tokenizer, [*tokenizer("é")["input_ids"], 385, 100]) == "é</s><385>a"


def test_words_that_all_begin_with_a_space_are_shown_without() -> None:
    tokenizer = Tokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    loaded = PreTrainedTokenizerFast(tokenizer_object=tokenizer)
    assert vocabulary.texts(loaded, 3) == ["a", "b", "<2>"]
    assert vocabulary.text_of(loaded, [0, 1, 2, 1]) == "a b<2> b"


def test_a_true_next_token_is_named_by_the_text_that_is_shown(sentencepiece: Any) -> None:
    known = sentencepiece.tokenizer.get_vocab()
    assert sentencepiece.encode_one(" Paris") == known["▁Paris"]
    assert [sentencepiece.encode_one(text) for text in ("The", " The")] == [known["The"], known["▁The"]]


def test_lists_of_next_tokens_show_every_difference(byte_level: Any) -> None:
    trace = sw.trace(byte_level, byte_level.encode("The capital"))
    sweep = trace.sweep()
    for listed in (trace.top, *sweep.top):
        texts = [token.token for token in listed]
        assert len(set(token_text.names(texts))) == len({token.id for token in listed})
    table = sw.trace_generation(byte_level, "The capital", max_new_tokens=4, progress=False)
    assert table["token"].tolist() == [byte_level.decode(i) for i in table["token_id"]]
    table["token"] = [" a", "a", "\n", "\r"]
    labels = charts.generation(table).to_json(ensure_ascii=False)
    assert all(f'"{label}' in labels or f"'{label}'" in labels for label in ("·a", "a", "⏎", "⟨U+000D⟩"))


def test_the_real_vocabulary_has_no_two_alike(smollm2: Any) -> None:
    ids = smollm2.encode("日本語 the 😀")
    assert sw.trace(smollm2, ids).prompt == "日本語 the 😀"
    assert [smollm2.decode(i) for i in ids][:2] == ["⟨E6 97⟩", "⟨A5⟩"]
    assert len(set(smollm2.texts)) == smollm2.vocabulary_size == 49152
    assert smollm2.decode(smollm2.encode(" Paris")[0]) == " Paris"


def test_a_tokenizer_that_lacks_its_unknown_token_is_named_as_the_reason() -> None:
    tokenizer = Tokenizer(models.WordPiece({"w1": 0, "w2": 1}, unk_token="[UNK]"))
    model = sw.load_model(tiny_models.tiny(), tokenizer=PreTrainedTokenizerFast(tokenizer_object=tokenizer))
    assert model.read("w1").token_ids.tolist() == [0]
    with pytest.raises(sw.errors.PromptError, match=r"The tokenizer cannot read this text: .*\[UNK\]"):
        model.read("unheard of")


def test_a_tokenizer_over_which_its_library_panics_is_told() -> None:
    """Rust's panic is no `Exception`: here a template names a special token that is not there."""
    piece = {"SpecialToken": {"id": "[CLS]", "type_id": 0}}
    made = {
        "version": "1.0",
        "added_tokens": [],
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {},
        },
        "model": {"type": "WordLevel", "vocab": {"a": 0, "[UNK]": 1}, "unk_token": "[UNK]"},
    }
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(json.dumps(made)))
    with pytest.raises(sw.errors.PromptError, match="The tokenizer cannot read this text: no entry found for key"):
        prompts.read("a", tokenizer, "a model", partial(vocabulary.text_of, tokenizer))
    assert vocabulary.texts(tokenizer, 2) == ["a", "[UNK]"]


def test_a_token_over_which_a_decoder_panics_has_its_name() -> None:
    """A token shorter than what its decoder strips: the others keep their texts, and a prompt with it is read."""
    made = Tokenizer(models.WordLevel({"a": 0, "": 1, "b ": 2, "c": 3}, unk_token="a"))
    made.decoder = decoders.Strip(" ", 0, 1)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=made)
    with pytest.raises(BaseException, match="out of bounds") as panic:
        tokenizer.decode([1])
    assert not isinstance(panic.value, Exception)
    assert vocabulary.texts(tokenizer, 5) == ["a", "⟨#1⟩", "b", "c", "<4>"]
    assert vocabulary.text_of(tokenizer, [3, 1, 0]) == "c<1>a"
    model = sw.load_model(tiny_models.tiny(), tokenizer=tokenizer)
    assert sw.trace(model, [3, 1, 0]).tokens == ["c", "⟨#1⟩", "a"]


@pytest.mark.parametrize("name", ["get_vocab", "convert_ids_to_tokens", "decode", "__call__"])
def test_whatever_a_tokenizer_raises_is_one_kind_of_error(name: str) -> None:
    """A tokenizer of somebody's own, in Python, may raise anything; an interruption is none of that."""
    raised: BaseException = RuntimeError("The sentence of another library.\nAnd more of it.")

    class Odd(ByT5Tokenizer):  # type: ignore[misc]
        pass

    def fails(*_: Any, **__: Any) -> Any:
        raise raised

    tokenizer = Odd()
    setattr(Odd, name, fails)
    calls = {
        "get_vocab": lambda: asked.vocabulary(tokenizer),
        "convert_ids_to_tokens": lambda: asked.names(tokenizer, [5]),
        "decode": lambda: asked.decoded(tokenizer, [[5]]),
        "__call__": lambda: asked.read(tokenizer, "a"),
    }
    with pytest.raises(sw.errors.PromptError, match=r"^The tokenizer cannot .*: The sentence of another library\.$"):
        calls[name]()
    raised = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        calls[name]()


def test_a_tokenizer_that_says_no_places_says_so() -> None:
    """One that is written in Python knows no characters of its tokens."""
    with pytest.raises(sw.errors.PromptError, match=r"^The tokenizer cannot say where the tokens of a text"):
        asked.placed(ByT5Tokenizer(), "a")
