"""Models as people hold them, quantized or under adapters: random tiny ones of several families."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import bitsandbytes
import families
import numpy as np
import peft
import torch
import torchao.quantization
import transformers
from optimum.quanto import freeze, qint4, qint8, quantize

import strace_widgets as sw

WIDE: dict[str, Any] = {"hidden_size": 64, "intermediate_size": 128, "head_dim": 16}
PROMPT = [5, 17, 3, 88, 41, 2]
OPTIONS = {family.name: family.options for family in families.FAMILIES}


def dense(name: str = "Llama", **options: Any) -> Any:
    """A model in float32."""
    return families.build(name, {**OPTIONS.get(name, {}), **WIDE, **options})


def set_weight(module: Any, path: str, weight: Any) -> None:
    """Put a plain linear map in the place of another."""
    parent, _, name = path.rpartition(".")
    bias = getattr(module.get_submodule(path), "bias", None)
    bias = bias() if callable(bias) else bias
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight.data = weight.detach().float().clone()
    if bias is not None:
        linear.bias.data = bias.detach().float().clone()
    setattr(module.get_submodule(parent), name, linear)


# Each returns a quantized model, and the same in float32 with the weights as the library itself unpacks them.


def bitsandbytes_of(
    folder: Path, name: str = "Llama", dtype: torch.dtype = torch.float32, **how: Any
) -> tuple[Any, Any]:
    """A model that transformers loads with bitsandbytes."""
    dense(name).save_pretrained(folder)
    settings = transformers.BitsAndBytesConfig(**how)
    model = transformers.AutoModelForCausalLM.from_pretrained(
        folder, quantization_config=settings, dtype=dtype, device_map="cpu"
    )
    plain = dense(name)
    for path, part in model.named_modules():
        if isinstance(part, bitsandbytes.nn.Linear8bitLt):
            set_weight(plain, path, part.weight.data.float() * part.weight.SCB[:, None] / 127)
        elif isinstance(part, bitsandbytes.nn.Linear4bit):
            set_weight(plain, path, bitsandbytes.functional.dequantize_4bit(part.weight.data, part.weight.quant_state))
    return model, plain.eval()


def int8(folder: Path) -> tuple[Any, Any]:
    return bitsandbytes_of(folder, load_in_8bit=True)


def int8_with_biases(folder: Path) -> tuple[Any, Any]:
    return bitsandbytes_of(folder, "OPT", load_in_8bit=True)


def nf4(folder: Path) -> tuple[Any, Any]:
    return bitsandbytes_of(folder, load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True)


def fp4(folder: Path) -> tuple[Any, Any]:
    return bitsandbytes_of(folder, load_in_4bit=True, bnb_4bit_quant_type="fp4")


def dynamic(_: Path) -> tuple[Any, Any]:
    """torch's own eight bits: it rounds a batch with one scale for all of it."""
    model, plain = dense(), dense()
    torch.ao.quantization.quantize_dynamic(model.model.layers, {torch.nn.Linear}, torch.qint8, inplace=True)
    for path, part in model.named_modules():
        if isinstance(part, torch.ao.nn.quantized.dynamic.Linear):
            set_weight(plain, path, part.weight().dequantize())
    return model, plain


def unpacked(model: Any) -> Any:
    """The same in float32, for weights that are tensors of a kind of their own."""
    plain = dense()
    for path, part in model.named_modules():
        weight = getattr(part, "weight", None)
        if hasattr(weight, "dequantize") and type(weight) is not torch.nn.Parameter:
            set_weight(plain, path, weight.dequantize())
    return plain


def torchao_of(settings: Any) -> tuple[Any, Any]:
    model = dense()
    torchao.quantization.quantize_(model, settings)
    return model, unpacked(model)


def torchao_weights(_: Path) -> tuple[Any, Any]:
    return torchao_of(torchao.quantization.Int8WeightOnlyConfig())


def torchao_dynamic(_: Path) -> tuple[Any, Any]:
    """Eight bits with a scale for each token."""
    return torchao_of(torchao.quantization.Int8DynamicActivationInt8WeightConfig())


def quanto_of(weights: Any) -> tuple[Any, Any]:
    model = dense()
    quantize(model, weights=weights)
    freeze(model)
    return model, unpacked(model)


def quanto8(_: Path) -> tuple[Any, Any]:
    return quanto_of(qint8)


def quanto4(_: Path) -> tuple[Any, Any]:
    return quanto_of(qint4)


# Adapters.


def adapted(settings: Any, base: Any = None) -> Any:
    """A model under an adapter that is not trivial."""
    model = peft.get_peft_model(dense() if base is None else base, settings).eval()
    torch.manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.2 * torch.randn_like(parameter))
    return model


def lora(targets: Any = ("o_proj",), base: Any = None, **options: Any) -> Any:
    targets = targets if isinstance(targets, str) else list(targets)
    return adapted(peft.LoraConfig(task_type="CAUSAL_LM", target_modules=targets, **options), base)


def merged(model: Any) -> Any:
    """The same model, its adapter merged into plain weights, as the library itself does it."""
    return copy.deepcopy(model).merge_and_unload()


# What holds of each.


def own_logits(module: Any, prompt: list[int] = PROMPT) -> Any:
    with torch.no_grad():
        return module(torch.tensor([prompt]), use_cache=False, logits_to_keep=1).logits[0, -1].float().numpy()


def variation(logits: Any, others: Any) -> float:
    """Total variation between the distributions of logits."""
    p, q = (np.exp(x - np.logaddexp.reduce(x)) for x in (np.float64(logits), np.float64(others)))
    return float(np.abs(p - q).sum() / 2)


def assert_same_weights(held: sw.STrace, plain: sw.STrace, close: float) -> None:
    """Two traces give each edge the same weight."""
    for kind in sw.Edges._fields:
        np.testing.assert_allclose(getattr(held.weights, kind), getattr(plain.weights, kind), atol=close)
