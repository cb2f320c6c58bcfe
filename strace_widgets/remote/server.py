"""An NDIF server as its client sees it: where it is, how patiently it is asked, and what it says of itself.

Everything goes over plain HTTP: a request is posted, its stage is asked for until it is done, and its answer is
downloaded. So a request outlives the connection, the notebook and this process; `backend` sends them.
"""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import httpx
from nnsight import CONFIG

from ..errors import RemoteError
from .failures import missing_key, refused, too_large, unreachable, unreadable
from .key import api_key, headers

CONNECT_SECONDS, READ_SECONDS, DOWNLOAD_SECONDS = 10.0, 600.0, 30.0
JOB_ID = r"[\w.:-]{1,200}"
"""What a job's id looks like, which becomes a part of addresses."""
WORDS = 1 << 24
"""Bytes that an answer may have that is no job's: all but the answers of jobs is words."""
AS_IT_IS = {"accept-encoding": "identity"}
"""Nothing is to come packed on the way: a few bytes would unpack to more than there is room for."""
FIRST_RETRY, LONGEST_RETRY = 0.25, 2.0
"""Seconds before a silent server is asked again."""
PACKAGES = ("nnsight", "transformers", "torch")
"""Those whose versions decide whether two machines understand each other."""

Ask = Callable[[httpx.Client], httpx.Request]


@dataclass
class Traffic:
    """What went over the wire since the model was loaded: jobs, and their bytes up and down."""

    requests: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


@dataclass(frozen=True)
class Clock:
    """How time is told and waited for, in seconds; tests give one that does not wait."""

    now: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


