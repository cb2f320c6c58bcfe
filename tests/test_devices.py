"""Numbers follow the model: to its device and in its format, without copies of its weights."""

from __future__ import annotations

from typing import Any

import held_models
import pytest
import torch
from placed_models import everything, largest_gap
from torch.utils._python_dispatch import TorchDispatchMode

import strace_widgets as sw

pytestmark = pytest.mark.filterwarnings("ignore")


class Converted(TorchDispatchMode):
    """Notes which of some tensors are converted or moved."""

    def __init__(self, weights: list[Any]) -> None:
        super().__init__()
        self.places, self.found = {weight.data_ptr() for weight in weights}, []

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        del types
        if function is torch.ops.aten._to_copy.default and args[0].data_ptr() in self.places:
            self.found.append((args[0].shape, kwargs))
        return function(*args, **(kwargs or {}))


def test_no_matrix_of_a_model_in_half_precision_is_converted_where_masks_are_evaluated() -> None:
    module = held_models.dense().to(torch.bfloat16)
    trace = sw.trace(sw.load_model(module), held_models.PROMPT)
    trace.evaluate([0.5])  # proved
    with Converted([weight for weight in module.parameters() if weight.ndim > 1]) as converted:
        trace.evaluate([0.4, 1.0])
        trace.evaluate([0.5], {"1.0": "off"})
        module.lm_head.weight.float()
    assert len(converted.found) == 1  # the last, which shows that it is seen


@pytest.mark.cuda
@pytest.mark.parametrize(("dtype", "close"), [(torch.float32, 1e-3), (torch.bfloat16, 0.1)])
def test_on_a_gpu_everything_is_as_on_the_cpu_and_the_model_stays_there(dtype: Any, close: float) -> None:
    module = held_models.dense().to("cuda", dtype)
    measures = ("l1", "projection", "fisher")
    assert largest_gap(everything(module, measures), everything(held_models.dense().to(dtype), measures)) <= close
    assert {(weight.device.type, weight.dtype) for weight in module.parameters()} == {("cuda", dtype)}


@pytest.mark.cuda
def test_on_a_gpu_a_toggle_begins_in_its_layer_and_its_streams_stay_there() -> None:
    trace = sw.trace(sw.load_model(held_models.dense().to("cuda")), held_models.PROMPT)
    trace.evaluate([0.5])
    found = trace.evaluate([0.5], {"2.0": "off"}).probabilities
    kept = [said.stream for each in trace.model._reuse.passes for said in each.says.values()]
    assert {stream.device.type for stream in kept} == {"cuda"}
    trace.model._reuse.passes.clear()
    assert abs(trace.evaluate([0.5], {"2.0": "off"}).probabilities - found).max() <= 1e-5
