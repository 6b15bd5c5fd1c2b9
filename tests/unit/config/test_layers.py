"""Which layer wins, and what each remembers."""

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.load import load
from gateway.config.problems import ConfigErrors
from tests.unit.config.conftest import Load, Write

LAYERS = [
    ("config/settings.yaml", 101),
    ("config/environments/development.yaml", 102),
    ("config/local.yaml", 103),
    (".gateway/keys.yaml", 104),
    ("config/.secrets.yaml", 105),
]


def settings(port: int) -> str:
    return f"http:\n  port: {port}\n"


@pytest.mark.parametrize("height", range(1, len(LAYERS) + 1))
def test_the_highest_layer_wins(write: Write, load_here: Load, height: int) -> None:
    """With the first n layers present, the n-th decides."""
    for name, port in LAYERS[:height]:
        write(name, settings(port))
    assert load_here().config.http.port == LAYERS[height - 1][1]


def test_a_variable_wins_over_every_file(write: Write, load_here: Load) -> None:
    """GATEWAY_HTTP__PORT is above all files, and the chain of origins names every layer with its line."""
    for name, port in LAYERS:
        write(name, settings(port))
    loaded = load_here(GATEWAY_HTTP__PORT="106")
    assert loaded.config.http.port == 106
    chain = [(origin.source, origin.line, origin.shown) for origin in loaded.provenance["http", "port"]]
    assert chain == [*((name, 2, port) for name, port in LAYERS), ("GATEWAY_HTTP__PORT", None, 106)]


def test_topic_files_lie_over_settings(write: Write, load_here: Load) -> None:
    """models.yaml is read after settings.yaml, profiles after both."""
    write("config/settings.yaml", "policies:\n  has_fallback: false\n  deadline_default_s: 5\n")
    write("config/policies.yaml", "policies:\n  has_fallback: true\n")
    policies = load_here().config.policies
    assert policies.has_fallback is True
    assert policies.deadline_default_s == 5


def test_a_directory_without_config_starts_with_the_defaults(load_here: Load) -> None:
    """No config/ at all is no mistake: the shipped files apply."""
    config = load_here().config
    assert config.http.port == 8080
    assert "gpt-4o" in config.models


def test_own_file_stands_in_for_the_shipped_one_of_that_name(write: Write, load_here: Load) -> None:
    """A models.yaml of one's own means exactly its models; the shipped providers still apply."""
    write("config/models.yaml", "models:\n  mine:\n    names: [mine]\n    candidates: [{provider: openai}]\n")
    written = load_here().written
    assert set(written.models) == {"mine"}
    assert "openai" in written.providers


def test_maps_merge_lists_replace(write: Write, load_here: Load) -> None:
    """A local block changes what it names; a list in it is the whole list."""
    write("config/local.yaml", "models:\n  gpt-4o:\n    owned_by: me\n    candidates:\n      - {provider: groq}\n")
    model = load_here().written.models["gpt-4o"]
    assert model.owned_by == "me"
    assert model.context_window_tokens == 128_000
    assert [candidate.provider for candidate in model.candidates] == ["groq"]


def test_null_takes_an_entry_out(write: Write, load_here: Load) -> None:
    """`gpt-4o: null` removes the model a lower layer offers."""
    write("config/local.yaml", "models:\n  gpt-4o: null\n")
    assert "gpt-4o" not in load_here().written.models


def test_profiles_of_one_directory_add_up(write: Write, load_here: Load) -> None:
    """Each file of config/profiles adds its profile; the shipped ones stay."""
    write("config/profiles/mine.yaml", "profiles:\n  mine:\n    is_model_list_public: true\n")
    profiles = load_here().config.profiles
    shipped = {"default", "xmaxgate", "inferxgate", "newapi", "maxapi", "apikeyhub"}
    assert set(profiles) == {*shipped, "mine"}
    assert profiles["mine"].is_model_list_public is True


def test_the_environment_is_chosen_by_argument_then_variable(load_here: Load) -> None:
    """Argument over GATEWAY_ENV over development."""
    assert load_here().config.environment == "development"
    assert load_here(GATEWAY_ENV="test").config.environment == "test"
    assert load_here("production", GATEWAY_ENV="test").config.environment == "production"


def test_config_and_state_directories_can_be_elsewhere(tmp_path: Path, write: Write) -> None:
    """GATEWAY_CONFIG_DIR and GATEWAY_STATE_DIR move the layers."""
    write("elsewhere/local.yaml", settings(201))
    write("state/keys.yaml", "limits:\n  concurrency: 7\n")
    environ = {"GATEWAY_CONFIG_DIR": str(tmp_path / "elsewhere"), "GATEWAY_STATE_DIR": str(tmp_path / "state")}
    config = load(tmp_path, environ=environ).config
    assert (config.http.port, config.limits.concurrency) == (201, 7)


def test_equal_values_have_equal_fingerprints(write: Write, load_here: Load) -> None:
    """Comments and order change nothing; a value or a secret does."""
    first = load_here()
    write("config/local.yaml", "# only words\n")
    assert load_here().fingerprint == first.fingerprint
    assert load_here(OPENAI_API_KEY="a").fingerprint != load_here(OPENAI_API_KEY="b").fingerprint
    write("config/local.yaml", settings(9))
    assert load_here().fingerprint != first.fingerprint


def test_a_line_is_told_through_an_anchor(write: Write, load_here: Load) -> None:
    """Anchors and merge keys work, and a mistake behind one is still placed in the file."""
    write(
        "config/local.yaml",
        "providers:\n  a: &a\n    dialect: openai\n    base_url: https://a.example/v1\n"
        "  b:\n    <<: *a\n    base_url: https://b.example/v1\n    enabled: maybe\n",
    )
    with pytest.raises(ConfigErrors) as caught:
        load_here()
    assert [(p.line, p.key) for p in caught.value.problems] == [(8, "providers.b.enabled")]


def test_the_tree_is_frozen(load_here: Load) -> None:
    """Nobody can change a setting in place."""
    with pytest.raises(ValueError, match="frozen"):
        load_here().config.http.port = 1


def test_reading_yaml_imports_no_template_engine() -> None:
    """Dynaconf would import Flask and Jinja where they are installed; they stay out, and can be imported later."""
    code = (
        "import sys; from gateway.config.load import load; load(environ={});"
        "assert not {'jinja2', 'flask', 'django'} & set(sys.modules), 'imported'; import jinja2; print(jinja2.__name__)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("jinja2\n", "")


@pytest.mark.parametrize(
    ("argument", "variable", "source"),
    [(None, None, "the default"), (None, "test", "GATEWAY_ENV"), ("production", "test", "--environment")],
)
def test_the_environment_says_who_chose_it(load_here: Load, argument: str, variable: str, source: str) -> None:
    """Provenance of the one setting that no file can set."""
    environ = {"GATEWAY_ENV": variable} if variable else {}
    assert load_here(argument, **environ).provenance[("environment",)][-1].source == source
