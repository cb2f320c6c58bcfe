"""NDIF's model actor without a GPU, through NDIF's own seams: nothing of the installed package is changed.

The stock actor synchronises with CUDA, checks where tensors lie and limits each card's memory.
"""

from __future__ import annotations

import gc
import inspect
import os

import ray
from ndif.services.ray.deployments.controller.controller import _ControllerActor
from ndif.services.ray.sandbox import host
from ndif.services.ray.sandbox.model import SandboxModelDeployment
from nnsight.modeling.huggingface import HuggingFaceModel
from nnsight.modeling.mixins.remotable import Remotable


class CPUSandboxDeployment(SandboxModelDeployment):
    """Loads a model onto the CPU and never parks it."""

    CACHEABLE = False

    def load_from_disk(self):
        model = HuggingFaceModel.from_model_key(
            self.model_key, dispatch=True, dtype=self.dtype_name, device="cpu", **self.kwargs
        )
        model._module.requires_grad_(False)
        model._module.eval()
        return model

    def cleanup(self):
        self.discard_sandbox()
        self.kill_switch.clear()
        self.kill_reason = None
        self.execution_ident = None
        self.model.interleaver.cancel()
        gc.collect()


@ray.remote(num_cpus=0.1, max_restarts=-1)
class CPUSandboxActor(CPUSandboxDeployment):
    """What the controller deploys."""


class CPUController(_ControllerActor):
    """Undecorated, so that a worker that unpickles it imports this module and what is below."""


@ray.remote(num_cpus=0.1, num_gpus=0, max_restarts=-1, resources={"head": 1})
class CPUControllerActor(CPUController):
    """The cluster's controller."""


def accept_trust(name: str) -> None:
    """Let a method of nnsight 0.8.1 take the argument that ndif 0.1.2 still passes it."""
    method = getattr(Remotable, name).__func__
    if any(p.kind is p.VAR_KEYWORD for p in inspect.signature(method).parameters.values()):
        return

    def accepting(cls, *args, trust_remote_code=False, **kwargs):
        return method(cls, *args, **kwargs)

    setattr(Remotable, name, classmethod(accepting))


for method_name in ("describe_checkpoint", "max_tp_size"):
    accept_trust(method_name)

if os.environ.get("HF_HUB_OFFLINE") == "1":
    # The hub cannot be asked for a parameter count: have it counted on a model without weights.
    HuggingFaceModel._hub_parameter_count = staticmethod(lambda repo_id, revision: None)
    # A sandbox builds the model without weights from its configuration, and inherits few variables.
    host.RUNNER_ENV += ("HF_HUB_OFFLINE",)
