"""Small tokenizers of each kind that models have, made in memory."""

from __future__ import annotations

from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

CORPUS = ("The capital of France is Paris.", "日本語 text 😀 Ünïcödé", "import numpy\n    return", "нос poc") * 3
BYTES = tuple(f"<0x{byte:02X}>" for byte in range(256))
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{% if m.role == 'user' %}[user] {{ m.content }} "
    "{% elif m.role == 'assistant' %}{{ m.content }}{% elif m.role == 'critic' %}[critic] {{ m.content }} "
    "{% endif %}{% endfor %}{% if add_generation_prompt %}[answer]{% endif %}"
)


def byte_level() -> PreTrainedTokenizerFast:
    """Byte-pair encoding of bytes, as GPT-2, Llama 3 and Qwen have it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=330, special_tokens=["<|end|>"], initial_alphabet=alphabet)
    tokenizer.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<|end|>", eos_token="<|end|>")


def sentencepiece() -> PreTrainedTokenizerFast:
    """Byte-pair encoding with byte fallback and a start token, as Llama 2 and Gemma have it."""
    words = ["▁The", "The", "▁a", "a", "A", "é", "e\u0301", "\u0430", "▁Paris", "▁▁", *"Tthecapilofsr.[]uwn", "▁"]
    known = {word: i for i, word in enumerate(dict.fromkeys(["<unk>", "<s>", "</s>", *BYTES, *words]))}
    tokenizer = Tokenizer(models.BPE(known, [("▁", "a")], unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    parts: list[Any] = [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    tokenizer.decoder = decoders.Sequence([*parts, decoders.Strip(" ", 1, 0)])
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>", chat_template=TEMPLATE
    )


def wordpiece() -> PreTrainedTokenizerFast:
    """Words and their continuations, with a token at either end, as BERT has it."""
    words = ["[UNK]", "[CLS]", "[SEP]", "the", "ing", "##ing", "cap", "##ital", ".", "##.", "a", "##a"]
    tokenizer = Tokenizer(models.WordPiece({word: i for i, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece()
    ends = [("[CLS]", 1), ("[SEP]", 2)]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]", cls_token="[CLS]", sep_token="[SEP]")


def unigram() -> PreTrainedTokenizerFast:
    """Pieces by their probability, as XGLM has it."""
    pieces = [("<unk>", 0.0), ("▁", -3.0), ("▁The", -2.0), ("The", -2.5), ("▁cat", -2.0)]
    pieces += [(byte, -9.0) for byte in BYTES] + [(letter, -5.0) for letter in "Thecatpiof"]
    tokenizer = Tokenizer(models.Unigram(pieces, 0, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>")


KINDS = (byte_level, sentencepiece, wordpiece, unigram)
