"""How a model is loaded holds for its tokenizer, too, and for the programs that "copy as code" gives."""

from __future__ import annotations

import json
import re
import runpy
import shutil
import warnings
from pathlib import Path
from typing import Any

import families
import pytest
import tiny_models
import torch
from mock_ndif import URL, MockNDIF
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

import strace_widgets as sw
from strace_widgets.explorer.code_options import expression
from strace_widgets.explorer.session import Session

PROMPT = [5, 17, 3, 88, 41]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    families.build("Llama", {"attention_bias": True}).save_pretrained(tmp_path / "whole" / "inner")
    tiny_models.words().save_pretrained(tmp_path / "whole" / "inner")
    return tmp_path / "whole"


OPTIONS: dict[str, dict[str, Any]] = {
    "dtype": {"dtype": torch.bfloat16},
    "dtype by name": {"dtype": "float16"},
    "configuration": {"rms_norm_eps": 0.3, "tie_word_embeddings": True},
    "path": {"cache_dir": Path("elsewhere")},
    "nested": {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 1e4}},
}


@pytest.mark.parametrize("which", ["strace_widgets", "nnsight"])
@pytest.mark.parametrize("name", OPTIONS)
def test_programs_load_the_model_as_it_was_loaded(
    folder: Path, name: str, which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = Session(sw.trace(sw.load_model(folder / "inner"), PROMPT))
    model = sw.load_model(folder, subfolder="inner", **OPTIONS[name])
    session = Session(sw.trace(model, PROMPT))
    n_edges = session.trace.n_edges // 2
    shown = session.evaluate(n_edges, {"1.2": "off"})
    program = tmp_path / f"{which}.py"
    program.write_text(session.code(n_edges, {"1.2": "off"})[which])
    runpy.run_path(str(program))
    found = re.search(r"TV (\S+)", capsys.readouterr().out)
    assert found is not None
    assert float(found.group(1)) == pytest.approx(shown["total_variation"], abs=1e-6)
    assert session.code_note() == ""
    if name != "path":  # the numbers are those of the options, not of the plain model
        assert plain.evaluate(n_edges, {"1.2": "off"})["total_variation"] != pytest.approx(
            shown["total_variation"], abs=1e-6
        )


def test_the_tokenizer_is_read_where_the_model_is(folder: Path) -> None:
    model = sw.load_model(folder, subfolder="inner")
    assert model.encode("w5 w17").tolist() == [5, 17]


@pytest.mark.parametrize(
    "options",
    [
        {"revision": "v2", "token": "hf_secret"},
        {"cache_dir": "elsewhere", "local_files_only": True},
        {"trust_remote_code": True, "force_download": True},
    ],
)
def test_options_of_the_hub_reach_the_tokenizer(
    folder: Path, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: dict[str, Any] = {}

    def read(_: str, **given: Any) -> Any:
        asked.update(given)
        return tiny_models.words()

    monkeypatch.setattr(AutoTokenizer, "from_pretrained", read)
    sw.load_model(folder / "inner", dtype=torch.float64, **options)
    assert asked == options


def test_a_missing_tokenizer_is_said(folder: Path) -> None:
    for file in (folder / "inner").glob("tokenizer*"):
        file.unlink()
    with pytest.warns(UserWarning, match=r"No tokenizer could be loaded from .*inner.*prompts are token ids"):
        model = sw.load_model(folder / "inner")
    with pytest.raises(sw.errors.PromptError, match="has no tokenizer"):
        model.encode("w5")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sw.load_model(folder / "inner", tokenizer=tiny_models.words())


def test_secrets_and_objects_are_named_not_written(folder: Path) -> None:
    shutil.copytree(folder / "inner", folder / "copy")
    given = {"token": "hf_secret", "generation_config": GenerationConfig(max_length=3)}
    model = sw.load_model(folder / "copy", tokenizer=tiny_models.words(), **given)
    session = Session(sw.trace(model, PROMPT))
    for program in session.code(10, {}).values():
        assert "hf_secret" not in program
        assert "token=my_token" in program
        assert "generation_config=my_generation_config" in program
        assert "my_tokenizer" in program
    note = "Define my_token and my_generation_config and my_tokenizer first: what the model was loaded with."
    assert session.code_note() == note
    assert "hf_secret" not in repr(vars(model))


def test_a_held_model_takes_no_options_of_loading() -> None:
    with pytest.raises(TypeError, match="is loaded already, so dtype cannot be set"):
        sw.load_model(tiny_models.tiny(), dtype=torch.bfloat16)


@pytest.mark.parametrize("value", [True, -3, 1.5, "a'b", [1, "x"], {"a": (1, 2)}, None, torch.float16])
def test_what_is_written_gives_the_value_back(value: Any) -> None:
    written = expression(value)
    assert written is not None
    assert eval(written, {"torch": torch}) == value  # noqa: S307 - what our own function wrote


@pytest.mark.parametrize("value", [object(), len, float("nan"), [object()], {"a": GenerationConfig()}])
def test_what_cannot_be_written_is_not(value: Any) -> None:
    assert expression(value) is None


def test_options_of_the_hub_reach_the_files_of_a_model_on_a_server_and_stay_here(
    ndif: MockNDIF, tiny_folder: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[dict[str, Any]] = []
    for reader in (AutoConfig, AutoTokenizer):
        read = reader.from_pretrained
        monkeypatch.setattr(
            reader, "from_pretrained", lambda source, read=read, **given: asked.append(given) or read(source, **given)
        )
    given = {"token": "hf_secret", "cache_dir": "elsewhere", "trust_remote_code": True}
    model = sw.load_model(tiny_folder, remote=URL, client=ndif.client, revision="main", precision="float16", **given)
    assert asked[:2] == [{"revision": "main"} | given] * 2
    job = sw.submit(model, PROMPT)
    assert all(b"hf_secret" not in request.read() for request in ndif.posted)
    assert json.loads(job.save(tmp_path / "job.json").read_text())["revision"] == "main"
    code = Session(sw.trace(model, PROMPT)).code(10, {})
    how = "revision='main', precision='float16', token=my_token, cache_dir='elsewhere', trust_remote_code=True"
    assert f"remote='{URL}', {how})" in code["strace_widgets"]
    assert "revision='main'" in code["nnsight"]
    with pytest.raises(TypeError, match="A model on a server has no option dtype, subfolder: choose among"):
        sw.load_model(tiny_folder, remote=URL, dtype="bfloat16", subfolder="inner")
