"""Models that are not plain decoders of transformers: own forwards, wrappers, pipelines; and those without a head."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import custom_models
import families
import numpy as np
import pytest
import tiny_models
import torch
import transformers
import wrapped_families
from nnsight import NNsight
from nnsight.modeling.transformers import TransformersModel

import strace_widgets as sw

PROMPT = [5, 17, 3, 88, 41, 2]
TAKES = {
    custom_models.NoKeywords: {},
    custom_models.NoMask: {},
    custom_models.InTuple: {"use_cache": False, "logits_to_keep": 1},
    custom_models.InDict: {"use_cache": False},
    custom_models.Handed: {},
}


def custom(model_class: Any) -> Any:
    """A tiny model of a class with a forward of its own, and the logits that its Llama gives."""
    torch.manual_seed(0)
    module = model_class(families.config_of("Llama", {})).eval()
    with torch.no_grad():
        logits = transformers.LlamaForCausalLM.forward(module, torch.tensor([PROMPT])).logits[0, -1].numpy()
    return module, logits


@pytest.mark.parametrize("tokenizer", [None, tiny_models.words()], ids=["ids", "words"])
@pytest.mark.parametrize("model_class", TAKES, ids=lambda one: one.__name__)
def test_a_forward_of_its_own(model_class: Any, tokenizer: Any) -> None:
    module, logits = custom(model_class)
    model = sw.load_model(module, tokenizer=tokenizer)
    assert model.architecture.keywords == TAKES[model_class]
    trace = sw.trace(model, PROMPT)
    np.testing.assert_allclose(trace.full_logits, logits, atol=1e-4)
    for measure in ("fisher", "rescored", "proximity"):
        sw.trace(model, PROMPT, importance=measure)
    for ablation in ("zero", "mean"):
        assert trace.evaluate([1.0], ablation=ablation).total_variation[0] <= 1e-5


@pytest.mark.parametrize("name", ["Bloom", "Mpt", "GPTJ"])
def test_a_configuration_that_asks_for_tuples(name: str) -> None:
    module = families.build(name, {})
    module.config.return_dict = False
    assert isinstance(module(torch.tensor([PROMPT])), tuple)
    assert sw.trace(sw.load_model(module), PROMPT).evaluate([1.0]).total_variation[0] <= 1e-5


def test_a_forward_that_wants_more_is_refused_with_what_it_wants() -> None:
    module, _ = custom(custom_models.WantsMore)
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match=r"does not run on token ids alone .*'task_ids'"):
        sw.load_model(module)


HEADLESS = {
    "LlamaModel": r"LlamaModel has no head that predicts tokens: .*AutoModelForCausalLM",
    "LlamaForQuestionAnswering": r"LlamaForQuestionAnswering has no head that predicts tokens",
    "LlamaForSequenceClassification": r"LlamaForSequenceClassification does not predict tokens: its output is \(1, 2\)",
    "LlamaForTokenClassification": r"LlamaForTokenClassification does not predict tokens: its output is \(1, 4, 2\)",
    "GPT2Model": r"GPT2Model has no head that predicts tokens",
    "BloomForSequenceClassification": r"BloomForSequenceClassification does not predict tokens",
    "LlavaModel": r"LlavaModel has no head that predicts tokens",
}


@pytest.mark.parametrize("name", HEADLESS)
def test_what_does_not_predict_tokens_is_refused(name: str) -> None:
    family = next(name.removesuffix(end) for end in ("Model", "ForQuestionAnswering", *LABELS) if name.endswith(end))
    wrapped = next((f.options for f in wrapped_families.WRAPPED if f.name == family == "Llava"), {})
    module = families.build(family, wrapped | {"model": name})
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match=HEADLESS[name]):
        sw.load_model(module)


LABELS = ("ForSequenceClassification", "ForTokenClassification")


def test_a_model_inside_a_pipeline() -> None:
    module = families.build("Llama", {})
    pipeline = transformers.pipeline("text-generation", model=module, tokenizer=tiny_models.words())
    model = sw.load_model(pipeline)
    assert model.tokenizer is pipeline.tokenizer
    assert sw.trace(model, "w5 w17 w3").evaluate([1.0]).total_variation[0] <= 1e-5
    assert pipeline("w5 w17", max_new_tokens=2, do_sample=False)


class Renamed(TransformersModel):
    """What nnterp's StandardizedTransformer does: other names for the parts, and ways to reach them of its own."""

    def __init__(self, module: Any, names: dict[str, str]) -> None:
        super().__init__(module, tokenizer=tiny_models.words(), task="text-generation", rename=names)
        self.layers_output = "an accessor of its own"


RENAMED = {
    "Llama": {"model.layers": "layers", "model.norm": "ln_final", "self_attn": "attn"},
    "GPT2": {"transformer.h": "layers", "transformer.ln_f": "ln_final", "attn": "self_attn", "transformer": "model"},
    "Bloom": {"transformer.h": "layers", "self_attention": "self_attn", "transformer": "model"},
}


@pytest.mark.parametrize("name", RENAMED)
def test_a_wrapper_that_renames_the_parts(name: str) -> None:
    module = families.build(name, {})
    with torch.no_grad():
        logits = module(torch.tensor([PROMPT])).logits[0, -1].numpy()
    for wrapper in (Renamed(module, RENAMED[name]), NNsight(module, rename=RENAMED[name])):
        trace = sw.trace(sw.load_model(wrapper), PROMPT)
        np.testing.assert_allclose(trace.full_logits, logits, atol=1e-4)


@pytest.mark.parametrize("name", ["Llava", "Gemma3", "Qwen2VL"])
def test_a_folder_of_a_model_with_pictures(name: str, tmp_path: Path) -> None:
    options = next(family.options for family in wrapped_families.WRAPPED if family.name == name)
    module = families.build(name, options)
    module.save_pretrained(tmp_path)
    tiny_models.words().save_pretrained(tmp_path)
    model = sw.load_model(tmp_path)
    trace = sw.trace(model, "w5 w17 w3 w88")
    with torch.no_grad():
        logits = module(torch.tensor([trace.token_ids.tolist()])).logits[0, -1].numpy()
    np.testing.assert_allclose(trace.full_logits, logits, atol=1e-4)


def test_usual_attention_that_predicts_something_else_is_said() -> None:
    """PaliGemma's usual attention reads ahead where its eager one does not; Falcon's eager one counts ALiBi twice."""
    pictures = wrapped_families.PALI_GEMMA
    falcon = {"alibi": True, "multi_query": False, "parallel_attn": False}
    for module in (families.build("PaliGemma", pictures.options), families.build("Falcon", falcon)):
        with pytest.warns(UserWarning, match=r"predicts something else with eager attention.*'sdpa'.* 0\.\d+ apart"):
            sw.load_model(module)
        assert module.config._attn_implementation == "sdpa"
