"""Models with forwards of their own, as remote code has them: small changes to a tiny Llama."""

from __future__ import annotations

from typing import Any

import torch
import transformers


class NoKeywords(transformers.LlamaForCausalLM):
    """Takes none of the newer keywords."""

    def forward(self, input_ids: Any, attention_mask: Any = None) -> Any:
        return super().forward(input_ids, attention_mask=attention_mask)


class NoMask(transformers.LlamaForCausalLM):
    """Takes token ids and nothing else, and gives the logits alone."""

    def forward(self, input_ids: Any) -> Any:
        return super().forward(input_ids).logits


class InTuple(transformers.LlamaForCausalLM):
    """Gives a tuple."""

    def forward(self, input_ids: Any = None, **others: Any) -> Any:
        return super().forward(input_ids, **others | {"return_dict": False})


class InDict(transformers.LlamaForCausalLM):
    """Gives a plain dict."""

    def forward(self, input_ids: Any = None, attention_mask: Any = None, use_cache: Any = None) -> Any:
        output = super().forward(input_ids, attention_mask=attention_mask, use_cache=use_cache)
        return {"logits": output.logits, "extra": torch.zeros(())}


class Handed(transformers.LlamaForCausalLM):
    """Takes any keyword, and hands it on to one that does not."""

    def forward(self, *args: Any, **others: Any) -> Any:
        return self.inner(*args, **others)

    def inner(self, input_ids: Any, attention_mask: Any = None, use_cache: Any = None) -> Any:
        return super().forward(input_ids, attention_mask=attention_mask, use_cache=use_cache)


class WantsMore(transformers.LlamaForCausalLM):
    """Wants more than token ids."""

    def forward(self, input_ids: Any, task_ids: Any, **others: Any) -> Any:
        return super().forward(input_ids + task_ids, **others)
