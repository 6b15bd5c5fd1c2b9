"""The catalogue: wire names to models, provider blocks to deployments."""

from __future__ import annotations

import pytest

from gateway.config.catalogue import Catalogue
from gateway.core.globs import is_glob
from gateway.core.secret import Secret
from tests.unit.pipeline.kits import config_of, deployment_of, model, provider

URL = "http://127.0.0.1:9/v1"


def catalogue(**models: dict[str, object]) -> Catalogue:
    """Models by slug, each served by one provider."""
    return Catalogue.of(config_of({"p": provider(URL)}, {slug: model("p", **more) for slug, more in models.items()}))


def slug(found: object) -> str | None:
    """The slug of what was found."""
    return getattr(found, "slug", None)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("gpt-4o", "exact"),
        ("gpt-4o-mini", "family"),
        ("gpt-", "family"),
        ("GPT-4o", None),
        ("o1", "short"),
        ("o12", None),
        ("my-gpt-4", None),
        ("", None),
        ("ü☃", None),
    ],
)
def test_exact_names_go_before_globs(name: str, wanted: str | None) -> None:
    """Whatever their order; case counts; a glob stands for the whole name."""
    found = catalogue(family={"names": ["gpt-*"]}, exact={"names": ["gpt-4o"]}, short={"names": ["o?"]})
    for _ in range(2):  # the second time from the memory of globs
        assert slug(found.find(name)) == wanted


def test_the_first_of_two_globs_wins() -> None:
    """In the order of the configuration."""
    found = catalogue(one={"names": ["gpt-*"]}, two={"names": ["gpt-4*"]})
    assert slug(found.find("gpt-4o")) == "one"


def test_no_client_can_fill_the_memory_with_names() -> None:
    """A name longer than any name may be matches nothing, also not a glob for everything."""
    found = catalogue(any={"names": ["*"]})
    assert slug(found.find("x" * 200)) == "any"
    assert found.find("x" * 100_000) is None


def test_listed_are_names_without_globs_of_listed_models() -> None:
    """In the order of the configuration."""
    found = catalogue(b={"names": ["b1", "b-*", "b2"]}, hidden={"names": ["h"], "is_listed": False}, a={"names": ["a"]})
    assert [name for name, _ in found.listed()] == ["b1", "b2", "a"]


@pytest.mark.parametrize(("name", "is_one"), [("a*", True), ("a?", True), ("a", False), ("a[b]", False)])
def test_what_is_a_glob(name: str, is_one: bool) -> None:
    """Star and question mark, nothing else."""
    assert is_glob(name) is is_one


def test_a_name_with_brackets_is_itself_beside_a_glob() -> None:
    """Brackets are no pattern: documented globs are star and question mark."""
    found = catalogue(glob={"names": ["v[1]-*"]})
    assert slug(found.find("v[1]-large")) == "glob"
    assert found.find("v1-large") is None


@pytest.mark.parametrize(
    ("auth", "header", "value"),
    [("bearer", "authorization", "Bearer sk-x"), ("api-key", "api-key", "sk-x"), ("x-api-key", "x-api-key", "sk-x")],
)
def test_the_vendors_key_is_carried_as_it_wants(auth: str, header: str, value: str) -> None:
    """And is not shown by the deployment's repr."""
    made = deployment_of(auth=auth, api_key=Secret("sk-x"), headers={"X-Title": "t"})
    assert made.headers == {"x-title": "t", header: value}
    assert "sk-x" not in repr(made)


def test_no_key_no_header() -> None:
    """`none` sends nothing even when a key is there."""
    assert deployment_of(auth="none", api_key=Secret("sk-x"), headers={}).headers == {}


def test_what_a_candidate_sets_goes_over_its_provider() -> None:
    """Forced parameters merge, drops add up, the nearest clock wins."""
    made = deployment_of(
        force={"a": 1, "b": 1},
        drop=["x"],
        timeouts={"connect_s": 1.0, "idle_s": 2.0},
        candidate={"force": {"b": 2}, "drop": ["y"], "timeouts": {"idle_s": 3.0}, "upstream_model": "up"},
    )
    assert made.force == {"a": 1, "b": 2}
    assert made.drop == {"x", "y"}
    assert (made.timeouts.connect_s, made.timeouts.idle_s) == (1.0, 3.0)
    assert made.id == "p/up"


def test_a_deployment_without_upstream_model_passes_names_on() -> None:
    """Its id says so."""
    assert deployment_of().id == "p/*"


def test_a_base_url_may_end_with_a_slash() -> None:
    """Paths are appended to it either way."""
    assert deployment_of("http://127.0.0.1:9/v1/").base_url == "http://127.0.0.1:9/v1"


@pytest.mark.parametrize(
    ("of_provider", "of_candidate", "can"),
    [
        (None, None, (True, True)),
        ("only", None, (True, False)),
        ("never", None, (False, True)),
        ("never", "both", (True, True)),
        (None, "only", (True, False)),
    ],
)
def test_a_candidate_says_before_its_provider_how_it_may_be_asked(
    of_provider: str | None, of_candidate: str | None, can: tuple[bool, bool]
) -> None:
    """`streaming`: the candidate's, else the provider's, else both; a deployment holds it as two answers."""
    candidate = {"provider": "p", "upstream_model": "u", "streaming": of_candidate}
    config = config_of({"p": provider(URL, streaming=of_provider)}, {"m": {"names": ["m"], "candidates": [candidate]}})
    (deployment,) = Catalogue.of(config).entries[0].candidates
    assert (deployment.can_stream, deployment.can_answer_whole) == can


@pytest.mark.parametrize(
    ("dialect", "declared", "emulation", "is_native"),
    [
        ("openai", "auto", "", False),
        ("openai", "native", "", True),
        ("openai", "tool", "tool", False),
        ("openai", "instruction", "instruction", False),
        ("cohere", "none", "none", False),
        ("anthropic", "auto", "", False),
        ("anthropic", "tool", "", False),
        ("anthropic", "native", "", True),
        ("bedrock", "instruction", "instruction", False),
    ],
)
def test_how_structured_answers_are_met(dialect: str, declared: str, emulation: str, is_native: bool) -> None:
    """A candidate's word goes before its provider's; dialects with a tool of their own keep it."""
    for members in ({"structured_output": declared}, {"candidate": {"structured_output": declared}}):
        made = deployment_of(URL, dialect=dialect, **members)
        assert (made.emulation, made.is_schema_native) == (emulation, is_native)
    made = deployment_of(URL, structured_output="none", candidate={"structured_output": "native"})
    assert (made.emulation, made.is_schema_native) == ("", True)


@pytest.mark.parametrize(
    ("model_id", "declared", "expected"),
    [
        ("us.anthropic.claude-v1:0", "auto", True),
        ("amazon.nova-pro-v1:0", "auto", False),
        ("arn:aws:bedrock:us-east-1:1:application-inference-profile/x", "anthropic", True),
        ("us.anthropic.claude-v1:0", "none", False),
        (None, "auto", True),
    ],
)
def test_whose_model_it_is(model_id: str | None, declared: str, expected: bool) -> None:
    """Its id says so, or the configuration."""
    candidate = {"upstream_model": model_id, "additional_fields": declared}
    assert deployment_of(URL, dialect="bedrock", candidate=candidate).has_anthropic_fields is expected
