"""How the last hidden state changes from the sparsest trace to the full model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ..errors import FindingError
from ..extras import pd
from . import statistics

if TYPE_CHECKING:
    from collections.abc import Mapping


class HasHiddenStates(Protocol):
    """A study that kept hidden states."""

    @property
    def points(self) -> pd.DataFrame:
        """The table whose sizes the states belong to."""

    def hidden_states(self) -> Mapping[str, np.ndarray]:
        """By prompt id, (K + 1, M): a state a size, ascending, then the full model's."""


def geometry(study: HasHiddenStates) -> pd.DataFrame:
    """Compare the last hidden state of traces, at each size, with the full model's.

    Parameters
    ----------
    study : Study
        Run with ``hidden_states=True``.

    Returns
    -------
    DataFrame
        `size`, `n_prompts`, `measure`, and over prompts its `lower`, `median` and `upper`. The measures, against the
        full model's state h:

        - "cosine": of the angle to h, in [-1, 1];
        - "distance": the L2 distance to h over the norm of h;
        - "cka": linear CKA with the full model's states across prompts, one number a size (no quartiles, and NaN
          below 3 prompts);
        - "speed": the L2 distance to the state one size before, over the norm of h, per decade of s;
        - "turn": the angle in degrees between the steps before and after a size: 0 on a straight line.

    Raises
    ------
    FindingError
        When no states were kept, or they do not fit the sizes.
    """
    states = list(study.hidden_states().values())
    if not states:
        raise FindingError("The study kept no hidden states: run it with hidden_states=True.")
    paths = np.stack(states)
    sizes = np.sort(study.points["size"].unique())
    if paths.shape[1] != len(sizes) + 1:
        raise FindingError(
            f"The study has {len(sizes)} sizes, so that each prompt should have {len(sizes) + 1} states, the last the "
            f"full model's; they have {paths.shape[1]}."
        )
    path, full = paths[:, :-1], paths[:, -1]
    norm = np.linalg.norm(full, axis=-1)[:, None]
    speed, turn = statistics.path_shape(path, np.log10(sizes))
    with np.errstate(invalid="ignore"):
        cosine = np.einsum("nkd,nd->nk", path, full) / (np.linalg.norm(path, axis=-1) * norm)
    measures = {
        "cosine": cosine,
        "distance": np.linalg.norm(path - full[:, None], axis=-1) / norm,
        "speed": speed / norm,
        "turn": turn,
    }
    frames = [_quartiles(sizes, name, values) for name, values in measures.items()]
    likeness = [statistics.linear_cka(path[:, k], full) for k in range(len(sizes))]
    if len(paths) < 3:  # noqa: PLR2004 - two centred states are always on one line
        likeness = [np.nan] * len(sizes)
    frames.append(
        pd.DataFrame({"size": sizes, "n_prompts": len(paths), "measure": "cka", "lower": np.nan, "median": likeness})
    )
    return pd.concat(frames, ignore_index=True)[["size", "n_prompts", "measure", "lower", "median", "upper"]]


def _quartiles(sizes: np.ndarray, name: str, values: np.ndarray) -> pd.DataFrame:
    """Return the quartiles over prompts of (N, K) values, leaving out sizes at which none is defined."""
    frame = pd.DataFrame(values, columns=sizes)
    lower, median, upper = frame.quantile([0.25, 0.5, 0.75]).to_numpy()
    return pd.DataFrame(
        {
            "size": sizes,
            "n_prompts": frame.count().to_numpy(),
            "measure": name,
            "lower": lower,
            "median": median,
            "upper": upper,
        }
    ).dropna(subset=["median"])
