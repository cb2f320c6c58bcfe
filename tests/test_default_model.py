"""The default model, unpacked: the same ids and the same numbers on every version of transformers that reads it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import families
import numpy as np
import pytest
import torch
import transformers

import strace_widgets as sw
from strace_widgets.model.shipped import models

PARIS = 7042
# As the model was trained: digits stand alone, several spaces before them together.
IDS = {
    "The capital of France is": [504, 3575, 282, 4649, 314],
    "In 1234:  42\n日本 🙂": [788, 216, 33, 34, 35, 36, 42, 256, 36, 34, 198, 23274, 115, 40993, 47526],
    "<|im_start|>user\nhi": [1, 4093, 198, 6004],
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The model, unpacked over what a former version left."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STRACE_WIDGETS_CACHE", str(tmp_path_factory.mktemp("cache")))
        before = models.cache_folder() / models.DEFAULT.name
        before.mkdir()
        (before / "config.json").write_text("{}", encoding="utf-8")
        folder = Path(models.locate())
    yield folder
    shutil.rmtree(folder)


def test_the_text_of_a_prompt_gets_no_token_that_is_not_in_it(unpacked: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(unpacked)
    for text, ids in IDS.items():
        assert tokenizer(text)["input_ids"] == ids
        assert tokenizer.decode(ids) == text
    assert (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token) == (
        "<|im_start|>",
        "<|im_end|>",
        "<|im_end|>",
    )
    messages = [{"role": "user", "content": "Hi"}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text.endswith("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")


def test_every_version_computes_the_same(unpacked: Path) -> None:
    config = json.loads((unpacked / "config.json").read_text(encoding="utf-8"))
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"] == 100_000
    model = sw.load_model(unpacked)
    assert next(model.nnsight._module.parameters()).dtype == torch.float32
    logits = sw.trace(model, "The capital of France is").full_logits
    np.testing.assert_allclose(logits[[0, 1, 260, PARIS]], [1.6137, -11.8719, 14.8886, 17.3713], atol=1e-3)


def test_a_folder_of_an_older_layout_is_replaced_and_nothing_is_left_beside_it(unpacked: Path) -> None:
    assert [file.name for file in unpacked.parent.iterdir()] == [models.DEFAULT.name]
    assert (unpacked / models.LAYOUT).exists()


@pytest.mark.parametrize(
    "rope",
    [
        {"rope_type": "default", "rope_theta": 50.0},
        {"rope_type": "linear", "rope_theta": 10_000.0, "factor": 4.0},
    ],
    ids=["base", "scaling"],
)
def test_a_rotary_embedding_is_read_or_the_model_refused(rope: dict[str, Any], tmp_path: Path) -> None:
    """transformers 5 saves it under a name that 4 does not read, and 4 says nothing."""
    module = families.build("Llama", {})
    module.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    for name in ("rope_theta", "rope_scaling"):
        config.pop(name, None)
    (tmp_path / "config.json").write_text(json.dumps(config | {"rope_parameters": rope}), encoding="utf-8")
    ids = [5, 17, 3, 88, 41, 2]
    plain = sw.trace(sw.load_model(module), ids).full_logits
    if transformers.__version__ < "5":
        with pytest.raises(
            sw.errors.UnsupportedArchitectureError, match=r"saved by transformers 5, and the installed 4\."
        ):
            sw.load_model(tmp_path)
    else:
        assert np.abs(sw.trace(sw.load_model(tmp_path), ids).full_logits - plain).max() > 1e-2
