"""Everything of the package that takes a path, by what the path is for, and how to give it one."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from hand_made_study import hand_made_study

import strace_widgets as sw
from strace_widgets import __main__ as command_line
from strace_widgets.studies.prompts import read_prompts

PROMPT = "w5 w17 w3 w88"
OTHER = ({"id": "other", "text": PROMPT},)


class Given:
    """What every case below starts from."""

    def __init__(self, model: Any, remote: Any, folder: Path) -> None:
        self.model, self.remote, self.folder = model, remote, folder
        self.trace = sw.trace(model, PROMPT)

    def study(self, folder: Any, prompts: Any = (PROMPT,)) -> sw.Study:
        return sw.study(self.model, prompts, folder, sizes=[0.1], baselines=(), progress=False)

    def compared(self, folder: Any, prompts: Any = (PROMPT,)) -> Any:
        measures = {"importance": ("l1", "l2"), "sizes": (0.1,)}
        return sw.compare_measures(self.model, prompts, folder, progress=False, **measures)

    def explored(self, act: Callable[[Any], Any]) -> Any:
        explorer = self.trace.explore()
        try:
            return act(explorer)
        finally:
            explorer.close()


def opened(explorer: sw.Explorer) -> None:
    explorer.close()


# What is written: the call, from what is given and a path that a folder of its own leads to.
WRITERS: dict[str, Callable[[Given, Any], Any]] = {
    "results.strace.STrace.save:path": lambda given, path: given.trace.save(path),
    "results.strace.STrace.to_html:path": lambda given, path: given.trace.to_html(path),
    "explorer.leaving.Leaving.save:path": lambda given, path: given.explored(lambda it: it.save(path)),
    "explorer.leaving.Leaving.save_session:path": lambda given, path: given.explored(lambda it: it.save_session(path)),
    "explorer.leaving.Leaving.to_html:path": lambda given, path: given.explored(lambda it: it.to_html(path)),
    "explorer.html_page.to_html:path": lambda given, path: sw.to_html([given.trace, "# Text"], path),
    "results.jobs.Job.save:path": lambda given, path: sw.submit(given.remote, PROMPT).save(path),
    "studies.run.study:folder": lambda given, path: given.study(path).folder,
    "studies.run.repeat_study:folder": lambda given, path: (
        sw.repeat_study(manifest(given), path, model=given.model, progress=False).folder
    ),
    "studies.store.Study.report:path": lambda _, path: small_study().report(path),
    "study_explorer.widget.StudyExplorer.to_html:path": lambda _, path: small_study().explore().to_html(path),
    "studies.store.Study.save_latex:folder": lambda _, path: small_study().save_latex(path) and None,
    "studies.store.Study.save_figures:folder": lambda _, path: (
        small_study().save_figures(path, formats=("svg",)) and None
    ),
    "findings.comparison_run.compare_measures:folder": lambda given, path: given.compared(path) and None,
    "trace --html": lambda given, path: shell(given, "trace", PROMPT, "--sizes", "1", "--html", os.fspath(path)),
    "study --out": lambda given, path: shell(given, "study", prompts(given), "--sizes", "1", "--out", os.fspath(path)),
    "compare-measures --out": lambda given, path: measured(given, "--out", os.fspath(path)),
    "compare-measures --chart": lambda given, path: measured(
        given, "--out", str(given.folder / "measured"), "--chart", f"{os.fspath(path)}.svg"
    ),
}

# What is read: how the file is made, the call, and the error for one that is missing.
Reader = tuple[Callable[[Given, Path], Any], Callable[[Given, Any], Any], type[Exception]]
READERS: dict[str, Reader] = {
    "results.trace_file.load_trace:path": (
        lambda given, path: given.trace.save(path),
        lambda _, path: sw.load_trace(path),
        sw.errors.MissingFileError,
    ),
    "results.jobs.load_job:path": (
        lambda given, path: sw.submit(given.remote, PROMPT).save(path),
        lambda given, path: sw.load_job(path, given.remote),
        sw.errors.MissingFileError,
    ),
    **dict.fromkeys(
        ("results.strace.STrace.explore:session", "explorer.widget.Explorer.__init__:session"),
        (
            lambda given, path: given.explored(lambda it: it.save_session(path)),
            lambda given, path: opened(given.trace.explore(path)),
            sw.errors.MissingFileError,
        ),
    ),
    "explorer.leaving.Leaving.load_session:path": (
        lambda given, path: given.explored(lambda it: it.save_session(path)),
        lambda given, path: given.explored(lambda it: it.load_session(path)),
        sw.errors.MissingFileError,
    ),
    "studies.store.load_study:folder": (
        lambda given, path: given.study(path),
        lambda _, path: sw.load_study(path),
        sw.errors.StudyError,
    ),
    "studies.store.load_study:others": (
        lambda given, path: (given.study(path), given.study(given.folder / "first", OTHER)),
        lambda given, path: sw.load_study(given.study(given.folder / "first", OTHER).folder, path),
        sw.errors.StudyError,
    ),
    "findings.comparison_run.load_measure_comparison:folder": (
        lambda given, path: given.compared(path),
        lambda _, path: sw.load_measure_comparison(path),
        sw.errors.StudyError,
    ),
    "findings.comparison_run.load_measure_comparison:others": (
        lambda given, path: (given.compared(path), given.compared(given.folder / "first", OTHER)),
        lambda given, path: sw.load_measure_comparison(given.folder / "first", path),
        sw.errors.StudyError,
    ),
    "studies.run.study:prompts": (
        lambda _, path: path.write_text(PROMPT),
        lambda given, path: given.study(given.folder / "of-file", path),
        sw.errors.StudyError,
    ),
    "findings.comparison_run.compare_measures:prompts": (
        lambda _, path: path.write_text(PROMPT),
        lambda given, path: given.compared(given.folder / "compared-file", path),
        sw.errors.StudyError,
    ),
    "studies.run.repeat_study:manifest": (
        lambda given, path: [file.replace(path.with_name(name)) for name, file in kept(given, path.name).items()],
        lambda given, path: sw.repeat_study(path, given.folder / "again", model=given.model, progress=False),
        sw.errors.MissingFileError,
    ),
    "studies.prompts.read_prompts:source": (
        lambda _, path: path.write_text(PROMPT),
        lambda _, path: read_prompts(path),
        sw.errors.StudyError,
    ),
    "model.loading.load_model:source": (
        lambda _, path: saved_model(path),
        lambda _, path: sw.load_model(path),
        sw.errors.ModelNotFoundError,
    ),
}

# The same doors, further in: what they lead to is tried above.
INNER = {
    "results.trace_file.save_trace:path": "STrace.save and Explorer.save",
    "explorer.session_file.write:path": "Explorer.save_session",
    "explorer.session_file.read:path": "Explorer.load_session",
    "studies.prompts.sources.rows_of:source": "read_prompts",
    "report.page.write_report:path": "Study.report",
    "report.paper.save_figures:folder": "Study.save_figures",
    "report.paper.save_latex:folder": "Study.save_latex",
    "study --from": "repeat_study",
    "trace --model": "load_model",
    "study --model": "load_model",
    "compare-measures --model": "load_model",
    "study prompts": "study",
    "studies.elsewhere.brought:place": "load_study",
    "compare-measures prompts": "compare_measures",
}


def manifest(given: Given) -> Path:
    """Return the manifest of a study, which is written once."""
    return given.study(given.folder / "repeated").folder / "manifest.json"


def kept(given: Given, name: str) -> dict[str, Path]:
    """Return the files that repeat a study, by the names that they are to have."""
    file = manifest(given)
    return {"prompts.jsonl": file.with_name("prompts.jsonl"), name: file}


@cache
def small_study() -> sw.Study:
    return hand_made_study(3)


def saved_model(path: Path) -> None:
    tiny_models.tiny().save_pretrained(path)
    tiny_models.words().save_pretrained(path)


def prompts(given: Given) -> str:
    file = given.folder / "prompts.txt"
    file.write_text(PROMPT)
    return str(file)


def shell(given: Given, *arguments: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sw, "load_model", lambda _: given.model, raising=False)
        assert command_line.main(arguments) == 0


def measured(given: Given, *arguments: str) -> None:
    """Compare on a model from a folder: models are loaded where they are needed."""
    model = given.folder / "compared model"
    saved_model(model)
    asked = ("--sizes", "0.1", "1", "--importance", "l1", "l2")
    shell(given, "compare-measures", prompts(given), "--model", str(model), *asked, *arguments)


class OtherPath:
    """A path that is neither a str nor a `Path`."""

    def __init__(self, path: str | Path) -> None:
        self.path = str(path)

    def __fspath__(self) -> str:
        return self.path
