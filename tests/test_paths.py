"""Every path that the package takes: the home folder, any kind of path, missing folders, missing files.

What takes a path is found by the annotation of its parameters (`strace_widgets.paths.AnyPath`), by the names that paths
have, and in the shell by what an option is said to be. Each must be in one of the tables of `given_paths`.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import pkgutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from given_paths import INNER, PROMPT, READERS, WRITERS, Given, OtherPath, saved_model

import strace_widgets as sw
from strace_widgets import __main__ as command_line
from strace_widgets import paths
from strace_widgets.model.shipped import models
from strace_widgets.results import trace_file
from strace_widgets.studies.prompts import read_prompts

NAMES = {"path", "folder", "file", "filename", "directory", "session"}
"""What a parameter that is a path is called."""


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