@dataclass(frozen=True)
class Server:
    """A server and how patient to be with it. The API key is no part of it: it is looked up at each call.

    Attributes
    ----------
    url : str
        Its address, without a name and a password: it is in messages, files and programs.
    timeout : float
        Seconds that a job may take from the sending to the answer, its time in the queue included.
    patience : float
        Seconds that a server which does not answer is asked again, ever more slowly.
    precision : {"float32", "float16"}
        Of the large arrays in answers.
    limit : float
        Bytes that one request or answer may have before it is refused here.
    client : callable
        What makes an ``httpx.Client``, given its ``timeout``; behind a proxy,
        ``functools.partial(httpx.Client, proxy="http://host:port")``.
    clock : Clock
    traffic : Traffic
    login : tuple of str, or None
        The name and the password that were in the address, for a server behind a door.
    """

    url: str
    timeout: float = 3600.0
    patience: float = 30.0
    precision: str = "float32"
    limit: float = 1e9
    client: Callable[..., httpx.Client] = field(default=httpx.Client, compare=False, repr=False)
    clock: Clock = field(default_factory=Clock, compare=False, repr=False)
    traffic: Traffic = field(default_factory=Traffic, compare=False, repr=False)
    login: tuple[str, str] | None = field(default=None, compare=False, repr=False)

    @property
    def address(self) -> str:
        """The address with name and password, by which another process of the same person reaches the server."""
        if self.login is None:
            return self.url
        name, password = (quote(part, safe="") for part in self.login)
        return self.url.replace("://", f"://{name}:{password}@", 1)

    def get(self, path: str) -> httpx.Response:
        """Ask for something that changes nothing, again and again while the server is silent or ill.

        Raises
        ------
        ServerUnreachableError
            After ``patience`` seconds.
        RemoteError
            When the server refuses; of the type that says why. 404 is an answer, not a refusal.
        """
        return self._insist(lambda client: client.build_request("GET", f"{self.url}{path}", headers=headers()))

    def post(self, envelope: str, blob: bytes) -> str:
        """Send a job; return its id. A job changes nothing, so sending it twice is safe."""
        stamp = {"nnsight-version": version("nnsight"), "python-version": platform.python_version()}

        def send(client: httpx.Client) -> httpx.Request:
            return client.build_request(
                "POST",
                f"{self.url}/request",
                data={"data": envelope},
                files={"blob": ("request", blob, "application/octet-stream")},
                headers={**headers(), **stamp, "ndif-timestamp": repr(time.time())},
            )

        response = self._insist(send)
        job_id = self.read(response, "id")["id"]
        if not isinstance(job_id, str) or not re.fullmatch(JOB_ID, job_id):
            raise unreadable(self.url, response.text)
        self.traffic.requests += 1
        self.traffic.bytes_up += len(blob)
        return job_id

    def read(self, response: httpx.Response, *names: str) -> dict[str, Any]:
        """Return the object of JSON that an answer is, with these names in it.

        Raises
        ------
        RemoteError
            When it is something else, so that this is no server of NDIF.
        """
        try:
            content = response.json()
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or not set(names) <= set(content):
            raise unreadable(self.url, response.text)
        return content

    def download(self, address: str, most: int) -> bytes:
        """Return an answer from where the server put it, a store that is asked without the key.

        Raises
        ------
        httpx.HTTPError
            At the first failure, or when it takes as long as a job may: what the store has lost does not come back.
        RequestTooLargeError
            When there are more than ``most`` bytes; those beyond are not fetched.
        """
        with (
            self.client(timeout=httpx.Timeout(DOWNLOAD_SECONDS)) as client,
            client.stream("GET", address, headers=AS_IT_IS) as response,
        ):
            content = self._read(response.raise_for_status(), most, max(self.timeout, DOWNLOAD_SECONDS))
        if content is None:
            raise too_large(self.url, most)
        self.traffic.bytes_down += len(content)
        return content

    def _read(self, response: httpx.Response, most: int, seconds: float) -> bytes | None:
        """Return what comes; None where it is more than may be.

        Raises
        ------
        httpx.DecodingError
            When it comes packed.
        httpx.ReadTimeout
            When it comes so slowly that it takes longer than it may.
        """
        packed = response.headers.get("content-encoding", "identity")
        if packed != "identity":
            raise httpx.DecodingError(f"it came packed as {packed[:20]!r}", request=response.request)
        content, begun = bytearray(), self.clock.now()
        for piece in response.iter_bytes():
            content += piece
            if len(content) > most:
                return None
            if self.clock.now() - begun > seconds:
                raise httpx.ReadTimeout(f"it was not whole after {seconds:.0f} s", request=response.request)
        return bytes(content)

    def _hear(self, client: httpx.Client, request: httpx.Request) -> httpx.Response:
        """Send a request with the key, which goes nowhere else whatever the answer says, and return its answer."""
        request.headers.update(AS_IT_IS)
        response = client.send(request, auth=self.login, follow_redirects=False, stream=True)
        try:
            content = self._read(response, WORDS, READ_SECONDS)
        finally:
            response.close()
        if content is None:
            raise unreadable(self.url, f"more than {WORDS:,} bytes")
        kind = {"content-type": response.headers.get("content-type", "")}
        return httpx.Response(response.status_code, headers=kind, content=content, request=request)

    def _insist(self, ask: Ask) -> httpx.Response:
        started, pause = self.clock.now(), FIRST_RETRY
        while True:
            try:
                with self.client(timeout=httpx.Timeout(CONNECT_SECONDS, read=READ_SECONDS)) as client:
                    response = self._hear(client, ask(client))
                if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    break
                why = _detail(response)
            except httpx.RequestError as reason:
                why = f"{type(reason).__name__}: {reason}"
            except (httpx.InvalidURL, UnicodeError) as reason:
                raise unreachable(self.url, f"{type(reason).__name__}: {reason}", 0) from None
            if self.clock.now() - started + pause > self.patience:
                raise unreachable(self.url, why, self.patience)
            self.clock.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY)
        if response.status_code >= httpx.codes.BAD_REQUEST and response.status_code != httpx.codes.NOT_FOUND:
            raise refused(self, response.status_code, _detail(response))
        return response

    # What the server says of itself.

    def served(self) -> dict[str, str]:
        """Return the models that are up, by hub id, with the number format of their weights."""
        response = self.get("/status")
        deployments = self.read(response, "deployments")["deployments"]
        if not isinstance(deployments, dict) or not all(isinstance(one, dict) for one in deployments.values()):
            raise unreadable(self.url, response.text)
        return {
            str(one["repo_id"]): str(one.get("dtype") or "")
            for one in deployments.values()
            if one.get("repo_id") and one.get("deployment_level") in ("HOT", "WARM")
        }

    def versions(self) -> dict[str, str]:
        """Return the server's versions of `PACKAGES` and of Python."""
        response = self.get("/env")
        answer = self.read(response, "packages")
        packages = answer["packages"]
        if not isinstance(packages, dict):
            raise unreadable(self.url, response.text)
        return {"python": str(answer.get("python_version", "")).split(" ", maxsplit=1)[0]} | {
            name: str(packages[name]) for name in PACKAGES if name in packages
        }

    def differences(self) -> str:
        """Return which versions differ between here and there, both named; empty where none does."""
        try:
            theirs = self.versions()
        except RemoteError:
            return ""
        ours = {name: version(name) for name in PACKAGES} | {"python": platform.python_version()}
        differ = [
            f"{name} {ours[name]} here and {theirs[name]} there"
            for name in (*PACKAGES, "python")
            # A build tag, or Python's patch number, makes no difference.
            if name in theirs and _short(name, ours[name]) != _short(name, theirs[name])
        ]
        return ", ".join(differ)


def server_at(remote: Any, **options: Any) -> Server:
    """Return the server that ``remote`` means: True for the one that nnsight is configured for, or an address.

    Raises
    ------
    ValueError
        When it is neither.
    MissingKeyError
        When NDIF's public service is meant and there is no API key.
    """
    public = str(CONFIG.API.HOST)
    url, login = without_login(public if remote is True else str(remote).rstrip("/"))
    if not url.startswith(("http://", "https://")):
        raise ValueError(f"remote={url!r} is no server: give True, 'local', or an address such as 'http://host:port'.")
    if url.startswith("https://api.ndif.us") and not api_key():
        raise missing_key(url)
    return Server(url, login=login, **options)


def without_login(address: str) -> tuple[str, tuple[str, str] | None]:
    """Return an address without name and password, and these.

    Raises
    ------
    ValueError
        When it is no address.
    """
    try:
        parts = urlsplit(address)
    except ValueError as reason:
        raise ValueError(f"remote is no address of a server ({reason}): give one such as 'http://host:port'.") from None
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return address, None
    name, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), (unquote(name), unquote(password))


def _detail(response: httpx.Response) -> str:
    """Return what the server says in its answer, which is JSON with a ``detail`` if all is well with it."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        return response.text or f"status {response.status_code}"
    return str(body.get("detail", body) if isinstance(body, dict) else body)


def _short(name: str, full: str) -> str:
    plain = full.partition("+")[0]
    return ".".join(plain.split(".")[:2]) if name == "python" else plain
