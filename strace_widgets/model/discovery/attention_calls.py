"""Find where a model computes softmax attention, and how its probabilities and values are reached there.

Most models go through one call that all of them share. Others write the product of probabilities and values out in
the attention's own `forward`; its source then says which variables they are.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch

from ...errors import UnsupportedArchitectureError
from ...interventions import access
from ..tensors import as_row

if TYPE_CHECKING:
    from collections import Counter


class AttentionCall(NamedTuple):
    """A call in an attention's source that returns (the heads' output, the attention probabilities).

    Attributes
    ----------
    source : str
        How the call is written.
    operation : str
        What nnsight names it, up to its number.
    value_argument : int
    heads_first : bool
    flag : str
        The attribute of the attention under which this call is the one that runs; empty where nothing is asked.
    """

    source: str
    operation: str
    value_argument: int
    heads_first: bool
    flag: str = ""


ATTENTION_CALLS = (
    AttentionCall(  # GPT-2, as some train it
        "self._upcast_and_reordered_attn(",
        "self__upcast_and_reordered_attn_",
        value_argument=2,
        heads_first=False,
        flag="reorder_and_upcast_attn",
    ),
    AttentionCall("attention_interface(", "attention_interface_", value_argument=3, heads_first=False),
    AttentionCall("self._attn(", "self__attn_", value_argument=2, heads_first=True),  # GPT-J, GPT-Neo, CodeGen
)
"""The calls through which attention probabilities can be read and replaced; the first that fits is taken."""

PRODUCTS = {"torch.bmm", "torch.matmul"}
"""How a written-out attention multiplies probabilities by values, where it does not write ``@``."""


class Product(NamedTuple):
    """An assignment ``heads = probabilities @ values`` in a source: its line and its variables."""

    line: int
    heads: str
    probabilities: str
    values: str


class WrittenOut(NamedTuple):
    """An attention that assigns ``heads = probabilities @ values``: what nnsight names the three variables there."""

    heads: str
    probabilities: str
    values: str


def find_attention(module: Any, name: str, runs: Counter[str]) -> tuple[str, str]:
    """Return the path of the list of layers, and that of the attention below each layer.

    ``runs`` says which parts run where the prompt is text: those of an encoder of pictures do not.
    """
    parts = [(path, part) for path, part in module.named_modules() if runs[path]]
    paths = [path for path, part in parts if shared_call(part)] or [path for path, part in parts if _products(part)]
    if not paths:
        raise UnsupportedArchitectureError(
            f"{name} is not supported: no module of it computes softmax attention in a form that can be reached "
            "(Hugging Face's shared `attention_interface`, `_attn`, or a product of probabilities and values), so its "
            "attention probabilities cannot be read."
        )
    layers_path, _, rest = re.sub(r"\.\d+\.", "\n", paths[0], count=1).partition("\n")
    layers = module.get_submodule(layers_path)
    if not rest or not isinstance(layers, torch.nn.ModuleList):
        raise UnsupportedArchitectureError(f"{name} is not supported: {paths[0]!r} is not in a list of layers.")
    for index, layer in enumerate(layers):
        if f"{layers_path}.{index}.{rest}" not in paths:
            held = ", ".join(type(part).__name__ for part in layer.children())
            raise UnsupportedArchitectureError(
                f"{name} is not supported: layer {index} has no softmax attention (it holds {held}), and only "
                "attention probabilities can be told apart by source token."
            )
    return layers_path, rest


def describe_call(wrapped: Any, module: Any, path: str, keywords: dict[str, Any]) -> dict[str, Any]:
    """Return the operations of the attention at a path of an nnsight model, by the names of `Architecture`."""
    name, module = type(module).__name__, module.get_submodule(path)
    operations = access.find(wrapped, path).source.names
    call = shared_call(module)
    if call is not None:
        function = getattr(module, call.operation.removeprefix("self_").rstrip("_"), None)
        if "output_attentions" in str(function and inspect.signature(function)):
            raise UnsupportedArchitectureError(
                f"{name} is not supported: {path!r} ({type(module).__name__}) keeps its attention probabilities to "
                "itself unless it is asked for them."
            )
        found = [operation for operation in operations if operation.startswith(call.operation)]
        return {
            "attention_call": found[-1],
            "value_argument": call.value_argument,
            "heads_first": call.heads_first,
            "written_out": None,
        }
    for product in _products(module):
        written = _operations_of(product, operations, module)
        if written is not None and _runs(wrapped, path, written, keywords):
            return {
                "attention_call": written.heads,
                "value_argument": None,
                "heads_first": True,
                "written_out": (written.values, written.probabilities),
            }
    raise UnsupportedArchitectureError(
        f"{name} is not supported: {path!r} ({type(module).__name__}) multiplies probabilities by values in a way that "
        "cannot be reached."
    )


def shared_call(part: Any) -> AttentionCall | None:
    """Return which of the calls a module's source holds, if any."""
    source = _source(part)
    fitting = (call for call in ATTENTION_CALLS if not call.flag or getattr(part, call.flag, False))
    return next((call for call in fitting if call.source in source), None)


