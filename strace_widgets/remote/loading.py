"""Reach for a model on a server: its configuration and tokenizer are loaded here, its weights stay there."""

from __future__ import annotations

import warnings
from typing import Any

from nnsight.modeling.transformers import TransformersModel
from transformers import AutoConfig

from ..errors import ModelNotFoundError
from ..model import discovery_from_config
from ..model.loading import not_found, proved, short_name
from ..model.model import Model
from .backend import JobBackend
from .server import server_at

OPTIONS = ("timeout", "patience", "precision", "limit", "client", "clock")
"""What can be set of a `Server` when a model is loaded."""


def load_from_server(
    source: Any,
    remote: bool | str,  # noqa: FBT001
    tokenizer: Any,
    revision: str | None,
    options: dict[str, Any],
) -> Model:
    """Return a model whose weights stay on a server."""
    if not isinstance(source, str):
        raise ModelNotFoundError(
            "A model on a server is named by its hub id, such as 'meta-llama/Llama-3.1-70B'; "
            f"{'no name was given' if source is None else f'this is a {type(source).__name__}'}."
        )
    unknown = sorted(set(options) - set(OPTIONS))
    if unknown:
        raise TypeError(
            f"A model on a server has no option {', '.join(unknown)}: choose among {', '.join(OPTIONS)}. "
            "Number format and devices are the server's choice."
        )
    server = server_at(remote, **options)
    differences = server.differences()
    if differences:
        warnings.warn(
            f"Versions differ between this machine and {server.url}: {differences}. If something fails there, install "
            "the server's versions here.",
            stacklevel=4,
        )
    try:
        config = AutoConfig.from_pretrained(source, revision=revision)
        given = {} if tokenizer is None else {"tokenizer": tokenizer}
        wrapped = TransformersModel(source, revision=revision, task="text-generation", **given)
    except (OSError, ValueError) as reason:
        raise not_found(source, reason) from reason
    architecture = discovery_from_config.describe(config)
    return proved(
        Model(
            short_name(source),
            source,
            wrapped,
            wrapped.tokenizer,
            architecture,
            server=server,
            backend=JobBackend,
        )
    )
