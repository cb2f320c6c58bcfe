"""A model's parts are found from its configuration alone, and are those that are found in the model itself."""

from __future__ import annotations

import nnsight
import pytest
import torch
import transformers
from families import FAMILIES, Family, build
from wrapped_families import WRAPPED

import strace_widgets as sw
from strace_widgets.model.discovery import from_config as blueprint
from strace_widgets.model.discovery.parts import inspect_model
from strace_widgets.model.running import running

NOT_FROM_CONFIG = {
    "Emu3": "no repository has the configuration of its decoder alone",
    "Dbrx": "the widths of its parts depend on each other; it is refused on a server",
}


@pytest.mark.parametrize(
    "family",
    [f for f in FAMILIES + WRAPPED if f.name not in NOT_FROM_CONFIG],
    ids=lambda family: f"{family.name} {family.kind}",
)
def test_the_blueprint_is_the_model(family: Family) -> None:
    module = build(family.name, family.options)
    with running(module):
        found = inspect_model(nnsight.NNsight(module), module)
    assert blueprint.describe(module.config) == found


def test_a_model_that_no_one_could_hold_here() -> None:
    """The configuration of a 70-billion-parameter model, whose weights would take 280 GB."""
    config = transformers.LlamaConfig(
        hidden_size=8192,
        intermediate_size=28672,
        num_hidden_layers=80,
        num_attention_heads=64,
        num_key_value_heads=8,
        vocab_size=128256,
        max_position_embeddings=131072,
        rope_parameters={
            "rope_type": "llama3",
            "rope_theta": 5e5,
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 8192,
        },
    )
    state = torch.random.get_rng_state()
    found = blueprint.describe(config)
    assert (found.n_layers, found.n_heads, found.context) == (80, 64, 131072)
    assert config.hidden_size == 8192, "the configuration is not changed"
    assert torch.equal(state, torch.random.get_rng_state()), "nor are anyone's random numbers"


def test_factors_for_a_long_context_have_the_length_of_the_true_heads() -> None:
    """Under their older name, which transformers 4 and 5 both take."""
    factors = {"type": "longrope", "short_factor": [1.0] * 48, "long_factor": [2.0] * 48}
    config = transformers.Phi3Config(
        num_hidden_layers=2,
        hidden_size=3072,
        num_attention_heads=32,
        max_position_embeddings=131072,
        rope_scaling=factors,
    )
    found = blueprint.describe(config)
    assert (found.n_layers, found.n_heads, found.context) == (2, 32, 131072)


def test_a_configuration_without_attention_is_refused() -> None:
    with pytest.raises(sw.errors.UnsupportedArchitectureError, match="softmax attention"):
        blueprint.describe(transformers.MambaConfig(num_hidden_layers=2, hidden_size=32, vocab_size=50))
