"""Pages without a body, methods every path has, cross-origin answers, profiles, settings."""

from __future__ import annotations

import dataclasses
import json

import pytest

from gateway.config.schema import edge as edge_schema
from gateway.config.schema import profiles as profiles_schema
from gateway.core.errors import GatewayError, Kind
from gateway.frontend.settings import Cors, FrontendSettings, Http, Profile
from gateway.rpc.contract import Head
from tests.unit.frontend.harness import CHAT_BODY, error_of, frontend, post, split

PATH = "/v1/chat/completions"
ORIGIN = "Origin: https://app.example.com"


async def test_health_and_front_page_need_no_service() -> None:
    """Liveness and the front page answer while no service is connected, and make no call."""
    async with frontend(is_ready=lambda: False) as front:
        status, _, body = split(await front.raw(post("/health", b"", method="GET")))
        assert (status, json.loads(body)["status"]) == (200, "healthy")
        status, _, body = split(await front.raw(post("/", b"", method="GET")))
        assert (status, json.loads(body)["openapi"]) == (200, "/openapi.json")
        assert front.toy.calls == []


async def test_readiness_follows_the_link() -> None:
    """/readyz is 200 while a call would reach a service, else 503 with the error object."""
    ready = [True]
    async with frontend(is_ready=lambda: ready[0]) as front:
        assert split(await front.raw(post("/readyz", b"", method="GET")))[0] == 200
        ready[0] = False
        status, headers, body = split(await front.raw(post("/readyz", b"", method="GET")))
    assert (status, headers["retry-after"]) == (503, "1")
    assert error_of(body)["code"] == "unavailable"


async def test_metrics_are_what_is_injected() -> None:
    """/metrics shows the injected text; without a source the path does not exist."""

    async def metrics() -> bytes:
        return b"up 1\n"

    async with frontend(metrics=metrics) as front:
        status, headers, body = split(await front.raw(post("/metrics", b"", method="GET")))
    assert (status, body) == (200, b"up 1\n")
    assert headers["content-type"].startswith("text/plain; version=0.0.4")
    async with frontend() as front:
        assert split(await front.raw(post("/metrics", b"", method="GET")))[0] == 404


@pytest.mark.parametrize("path", ["/", "/health", "/readyz", "/openapi.json", "/v1/models", "/v1/models/m-1"])
async def test_head_is_get_without_its_body(path: str) -> None:
    """HEAD has the status and length of GET and no body."""
    async with frontend() as front:
        _, got, body = split(await front.raw(post(path, b"", method="GET")))
        status, headers, nothing = split(await front.raw(post(path, b"", method="HEAD")))
    assert (status, nothing) == (200, b"")
    assert abs(int(headers["content-length"]) - len(body)) <= 1  # /health counts its seconds
    assert headers["content-type"] == got["content-type"]


async def test_query_and_absolute_target_reach_the_path() -> None:
    """A query is ignored; a target with scheme and host, as proxies send it, is its path."""
    async with frontend() as front:
        assert split(await front.raw(post("/v1/models?a=b", b"", method="GET")))[0] == 200
        assert split(await front.raw(post("http://x/v1/models", b"", method="GET")))[0] == 200


async def test_options_without_cors() -> None:
    """OPTIONS names the methods of a path; without configured origins no answer allows any."""
    async with frontend() as front:
        preflight = post(PATH, b"", ORIGIN, "Access-Control-Request-Method: POST", method="OPTIONS")
        status, headers, body = split(await front.raw(preflight))
        assert (status, headers["allow"], body) == (204, "POST, OPTIONS", b"")
        assert "content-length" not in headers
        _, plain, _ = split(await front.raw(post(PATH, CHAT_BODY, ORIGIN)))
        assert split(await front.raw(post("/nope", b"", method="OPTIONS")))[0] == 404
    assert not [name for name in [*headers, *plain] if name.startswith("access-control")]


async def test_cors_for_listed_origins() -> None:
    """A listed origin may call and read, on success, failure and streams; another gets nothing; caches are told."""
    http = {"cors": {"allow_origins": ["https://app.example.com"], "allow_credentials": True}}
    async with frontend(http=http) as front:
        preflight = post(PATH, b"", ORIGIN, "Access-Control-Request-Method: POST", method="OPTIONS")
        status, headers, _ = split(await front.raw(preflight))
        assert status == 204
        assert headers["access-control-allow-origin"] == "https://app.example.com"
        assert headers["access-control-allow-methods"] == "GET, POST, OPTIONS"
        assert "authorization" in headers["access-control-allow-headers"]
        assert headers["access-control-max-age"] == "600"
        assert headers["access-control-allow-credentials"] == "true"
        for body in (CHAT_BODY, {**CHAT_BODY, "stream": True}, b"{"):
            _, headers, _ = split(await front.raw(post(PATH, body, ORIGIN)))
            assert headers["access-control-allow-origin"] == "https://app.example.com"
            assert "x-request-id" in headers["access-control-expose-headers"]
            assert headers["vary"] == "origin"
        _, headers, _ = split(await front.raw(post(PATH, CHAT_BODY, "Origin: https://evil.example")))
        assert "access-control-allow-origin" not in headers
        assert headers["vary"] == "origin"


async def test_cors_for_any_origin_never_allows_credentials() -> None:
    """`*` is answered literally and without credentials, whatever the configuration says."""
    async with frontend(http={"cors": {"allow_origins": ["*"], "allow_credentials": True}}) as front:
        _, headers, _ = split(await front.raw(post(PATH, CHAT_BODY, ORIGIN)))
    assert headers["access-control-allow-origin"] == "*"
    assert "access-control-allow-credentials" not in headers


