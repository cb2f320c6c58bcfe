"""Build the JavaScript bundle when it is missing, so that a package always holds it and its users never need Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before the wheel, the sdist and an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002, D102
        root = Path(self.root)
        bundle = [root / "strace_widgets/widgets/static" / name for name in ("explorer.js", "explorer.css")]
        if all(file.exists() for file in bundle):
            return
        npm = shutil.which("npm")
        if npm is None:
            raise RuntimeError(
                "The JavaScript bundle is missing and npm was not found: "
                "install Node 20 or newer, or install a released wheel."
            )
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=root / "js", check=True)
        subprocess.run([npm, "run", "build"], cwd=root / "js", check=True)
