"""A study's manifest: what it names, and that it repeats the study, or says why it cannot."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path
from typing import Any

import pytest
import tiny_models
import torch
from conftest import contents

import strace_widgets as sw
from strace_widgets.__main__ import main

PROMPTS: list[Any] = [
    {"id": "a", "text": "w1 w2 w3", "kind": "words", "language": "en", "target": " w4", "foil": 7},
    {"id": "b", "token_ids": [4, 9, 61]},
    [{"role": "user", "content": "w5 w6"}],
    "w1 \ud800",
    "",
]


def model_in(folder: Path, seed: int = 0) -> str:
    tokenizer = tiny_models.words()
    tokenizer.chat_template = "{% for m in messages %}{{ m.content }} {% endfor %}"
    tiny_models.tiny(seed=seed).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> sw.Study:
    folder = tmp_path_factory.mktemp("repeated")
    model = sw.load_model(model_in(folder / "model"), dtype=torch.bfloat16)
    options: dict[str, Any] = {"importance": ("l1", "random"), "sizes": [0.1, 0.5], "seed": 3, "hidden_states": True}
    return sw.study(model, PROMPTS, folder / "s", progress=False, **options)


def test_the_manifest_names_what_numbers_depend_on(study: sw.Study) -> None:
    named = json.loads((study.folder / "manifest.json").read_text())
    assert named["settings"]["seed"] == 3
    assert named["model"]["source"].endswith("/model")
    assert named["model"]["options"] == {"dtype": "bfloat16"}
    (environment,) = named["environments"]
    assert (environment["dtype"], environment["device"]) == ("bfloat16", "cpu")
    assert environment["versions"]["torch"] == torch.__version__
    assert set(environment["versions"]) > {"python", "strace_widgets", "transformers", "nnsight", "numpy"}
    assert named["prompts"]["n_prompts"] == len(PROMPTS)
    for digest in (named["prompts"]["sha256"], named["model"]["weights_sha256"]):
        assert len(bytes.fromhex(digest)) == 32


def test_a_manifest_repeats_its_study_byte_for_byte(study: sw.Study, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = sw.repeat_study(study.folder / "manifest.json", tmp_path / "again", progress=False)
    assert contents(again.folder) == contents(study.folder)
    assert again.prompts["status"].tolist() == ["ok", "ok", "ok", "failed", "failed"]


def test_a_manifest_repeats_its_study_in_a_shell(
    study: sw.Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["study", "--from", str(study.folder / "manifest.json"), "--out", str(tmp_path / "again")]
    assert main(command) == 0
    assert contents(tmp_path / "again") == contents(study.folder)
    assert main(["study", "--out", str(tmp_path / "none")]) == 2
    assert "Give either prompts, or the manifest" in capsys.readouterr().err


def test_other_weights_are_refused(study: sw.Study, tmp_path: Path) -> None:
    other = sw.load_model(model_in(tmp_path / "model", seed=1), dtype=torch.bfloat16)
    with pytest.raises(sw.errors.StudyError, match="a study of other weights: the index of model had the SHA-256"):
        sw.repeat_study(study.folder / "manifest.json", tmp_path / "again", model=other, progress=False)
    assert not (tmp_path / "again").exists()
    first = sw.load_model(model_in(tmp_path / "a" / "model"))
    sw.study(first, ["w1 w2"], tmp_path / "s", sizes=[0.5], baselines=(), progress=False)
    second = sw.load_model(model_in(tmp_path / "b" / "model", seed=1))
    with pytest.raises(sw.errors.StudyError, match="or give another folder"):
        sw.study(second, ["w1 w2"], tmp_path / "s", sizes=[0.5], baselines=(), progress=False)


def test_manifests_that_cannot_be_repeated(tiny: Any, study: sw.Study, tmp_path: Path) -> None:
    held = sw.study(tiny, ["w1 w2"], tmp_path / "held", sizes=[0.5], baselines=(), progress=False)
    file = held.folder / "manifest.json"
    with pytest.raises(sw.errors.StudyError, match=r"LlamaForCausalLM, was loaded by hand: load it so, and give it"):
        sw.repeat_study(file, tmp_path / "again")
    assert contents(sw.repeat_study(file, tmp_path / "again", model=tiny, progress=False).folder) == contents(
        held.folder
    )
    (held.folder / "prompts.jsonl").write_text('{"number": 0, "id": "0", "text": "w1 w3"}\n')
    with pytest.raises(sw.errors.StudyError, match=r"does not hold the prompts that manifest\.json names"):
        sw.repeat_study(file, tmp_path / "other", model=tiny)
    file.write_text("{}")
    with pytest.raises(sw.errors.StudyError, match=r"manifest\.json is no manifest of a study: it does not fit"):
        sw.repeat_study(file, tmp_path / "other", model=tiny)
    with pytest.raises(sw.errors.MissingFileError, match="the manifest of a study was to be read"):
        sw.repeat_study(tmp_path / "none.json", tmp_path / "other", model=tiny)
    elsewhere = json.loads((study.folder / "manifest.json").read_text())
    elsewhere["model"]["options"]["remote"] = "http://elsewhere.test"
    (tmp_path / "manifest.json").write_text(json.dumps(elsewhere))
    (tmp_path / "prompts.jsonl").write_bytes((study.folder / "prompts.jsonl").read_bytes())
    with pytest.raises(sw.errors.StudyError, match=r"runs on http://elsewhere\.test, for which no API key was set"):
        sw.repeat_study(tmp_path / "manifest.json", tmp_path / "other")
    named = json.loads((study.folder / "manifest.json").read_text())
    named["environments"][0]["versions"]["torch"] = "1.0"
    for name, content in contents(study.folder).items():
        if "/" not in name:
            (tmp_path / name).write_bytes(content)
    (tmp_path / "manifest.json").write_text(json.dumps(named))
    here = re.escape(f"torch 1.0, here {torch.__version__}")
    with pytest.warns(UserWarning, match=f"other versions, so numbers may differ: {here}"):
        sw.repeat_study(tmp_path / "manifest.json", tmp_path / "warned", progress=False)
