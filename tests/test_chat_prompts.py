"""Prompts that are no plain text: messages, encodings, tensors; and start tokens that stand twice."""

from __future__ import annotations

import html
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
import tokenizer_kinds
import torch
from explorer_steps import Front, settings, settled
from tokenizers import processors

import strace_widgets as sw
from strace_widgets.explorer.session import Session

MESSAGES = [{"role": "user", "content": "The"}]
WRITTEN = "<s>[user] The [answer]"


@pytest.fixture(scope="module")
def model() -> Any:
    tokenizer = tokenizer_kinds.sentencepiece()
    tokenizer.pad_token = "</s>"
    return sw.load_model(tiny_models.tiny(vocab_size=len(tokenizer), pad_token_id=None), tokenizer=tokenizer)


def test_messages_are_written_by_the_chat_template(model: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        trace = sw.trace(model, MESSAGES)
    assert trace.prompt == WRITTEN
    ids = model.tokenizer.apply_chat_template(MESSAGES, add_generation_prompt=True)["input_ids"]
    assert trace.token_ids.tolist() == ids
    origin = trace.origin
    assert (origin.given, origin.start, origin.generation_prompt) == ("messages", "<s>", "[answer]")
    assert origin.template.startswith("the chat template of LlamaForCausalLM's tokenizer (sha256 ")
    assert "added: the start token '<s>', the generation prompt '[answer]'." in origin.note
    assert origin.note in html.unescape(trace._repr_html_())


def test_an_answer_that_was_begun_goes_on(model: Any) -> None:
    read = model.read([*MESSAGES, {"role": "assistant", "content": "Paris is"}])
    assert read.text == "<s>[user] The Paris is"
    assert read.origin.generation_prompt == ""


def test_the_real_template_says_the_system_message_that_it_writes(smollm2: Any) -> None:
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    read = smollm2.read(messages)
    assert read.text == smollm2.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert read.origin.system == "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
    assert read.origin.generation_prompt == "<|im_start|>assistant\n"
    own = [{"role": "system", "content": "Be brief."}, *messages]
    assert smollm2.read(own).origin.system == ""


def test_of_several_templates_the_default_is_named(model: Any) -> None:
    single = model.tokenizer.chat_template
    model.tokenizer.chat_template = {"default": single, "tool_use": "{{ bos_token }}"}
    try:
        assert model.read(MESSAGES).origin.template.startswith("the chat template 'default' of")
        model.tokenizer.chat_template = {"rag": single, "tool_use": single}
        with pytest.raises(sw.errors.PromptError, match=r"'rag', 'tool_use' and none is its default"):
            model.read(MESSAGES)
    finally:
        model.tokenizer.chat_template = single


def forms(model: Any) -> dict[str, Any]:
    encode = model.tokenizer.apply_chat_template
    ids = encode(MESSAGES, add_generation_prompt=True)["input_ids"]
    return {
        "encoding": encode(MESSAGES, add_generation_prompt=True),
        "tensors": encode(MESSAGES, add_generation_prompt=True, return_tensors="pt"),
        "one of a padded batch": {"input_ids": [[2, 2, *ids]], "attention_mask": [[0, 0, *[1] * len(ids)]]},
        "padded on the right": {"input_ids": [*ids, 2], "attention_mask": [*[1] * len(ids), 0]},
        "tensor (T,)": torch.tensor(ids),
        "tensor (1, T)": torch.tensor([ids], dtype=torch.int32),
        "numpy (1, T)": np.array([ids], dtype=np.uint16),
        "tuple": tuple(ids),
        "list of lists": [ids],
        "list of conversations": [MESSAGES],
        "a list of one text": [WRITTEN.removeprefix("<s>")],
    }


def test_one_prompt_in_any_form_is_the_same(model: Any) -> None:
    ids = model.encode(MESSAGES).tolist()
    assert {name: model.encode(prompt).tolist() for name, prompt in forms(model).items()} == dict.fromkeys(
        forms(model), ids
    )


@pytest.mark.parametrize(
    ("prompt", "sentence"),
    [
        ([{"role": "wizard", "content": "The"}], r"Message 0 has the role 'wizard', which the chat template of"),
        ([*MESSAGES, {"role": "User", "content": "The"}], r"Message 1 has the role 'User', which"),
        ([{"role": "user"}], r"Message 0 is no dict with a role and a content"),
        ([*MESSAGES, "The"], r"Message 1 is no dict with a role and a content"),
        ([{"role": "user", "content": [{"type": "image", "url": "cat.png"}]}], r"Message 0 has no text as its content"),
        (MESSAGES[0], r"this is a dict of 'role', 'content'. A single message goes into a list"),
        ([MESSAGES, MESSAGES], r"These are 2 conversations: a trace explains one"),
        (["The", "The a"], r"These are 2 texts: a trace explains one"),
        (torch.zeros(2, 3, dtype=torch.int64), r"these are 2 of 3 tokens. Trace each"),
        (np.array([[5], [6], [7]]), r"these are 3 of 1 tokens"),
        ([[5, 6], [7]], r"one non-empty sequence of token ids, a text, or a list of messages; this list is none"),
        ({"input_ids": [[5, 6], [7, 8]], "attention_mask": [[1, 1], [1, 1]]}, r"these are 2 of 2 tokens"),
        ({"input_ids": [5, 6, 7], "attention_mask": [1, 0, 1]}, r"hides tokens between others"),
        (torch.tensor([0.5]), r"whole numbers\); these are float32"),
        ([], r"one non-empty sequence"),
    ],
)
def test_what_is_no_single_prompt_is_refused_in_a_sentence(model: Any, prompt: Any, sentence: str) -> None:
    with pytest.raises(sw.errors.PromptError, match=sentence) as refused:
        sw.trace(model, prompt)
    assert "\n" not in str(refused.value)


def test_a_role_that_the_template_names_is_known(model: Any) -> None:
    assert "[critic] a" in model.read([*MESSAGES, {"role": "critic", "content": "a"}]).text


def test_a_tokenizer_without_a_chat_template_says_so(tiny: Any) -> None:
    with pytest.raises(sw.errors.PromptError, match="has no chat template, so it cannot write messages"):
        sw.trace(tiny, MESSAGES)
    with pytest.raises(sw.errors.PromptError, match="has no tokenizer"):
        sw.trace(sw.load_model(tiny_models.tiny()), MESSAGES)


def test_what_a_template_refuses_is_said_in_its_words(model: Any) -> None:
    single = model.tokenizer.chat_template
    model.tokenizer.chat_template = "{{ raise_exception('Roles must alternate.') }}"
    try:
        with pytest.raises(sw.errors.PromptError, match=r"refuses these messages: Roles must alternate\."):
            model.read(MESSAGES)
    finally:
        model.tokenizer.chat_template = single


def test_a_message_that_the_template_leaves_out_is_warned_of(model: Any) -> None:
    with pytest.warns(UserWarning, match="left out the content of message 0"):
        sw.trace(model, [{"role": "system", "content": "Be brief."}, *MESSAGES])


@pytest.mark.parametrize(
    "prompt",
    [
        "<s>The a",
        " <s> The a",
        WRITTEN,
        [1, 1, 259, 261],
        torch.tensor([[1, 1, 259]]),
        [{"role": "user", "content": "<s>The"}],
    ],
    ids=str,
)
def test_a_doubled_start_token_is_never_silent(model: Any, prompt: Any) -> None:
    with pytest.warns(UserWarning, match="has two start tokens '<s>'") as told:
        trace = sw.trace(model, prompt)
    assert told[0].filename == __file__
    assert trace.origin.doubled == "<s>"
    assert "two start tokens" in trace._repr_html_()
    assert "two start tokens" in Session(trace).view_state()["prompt_warning"]
    with pytest.warns(UserWarning, match="two start tokens"):
        sw.trace_generation(model, prompt, max_new_tokens=1, progress=False)


def test_one_start_token_or_several_turns_are_silent(model: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert sw.trace(model, "The a").origin.start == "<s>"
        sw.trace(model, [1, 259, 2, 1, 261])
        sw.trace(model, [259, 261])


def test_a_start_of_two_tokens_that_have_no_role_is_seen_as_well(model: Any) -> None:
    backend = model.tokenizer.backend_tokenizer
    single = backend.post_processor
    ends = [("<s>", 1), ("<unk>", 0)]
    backend.post_processor = processors.TemplateProcessing(single="<unk> <s> $A", special_tokens=ends)
    try:
        assert model.read("The a").origin.doubled == ""
        assert model.read("<unk><s>The a").origin.doubled == "<unk><s>"
    finally:
        backend.post_processor = single


def test_a_token_that_the_tokenizer_puts_behind_is_warned_of() -> None:
    tokenizer = tokenizer_kinds.wordpiece()
    ending = sw.load_model(tiny_models.tiny(vocab_size=len(tokenizer)), tokenizer=tokenizer)
    with pytest.warns(UserWarning, match=r"ends the prompt with '\[SEP\]'"):
        trace = sw.trace(ending, "the caping")
    assert trace.tokens == ["[CLS]", " the", " cap", "ing", "[SEP]"]
    with pytest.warns(UserWarning, match=r"two start tokens '\[CLS\]'"):
        sw.trace(ending, "[CLS] the")


def test_what_was_added_is_kept_in_a_file_and_in_programs(model: Any, tmp_path: Path) -> None:
    trace = sw.trace(model, MESSAGES)
    again = sw.load_trace(trace.save(tmp_path / "chat.strace"))
    assert again.origin == trace.origin
    assert Session(again).view_state()["prompt_note"] == trace.origin.note
    for program in Session(trace).code(9, {}).values():
        assert f"# {trace.origin.note}\n" in program
        compile(program, "program", "exec")


def test_an_edited_prompt_keeps_its_special_tokens(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = sw.trace(model, MESSAGES).explore()
    settled(explorer)
    front = Front(explorer, monkeypatch)
    edited = settings(explorer, special_tokens=explorer.view_state["special_tokens"], position=-1)
    assert edited["special_tokens"] is False
    assert front.ask("trace", settings=edited | {"prompt": "<s>[user] a [answer]"})["ok"]
    assert explorer.view_state["all_tokens"].count("<s>") == 1
    assert explorer.view_state["prompt_warning"] == ""
    assert front.ask("trace", settings=edited | {"prompt": "The a"})["ok"]
    assert "begins without '<s>'" in explorer.view_state["prompt_note"]


def test_an_edit_that_doubles_the_start_token_is_shown(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    explorer = sw.trace(model, "The a").explore()
    settled(explorer)
    edited = settings(explorer, prompt="<s>The a", position=-1)
    assert Front(explorer, monkeypatch).ask("trace", settings=edited)["ok"]
    assert "two start tokens '<s>'" in explorer.view_state["prompt_warning"]


def test_a_study_reads_messages_and_keeps_warnings(model: Any, tmp_path: Path) -> None:
    prompts = [
        {"id": "chat", "messages": MESSAGES, "expected": "a"},
        MESSAGES,
        {"id": "doubled", "text": "<s>The a"},
        {"id": "wizard", "messages": [{"role": "wizard", "content": "The"}]},
    ]
    table = sw.study(model, prompts, tmp_path / "study", sizes=[0.5], progress=False).prompts.set_index("prompt_id")
    assert table["text"]["chat"] == table["text"]["1"] == WRITTEN
    assert table["expected_id"]["chat"] == model.encode_one("a")
    assert "two start tokens" in table["warning"]["doubled"]
    assert table["warning"][["chat", "1"]].isna().all()
    assert "role 'wizard'" in table["reason"]["wizard"]


def test_a_message_is_sent_to_a_server(remote_tiny: Any, tmp_path: Path) -> None:
    remote_tiny.tokenizer.chat_template = "{% for m in messages %}w1 {{ m.content }} {% endfor %}w2"
    try:
        messages = [{"role": "user", "content": "w5 w17"}]
        job = sw.load_job(sw.submit(remote_tiny, messages).save(tmp_path / "job.json"), remote_tiny)
        trace = job.result()
        assert trace.tokens == ["w1", "w5", "w17", "w2"]
        assert trace.origin == sw.trace(remote_tiny, messages).origin
        assert trace.origin.given == "messages"
    finally:
        remote_tiny.tokenizer.chat_template = None
