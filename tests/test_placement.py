"""Where weights are and what surrounds a call: the numbers are the same, or a sentence says what to do."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import accelerate
import held_models
import pytest
import tiny_models
import torch
import transformers
from conftest import ROOT
from held_models import PROMPT, dense
from nnsight import NNsight
from nnsight.modeling.transformers import TransformersModel
from placed_models import everything, largest_gap

import strace_widgets as sw

pytestmark = pytest.mark.filterwarnings("ignore")
CLOSE = 2e-5  # what two orders of summing differ by


@pytest.fixture(scope="module")
def expected() -> dict[str, Any]:
    return everything(dense())


# Weights that are not in memory.


def on_the_cpu(_: Path) -> Any:
    return accelerate.cpu_offload(dense(), execution_device=torch.device("cpu"))


def on_disk(folder: Path) -> Any:
    return accelerate.disk_offload(dense(), str(folder / "disk"), execution_device=torch.device("cpu"))


def spread(folder: Path) -> Any:
    """Some layers, the norm and the head on disk, by a device map."""
    dense().save_pretrained(folder / "saved")
    places = {f"model.layers.{index}": "disk" for index in (1, 2)} | {"model.norm": "disk", "lm_head": "disk"}
    here = dict.fromkeys(["model.embed_tokens", "model.rotary_emb", "model.layers.0"], "cpu")
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder / "saved", device_map=here | places, offload_folder=folder / "disk"
    )


def embedding_on_disk(folder: Path) -> Any:
    """The first weight is away: it does not say where token ids go."""
    dense().save_pretrained(folder / "saved")
    places = {"model.embed_tokens": "disk", "model.layers": "cpu", "model.norm": "cpu", "lm_head": "cpu"}
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder / "saved", device_map=places | {"model.rotary_emb": "cpu"}, offload_folder=folder / "disk"
    )


def undispatched(folder: Path) -> Any:
    dense().save_pretrained(folder / "saved")
    tiny_models.words().save_pretrained(folder / "saved")
    model = TransformersModel(str(folder / "saved"), task="text-generation")
    assert not model.dispatched
    return model


def held_by_nnsight(folder: Path) -> Any:
    return NNsight(on_the_cpu(folder))


@pytest.mark.parametrize("place", [on_the_cpu, on_disk, spread, embedding_on_disk, undispatched, held_by_nnsight])
def test_weights_that_are_brought_when_they_are_needed(place: Any, tmp_path: Path, expected: dict[str, Any]) -> None:
    found = everything(place(tmp_path))
    assert largest_gap(found, expected) <= CLOSE


def test_other_norms_and_biases_on_disk(tmp_path: Path) -> None:
    """A gain of 1 + weight, norms on both sides, and LayerNorms with biases: what they do is asked."""
    for name in ("Gemma2", "OPT", "GPTNeoX", "GPT2"):
        there = accelerate.disk_offload(dense(name), str(tmp_path / name), execution_device=torch.device("cpu"))
        here, away = (sw.trace(sw.load_model(each), PROMPT) for each in (dense(name), there))
        held_models.assert_same_weights(away, here, 1e-4)
        assert away.evaluate([1.0, 0.5]).total_variation[0] <= 1e-5


def test_meta_tensors_are_refused_with_what_to_do(tmp_path: Path) -> None:
    with torch.device("meta"):
        module = transformers.LlamaForCausalLM(tiny_models.tiny().config)
    sentence = r"LlamaForCausalLM has no weights: \d+ of its tensors are on the device 'meta', 'model\.embed_tokens"
    with pytest.raises(sw.errors.ModelNotFoundError, match=sentence):
        sw.load_model(module)
    half = dense()
    half.model.layers[1].to("meta")
    with pytest.raises(sw.errors.ModelNotFoundError, match=r"'model\.layers\.1\..* first\. Load them"):
        sw.load_model(half)
    dense().save_pretrained(tmp_path)
    with pytest.raises(sw.errors.ModelNotFoundError, match="on the device 'meta'"):
        sw.load_model(tmp_path, device_map="meta")


@pytest.mark.parametrize(("where", "devices"), [("there", ["elsewhere"]), ("both", ["cpu", "elsewhere"])])
def test_a_device_without_float64_and_a_model_over_two(where: str, devices: list[str]) -> None:
    """Every measure and mode; and the model stays where it was, though there is a tokenizer and so a pipeline."""
    program = [sys.executable, str(ROOT / "tests" / "second_device.py"), where]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    answer = subprocess.run(program, capture_output=True, text=True, check=False, env=environment)
    assert answer.returncode == 0, answer.stderr[-2000:]
    found = json.loads(answer.stdout.splitlines()[-1])
    assert found["devices"] == devices
    assert found["gap"] <= CLOSE


# What surrounds a call.


@contextmanager
def default_dtype(kind: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(kind)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@contextmanager
def default_device(name: str) -> Iterator[None]:
    torch.set_default_device(name)
    try:
        yield
    finally:
        torch.set_default_device(None)


SURROUNDINGS = {
    "inference_mode": torch.inference_mode,
    "no_grad": torch.no_grad,
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "default_dtype_bfloat16": lambda: default_dtype(torch.bfloat16),
    "default_dtype_float64": lambda: default_dtype(torch.float64),
    "default_device": lambda: default_device("meta"),  # stands for one that is not the model's
}


@pytest.mark.parametrize("surrounding", SURROUNDINGS)
def test_what_surrounds_a_call_does_not_change_its_numbers(surrounding: str, expected: dict[str, Any]) -> None:
    """An Explorer asks on a thread of its own, where none of it holds: the two must not differ."""
    module = dense()
    with SURROUNDINGS[surrounding]():
        found = everything(module)
    assert largest_gap(found, expected) <= 2e-6  # some processors round otherwise


def test_weights_made_under_inference_mode_give_no_gradients_and_say_so() -> None:
    with torch.inference_mode():
        module = dense()
    model = sw.load_model(module)
    assert sw.trace(model, PROMPT).evaluate([1.0]).total_variation[0] <= 1e-5
    with pytest.raises(sw.errors.NoGradientsError, match=r"made under torch\.inference_mode, .*: load it outside"):
        sw.trace(model, PROMPT, importance="fisher")


# Compiled, or in parts.


def compiled_in_place(module: Any) -> Any:
    module.compile(backend="eager")
    return module


def compiled_layers(module: Any) -> Any:
    for layer in module.model.layers:
        layer.compile(backend="eager")
    return module


def wrapped_layers(module: Any) -> Any:
    for index, layer in enumerate(module.model.layers):
        module.model.layers[index] = torch.compile(layer, backend="eager")
    return module


COMPILED = {
    "wrapped": lambda module: torch.compile(module, backend="eager"),
    "in place": compiled_in_place,
    "layers": compiled_layers,
    "wrapped layers": wrapped_layers,
    "data parallel": torch.nn.DataParallel,
}


@pytest.mark.parametrize("how", COMPILED)
def test_compiled_and_parallel_modules(how: str, expected: dict[str, Any]) -> None:
    held = COMPILED[how](dense())
    said = pytest.warns(UserWarning, match="A compiled model is traced without")
    with nullcontext() if how == "data parallel" else said:
        found = everything(held)
    assert largest_gap(found, expected) <= CLOSE
