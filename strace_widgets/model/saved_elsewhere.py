"""Models that another version of transformers saved: what the installed one keeps and does not read is no detail."""

from __future__ import annotations

from typing import Any

from transformers import __version__

from ..errors import UnsupportedArchitectureError


def require_rotary_embedding_is_read(config: Any, source: str) -> None:
    """Refuse a configuration whose rotary embedding would be replaced by another one.

    transformers 5 saves it as ``rope_parameters``. 4 keeps them without reading them, and computes with 10,000 and no
    scaling where nothing is said under the older names; all it loads fits together, and all numbers are wrong.

    Raises
    ------
    UnsupportedArchitectureError
        Names the model, the version and what it does not read.
    """
    inner = [getattr(config, name, None) for name in getattr(config, "sub_configs", {})]
    for part in (config, *(each for each in inner if each is not None)):
        stated = getattr(part, "rope_parameters", None)
        if not stated or hasattr(part, "standardize_rope_params"):  # as of 5.0: what is stated is read
            continue
        if stated != {"rope_theta": getattr(part, "rope_theta", None), "rope_type": "default"}:
            raise UnsupportedArchitectureError(
                f"The model in {source!r} was saved by transformers 5, and the installed {__version__} would run it "
                f"with another rotary embedding than the one it has, {stated}: install transformers 5, or a model that "
                "transformers 4 saved."
            )