async def test_profile_decides_what_is_shown() -> None:
    """Gateway headers, rate-limit headers and model members can be hidden by the profile."""
    profile = {"has_gateway_headers": False, "rate_limit_headers": "none", "model_extras": ["capabilities"]}
    async with frontend(profile=profile) as front:
        _, headers, _ = split(await front.raw(post(PATH, CHAT_BODY)))
        _, _, body = split(await front.raw(post("/v1/models", b"", method="GET")))
        _, _, one = split(await front.raw(post("/v1/models/m-1", b"", method="GET")))
    assert not [name for name in headers if name.startswith(("x-gateway", "x-ratelimit"))]
    for model in [*json.loads(body)["data"], json.loads(one)]:
        assert set(model) == {"id", "object", "created", "owned_by", "capabilities"}


async def test_profile_may_show_every_provider_failure_as_502() -> None:
    """`upstream_error_status: 502` changes the status of provider failures only, never the code."""

    async def script(method, request, context):
        raise GatewayError(Kind.PROVIDER_TIMEOUT, "Too slow.", http_status=504)
        yield Head({})

    async with frontend(script, profile={"upstream_error_status": "502"}) as front:
        status, _, body = split(await front.raw(post(PATH, CHAT_BODY)))
    assert (status, error_of(body)["code"]) == (502, "provider_timeout")


async def test_timing_can_be_switched_off_and_is_kept_on_failures() -> None:
    """`has_server_timing` rules answers; a failed call that has stages shows them."""

    async def script(method, request, context):
        error = GatewayError(Kind.RATE_LIMITED, "Wait.")
        error.trailers["server-timing"] = "admit;dur=0.2"
        error.headers["x-ratelimit-remaining-requests"] = "0"
        raise error
        yield Head({})

    async with frontend(http={"has_server_timing": False}) as front:
        assert "server-timing" not in split(await front.raw(post(PATH, CHAT_BODY)))[1]
    async with frontend(script) as front:
        _, headers, _ = split(await front.raw(post(PATH, CHAT_BODY)))
    assert headers["server-timing"] == "admit;dur=0.2"
    assert headers["x-ratelimit-remaining-requests"] == "0"


async def test_each_request_is_observed_once() -> None:
    """The observation of a whole answer, a stream and a failure says what happened."""
    async with frontend() as front:
        await front.raw(post(PATH, CHAT_BODY))
        await front.raw(post(PATH, {**CHAT_BODY, "stream": True}))
        await front.raw(post("/x/y", b"", method="GET"))
        whole, stream, unknown = await front.observed(3)
    assert (whole.route, whole.method, whole.status, whole.outcome, whole.is_stream) == (
        PATH,
        "POST",
        200,
        "complete",
        False,
    )
    assert whole.received_bytes == len(json.dumps(CHAT_BODY))
    assert whole.sent_bytes > 100
    assert (stream.status, stream.outcome, stream.is_stream, stream.chunks) == (200, "complete", True, 3)
    assert stream.ttft_s is not None
    assert 0 < stream.ttft_s <= stream.seconds
    assert (unknown.route, unknown.status, unknown.error) == ("unknown", 404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(Http, edge_schema.Http), (Cors, edge_schema.Cors), (Profile, profiles_schema.Profile)],
)
def test_settings_have_the_names_and_defaults_of_the_configuration(ours, theirs) -> None:
    """Nothing is named twice: each member is one of the configuration's section, with the same default."""
    section = theirs()
    for part in dataclasses.fields(ours):
        if part.name not in ("cors", "name"):
            assert getattr(ours(), part.name) == getattr(section, part.name), part.name


def test_settings_are_read_tolerantly() -> None:
    """Unknown members are ignored, absent and null ones have their defaults, lists become tuples."""
    settings = FrontendSettings.from_json(
        '{"http": {"port": 1, "new": {}, "cors": {"allow_origins": ["a"], "x": 1}, "host": null}, "observe": {},'
        ' "profiles": {"p": {"key_carriers": ["x-api-key"], "y": 2}}, "generation": 3}'
    )
    assert (settings.http.port, settings.http.host) == (1, "127.0.0.1")
    assert settings.http.cors.allow_origins == ("a",)
    assert settings.profile("p").key_carriers == ("x-api-key",)
    assert settings.profile("q") == Profile()
    assert settings.profile("p").name == "p"
    for text in ("[]", "null", "{"):
        with pytest.raises(ValueError):
            FrontendSettings.from_json(text)


async def test_a_host_and_a_listener_choose_the_profile() -> None:
    """The request's host first, then its listener, then the default; an unknown host is nobody's."""
    settings = FrontendSettings.from_json(
        '{"profiles": {"a": {}, "b": {}}, "http": {"hosts": [{"name": "b.example", "profile": "b"}]}}'
    )
    chosen = {
        (name, host): settings.profile(name, host).name
        for name in ("default", "a")
        for host in (None, "B.example:8080", "b.example", "c.example")
    }
    assert chosen == {
        ("default", None): "default", ("default", "B.example:8080"): "b", ("default", "b.example"): "b",
        ("default", "c.example"): "default", ("a", None): "a", ("a", "B.example:8080"): "b", ("a", "b.example"): "b",
        ("a", "c.example"): "a",
    }  # fmt: skip
