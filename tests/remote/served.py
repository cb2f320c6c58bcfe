"""The models that the tests' server serves, by their short names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

FAMILIES = ("tiny-llama", "tiny-gpt2", "tiny-olmo2", "tiny-neox")
"""Llama, GPT-2, a post-norm and a parallel block."""

UNSERVED = "loopback/tiny-unserved"
"""In the client's hub cache only."""

PATIENCE = 3.0
"""Seconds that a silent server is asked again."""

Remote = Callable[..., Any]
"""What the fixtures `remote_model` and `local_model` are."""
