"""The simulator stands in only where, and as long as, it may."""

import pytest

from gateway.config.problems import ConfigErrors
from gateway.config.standin import MODEL, PROVIDER, at_address, is_needed
from tests.unit.config.conftest import Load, Write


@pytest.mark.parametrize("environment", ["development", "test"])
def test_every_model_can_be_tried_while_no_provider_is_available(load_here: Load, environment: str) -> None:
    """The stand-in is the last candidate of each model; the written candidates stay before it."""
    loaded = load_here(environment)
    for slug, model in loaded.written.models.items():
        candidates = loaded.config.models[slug].candidates
        assert candidates[:-1] == model.candidates
        assert candidates[-1].provider == PROVIDER
        assert candidates[-1].priority >= max(candidate.priority for candidate in candidates)


def test_a_key_ends_it_for_the_well_known_names(load_here: Load) -> None:
    """With one key set only sim* and bench* go to the simulator."""
    config = load_here(GROQ_API_KEY="x").config
    users = [slug for slug, model in config.models.items() if PROVIDER in {c.provider for c in model.candidates}]
    assert users == [MODEL]
    assert config.models[MODEL].names == ("sim*", "bench*")


def test_a_provider_without_key_ends_it_too(load_here: Load) -> None:
    """A local server that was turned on is a real provider."""
    assert not is_needed(load_here(GATEWAY_PROVIDERS__OLLAMA__ENABLED="on").written)


def test_never_in_production(load_here: Load) -> None:
    """No provider, no model, no candidate."""
    loaded = load_here("production")
    assert loaded.config == loaded.written
    assert PROVIDER not in loaded.config.providers


def test_not_when_turned_off(load_here: Load) -> None:
    """`off` holds in development."""
    assert PROVIDER not in load_here(GATEWAY_SIMULATOR__ENABLED="off").config.providers


def test_own_names_are_left_alone(write: Write, load_here: Load) -> None:
    """A model of the user's that takes `sim*` keeps it."""
    write("config/local.yaml", "models:\n  mine:\n    names: ['sim*']\n    candidates: [{provider: simulator}]\n")
    config = load_here().config
    assert config.models[MODEL].names == ("bench*",)
    assert [candidate.provider for candidate in config.models["mine"].candidates] == [PROVIDER]


def test_the_address_is_filled_in(load_here: Load) -> None:
    """IPv6 addresses get their brackets; a tree without the stand-in stays as it is."""
    config = load_here().config
    assert at_address(config, "::1", 99).providers[PROVIDER].base_url == "http://[::1]:99/v1"
    production = load_here("production").config
    assert at_address(production, "127.0.0.1", 99) is production


def test_a_key_may_name_what_the_simulator_answers(write: Write, load_here: Load) -> None:
    """`sim` and `bench` are models where the simulator runs, also for the list of a key; elsewhere they are unknown."""
    record = f"{{id: ops4, hmac: '{'0' * 64}', models: [sim, bench, sim-chunks-5]}}"
    write("config/local.yaml", f"keys:\n  ops: {record}\n")
    assert load_here().config.keys["ops"].models == ("sim", "bench", "sim-chunks-5")
    with pytest.raises(ConfigErrors) as raised:
        load_here("production")
    assert 'unknown model "sim"' in str(raised.value)
