"""A study whose folder is elsewhere: on a real FTP server on loopback, and in fsspec's memory."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import pytest
from conftest import contents
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler
from pyftpdlib.servers import FTPServer

import strace_widgets as sw
from strace_widgets.studies import elsewhere

PROMPTS = [f"w{n} w3 w5" for n in range(5)]
OPTIONS: dict[str, Any] = {"sizes": [0.5], "baselines": (), "progress": False}


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STRACE_WIDGETS_CACHE", str(tmp_path / "cache"))


@dataclass
class Place:
    """An address, and the folder that it stands for."""

    address: str
    folder: Path


@pytest.fixture
def ftp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    """A folder of a server that asks for a password."""
    folder = tmp_path / "served"
    folder.mkdir()
    authorizer = DummyAuthorizer()
    authorizer.add_user("ann", "secret", str(folder), perm="elradfmw")
    handler = type("Handler", (FTPHandler,), {"authorizer": authorizer})
    logging.getLogger("pyftpdlib").setLevel(logging.ERROR)
    server = FTPServer(("127.0.0.1", 0), handler)
    port = server.address[1]
    monkeypatch.setattr("ftplib.FTP_PORT", port)
    threading.Thread(target=server.serve_forever, kwargs={"handle_exit": False}, daemon=True).start()
    yield Place(f"ftp://ann:secret@127.0.0.1:{port}/runs/first", folder / "runs" / "first")
    server.close_all()


def another_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Forget what is here."""
    monkeypatch.setenv("STRACE_WIDGETS_CACHE", str(tmp_path / "another cache"))
    fsspec.implementations.ftp.FTPFileSystem.clear_instance_cache()


def test_it_holds_the_same_bytes_goes_on_elsewhere_and_is_read_there(
    ftp: Place, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sw.study(tiny, PROMPTS[:2], ftp.address, **OPTIONS)
    assert len(list((ftp.folder / "parts").iterdir())) == 2
    another_machine(monkeypatch, tmp_path)
    study = sw.study(tiny, PROMPTS, ftp.address, **OPTIONS)
    alone = sw.study(tiny, PROMPTS, tmp_path / "alone", **OPTIONS)
    assert contents(ftp.folder) == contents(study.folder) == contents(alone.folder)
    another_machine(monkeypatch, tmp_path / "third")
    assert sw.load_study(ftp.address).prompts.equals(alone.prompts)


def test_what_was_done_when_the_connection_broke_goes_up_later(
    ftp: Place, tiny: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, sent = elsewhere.Elsewhere._send, []

    def breaks(place: Any, given: list[Path]) -> None:
        sent.append(given)
        if len(sent) == 3:  # the settings, one prompt, and then in the middle of the second
            send(place, given[:1])
            raise ConnectionResetError("the line is dead")
        send(place, given)

    with monkeypatch.context() as broken:
        broken.setattr(elsewhere.Elsewhere, "_send", breaks)
        with pytest.raises(
            sw.errors.StudyError, match=r"ftp://\S+ cannot be reached .*the line is dead.*goes on"
        ) as told:
            sw.study(tiny, PROMPTS, ftp.address, **OPTIONS)
    assert "secret" not in str(told.value)
    assert len(sw.load_study(ftp.address).prompts) == 2, "the copy has what was done"
    study = sw.study(tiny, PROMPTS, ftp.address, **OPTIONS)
    assert contents(ftp.folder) == contents(study.folder)
    assert len(study.prompts) == len(PROMPTS)


def test_shards_share_it(ftp: Place, tiny: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for k in (1, 2):
        another_machine(monkeypatch, tmp_path / str(k))
        study = sw.study(tiny, PROMPTS, ftp.address, shard=(k, 2), **OPTIONS)
    assert len(study.prompts) == len(PROMPTS)
    assert len(list((ftp.folder / "parts").iterdir())) == len(PROMPTS)


def test_a_study_that_was_taken_away_there_is_begun_anew(tiny: Any) -> None:
    memory = fsspec.filesystem("memory")
    sw.study(tiny, PROMPTS[:2], "memory://anew", **OPTIONS)
    memory.rm("/anew", recursive=True)
    study = sw.study(tiny, PROMPTS[:2], "memory://anew", **OPTIONS | {"sizes": [0.3]})
    assert study.settings.sizes == (0.3, 1.0)


def test_what_was_tried_again_takes_the_place_of_what_failed(tiny: Any) -> None:
    sw.study(tiny, [PROMPTS[0], ""], "memory://retried", **OPTIONS)
    before = fsspec.filesystem("memory").find("/retried")
    study = sw.study(tiny, [PROMPTS[0], ""], "memory://retried", retry=True, **OPTIONS)
    assert study.prompts["status"].tolist() == ["ok", "failed"]
    assert fsspec.filesystem("memory").find("/retried") == before


@pytest.mark.parametrize(
    ("address", "match"),
    [
        ("nowhere://x/y", r"No folder can be had at nowhere://x/y"),
        ("s3://bucket/run", r"No folder can be had at s3://bucket/run .*Install s3fs"),
        ("ftp://127.0.0.1:9/x", r"No folder can be had at ftp://127.0.0.1:9/x"),
    ],
)
def test_a_place_that_cannot_be_had_is_told(tiny: Any, address: str, match: str) -> None:
    with pytest.raises(sw.errors.StudyError, match=match):
        sw.study(tiny, PROMPTS, address, **OPTIONS)
    with pytest.raises(sw.errors.StudyError, match=match):
        sw.load_study(address)


def test_other_files_are_not_written_to_a_folder_called_by_an_address(tiny_trace: sw.STrace) -> None:
    with pytest.raises(sw.errors.PathError, match="is an address, and only a study can be kept at one"):
        tiny_trace.save("s3://bucket/x.strace")


def test_a_part_that_a_stop_left_unfinished_is_not_sent(tiny: Any) -> None:
    study = sw.study(tiny, PROMPTS[:1], "memory://stopped", **OPTIONS)
    left = study.folder / "parts" / "unfinished-000009-9"
    left.mkdir()
    (left / "prompts.parquet").write_bytes(b"half")
    sw.study(tiny, PROMPTS[:2], "memory://stopped", **OPTIONS)
    assert not [name for name in fsspec.filesystem("memory").find("/stopped") if "unfinished" in name]
