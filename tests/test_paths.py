"""Every path that the package takes: the home folder, any kind of path, missing folders, missing files.

What takes a path is found by the annotation of its parameters (`strace_widgets.paths.AnyPath`), by the names that paths
have, and in the shell by what an option is said to be. Each must be in one of the tables below.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import pkgutil
import threading
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from hand_made_study import hand_made_study

import strace_widgets as sw
from strace_widgets import __main__ as command_line
from strace_widgets import paths
from strace_widgets.model.shipped import models
from strace_widgets.results import trace_file
from strace_widgets.studies.prompts import read_prompts

PROMPT = "w5 w17 w3 w88"
OTHER = ({"id": "other", "text": PROMPT},)
NAMES = {"path", "folder", "file", "filename", "directory", "session"}
"""What a parameter that is a path is called."""


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


@pytest.fixture
def given(tiny: Any, remote_tiny: Any, tmp_path: Path) -> Given:
    return Given(tiny, remote_tiny, tmp_path)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder, and another one to be in."""
    home, elsewhere = tmp_path / "home", tmp_path / "elsewhere"
    for folder in (home, elsewhere):
        folder.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(elsewhere)
    return home


# The tables are whole.


def public() -> Iterator[tuple[str, Callable[..., Any]]]:
    """All functions and methods of the package that begin with no underscore, by where they are."""
    for module in pkgutil.walk_packages(sw.__path__, "strace_widgets."):
        here = importlib.import_module(module.name)
        for name, value in vars(here).items():
            if name.startswith("_") or getattr(value, "__module__", "") != module.name:
                continue
            where = f"{module.name.removeprefix('strace_widgets.')}.{name}"
            if inspect.isfunction(value):
                yield where, value
            elif inspect.isclass(value):
                for method, function in vars(value).items():
                    if inspect.isfunction(function) and (not method.startswith("_") or method == "__init__"):
                        yield f"{where}.{method}", function


def taken() -> set[str]:
    """Return every parameter that is annotated as a path, or called like one that a person gives."""
    found = set()
    for where, function in public():
        if where.startswith(("paths.", "interventions.")):
            continue
        for name, parameter in inspect.signature(function).parameters.items():
            annotation = str(parameter.annotation)
            given_by_people = name in NAMES and ("str |" in annotation or annotation in ("str", "Any"))
            if "AnyPath" in annotation or ("PathLike" in annotation) or given_by_people:
                found.add(f"{where}:{name}")
    return found


def options() -> set[str]:
    """Return every argument of the shell's commands that is said to be a file or a folder."""
    (commands,) = (a for a in command_line._parser()._actions if isinstance(a, argparse._SubParsersAction))
    return {
        f"{name} {action.option_strings[0] if action.option_strings else action.dest}"
        for name, command in commands.choices.items()
        for action in command._actions
        if action.metavar in ("FILE", "FOLDER") or " file" in (action.help or "") or "folder" in (action.help or "")
    } - {f"{name} --column" for name in commands.choices}


def test_every_path_that_can_be_given_is_tried() -> None:
    of_modules = ("model.discovery.", "model.architecture", "model.finite", "remote.server")  # paths of another kind
    assert {each for each in taken() if not each.startswith(of_modules)} | options() == {*WRITERS, *READERS, *INNER}


def test_the_search_finds_a_path_that_nobody_tries(monkeypatch: pytest.MonkeyPatch) -> None:
    def forgotten(to: paths.AnyPath) -> None:
        del to

    def unnamed(path: str) -> None:
        del path

    for function in (forgotten, unnamed):
        function.__module__ = trace_file.__name__
        monkeypatch.setattr(trace_file, function.__name__, function, raising=False)
    assert {"results.trace_file.forgotten:to", "results.trace_file.unnamed:path"} <= taken()


# The rule.


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_written_makes_its_folder_and_knows_the_home_folder(name: str, given: Given, home: Path) -> None:
    write = WRITERS[name]
    suffix = ".svg" if "--chart" in name else ""
    found = write(given, "~/made/for it/x.out")
    target = home / "made" / "for it" / f"x.out{suffix}"
    assert target.exists()
    if found is not None:
        assert Path(found) == target
    assert not (Path.cwd() / "~").exists()
    for number, kind in enumerate((str, Path, OtherPath)):
        write(given, kind(home / str(number) / "y.out"))
        assert (home / str(number) / f"y.out{suffix}").exists()
    assert not list(home.rglob("*.part"))


@pytest.mark.parametrize("name", READERS)
def test_what_is_read_knows_the_home_folder_and_any_kind_of_path(name: str, given: Given, home: Path) -> None:
    make, read, _ = READERS[name]
    make(given, home / "x.in")
    for path in ("~/x.in", Path("~/x.in"), OtherPath("~/x.in"), str(home / "x.in"), OtherPath(home / "x.in")):
        read(given, path)


