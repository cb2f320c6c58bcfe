"""Versions of the package to measure: this checkout, and another commit in a temporary one; a process for each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
BUNDLE = Path("strace_widgets") / "explorer" / "static"


@dataclass(frozen=True)
class Version:
    """A version's name, and the folder that holds the package."""

    name: str
    folder: Path


def git(*arguments: str) -> str:
    run = subprocess.run(["git", *arguments], cwd=ROOT, check=True, capture_output=True, text=True)  # noqa: S603, S607
    return run.stdout.strip()


def here() -> Version:
    return Version(git("describe", "--always", "--dirty"), ROOT)


@contextmanager
def checked_out(commit: str) -> Iterator[Version]:
    """Check a commit out into a temporary folder, with this checkout's bundle, which no figure depends on."""
    with tempfile.TemporaryDirectory() as parent:
        folder = Path(parent) / "other"
        git("worktree", "add", "--detach", "--quiet", str(folder), commit)
        try:
            shutil.copytree(ROOT / BUNDLE, folder / BUNDLE)
            yield Version(git("rev-parse", "--short", f"{commit}^{{commit}}"), folder)
        finally:
            git("worktree", "remove", "--force", str(folder))


class Process:
    """A process that measures a version, and writes what it prints to a log; see `process`."""

    def __init__(self, version: Version, log: Path) -> None:
        self.version = version
        environment = os.environ | {"PYTHONPATH": str(version.folder), "TQDM_DISABLE": "1"}
        command = [sys.executable, str(Path(__file__).with_name("process.py"))]
        pipe = subprocess.PIPE
        with log.open("a", encoding="utf-8") as errors:
            self._running = subprocess.Popen(  # noqa: S603
                command, env=environment, stdin=pipe, stdout=pipe, stderr=errors, text=True
            )
        self.machine = self._answer()
        if Path(self.machine.pop("package", "")) != version.folder:
            self.close()
            raise RuntimeError(f"The package of {version.name} did not start from {version.folder}: see {log}.")

    def ask(self, **request: Any) -> dict[str, Any]:
        """Return the answer; a ``reason`` where there is none, and where the process has ended."""
        if self.ended:
            return {"reason": "the process has ended"}
        self._running.stdin.write(json.dumps(request) + "\n")
        self._running.stdin.flush()
        return self._answer()

    @property
    def ended(self) -> bool:
        """Whether it cannot be asked any more."""
        return self._running.poll() is not None

    def _answer(self) -> dict[str, Any]:
        line = self._running.stdout.readline()
        return json.loads(line) if line else {"reason": f"the process ended with status {self._running.wait()}"}

    def close(self) -> None:
        """End it."""
        self._running.stdin.close()
        self._running.wait()
