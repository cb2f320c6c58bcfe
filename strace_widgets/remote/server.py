"""An NDIF server as its client sees it: where it is, who may ask, and what it says when something fails.

Everything goes over plain HTTP: a request is posted, its stage is asked for until it is done, and its answer is
fetched. So a request outlives the connection, the notebook and this process; `backend` sends them.
"""

from __future__ import annotations

import os
import platform
import time
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, NamedTuple

import httpx
from nnsight import CONFIG

from ..errors import (
    GradientsRefusedError,
    JobCancelledError,
    MissingKeyError,
    ModelNotServedError,
    RemoteError,
    RemoteRunError,
    RemoteTimeoutError,
    RequestTooLargeError,
    ServerUnreachableError,
    VersionMismatchError,
    WrongKeyError,
)
from ..graph.measures import PROBED
from ..interventions.gradients import REFUSED

KEY_PAGE = "https://login.ndif.us"
CONNECT_SECONDS, READ_SECONDS = 10.0, 600.0
FIRST_PAUSE, LONGEST_PAUSE = 0.05, 2.0
PACKAGES = ("nnsight", "transformers", "torch")
"""Those whose versions decide whether two machines understand each other."""


class Stage(NamedTuple):
    """Where a job is.

    Attributes
    ----------
    name : str
        ``"received"``, ``"queued"``, ``"provisioning"``, ``"deploying"``, ``"dispatched"``, ``"running"``,
        ``"completed"`` or ``"error"``.
    description : str
        The server's words for it.
    job_id : str
        The server's name for the job.
    """

    name: str
    description: str = ""
    job_id: str = ""


@dataclass
class Traffic:
    """What went over the wire since the model was loaded: jobs, and their bytes up and down."""

    requests: int = 0
    bytes_up: int = 0
    bytes_down: int = 0


