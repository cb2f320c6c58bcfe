"""A study's folder that is elsewhere, at an address that fsspec knows (``s3://bucket/run``): a copy here, kept in step.

A study writes and reads its copy. Each prompt goes up when it is done; the file that makes it count as done goes last,
since such places have no rename.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import StudyError
from ..json_files import decode, encode
from ..model.shipped.models import cache_folder
from ..paths import expanded, is_address, without_password, write_file
from .folder import DONE, finished_parts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..paths import AnyPath

_CHANGES = ("ETag", "etag", "md5", "mtime", "LastModified", "created", "modify")
"""What the places that fsspec knows call what changes with a file."""

_AT_ONCE = 512
"""Files that are brought together."""


class Elsewhere(NamedTuple):
    """A study elsewhere.

    Attributes
    ----------
    address : str
        Without what may stand in it as a password.
    files : fsspec.AbstractFileSystem
    root : str
        The study's folder there.
    folder : Path
        Its copy here.
    """

    address: str
    files: Any
    root: str
    folder: Path

    @property
    def _index(self) -> Path:
        """The file that has what is known of the files there, by their names."""
        return self.folder.with_name(f"{self.folder.name}.json")

    def fetch(self) -> Path:
        """Bring what is there and not here, or has changed; return the copy.

        Raises
        ------
        StudyError
            When the place cannot be reached.
        """
        with self._reaching():
            there = self._listed()
            if not self._is_of_one_study(there):
                shutil.rmtree(self.folder, ignore_errors=True)
                self._index.unlink(missing_ok=True)
            known = self._known()
            left = [name for name in there if known.get(name) != there[name] or not self._here(name).exists()]
            left.sort(key=lambda name: (name.endswith(f"/{DONE}"), name))
            for start in range(0, len(left), _AT_ONCE):
                names = left[start : start + _AT_ONCE]
                halves = [self._here(name).with_name(f".{PurePosixPath(name).name}.half") for name in names]
                for half in halves:
                    half.parent.mkdir(parents=True, exist_ok=True)
                self.files.get([self._there(name) for name in names], list(map(str, halves)))
                for name, half in zip(names, halves, strict=True):
                    half.replace(self._here(name))
                known |= {name: there[name] for name in names}
                write_file(self._index, encode(known))
        self.folder.mkdir(parents=True, exist_ok=True)
        return self.folder

    def put_settings(self) -> None:
        """Send the files of the study itself: see `put`."""
        with self._reaching():
            self._send([file for file in sorted(self.folder.iterdir()) if file.is_file()])

    def put_unknown(self) -> None:
        """Send the prompts that were done when the connection broke: see `put`."""
        with self._reaching():
            there = self._listed()
        for part in finished_parts(self.folder):
            if f"parts/{part.name}/{DONE}" not in there:
                self.put(part.name)

    def put(self, name: str) -> None:
        """Send the files of a part, in place of those that are there.

        Raises
        ------
        StudyError
            When the place cannot be reached. What was done is here, and goes up with the same call.
        """
        part = self.folder / "parts" / name
        done = self._there(f"parts/{name}/{DONE}")
        with self._reaching():
            if self.files.exists(done):  # what was tried again is not done while its files are replaced
                self.files.rm_file(done)
            self._send(sorted(part.iterdir(), key=lambda file: (file.name == DONE, file.name)))

    def _send(self, files: list[Path]) -> None:
        """Send files of one folder, in their order."""
        names = {file: self._there(file.relative_to(self.folder).as_posix()) for file in files}
        for folder in {name.rpartition("/")[0] for name in names.values()}:
            self.files.makedirs(folder, exist_ok=True)  # which does nothing in a store
        for file, name in names.items():
            if not file.name.startswith("."):
                self.files.pipe_file(name, file.read_bytes())

    def _listed(self) -> dict[str, str]:
        """Return what says that a file there has changed, by the files' names."""
        self.files.invalidate_cache()
        found = self.files.find(self.root, detail=True) if self.files.exists(self.root) else {}
        listed = {}
        for path, about in found.items():
            name = PurePosixPath("/", path).relative_to(PurePosixPath("/", self.root))
            if ".." not in name.parts:
                change = next((str(about[key]) for key in _CHANGES if about.get(key)), "")
                listed[name.as_posix()] = f"{about.get('size')} {change}"
        return listed

    def _is_of_one_study(self, there: dict[str, str]) -> bool:
        """Tell whether the copy is of the study that is there now."""
        here = self.folder / "study.json"
        if not here.exists():
            return not self.folder.exists()
        if "study.json" not in there:
            return False
        texts = here.read_bytes(), self.files.cat_file(self._there("study.json"))
        try:
            one, other = (decode(text, dict[str, Any])["settings"] for text in texts)
        except (ValueError, KeyError):
            return False  # whoever reads it says what is wrong with it
        return bool(one == other)

    def _known(self) -> dict[str, str]:
        try:
            return decode(self._index.read_bytes(), dict[str, str])
        except (OSError, ValueError):
            return {}

    def _here(self, name: str) -> Path:
        return self.folder / name

    def _there(self, name: str) -> str:
        return f"{self.root.rstrip('/')}/{name}"

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except StudyError:
            raise
        except Exception as reason:  # each kind of place has exceptions of its own
            raise StudyError(
                f"The study at {self.address} cannot be reached ({type(reason).__name__}: {reason}). What was done is "
                f"in {self.folder}; the same call goes on from there."
            ) from reason


def elsewhere(address: str) -> Elsewhere:
    """Return a study at an address.

    Raises
    ------
    StudyError
        When fsspec does not know such addresses, or lacks a package for them.
    """
    import fsspec  # type: ignore[import-untyped]  # noqa: PLC0415 - only who asks for it waits for it

    plain = without_password(address)
    try:
        files, root = fsspec.core.url_to_fs(address)
    except Exception as reason:  # some connect at once, each with exceptions of its own
        raise StudyError(f"No folder can be had at {plain} ({type(reason).__name__}: {reason}).") from reason
    key = hashlib.sha256(f"{plain} {getattr(files, 'endpoint_url', '')}".encode())
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(root).name)[:40]
    return Elsewhere(plain, files, root, cache_folder() / "studies" / f"{name}-{key.hexdigest()[:16]}")


def brought(place: AnyPath) -> tuple[Path, Elsewhere | None]:
    """Return a study's folder here, with what is elsewhere brought, and what it is a copy of, if of anything."""
    if not (isinstance(place, str) and is_address(place)):
        return expanded(place), None
    there = elsewhere(place)
    return there.fetch(), there
