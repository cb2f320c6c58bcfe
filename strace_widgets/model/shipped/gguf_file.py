"""Read a GGUF file, and write what it holds as a folder in Hugging Face's format, the same for every transformers."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gguf
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from tokenizers import Tokenizer

NORMAL, CONTROL, GIVEN = 1, 3, 4
"""GGUF's kinds of tokens: of text, for no text, and those that stand for their text wherever it is found."""
ROWS = 4096
"""How many rows of a weight are dequantised at a time, so that a large vocabulary takes little memory."""
SPECIAL = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
"""Hugging Face's names of special tokens, and GGUF's."""


@dataclass(frozen=True)
class Weight:
    """A weight, under its name in Hugging Face's models.

    Attributes
    ----------
    name : str
    tensor : gguf.ReaderTensor
    changed : callable or None
        What turns its values, as GGUF has them, into Hugging Face's.
    """

    name: str
    tensor: Any
    changed: Callable[[NDArray[np.float32]], NDArray[np.float32]] | None = None

    @property
    def shape(self) -> list[int]:
        """Its sizes, rows first; GGUF has them the other way round."""
        return [int(size) for size in reversed(self.tensor.shape)]

    @property
    def n_bytes(self) -> int:
        """What it takes in float32."""
        return 4 * math.prod(self.shape)

    def pieces(self) -> Iterator[NDArray[np.float32]]:
        """Yield its values row by row, some thousand at a time; those that are to be changed as a whole."""
        rows, kind = self.tensor.data, self.tensor.tensor_type
        if self.changed is not None:
            yield self.changed(gguf.quants.dequantize(rows, kind))
            return
        for start in range(0, len(rows), ROWS):
            yield gguf.quants.dequantize(rows[start : start + ROWS], kind)


@dataclass(frozen=True)
class Content:
    """What a folder in Hugging Face's format holds.

    Attributes
    ----------
    config : dict
    tokenizer : Tokenizer
    tokenizer_config : dict
    weights : list of Weight
    """

    config: dict[str, Any]
    tokenizer: Tokenizer
    tokenizer_config: dict[str, Any]
    weights: list[Weight]

    @property
    def n_bytes(self) -> int:
        """What all weights take."""
        return sum(weight.n_bytes for weight in self.weights)


class _Reader(gguf.GGUFReader):
    """GGUF's reader, on a plain array: a million small slices of a mapped one take twice as long."""

    @property  # type: ignore[override]
    def data(self) -> NDArray[Any]:
        return self._data

    @data.setter
    def data(self, mapped: NDArray[Any]) -> None:
        self._data = mapped.view(np.ndarray)


def opened(file: Path, kind: tuple[str, str, str]) -> tuple[dict[str, Any], list[Any]]:
    """Return the fields and the tensors of a file.

    Raises
    ------
    ValueError
        When it holds another kind of model, tokenizer or splitting of text.
    """
    reader = _Reader(file)
    fields = {name: field.contents() for name, field in reader.fields.items()}
    found = fields["general.architecture"], fields["tokenizer.ggml.model"], fields["tokenizer.ggml.pre"]
    if found != kind:
        raise ValueError(f"{file} holds a model, a tokenizer and a splitting of text of the kinds {found}.")
    return fields, list(reader.tensors)


def renamed(tensor_name: str, parts: dict[str, str]) -> tuple[str, str]:
    """Return which part of a model a tensor is, in GGUF's words, and its name in Hugging Face's."""
    *layer, part, kind = tensor_name.removeprefix("blk.").split(".")
    return part, ".".join([*(f"model.layers.{number}" for number in layer), parts[part], kind])


def special_tokens(fields: dict[str, Any]) -> dict[str, str]:
    """Return the texts of the special tokens, under Hugging Face's names."""
    tokens = fields["tokenizer.ggml.tokens"]
    return {name: tokens[fields[f"tokenizer.ggml.{key}_token_id"]] for name, key in SPECIAL.items()}


def write(content: Content, folder: Path) -> Iterator[int]:
    """Write a folder, and yield how many bytes of its weights were written since the last time."""
    content.tokenizer.save(str(folder / "tokenizer.json"))
    for name, said in (("config", content.config), ("tokenizer_config", content.tokenizer_config)):
        (folder / f"{name}.json").write_text(json.dumps(said, indent=2, allow_nan=False), encoding="utf-8")
    yield from _write_weights(folder / "model.safetensors", content.weights)


def _write_weights(file: Path, weights: list[Weight]) -> Iterator[int]:
    """Write a file of safetensors piece by piece; the library's own function wants all in memory."""
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for weight in weights:
        start, end = end, end + weight.n_bytes
        header[weight.name] = {"dtype": "F32", "shape": weight.shape, "data_offsets": [start, end]}
    text = json.dumps(header, allow_nan=False).encode()
    text += b" " * (-len(text) % 8)
    with file.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for weight in weights:
            for piece in weight.pieces():
                yield out.write(piece.astype("<f4", copy=False).tobytes())