@dataclass(frozen=True)
class Server:
    """A server and how patient to be with it. The API key is no part of it: it is looked up at each call.

    Attributes
    ----------
    url : str
    timeout : float
        Seconds that a job may take from the sending to the answer, its time in the queue included.
    patience : float
        Seconds that a server which does not answer is asked again, ever more slowly.
    precision : {"float32", "float16"}
        Of the large arrays in answers.
    limit : float
        Bytes that one request or answer may have before it is refused here.
    traffic : Traffic
    """

    url: str
    timeout: float = 3600.0
    patience: float = 30.0
    precision: str = "float32"
    limit: float = 1e9
    traffic: Traffic = field(default_factory=Traffic, compare=False, repr=False)

    def get(self, path: str) -> httpx.Response:
        """Ask for something that changes nothing, again and again while the server is silent or ill.

        Raises
        ------
        ServerUnreachableError
            After ``patience`` seconds.
        RemoteError
            When the server refuses; of the type that says why. 404 is an answer, not a refusal.
        """
        return self._insist(lambda client: client.get(f"{self.url}{path}", headers=_headers()))

    def post(self, envelope: str, blob: bytes) -> dict[str, Any]:
        """Send a job; return the server's first words on it. A job changes nothing, so sending it twice is safe."""
        stamp = {"nnsight-version": version("nnsight"), "python-version": platform.python_version()}

        def send(client: httpx.Client) -> httpx.Response:
            return client.post(
                f"{self.url}/request",
                data={"data": envelope},
                files={"blob": ("request", blob, "application/octet-stream")},
                headers={**_headers(), **stamp, "ndif-timestamp": repr(time.time())},
            )

        answer: dict[str, Any] = self._insist(send).json()
        self.traffic.requests += 1
        self.traffic.bytes_up += len(blob)
        return answer

    def _insist(self, ask: Any) -> httpx.Response:
        started, pause = time.monotonic(), 0.25
        while True:
            try:
                with httpx.Client(timeout=httpx.Timeout(CONNECT_SECONDS, read=READ_SECONDS)) as client:
                    response: httpx.Response = ask(client)
                if response.status_code < httpx.codes.INTERNAL_SERVER_ERROR:
                    break
                why = _detail(response)
            except httpx.TransportError as reason:
                why = f"{type(reason).__name__}: {reason}"
            if time.monotonic() - started + pause > self.patience:
                raise ServerUnreachableError(
                    f"The server {self.url} does not answer as it should ({scrubbed(why)}), and was asked for "
                    f"{self.patience:.0f} s. Is it running, and is the address right?",
                    scrubbed(why),
                )
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        if response.status_code >= httpx.codes.BAD_REQUEST and response.status_code != httpx.codes.NOT_FOUND:
            raise self.refusal(response)
        return response

    # What the server says of itself.

    def served(self) -> dict[str, str]:
        """Return the models that are up, by hub id, with the number format of their weights."""
        deployments = self.get("/status").json().get("deployments", {}).values()
        return {
            str(one["repo_id"]): str(one.get("dtype") or "")
            for one in deployments
            if one.get("repo_id") and one.get("deployment_level") in {"HOT", "WARM"}
        }

    def versions(self) -> dict[str, str]:
        """Return the server's versions of `PACKAGES` and of Python."""
        answer = self.get("/env").json()
        packages = answer.get("packages", {})
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

    # What went wrong, as an exception with a sentence.

    def refusal(self, response: httpx.Response) -> RemoteError:
        """Return the exception for a request that the server did not take."""
        code, text = response.status_code, scrubbed(_detail(response))
        if code == httpx.codes.UNAUTHORIZED:
            return missing_key(self.url, text)
        if code == httpx.codes.FORBIDDEN or "API key" in text:
            return WrongKeyError(
                f"The server {self.url} does not know your API key. Look it up or make a new one at {KEY_PAGE} "
                "and set NDIF_API_KEY, or call nnsight.CONFIG.set_default_api_key.",
                text,
            )
        if "version" in text and "minimum" in text:
            return self.mismatch(text)
        if code == httpx.codes.REQUEST_ENTITY_TOO_LARGE:
            return RequestTooLargeError(
                f"The request is larger than {self.url} takes: use fewer sizes or tokens.", text
            )
        return RemoteError(f"The server {self.url} refused the request ({code}): {last_line(text)}", text)

    def failure(self, text: str, model_name: str) -> RemoteError:
        """Return the exception for a job that the server gave up."""
        text = scrubbed(text)
        if "not deploy this model" in text or "provisioning model" in text or "starting model" in text:
            return ModelNotServedError(
                f"The server {self.url} does not run {model_name} and could not start it: "
                f"{last_line(text)} {self._served_sentence()}",
                text,
            )
        if "payload could not be read" in text or "doesn't match the one your code was traced against" in text:
            return self.mismatch(text)
        if "execution timeout" in text:
            return RemoteTimeoutError(
                f"The server {self.url} stops a job after a time of its own: {last_line(text)} Use a shorter prompt or "
                "fewer sizes at once.",
                text,
            )
        if REFUSED in text:
            return GradientsRefusedError(
                f"The server {self.url} gives your requests no gradients, which the measures "
                f"{', '.join(map(repr, PROBED))} need: it runs the code of people whom it has no reason to trust in a "
                "sandbox, and none pass its wall. Choose another measure, such as 'l2', or ask who runs the server.",
                text,
            )
        if "cancelled" in text and "Traceback" not in text:
            return JobCancelledError(f"The server {self.url} gave the job up: {last_line(text)} Try again.", text)
        return RemoteRunError(f"The job failed on {self.url}: {last_line(text)}", text)

    def mismatch(self, text: str) -> VersionMismatchError:
        """Return the exception for two machines that do not understand each other, with both machines' versions."""
        differ = self.differences() or f"nnsight here is {version('nnsight')}"
        return VersionMismatchError(
            f"This machine and the server {self.url} do not understand each other: {differ}. Install the server's "
            f"versions here. The server says: {last_line(text)}",
            text,
        )

    def _served_sentence(self) -> str:
        try:
            names = sorted(self.served())
        except RemoteError:
            return "Choose another model."
        return f"It runs {', '.join(names)}." if names else "It runs no model at present."


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
    url = public if remote is True else str(remote).rstrip("/")
    if not url.startswith(("http://", "https://")):
        raise ValueError(
            f"remote={remote!r} is no server: give True, 'local', or an address such as 'http://host:port'."
        )
    if url.startswith("https://api.ndif.us") and not api_key():
        raise missing_key(url)
    return Server(url, **options)


def missing_key(url: str, text: str = "") -> MissingKeyError:
    """Return the exception for a key that is wanted and not there."""
    return MissingKeyError(
        f"The server {url} wants an API key, and there is none. Get one at {KEY_PAGE} and set NDIF_API_KEY, or call "
        "nnsight.CONFIG.set_default_api_key.",
        text,
    )


def api_key() -> str:
    """Return the API key: the environment's, else nnsight's own. It is kept nowhere else."""
    return os.environ.get("NDIF_API_KEY") or CONFIG.API.APIKEY or ""


def scrubbed(text: str) -> str:
    """Return a text without the API key, which some servers repeat in their messages."""
    key = api_key()
    return text.replace(key, "(your key)") if key else text


def last_line(text: str) -> str:
    """Return the line of a server's text that says most: a traceback's last, else the first."""
    lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if not lines:
        return "no reason given."
    return lines[-1] if "Traceback" in text else lines[0]


def _headers() -> dict[str, str]:
    key = api_key()
    return {"ndif-api-key": key} if key else {}


def _detail(response: httpx.Response) -> str:
    try:
        body = response.json()
    except ValueError:
        return response.text or f"status {response.status_code}"
    return str(body.get("detail", body) if isinstance(body, dict) else body)


def _short(name: str, full: str) -> str:
    plain = full.partition("+")[0]
    return ".".join(plain.split(".")[:2]) if name == "python" else plain
