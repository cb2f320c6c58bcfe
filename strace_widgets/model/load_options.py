"""Options of loading that several loaders share."""

from __future__ import annotations

from typing import Any

OF_THE_HUB = (
    *("revision", "subfolder", "token", "cache_dir", "local_files_only", "force_download", "proxies"),
    *("trust_remote_code", "code_revision", "gguf_file"),
)
"""Where and how a repository is read: these hold for the weights, the configuration and the tokenizer alike."""


def of_the_hub(options: dict[str, Any]) -> dict[str, Any]:
    """Return those of the options that say where and how a repository is read."""
    return {name: value for name, value in options.items() if name in OF_THE_HUB}


def names_a_part_of_the_hub(options: dict[str, Any]) -> bool:
    """Return whether the options ask for something that only the hub has, not for a model as it is shipped."""
    return any(options.get(name) for name in ("revision", "subfolder", "gguf_file", "force_download"))