def _source(part: Any) -> str:
    try:
        return textwrap.dedent(inspect.getsource(type(part).forward))
    except (OSError, TypeError):
        return ""


def _products(part: Any) -> list[Product]:
    """Return the assignments after a softmax that multiply one variable by another."""
    source = _source(part)
    if "softmax(" not in source:
        return []
    nodes = list(ast.walk(ast.parse(source)))
    softmax = min((n.lineno for n in nodes if isinstance(n, ast.Call) and "softmax" in ast.unparse(n.func)), default=0)
    found = []
    for line, target, value in _assignments(nodes):
        factors = next((f for part in ast.walk(value) if (f := _factors(part)) is not None), None)
        if factors is not None and 0 < softmax < line:
            found.append(Product(line, target, *factors))
    return found


def _assignments(nodes: list[ast.AST]) -> list[tuple[int, str, ast.expr]]:
    """Return line, variable and value of each assignment to one plain variable, in their order."""
    plain = (node for node in nodes if isinstance(node, ast.Assign) and len(node.targets) == 1)
    found = [(node.lineno, node.targets[0].id, node.value) for node in plain if isinstance(node.targets[0], ast.Name)]
    return sorted(found, key=lambda each: each[0])


def _factors(node: ast.AST) -> tuple[str, str] | None:
    """Return the variables of ``a @ b`` or of a call that means it."""
    pair: list[ast.expr] = []
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        pair = [node.left, node.right]
    elif isinstance(node, ast.Call) and ast.unparse(node.func) in PRODUCTS:
        pair = node.args
    names = [each.id for each in pair if isinstance(each, ast.Name)]
    return (names[0], names[1]) if len(names) == len(pair) == 2 else None  # noqa: PLR2004


def _operations_of(product: Product, operations: Any, module: Any) -> WrittenOut | None:
    """Return what nnsight names a product's variables: it numbers the assignments to each name in their order."""
    assignments = _assignments(list(ast.walk(ast.parse(_source(module)))))
    earlier = sum(target == product.heads and line < product.line for line, target, _ in assignments)
    heads = f"{product.heads}_{earlier}"
    before = list(operations)[: list(operations).index(heads)] if heads in operations else []
    probabilities, values = (
        next((o for o in reversed(before) if re.fullmatch(rf"{variable}_\d+", o)), None)
        for variable in (product.probabilities, product.values)
    )
    return None if probabilities is None or values is None else WrittenOut(heads, probabilities, values)


def _runs(wrapped: Any, path: str, written: WrittenOut, keywords: dict[str, Any]) -> bool:
    """Tell whether a pass comes by there: an attention may be written out twice, for two kinds of positions."""
    token_ids = as_row(np.arange(1, 5))
    try:
        with torch.no_grad(), wrapped.trace(token_ids, **keywords):
            source = access.find(wrapped, path).source
            getattr(source, written.values).output.shape  # noqa: B018
            getattr(source, written.probabilities).output.shape  # noqa: B018
            getattr(source, written.heads).output.shape  # noqa: B018
    except Exception:  # noqa: BLE001 - nnsight says in several ways that an operation was not reached
        return False
    return True
