"""Build the JavaScript when it is missing or older than its sources, so that a package's users never need Node."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

BUNDLE = "strace_widgets/explorer/static"
LABEXTENSION = "js/lab/labextension"
INSTALLED = "share/jupyter/labextensions/strace_widgets"


class BundleHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before the wheel, the sdist and an editable install."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: D102
        root = Path(self.root)
        bundles = [f"{name}.{kind}" for name in ("explorer", "study") for kind in ("js", "css")]
        build(root / "js", *(root / BUNDLE / name for name in bundles))
        if version == "editable":  # it would install a copy of the extension, which grows old
            return
        build(root / "js/lab", root / LABEXTENSION / "package.json")
        if self.target_name == "wheel":
            build_data["shared_data"] |= {
                LABEXTENSION: INSTALLED,
                "js/lab/install.json": f"{INSTALLED}/install.json",
                # The extension draws with the notebooks' module.
                **{f"{BUNDLE}/{name}": f"{INSTALLED}/explorer/{name}" for name in ("explorer.js", "explorer.css")},
            }


def build(folder: Path, *built: Path) -> None:
    """Run the build of a folder of JavaScript, unless everything built is there and no source is newer."""
    sources = [*folder.glob("*.*"), *folder.glob("src/**/*.*")]
    # In an unpacked sdist all files are of one age, so that nothing is built anew there.
    if all(file.exists() for file in built) and newest(sources) <= min(file.stat().st_mtime for file in built):
        return
    npm = shutil.which("npm")
    if npm is None:
        raise RuntimeError(
            f"The JavaScript of {folder} is not built, or older than its sources, and npm was not found: "
            "install Node 20 or newer, or install a released wheel."
        )
    if not (folder / "node_modules").exists():
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=folder, check=True)
    subprocess.run([npm, "run", "build"], cwd=folder, check=True)


def newest(files: list[Path]) -> float:
    """Return when the youngest of the files was written."""
    return max(file.stat().st_mtime for file in files)
