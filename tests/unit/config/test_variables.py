"""GATEWAY_* variables: every trap of guessing types and names."""

import pytest

from gateway.config.environ import NOT_SETTINGS, variable_of
from gateway.config.problems import ConfigErrors
from gateway.config.schema.walk import fields
from tests.unit.config.conftest import Load, Write


def test_the_schema_decides_the_type(load_here: Load) -> None:
    """Numbers, booleans, lists, maps and optional values are read as their field wants them."""
    config = load_here(
        GATEWAY_HTTP__PORT="0",
        GATEWAY_HTTP__HAS_SERVER_TIMING="no",
        GATEWAY_HTTP__CORS__ALLOW_ORIGINS="https://a.example, https://b.example",
        GATEWAY_HTTP__CORS__ALLOW_HEADERS='["x-a"]',
        GATEWAY_PROCESS__DRAIN_S="1.5",
        GATEWAY_LIMITS__CONCURRENCY="12",
        GATEWAY_LIMITS__TOKENS_PER_MINUTE="null",
        GATEWAY_PROVIDERS__OPENAI__HEADERS="{X-Title: gateway}",
        GATEWAY_PROVIDERS__OLLAMA__ENABLED="true",
    ).config
    assert config.http.port == 0
    assert config.http.has_server_timing is False
    assert config.http.cors.allow_origins == ("https://a.example", "https://b.example")
    assert config.http.cors.allow_headers == ("x-a",)
    assert config.process.drain_s == 1.5
    assert (config.limits.concurrency, config.limits.tokens_per_minute) == (12, None)
    assert config.providers["openai"].headers == {"X-Title": "gateway"}
    assert config.providers["ollama"].enabled == "on"


@pytest.mark.parametrize(
    "text", ["1234567890", "1.20", "0x10", "1_000", "inf", "true", "2024-01-01", "null-ish", "{x", "@format {x}"]
)
def test_text_stays_text(load_here: Load, text: str) -> None:
    """What looks like another type is text where the schema says text or secret, to the letter."""
    config = load_here(GATEWAY_PROVIDERS__OPENAI__API_KEY=text, GATEWAY_PROVIDERS__AZURE_OPENAI__API_KEY=text).config
    key = config.providers["openai"].api_key
    assert key is not None
    assert key.reveal() == text


@pytest.mark.parametrize("text", ["1.20", "1234", "yes"])
def test_a_host_stays_text(load_here: Load, text: str) -> None:
    """The same for a plain text field."""
    assert load_here(GATEWAY_GRPC__HOST=text).config.grpc.host == text


@pytest.mark.parametrize("text", ["0x10", "1_000", "1.0", "80 80", "", "١٢"])
def test_no_other_spelling_of_a_whole_number(load_here: Load, text: str) -> None:
    """Only decimal digits make a whole number."""
    with pytest.raises(ConfigErrors, match="expected a whole number"):
        load_here(GATEWAY_HTTP__PORT=text)


def test_underscore_finds_hyphen_and_new_names_are_lower_case(write: Write, load_here: Load) -> None:
    """A variable can reach any slug, and make a new one."""
    config = load_here(
        GATEWAY_PROVIDERS__LLAMA_CPP__BASE_URL="http://127.0.0.1:9/v1",
        GATEWAY_PROVIDERS__NEW__DIALECT="openai",
        GATEWAY_PROVIDERS__NEW__BASE_URL="https://new.example/v1",
    ).config
    assert config.providers["llama-cpp"].base_url == "http://127.0.0.1:9/v1"
    assert config.providers["new"].dialect == "openai"


def test_some_variables_are_not_settings(load_here: Load) -> None:
    """The explicit list is passed over; shorthands reach their settings."""
    passed_over = dict.fromkeys(NOT_SETTINGS - {"GATEWAY_ENV", "GATEWAY_STATE_DIR", "GATEWAY_CONFIG_DIR"}, "x")
    config = load_here(GATEWAY_DEV_KEY="gw-dev.1", GATEWAY_PEPPER="42", GATEWAY_INTERNAL_X="1", **passed_over).config
    assert config.auth.dev_key is not None
    assert config.auth.dev_key.reveal() == "gw-dev.1"
    assert config.auth.pepper is not None
    assert config.auth.pepper.reveal() == "42"


def test_variables_of_others_are_ignored(load_here: Load) -> None:
    """Only the prefix counts."""
    assert load_here(HTTP__PORT="1", gateway_http__port="1", XGATEWAY_HTTP__PORT="1").config.http.port == 8080


def test_dynaconf_variables_of_the_process_are_refused(load_here: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would change how files are read, wherever they are set."""
    monkeypatch.setenv("YAML_LOADER_FOR_DYNACONF", "unsafe_load")
    with pytest.raises(ConfigErrors, match="YAML_LOADER_FOR_DYNACONF"):
        load_here()


def test_every_plain_field_has_a_variable_of_its_own() -> None:
    """No two settings share a variable name."""
    variables = [variable_of(path) for path, _ in fields() if not {"*", 0} & set(path)]
    assert len(variables) == len(set(variables))
    assert not NOT_SETTINGS & set(variables)
