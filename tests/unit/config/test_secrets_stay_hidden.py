"""A secret cannot be seen anywhere but by `reveal()`."""

import copy
import json
import pickle  # noqa: TID251 - to see that it tells nothing
import string
from pathlib import Path

import pytest

from gateway.config.catalogue import Catalogue
from gateway.config.diff import changes
from gateway.config.explain import explain
from gateway.config.flat import flatten, shown
from gateway.config.problems import ConfigErrors
from gateway.core.secret import Secret, SecretNotSetError
from tests.unit.config.conftest import Load, Write

VALUE = "sk-very-secret-0123456789"


def ways_to_print(secret: Secret) -> list[str]:
    return [
        str(secret),
        repr(secret),
        f"{secret}",
        f"{secret!r:>10}",
        "%s %r" % (secret, secret),  # noqa: UP031 - one of the ways
        string.Template("$s").substitute(s=secret),
        repr([secret]),
        repr({"a": secret}),
        json.dumps({"a": secret}, default=str),
        repr(pickle.dumps(secret)),
        repr(copy.deepcopy([secret])),
        repr(dir(secret)),
    ]


def test_no_way_to_print_it() -> None:
    """Every usual way of turning it into text hides it."""
    assert not [text for text in ways_to_print(Secret(VALUE)) if VALUE in text]


def test_pickle_loses_the_value() -> None:
    """What comes back from a pickle is a secret that is not set."""
    assert not pickle.loads(pickle.dumps(Secret(VALUE))).is_set


def test_equality_is_by_value_and_agrees_with_hash() -> None:
    """Two sources of one value are equal; the hash tells nothing of the value."""
    assert Secret(VALUE, "a") == Secret(VALUE, "b")
    assert hash(Secret(VALUE, "a")) == hash(Secret("other", "b"))
    assert Secret(VALUE) != Secret("other")
    assert Secret(None) != Secret("")
    assert Secret(VALUE) != VALUE


def test_an_unset_secret_says_where_it_was_looked_for() -> None:
    """The error names the source."""
    with pytest.raises(SecretNotSetError, match="environment variable X is not set"):
        Secret(None, "environment variable X").reveal()


def test_a_loaded_tree_shows_no_secret(write: Write, load_here: Load) -> None:
    """Dump, JSON, repr, explain, diff and provenance hide secrets of every source."""
    write("config/secret.txt", VALUE + "\n")
    write("config/local.yaml", "auth:\n  pepper: {file: secret.txt}\n")
    write("config/.secrets.yaml", f"providers:\n  groq:\n    api_key: {VALUE}\n")
    loaded = load_here(OPENAI_API_KEY=VALUE, GATEWAY_DEV_KEY=VALUE, GATEWAY_PROVIDERS__XAI__API_KEY=VALUE)
    config = loaded.config
    for secret in (
        config.auth.pepper,
        config.auth.dev_key,
        *(config.providers[s].api_key for s in ("groq", "openai", "xai")),
    ):
        assert secret is not None
        assert secret.reveal() == VALUE
    keys = ("auth.pepper", "auth.dev_key", "providers.groq.api_key", "providers.openai", "providers.xai.api_key")
    printed = [
        repr(loaded),
        repr(config),
        repr(config.model_dump()),
        config.model_dump_json(),
        repr(loaded.provenance),
        repr([(path, shown(value)) for path, value in flatten(config)]),
        repr([change.side(change.after) for change in changes(load_here().written, loaded.written)]),
        *(repr(explain(loaded, key)) + json.dumps(explain(loaded, key).as_json()) for key in keys),
    ]
    assert not [text for text in printed if VALUE in text]
    assert all("***" in text for text in printed)


def test_several_keys_of_a_provider_show_no_secret(write: Write, load_here: Load) -> None:
    """Written out in .secrets.yaml or referred to: values, provenance and explain show each as `***`."""
    write("config/local.yaml", "providers:\n  groq:\n    api_key: null\n")
    write("config/.secrets.yaml", f"providers:\n  groq:\n    api_keys: [{VALUE}, {{env: OTHER}}]\n")
    loaded = load_here(OTHER=VALUE)
    assert [key.reveal() for key in loaded.config.providers["groq"].keys] == [VALUE, VALUE]
    printed = [
        repr(loaded.config),
        loaded.config.model_dump_json(),
        repr(loaded.provenance),
        repr([(path, shown(value)) for path, value in flatten(loaded.config)]),
        repr(explain(loaded, "providers.groq.api_keys")),
        json.dumps(explain(loaded, "providers.groq.api_keys").as_json()),
        repr(Catalogue.of(loaded.config).entries),
    ]
    assert not [text for text in printed if VALUE in text]


def test_a_changed_secret_is_a_difference(load_here: Load) -> None:
    """Diff sees that it changed without showing either side."""
    found = changes(load_here(OPENAI_API_KEY="a").written, load_here(OPENAI_API_KEY="b").written)
    assert [(change.key, change.side(change.before), change.side(change.after)) for change in found] == [
        ("providers.openai-responses.api_key", "***", "***"),
        ("providers.openai.api_key", "***", "***"),
    ]


def test_errors_show_no_secret(write: Write, load_here: Load) -> None:
    """A literal in the wrong file is named by its place alone."""
    write("config/local.yaml", f"providers:\n  openai:\n    api_key: {VALUE}\n    apikey: {VALUE}\n")
    with pytest.raises(ConfigErrors) as caught:
        load_here()
    assert len(caught.value.problems) == 2
    assert VALUE not in str(caught.value) + repr(caught.value) + repr(caught.value.problems)


def test_missing_key_in_development_makes_the_provider_unavailable(write: Write, load_here: Load) -> None:
    """Outside production it is no mistake: the provider says why it cannot be used."""
    write("config/local.yaml", "providers:\n  openai:\n    enabled: on\n")
    provider = load_here().config.providers["openai"]
    assert not provider.is_available
    assert provider.unavailable_reason == "environment variable OPENAI_API_KEY is not set"
    assert load_here(OPENAI_API_KEY="x").config.providers["openai"].is_available


def test_missing_key_in_production(write: Write, load_here: Load) -> None:
    """`auto` is off without its key; `on` and used is a mistake; `on` and unused is none."""
    assert load_here("production").config.providers["openai"].unavailable_reason is not None
    write("config/local.yaml", "providers:\n  openai:\n    enabled: on\n")
    with pytest.raises(ConfigErrors, match="OPENAI_API_KEY is not set"):
        load_here("production")
    write("config/models.yaml", "models: {}\n")
    assert load_here("production").config.models == {}


def test_a_secret_file_loses_its_last_newline_only(write: Write, load_here: Load, tmp_path: Path) -> None:
    """Paths are relative to the configuration directory; absolute ones work."""
    path = write("elsewhere/key", "a b\n")
    write("config/local.yaml", f"providers:\n  openai:\n    api_key: {{file: {path}}}\n")
    key = load_here().config.providers["openai"].api_key
    assert key is not None
    assert key.reveal() == "a b"