@pytest.mark.parametrize("name", READERS)
def test_what_is_missing_is_named_with_its_whole_path(name: str, given: Given, home: Path) -> None:
    _, read, error = READERS[name]
    for path in ("~/no/such.in", "./no/such.in", Path("no/such.in"), OtherPath("no/such.in")):
        whole = home / "no/such.in" if str(path).startswith("~") else Path.cwd() / "no/such.in"
        with pytest.raises(error) as reason:
            read(given, path)
        assert str(whole) in str(reason.value)
        assert str(reason.value).endswith(".")
    assert not (home / "no").exists()


def test_unfinished_files_of_a_process_that_was_killed_go_in_the_end(tmp_path: Path) -> None:
    file = tmp_path / ("é" * 120 + ".json")  # 246 bytes, of 255 that a name may have
    files = [f"{paths._begun(file)}{number}-{number:08x}.part" for number in (1, 2)]
    others = [f".other.json.3-{3:08x}.part", f"{paths._begun(file)}4.part"]
    for name in (*files, *others):
        (tmp_path / name).write_text("{")
        os.utime(tmp_path / name, (0, 0))
    os.utime(tmp_path / files[1])  # somebody may be at it
    assert paths.write_file(file, b"{}").read_bytes() == b"{}"
    assert {each.name for each in tmp_path.iterdir()} == {file.name, files[1], *others}


FILES = [name for name in WRITERS if not name.endswith(("folder", "--out", "--html", "--chart"))]


@pytest.mark.parametrize("name", FILES)
def test_what_cannot_be_written_is_told_and_leaves_what_was_there(name: str, given: Given, home: Path) -> None:
    (home / "file").write_text("here")
    with pytest.raises(
        sw.errors.PathError, match=rf"{home}/file/x\.out cannot be written \(what should be its folder is"
    ):
        WRITERS[name](given, home / "file" / "x.out")
    with pytest.raises(sw.errors.PathError, match=r"is a folder: give a file in it"):
        WRITERS[name](given, home)
    assert (home / "file").read_text() == "here"
    assert sorted(each.name for each in home.iterdir()) == ["file"]


def test_a_folder_in_place_of_a_file_is_told(given: Given, home: Path) -> None:
    for read in (sw.load_trace, lambda path: sw.load_job(path, given.remote), given.trace.explore):
        with pytest.raises(sw.errors.PathError, match=rf"{home} cannot be read as a \w.*directory"):
            read(home)
    with pytest.raises(sw.errors.StudyError, match=str(home)):
        read_prompts(home)


def test_a_write_that_fails_leaves_the_good_file(given: Given, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = given.trace.save(home / "x.strace")
    good = file.read_bytes()

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(trace_file.zipfile.ZipFile, "close", full)
    monkeypatch.setattr(Path, "write_bytes", full)
    for write in (given.trace.save, given.trace.to_html):
        with pytest.raises(sw.errors.PathError, match=r"cannot be written \(No space left on device\)"):
            write(file)
    assert file.read_bytes() == good
    assert [each.name for each in home.iterdir()] == ["x.strace"]


def test_a_link_stays_a_link_and_what_is_no_file_is_written_into(given: Given, home: Path) -> None:
    (home / "kept").mkdir()
    link, pipe, heard = home / "x.html", home / "pipe", []
    link.symlink_to(home / "kept" / "page.html")
    for _ in range(2):
        given.trace.to_html(link)
    assert link.is_symlink()
    assert [each.name for each in (home / "kept").iterdir()] == ["page.html"]
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: heard.append(pipe.read_bytes()))
    reader.start()
    given.trace.to_html(pipe)
    reader.join()
    assert pipe.is_fifo()
    assert heard == [link.read_bytes()]


# What is no parameter of ours.


def test_folders_among_the_options_and_variables_know_the_home_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRACE_WIDGETS_CACHE", "~/models")
    assert models.cache_folder() == home / "models"
    asked: list[dict[str, Any]] = []

    def refuse(_: str, **options: Any) -> None:
        asked.append(options)
        raise OSError("not here")

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", refuse)
    for folder in ("~/hub", Path("~/hub"), OtherPath("~/hub")):
        with pytest.raises(sw.errors.ModelNotFoundError, match=rf"no folder {Path.cwd()}/some/model"):
            sw.load_model("some/model", cache_dir=folder)
    assert [each["cache_dir"] for each in asked] == [str(home / "hub")] * 3


def test_the_magic_takes_a_folder_in_the_home_folder(home: Path) -> None:
    from IPython.core.interactiveshell import InteractiveShell  # noqa: PLC0415 - it starts IPython

    saved_model(home / "mine")
    shell = InteractiveShell.instance()
    shell.run_line_magic("load_ext", "strace_widgets")
    trace = shell.run_line_magic("strace", f"--model ~/mine {PROMPT}")
    assert trace.model.name == "mine"
    with pytest.raises(Exception, match=rf"there is no folder {home}/none\."):
        shell.magics_manager.registry["StraceMagics"].strace(f"--model ~/none {PROMPT}")


def test_no_other_user_and_no_bytes() -> None:
    with pytest.raises(sw.errors.PathError, match="'~nobody-here/x' names the home folder of a user who has none"):
        sw.load_trace("~nobody-here/x")
    with pytest.raises(TypeError, match=r"b'x' is bytes"):
        sw.load_trace(b"x")  # type: ignore[arg-type]
