"""The API key: looked up whenever a request is sent, kept in no object, and taken out of every text."""

from __future__ import annotations

import os
from urllib.parse import SplitResult, urlsplit

from nnsight import CONFIG

PAGE = "https://login.ndif.us"
"""Where a person gets a key."""


def api_key() -> str:
    """Return the API key: the environment's, else nnsight's own; empty where there is none."""
    return os.environ.get("NDIF_API_KEY") or CONFIG.API.APIKEY or ""


def was_set_for(url: str) -> bool:
    """Return whether the key was set for a server: the one that nnsight is configured for, scheme and port included.

    Whoever writes an address in a call has chosen the server. An address that comes out of a file was chosen by whoever
    wrote the file.
    """
    try:
        return _origin(urlsplit(url)) == _origin(urlsplit(str(CONFIG.API.HOST)))
    except ValueError:  # no address
        return False


def _origin(address: SplitResult) -> tuple[str, str | None, int | None]:
    return address.scheme, address.hostname, address.port or {"http": 80, "https": 443}.get(address.scheme)


def headers() -> dict[str, str]:
    """Return the headers by which the server knows who asks."""
    key = api_key()
    return {"ndif-api-key": key} if key else {}


def scrubbed(text: str) -> str:
    """Return a text without the API key, which some servers repeat in their messages."""
    key = api_key()
    return text.replace(key, "(your key)") if key else text
