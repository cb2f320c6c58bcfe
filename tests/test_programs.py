"""The programs that "copy as code" gives reproduce the numbers on screen."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import families
import pytest
import tiny_models

import strace_widgets as sw
from strace_widgets.explorer.refining import Refining
from strace_widgets.explorer.session import Session

KINDS = {
    "sequential": ("Llama", {"attention_bias": True}),
    "post-norm": ("Gemma2", {}),
    "parallel": ("GPTNeoX", {}),
    "scaled": ("Granite", {"residual_multiplier": 0.6}),
    "heads first": ("GPTJ", {"rotary_dim": 4}),
    "normed stream": ("MiniMax", {**families.EXPERTS, "layer_types": ["full_attention"] * 3}),
    "flattened": ("OPT", {"ffn_dim": 48, "word_embed_proj_dim": 32}),
}


@pytest.fixture(params=KINDS)
def saved_model(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    name, options = KINDS[request.param]
    families.build(name, options).save_pretrained(tmp_path / "model")
    tiny_models.words().save_pretrained(tmp_path / "model")
    return sw.load_model(tmp_path / "model")


@pytest.mark.parametrize(
    ("importance", "options"), [("l1", {}), ("eap", {}), ("eap-ig", {"steps": 3})], ids=["l1", "eap", "eap-ig"]
)
@pytest.mark.parametrize("which", ["strace_widgets", "nnsight"])
def test_programs_of_a_held_model_run_once_it_is_defined(
    which: str, importance: str, options: dict[str, int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    my_model = tiny_models.tiny()
    session = Session(sw.trace(sw.load_model(my_model), [5, 17, 3, 88, 41], importance, **options))
    assert session.code_note() == "Define my_model first: the model that you hold."
    shown = session.evaluate(100, {"1.2": "off"})
    program = tmp_path / "program.py"
    program.write_text(session.code(100, {"1.2": "off"})[which])
    runpy.run_path(str(program), init_globals={"my_model": my_model})
    printed = capsys.readouterr().out
    assert float(printed.split()[1]) == pytest.approx(shown["total_variation"], abs=1e-5)
    assert str(shown["top"][0]["id"]) in printed.splitlines()[1]


@pytest.mark.parametrize("which", ["strace_widgets", "nnsight"])
def test_programs_reproduce_the_numbers_on_screen(
    saved_model: Any, which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for masks in ("all", "mlp+residual"):
        session = Session(sw.trace(saved_model, [5, 17, 3, 88, 41]), masks)
        n_edges, toggles = session.trace.n_edges * 2 // 3, {"1.2": "off", "0.mlp": "off", "2.3": "on"}
        shown = session.evaluate(n_edges, toggles)
        program = tmp_path / f"{masks}.py"  # nnsight reads a file once
        program.write_text(session.code(n_edges, toggles)[which])
        runpy.run_path(str(program))
        printed = capsys.readouterr().out
        found = re.search(r"TV (\S+)", printed)
        assert found is not None
        assert float(found.group(1)) == pytest.approx(shown["total_variation"], abs=1e-5)
        first = re.findall(r"^(\d\.\d{4}) '(.*)'$", printed, re.MULTILINE)[0]
        assert float(first[0]) == pytest.approx(shown["top"][0]["probability"], abs=1e-4)
        assert session.code_note() == ""
        if which == "nnsight":
            assert "strace_widgets" not in program.read_text()


def test_a_program_names_the_shipped_model_and_the_text(smollm2: Any) -> None:
    """It runs on another machine, and is read by people: no folder of this machine, no ids where a text says it."""
    code = Session(sw.trace(smollm2, "The capital of France is")).code(100, {})
    assert "model = sw.load_model()\n" in code["strace_widgets"]
    assert "sw.trace(model, 'The capital of France is', importance='l1')\n" in code["strace_widgets"]
    assert smollm2.source not in code["strace_widgets"]
    assert "HuggingFaceTB/SmolLM2-135M-Instruct" in code["nnsight"]


@pytest.mark.parametrize("which", ["strace_widgets", "nnsight"])
def test_programs_refine_as_the_explorer_did(which: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    my_model = tiny_models.tiny()
    session = Session(sw.trace(sw.load_model(my_model), [5, 17, 3, 88, 41]))
    plain = session.evaluate(60, {})["total_variation"]
    for stops in (True, False):  # the first one is stopped early
        refining = Refining(session, 30)
        while not refining.ended:
            refining.step(lambda *_: None)
            refining.stopped = stops and refining.improved
        assert refining.found is not None
        session = refining.found
    assert session.trace.refined is not None
    stopped, whole = session.trace.refined.refinements
    assert stopped.passes < whole.passes == 30
    shown = session.evaluate(60, {})
    assert abs(shown["total_variation"] - plain) > 1e-3
    program = tmp_path / "program.py"
    program.write_text(session.code(60, {})[which])
    runpy.run_path(str(program), init_globals={"my_model": my_model})
    assert float(capsys.readouterr().out.split()[1]) == pytest.approx(shown["total_variation"], abs=1e-5)
