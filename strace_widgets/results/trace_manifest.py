"""What the JSON of a saved trace says, as types that it is read into and written from."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from ..graph.measures import Probing
from ..graph.ranked import LEVELS
from ..graph.refining import Refined
from ..json_files import Header
from ..model.text.contrasts import Contrast
from ..model.text.prompts import Origin
from .effects import Whole
from .explained import KEPT_EFFECTS
from .strace import KEPT_SWEEPS

LARGEST_VOCABULARY = 1 << 21
"""Token ids that a file may have; the largest vocabularies have half of that."""

Count = Annotated[int, msgspec.Meta(ge=1)]


class GraphEntry(msgspec.Struct):
    """`Graph` as the manifest writes it."""

    n_layers: Count
    n_heads: Count
    n_tokens: Count
    parallel: bool = False


class ModelEntry(msgspec.Struct):
    """What a file says of the model."""

    name: str
    dtype: str


class SweepEntry(msgspec.Struct):
    """A saved sweep. A mode that the file does not name had no choice yet: it is the default."""

    modes: dict[str, bool | str]
    n_sizes: Annotated[int, msgspec.Meta(ge=1, le=LEVELS)]
    empty_figure: float | None = None
    """Of the target, without an edge; None where none was asked for."""


class EffectsEntry(msgspec.Struct):
    """Saved effects of components."""

    by: Whole
    n_edges: Annotated[int, msgspec.Meta(ge=0)]
    modes: dict[str, bool | str]


class Member(msgspec.Struct):
    """A file in the archive, as it was written."""

    bytes: int
    sha256: str


class Manifest(Header):
    """``manifest.json``."""

    model: ModelEntry
    prompt: str
    tokens: list[str]
    importance: str
    graph: GraphEntry
    vocabulary_size: Annotated[int, msgspec.Meta(ge=1, le=LARGEST_VOCABULARY)]
    texts: dict[int, str]
    sweeps: Annotated[list[SweepEntry], msgspec.Meta(max_length=KEPT_SWEEPS)]
    members: dict[str, Member]
    probing: Probing | None = None
    refined: Refined | None = None
    origin: Origin = Origin()
    contrast: Contrast = Contrast()
    effects: Annotated[tuple[EffectsEntry, ...], msgspec.Meta(max_length=KEPT_EFFECTS)] = ()
    ranks_sha256: str = ""
    """Of ranks that are not in the file, since they follow from the weights."""
    precision: Literal["float32", "float16"] = "float32"
    """Of the weights; float16 in files of versions 1 and 2 alone, which have the ranks."""


class ShownGraph(msgspec.Struct):
    """What the view says of the trace that it shows."""

    n_layers: int
    n_heads: int
    n_tokens: int
    n_edges: int
    masks: str
    ablation: str = "zero"
