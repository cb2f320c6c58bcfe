"""Lay out tiny random models of several families, and the default model, as a hub cache that the server can serve."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

OWNER = "loopback"
SIZES = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 128,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
FAMILIES = {"llama": "Llama", "gpt2": "GPT2", "olmo2": "Olmo2", "neox": "GPTNeoX"}


def tokenizer():
    """Return a tokenizer that spells anything, byte by byte if need be."""
    bytes_apart = Tokenizer(models.BPE(unk_token=None))
    bytes_apart.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bytes_apart.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<end>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    bytes_apart.train_from_iterator(["a small model says little, and says it again and again"] * 10, trainer)
    special = dict.fromkeys(("bos_token", "eos_token", "pad_token"), "<end>")
    return PreTrainedTokenizerFast(tokenizer_object=bytes_apart, **special)


def place(hub: Path, repository: str) -> Path:
    """Return the folder of a repository's one revision in a hub cache, made if need be."""
    folder = hub / ("models--" + repository.replace("/", "--"))
    revision = hashlib.sha1(repository.encode(), usedforsecurity=False).hexdigest()
    snapshot = folder / "snapshots" / revision
    snapshot.mkdir(parents=True, exist_ok=True)
    (folder / "blobs").mkdir(exist_ok=True)
    (folder / "refs").mkdir(exist_ok=True)
    (folder / "refs" / "main").write_text(revision)
    return snapshot


hub = Path(sys.argv[1])
for name, family in FAMILIES.items():
    folder = place(hub, f"{OWNER}/tiny-{name}")
    if (folder / "config.json").exists():
        continue
    words = tokenizer()
    config = getattr(transformers, f"{family}Config")(vocab_size=len(words), **SIZES)
    torch.manual_seed(0)
    kind = f"{family}LMHeadModel" if family == "GPT2" else f"{family}ForCausalLM"
    getattr(transformers, kind)(config).save_pretrained(folder)
    words.save_pretrained(folder)

default = os.environ.get("STRACE_DEFAULT_MODEL")
if default:
    folder = place(hub, f"{OWNER}/smollm2")
    for file in Path(default).iterdir():
        if not (folder / file.name).exists():
            (folder / file.name).symlink_to(file)
