"""Reach for a model on a server: its configuration and tokenizer are loaded here, its weights stay there."""

from __future__ import annotations

import copy
import warnings
from typing import Any

from nnsight.modeling.transformers import TransformersModel
from transformers import AutoConfig, AutoTokenizer

from ..errors import ModelNotFoundError
from ..model.discovery import from_config as discovery_from_config
from ..model.load_options import OF_THE_HUB, of_the_hub
from ..model.loading import not_found, remembered, short_name
from ..model.model import Model
from ..model.proving import proved
from ..model.saved_elsewhere import require_rotary_embedding_is_read
from .backend import JobBackend
from .failures import no_model_without_weights
from .server import server_at

OF_SERVER = ("timeout", "patience", "precision", "limit", "client", "clock")
"""What can be set of a `Server` when a model is loaded."""
OF_THE_MODEL = tuple(name for name in OF_THE_HUB if name not in {"subfolder", "gguf_file"})
"""What else: a server knows a model by its hub id and revision alone."""


def load_from_server(
    source: Any,
    remote: bool | str,  # noqa: FBT001
    tokenizer: Any,
    options: dict[str, Any],
) -> Model:
    """Return a model whose weights stay on a server."""
    if not isinstance(source, str):
        raise ModelNotFoundError(
            "A model on a server is named by its hub id, such as 'meta-llama/Llama-3.1-70B'; "
            f"{'no name was given' if source is None else f'this is a {type(source).__name__}'}."
        )
    unknown = sorted(set(options) - {*OF_SERVER, *OF_THE_MODEL})
    if unknown:
        raise TypeError(
            f"A model on a server has no option {', '.join(unknown)}: choose among "
            f"{', '.join((*OF_SERVER, *OF_THE_MODEL))}. "
            "Number format and devices are the server's choice."
        )
    server = server_at(remote, **{name: value for name, value in options.items() if name in OF_SERVER})
    differences = server.differences()
    if differences:
        warnings.warn(
            f"Versions differ between this machine and {server.url}: {differences}. If something fails there, install "
            "the server's versions here.",
            stacklevel=4,
        )
    hub = of_the_hub(options)
    try:
        config = AutoConfig.from_pretrained(source, **hub)
        tokens = tokenizer or AutoTokenizer.from_pretrained(source, **hub)
        # Not the token: what nnsight is given may travel.
        meta = {name: hub[name] for name in ("revision", "trust_remote_code") if name in hub}
        wrapped = TransformersModel(
            source, task="text-generation", tokenizer=copy.deepcopy(tokens), config=config, **meta
        )
    except (OSError, ValueError) as reason:
        raise not_found(source, reason) from reason
    except Exception as reason:
        raise no_model_without_weights(source, reason) from reason
    require_rotary_embedding_is_read(config, source)
    architecture = discovery_from_config.describe(config)
    shown = {name: value for name, value in options.items() if name in (*OF_THE_MODEL, "precision")}
    return proved(
        Model(
            short_name(source),
            source,
            wrapped,
            wrapped.tokenizer,
            architecture,
            server=server,
            backend=JobBackend,
            options=remembered(shown, tokenizer),
        )
    )
