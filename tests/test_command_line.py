"""The shell commands, without a display."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_models

import strace_widgets as sw
from strace_widgets.__main__ import main


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("model")
    tiny_models.tiny().save_pretrained(folder)
    tiny_models.words().save_pretrained(folder)
    return str(folder)


def test_trace_in_a_shell(model_folder: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    command = [sys.executable, "-m", "strace_widgets", "trace", "w5 w17 w3", "--model", model_folder]
    without_display = {name: value for name, value in os.environ.items() if name != "DISPLAY"}
    printed = subprocess.run(
        [*command, "--sizes", "0.2", "1", "--html", str(page)],
        check=True,
        capture_output=True,
        text=True,
        env=without_display,
    ).stdout.splitlines()
    assert printed[0].startswith("STrace of 'w5 w17 w3'")
    assert printed[1].split()[:3] == ["size", "edges", "TV"]
    assert [line.split()[0] for line in printed[2:4]] == ["0.2", "1"]
    assert printed[3].split()[2] == "0.000"
    assert printed[4].startswith(f"{page}: a page of ")
    assert len(printed) == 5
    assert "strace-widgets-state" in page.read_text(encoding="utf-8")


def test_a_message_in_a_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tokenizer = tiny_models.words()
    tokenizer.chat_template = (
        "{% for m in messages %}w1 {{ m.content }} {% endfor %}{% if add_generation_prompt %}w2{% endif %}"
    )
    tiny_models.tiny().save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    assert main(["trace", "--chat", "w5", "--model", str(tmp_path), "--sizes", "1"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("STrace of 'w1 w5 w2'")
    assert printed[1].endswith("added: the generation prompt 'w2'.")
    assert main(["trace", "--chat", "w5", "--model", str(tmp_path / "none")]) == 2


def test_study_from_a_file(model_folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "prompts.txt").write_text("w1 w2 w3\nw4 w5\n", encoding="utf-8")
    command = ["study", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "s"), "--model", model_folder]
    command += ["--importance", "l1", "l2", "--masks", "all", "mlp+residual", "--baselines", "--sizes", "0.5"]
    command.append("--hidden-states")
    assert main(command) == 0
    assert "2 prompts" in capsys.readouterr().out
    study = sw.load_study(tmp_path / "s")
    assert study.settings.importance == ("l1", "l2")
    assert study.settings.baselines == ()
    assert len(study.points) == 2 * 2 * 2 * 2
    assert set(study.hidden_states()) == {"0", "1"}
    assert main([*command, "--seed", "3"]) == 2
    assert "seed was 0 and is now 3" in capsys.readouterr().err


def test_the_shipped_prompts_by_name(model_folder: str, tmp_path: Path) -> None:
    command = ["study", "shipped", "--out", str(tmp_path / "s"), "--model", model_folder, "--sizes", "1"]
    assert main([*command, "--limit", "3", "--baselines"]) == 0
    known = {prompt["id"] for prompt in sw.shipped_prompts()}
    assert set(sw.load_study(tmp_path / "s").prompts["prompt_id"]) < known


def test_measures_compared_in_a_shell(model_folder: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chart = tmp_path / "measures.svg"
    command = ["compare-measures", "shipped", "--out", str(tmp_path / "m"), "--half", "tuning", "--limit", "3"]
    command += ["--importance", "l1", "l2", "--sizes", "0.1", "0.5", "--attention", "recomputed", "frozen"]
    name = Path(model_folder).name
    command += ["--model", model_folder, model_folder]
    assert main([*command, "--chart", str(chart)]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(f"Measures l1, l2 on 3 prompts of {name} and 3 prompts of {name}-2, compared with l1")
    assert "Overall, by the worst of 2 models" in printed
    assert "area_log10_s" in printed
    assert "l2 ÷ l1" in chart.read_text(encoding="utf-8")
    done = sw.load_study(tmp_path / "m" / name / "all-frozen-zero").prompts["prompt_id"]
    assert set(done) < {prompt["id"] for prompt in sw.shipped_prompts(half="tuning")}
    (tmp_path / "prompts.txt").write_text("w1 w2 w3\nw4 w5\n", encoding="utf-8")
    command = ["compare-measures", str(tmp_path / "prompts.txt"), "--out", str(tmp_path / "n"), "--model", model_folder]
    assert main([*command, "--importance", "l1", "l2", "--baseline", "l2", "--sizes", "0.5"]) == 0
    printed = capsys.readouterr().out
    assert "compared with l2" in printed
    assert "Overall" not in printed, "one model is all there is"
    assert main([*command, "--half", "tuning"]) == 2
    assert "give 'shipped' for them, or leave it out" in capsys.readouterr().err


def test_mistakes_are_sentences(tmp_path: Path, model_folder: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["trace", "w1 w2", "--model", str(tmp_path / "nowhere")]) == 2
    assert "No model could be loaded" in capsys.readouterr().err
    assert main(["trace", "", "--model", model_folder]) == 2
    assert "The prompt is empty" in capsys.readouterr().err
    assert main(["study", "no-such.txt", "--out", str(tmp_path / "s"), "--model", model_folder]) == 2
    assert f"No prompts could be read from {Path.cwd() / 'no-such.txt'} (No such file" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["study", "no-such.txt"])


def test_help_is_quick_to_come() -> None:
    program = "import sys\nfrom strace_widgets.__main__ import main\ntry:\n    main(['--help'])\nfinally:\n    "
    program += "print(sorted({'torch', 'pandas', 'scipy'} & set(sys.modules)))"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert "study" in printed
    assert printed.splitlines()[-1] == "[]"
