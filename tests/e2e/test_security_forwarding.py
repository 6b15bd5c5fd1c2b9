"""What passes through from caller to provider and back: only what is listed; and nothing in a request is fetched.

Rules: a gateway in this process, with providers of every dialect at a recorder that keeps each byte.
Not here: credentials in what is said (test_secrets_full_run).
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from typing import Any, get_args

import pytest

from gateway.config.schema.upstream import Dialect
from tests.support.raw import ask
from tests.support.recorder import Recorder, Scripted, recording
from tests.support.single import InProcess, single

DIALECTS = get_args(Dialect)
SENT_UP = {  # all a provider of the OpenAI dialect is told beside the body
    "host", "content-type", "accept", "accept-encoding", "user-agent", "content-length", "authorization",
    "x-gateway-hop",
}  # fmt: skip
HOSTILE = {
    "x-forwarded-for": "10.1.2.3", "x-forwarded-host": "evil.example", "x-real-ip": "10.1.2.3", "forwarded": "for=1",
    "cookie": "session=planted", "proxy-authorization": "Basic planted", "x-api-base": "http://evil.example",
    "x-portkey-custom-host": "http://evil.example", "x-gateway-base-url": "http://evil.example", "te": "trailers",
    "openai-organization": "planted", "x-anything": "planted", "referer": "http://evil.example", "via": "1.1 evil",
}  # fmt: skip
OF_PROVIDERS = (
    "server", "x-internal", "x-ratelimit-limit-requests", "x-request-id", "via", "alt-svc", "www-authenticate",
    "access-control-allow-origin", "openai-organization",
)  # fmt: skip
STEERING = {  # members by which other gateways let a caller choose where a request goes
    "api_base": "http://evil.example", "base_url": "http://evil.example", "api_key": "planted", "proxy": "http://evil",
    "extra_headers": {"host": "evil.example"}, "headers": {"host": "evil.example"}, "custom_llm_provider": "evil",
}  # fmt: skip


@pytest.fixture(scope="module")
async def gateway() -> AsyncIterator[tuple[InProcess, Recorder, Recorder]]:
    """A gateway, the provider behind it, and a server that files could be fetched from."""
    async with recording() as upstream, recording() as elsewhere:
        aws = {"region": "us-east-1", "access_key_id": {"env": "KEY"}, "secret_access_key": {"env": "KEY"}}
        providers: dict[str, Any] = {
            dialect: {
                "dialect": dialect,
                "base_url": f"{upstream.url}/{dialect}",
                "is_local": True,
                "api_key": {"env": "KEY"},
            }
            for dialect in DIALECTS
        }
        del providers["bedrock"]["api_key"]
        providers["bedrock"]["aws"] = aws
        models = {
            dialect: {
                "names": [dialect],
                "candidates": [{"provider": dialect, "upstream_model": "m"}],
                "retry": {"attempts_max": 1},
            }
            for dialect in DIALECTS
        }
        layer = {"providers": providers, "models": models}
        async with single(layer, environ={"KEY": "sk-a-provider-key"}) as running:
            yield running, upstream, elsewhere


async def test_S4_only_listed_headers_reach_a_provider(gateway: tuple[InProcess, Recorder, Recorder]) -> None:
    """Neither the caller's credential nor a header of its own, whatever it is called."""
    running, upstream, _ = gateway
    body = {"model": "openai", "messages": [{"role": "user", "content": "hi"}]}
    (await ask(f"{running.base_url}/chat/completions", body, running.key, headers=HOSTILE)).ok()
    sent = {name.lower() for name, _ in upstream.last.headers}
    assert sent == SENT_UP
    assert upstream.last.header("authorization") == "Bearer sk-a-provider-key"
    assert "planted" not in str(upstream.last.headers)


async def test_S4_only_listed_headers_of_a_provider_reach_the_caller(
    gateway: tuple[InProcess, Recorder, Recorder],
) -> None:
    """Cookies, names of machines, redirects and framing of a provider end at the gateway, for answers and refusals."""
    running, upstream, _ = gateway
    told = {"set-cookie": "a=planted", "location": "http://planted", **dict.fromkeys(OF_PROVIDERS, "planted")}
    body = {"model": "openai", "messages": [{"role": "user", "content": "hi"}]}
    for status in (200, 302, 400, 401, 429, 500):
        headers = (("content-type", "application/json"), *told.items())
        upstream.answer = lambda _, status=status, headers=headers: Scripted(status=status, headers=headers)  # type: ignore[misc]  # bound per turn
        before = len(upstream.seen)
        answer = await ask(f"{running.base_url}/chat/completions", body, running.key)
        assert "planted" not in str(dict(answer.headers))
        assert not {"set-cookie", "location", "server", "via"} & answer.headers.keys()
        assert len(upstream.seen) == before + 1, "a redirect was followed"
    upstream.answer = lambda _: Scripted()


async def test_S1_no_member_of_a_body_steers_a_request(gateway: tuple[InProcess, Recorder, Recorder]) -> None:
    """Unknown members go to the provider in its body, as they came; all else is the configuration's."""
    running, upstream, elsewhere = gateway
    body = {"model": "openai", "messages": [{"role": "user", "content": "hi"}], **STEERING}
    await ask(f"{running.base_url}/chat/completions", body, running.key)
    seen = upstream.last
    assert (seen.path, seen.header("host")) == ("/openai/chat/completions", upstream.url.removeprefix("http://"))
    assert seen.header("authorization") == "Bearer sk-a-provider-key"
    assert elsewhere.seen == []


@pytest.mark.parametrize("dialect", DIALECTS)
async def test_S2_no_address_in_a_request_is_fetched(
    gateway: tuple[InProcess, Recorder, Recorder], dialect: str
) -> None:
    """Images and files by address are passed on or refused; a server that waits for a visit gets none."""
    running, upstream, elsewhere = gateway
    address = f"{elsewhere.url}/picture.png"
    data = base64.b64encode(b"x").decode()
    contents: list[Any] = [
        [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": address}}],
        [{"type": "text", "text": "see"}, {"type": "file", "file": {"file_id": address}}],
        [{"type": "text", "text": "see"}, {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}],
    ]
    key, before = running.key, len(upstream.seen)
    for content in contents:
        body = {"model": dialect, "messages": [{"role": "user", "content": content}]}
        await ask(f"{running.base_url}/chat/completions", body, key)
    source = {"type": "url", "url": address}
    blocks = [{"type": "image", "source": source}, {"type": "document", "source": source}]
    for block in blocks:
        asked: dict[str, Any] = {"model": dialect, "max_tokens": 9, "messages": [{"role": "user", "content": [block]}]}
        await ask(f"{running.base_url}/messages", asked, key)
    parts = [{"fileData": {"fileUri": address, "mimeType": "image/png"}}, {"text": "see"}]
    url = f"{running.url}/v1beta/models/{dialect}:generateContent"
    await ask(url, {"contents": [{"role": "user", "parts": parts}]}, key)
    items = [{"type": "input_image", "image_url": address}, {"type": "input_file", "file_url": address}]
    await ask(f"{running.base_url}/responses", {"model": dialect, "input": [{"role": "user", "content": items}]}, key)
    assert elsewhere.seen == []
    if dialect in {"openai", "anthropic"}:
        assert any(address.encode() in seen.body for seen in upstream.seen[before:]), "the address is passed on"
