"""Load a model, prove that its edges sum to its nodes, and run the interventions on it: numpy outside, torch inside."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nnsight
import numpy as np
import torch
from nnsight.modeling.transformers import TransformersModel
from tqdm.auto import tqdm
from transformers import AutoModelForCausalLM, AutoTokenizer

from . import embedded, interventions
from .edges import Edges
from .errors import ModelNotFoundError, PromptError, UnsupportedArchitectureError
from .importance import Captured
from .inspection import inspect_model
from .modes import Modes

if TYPE_CHECKING:
    from .architectures import Architecture, Norm

Array = np.ndarray[Any, Any]

PROOF_TOLERANCE = {torch.float64: 1e-6, torch.float32: 1e-4}
"""Largest relative gap between the sum of a node's edges and the node; half precision cannot do better than 3e-2."""

PROBABILITIES_A_PASS = 1 << 26
"""Attention probabilities (rows x H x T x T) that one batched pass may hold: 256 MB in float32; the rest waits."""

# The functions travel to a server as source, since this package is not installed there.
nnsight.register("strace_widgets.interventions")


@dataclass(frozen=True, repr=False)
class Model:
    """A proved model: what `strace_widgets.trace` takes.

    Attributes
    ----------
    name : str
    source : str
        What it was loaded from: a hub id or a folder, as far as that is known.
    nnsight : nnsight model
    tokenizer : Hugging Face tokenizer or None
        Without one, prompts are token ids.
    architecture : Architecture
    gaps : dict of float
        The largest relative gap that each identity showed in the proof.
    """

    name: str
    source: str
    nnsight: Any
    tokenizer: Any
    architecture: Architecture
    gaps: dict[str, float]
    # One pass at a time: a trace rewires the model while it runs, and a widget evaluates on a thread of its own.
    _lock: threading.RLock = field(default_factory=threading.RLock)

    def __repr__(self) -> str:
        a = self.architecture
        return f"Model {self.name}: {a.name}, {a.n_layers} layers of {a.n_heads} heads, up to {a.context:,} tokens"

    def encode(self, prompt: str | list[int] | Array) -> Array:
        """Return the prompt's token ids (T,), int64. Text gets whatever special tokens the tokenizer itself adds.

        Raises
        ------
        PromptError
            When the prompt is empty, too long for the model, or holds ids outside the vocabulary.
        """
        if isinstance(prompt, str):
            if self.tokenizer is None:
                raise PromptError(
                    f"{self.name} has no tokenizer, so give the prompt as token ids, or load it with tokenizer=...."
                )
            if not prompt.strip():
                raise PromptError("The prompt is empty: give at least one word to continue.")
            prompt = self.tokenizer(prompt)["input_ids"]
        ids = np.atleast_1d(np.asarray(prompt)).squeeze()
        ids = np.atleast_1d(ids)
        if ids.ndim != 1 or len(ids) == 0:
            raise PromptError(f"The prompt is one non-empty sequence of token ids; this has shape {ids.shape}.")
        if not np.issubdtype(ids.dtype, np.integer):
            raise PromptError(f"The prompt is text or token ids (whole numbers); these are {ids.dtype}.")
        if len(ids) > self.architecture.context:
            raise PromptError(
                f"The prompt has {len(ids):,} tokens, but {self.name} reads at most "
                f"{self.architecture.context:,}: shorten it."
            )
        if ids.min() < 0 or ids.max() >= self.vocabulary_size:
            raise PromptError(
                f"Token ids of {self.name} are 0 to {self.vocabulary_size - 1}; "
                f"the prompt has {ids.min()} to {ids.max()}."
            )
        return ids.astype(np.int64)

    def encode_one(self, token: str | int) -> int:
        """Return the id of a single token, given as text or id.

        Raises
        ------
        PromptError
            When the text is not exactly one token.
        """
        if not isinstance(token, str):
            return int(self.encode([token])[0])
        ids = [] if self.tokenizer is None else self.tokenizer(token, add_special_tokens=False)["input_ids"]
        if len(ids) != 1:
            raise PromptError(f"The next token is one token, but {token!r} is {len(ids)} of {self.name}: give its id.")
        return int(ids[0])

    @property
    def vocabulary_size(self) -> int:
        """How many token ids the model reads."""
        return int(self.nnsight._module.get_input_embeddings().num_embeddings)

    def decode(self, token_id: int) -> str:
        """Return one token's text, or its raw form where it is only part of a character."""
        if self.tokenizer is None:
            return f"<{token_id}>"
        text = str(self.tokenizer.decode([token_id], clean_up_tokenization_spaces=False))
        if text and "\ufffd" not in text:
            return text
        return str(self.tokenizer.convert_ids_to_tokens(token_id))

    def describe(self) -> str:
        """Return what was found and proved about the model, a line a part."""
        a = self.architecture
        block = "attention and MLP in parallel" if a.parallel else "attention, then MLP"
        parts = {
            "model": f"{self.name} ({a.name}), {self.dtype}",
            "sizes": f"{a.n_layers} layers of {a.n_heads} heads, up to {a.context:,} tokens",
            "block": f"{block}; attention added by {a.attention_write!r}, MLP by {a.mlp_write!r}",
            "norms": f"inside the attention: {_named(a.inner_norm)}; after it: {_named(a.outer_norm)}; "
            f"final: {_named(a.final_norm)}",
            "scales": f"attention {a.attention_scale:g}, MLP {a.mlp_scale:g}, residual "
            f"{a.attention_residual_scale:g} and {a.mlp_residual_scale:g}",
        }
        gaps = {f"proved, {identity}": f"gap {gap:.1e}" for identity, gap in self.gaps.items()}
        return "\n".join(f"{name:40} {text}" for name, text in (parts | gaps).items())

    @property
    def dtype(self) -> str:
        """The weights' number format, such as ``float32``."""
        return str(self.nnsight._module.dtype).removeprefix("torch.")

    def capture(self, token_ids: Array, score: str) -> tuple[Edges, Array]:
        """Return a score of every edge and the full model's last logits (V,), in one forward pass."""
        with self._lock, torch.no_grad():
            *scores, logits = interventions.capture(self.nnsight, self.architecture.places(), _row(token_ids), score)
        return Edges(*(kind.numpy(force=True) for kind in scores)), logits.numpy(force=True)

    def capture_vectors(self, token_ids: Array) -> tuple[Captured, Array]:
        """Return what every edge carries, and the full model's last logits (V,), in one forward pass."""
        with self._lock, torch.no_grad():
            *vectors, logits = interventions.capture_vectors(self.nnsight, self.architecture.places(), _row(token_ids))
        return Captured(*(kind.numpy(force=True) for kind in vectors)), logits.numpy(force=True)

    def evaluate(
        self,
        token_ids: Array,
        ranks: Edges,
        kept: Array,
        forced: tuple[Array, Array],
        modes: Modes | None = None,
        *,
        states: bool = False,
    ) -> Array:
        """Return the last logits (K, V) under K masks ``rank < kept[k]``, in as few batched passes as memory allows.

        With `states`, the last hidden states (K, M) that the unembedding reads instead.
        """
        tensors = tuple(torch.from_numpy(kind) for kind in ranks)
        switches = tuple(torch.from_numpy(kind) for kind in forced)
        flags = (modes or Modes()).flags()
        rows = max(1, PROBABILITIES_A_PASS // (ranks.n_heads * ranks.n_tokens**2))
        # Frozen attention is that of a row of the whole model, which each pass then carries in front.
        whole = torch.full((int(flags["frozen"]),), -1, dtype=torch.int32)
        logits = []
        with self._lock, torch.no_grad():
            passes = torch.split(torch.as_tensor(kept, dtype=torch.int32), rows)
            for sizes in tqdm(passes, desc="masked passes", leave=False, disable=len(passes) == 1):
                passed = interventions.evaluate(
                    self.nnsight,
                    self.architecture.places(),
                    _row(token_ids),
                    tensors,
                    torch.cat([whole, sizes]),
                    switches,
                    flags,
                    states=states,
                )
                logits.append(passed[len(whole) :].numpy(force=True))
        return np.concatenate(logits)


def load_model(source: Any = None, *, tokenizer: Any = None, **options: Any) -> Model:
    """Load a causal language model and prove that s-Trace holds on it.

    Parameters
    ----------
    source : str, Path, torch.nn.Module or nnsight model, optional
        A hub id, a folder, or a model that you hold; without one, the embedded SmolLM2-135M-Instruct. A model that
        you hold is switched to eager attention, since s-Trace reads the attention probabilities.
    tokenizer : Hugging Face tokenizer, optional
        For a model that you hold.
    **options
        Passed to ``AutoModelForCausalLM.from_pretrained``, for example ``dtype=torch.bfloat16`` or
        ``device_map="auto"``.

    Raises
    ------
    ModelNotFoundError
        When nothing loads under that name.
    UnsupportedArchitectureError
        When a part of the model is missing, or an identity does not hold; names it and the gap.
    """
    if source is None:
        source = embedded.locate()
    if isinstance(source, (str, Path)):
        module, tokenizer = _from_pretrained(str(source), tokenizer, options)
        origin = str(source)
    else:
        module = getattr(source, "_module", source)
        if not isinstance(module, torch.nn.Module):
            raise ModelNotFoundError(
                f"A model is a name, a folder, a torch module or an nnsight model; "
                f"{type(source).__name__} is none of these."
            )
        tokenizer = tokenizer or getattr(source, "tokenizer", None)
        origin = str(getattr(module, "name_or_path", "") or type(module).__name__)
    if not hasattr(module, "config") or not hasattr(module, "set_attn_implementation"):
        raise UnsupportedArchitectureError(
            f"{type(module).__name__} is no Hugging Face transformers model, so its parts cannot be found."
        )
    module.eval()
    module.set_attn_implementation("eager")
    wrapped = source if hasattr(source, "_module") else _wrap(module, tokenizer)
    architecture = inspect_model(module, lambda path: interventions.find(wrapped, path).source.names)
    name = origin.rstrip("/").rsplit("/", 1)[-1]
    return Model(name, origin, wrapped, tokenizer, architecture, _prove(wrapped, architecture, module.dtype))


def _from_pretrained(source: str, tokenizer: Any, options: dict[str, Any]) -> tuple[Any, Any]:
    options = {"dtype": torch.float32, "attn_implementation": "eager"} | options
    try:
        module = AutoModelForCausalLM.from_pretrained(source, **options)
    except (OSError, ValueError) as reason:
        first_line = (str(reason).strip() or type(reason).__name__).splitlines()[0]
        raise ModelNotFoundError(
            f"No model could be loaded from {source!r} ({first_line}). Give a folder with a saved model, a hub id "
            "such as 'HuggingFaceTB/SmolLM2-135M', or nothing for the embedded default."
        ) from reason
    try:
        return module, tokenizer or AutoTokenizer.from_pretrained(source)
    except (OSError, ValueError):
        return module, None  # prompts are then token ids; `Model.encode` says so when it is given text


def _wrap(module: Any, tokenizer: Any) -> Any:
    if tokenizer is None:  # TransformersModel builds a pipeline, which insists on a tokenizer
        return nnsight.NNsight(module)
    return TransformersModel(module, tokenizer=tokenizer, task="text-generation")


def _prove(model: Any, architecture: Architecture, dtype: torch.dtype) -> dict[str, float]:
    """Check on a short input that the edges sum to the nodes; return the largest gaps or refuse."""
    token_ids = _row(np.arange(1, 5))
    places = architecture.places()
    everything = tuple(
        torch.zeros(shape, dtype=torch.int32)
        for shape in ((architecture.n_layers, architecture.n_heads, 4, 4), *[(architecture.n_layers, 4)] * 3)
    )
    nothing = torch.zeros(architecture.n_layers, architecture.n_heads), torch.zeros(architecture.n_layers)
    try:
        with torch.no_grad():
            attention, block, norm = interventions.identity_gaps(model, places, token_ids)
            kept = torch.tensor([1, -1], dtype=torch.int32)
            whole = interventions.evaluate(model, places, token_ids, everything, kept, nothing, Modes().flags())
    except Exception as reason:
        raise UnsupportedArchitectureError(f"{architecture.name} could not be traced: {reason}") from reason
    gaps = {
        "attention edges": attention,
        "stream + attention + MLP": block,
        "linearised final norm": norm,
        "whole graph = model": interventions.relative_gap(whole[0], whole[1]),
    }
    tolerance = PROOF_TOLERANCE.get(dtype, 3e-2)
    for identity, gap in gaps.items():
        worst = float(gap.max())
        if not worst <= tolerance:
            where = f" of layer {int(gap.argmax())}" if gap.ndim else ""
            raise UnsupportedArchitectureError(
                f"{architecture.name} is not supported: the identity {identity!r}{where} misses by {worst:.2g} "
                f"(relative), more than {tolerance:.0e}, so the edges would not sum to the nodes."
            )
    return {identity: float(gap.max()) for identity, gap in gaps.items()}


def _named(norm: Norm | None) -> str:
    if norm is None:
        return "none"
    return f"{'LayerNorm' if norm.centred else 'RMSNorm'} {norm.path!r}"


def _row(token_ids: Array) -> torch.Tensor:
    return torch.from_numpy(np.asarray(token_ids, dtype=np.int64))[None]
