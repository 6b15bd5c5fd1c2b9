"""The body that reaches the provider is the client's, but for what the configuration changes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.providers.openai_dialect import encode
from gateway.rpc.contract import CHAT, COMPLETE, EMBED, STREAM_CHAT, STREAM_COMPLETE, Method
from gateway.wire.json import loads
from gateway.wire.openai import chat, completions, embeddings
from tests.contract import lossless
from tests.contract.lossless import same, settled
from tests.unit.pipeline.kits import deployment_of

DECODE = {"chat": chat.decode_request, "completion": completions.decode_request, "embedding": embeddings.decode_request}
BODIES = {
    "chat": lossless.chat_request,
    "completion": lossless.completion_request,
    "embedding": lossless.embedding_request,
}
CASES: list[tuple[Method, str]] = [
    (CHAT, "chat"), (STREAM_CHAT, "chat"), (COMPLETE, "completion"), (STREAM_COMPLETE, "completion"),
    (EMBED, "embedding"),
]  # fmt: skip
HELLO = {"model": "m", "messages": [{"role": "user", "content": "hello"}]}


def sent(body: dict[str, Any], method: Method = CHAT, kind: str = "chat", **provider: Any) -> Any:
    """The JSON a provider is sent for a client's body."""
    deployment = deployment_of(**provider)
    return loads(encode(method, DECODE[kind](body), deployment, body.get("model", "")).body, depth_max=lossless.DEEP)


@pytest.mark.parametrize(("method", "kind"), CASES, ids=[method.name for method, _ in CASES])
def test_any_body_arrives_as_the_client_wrote_it(method: Method, kind: str) -> None:
    """With nothing configured, only `model` (and for streams `stream`) is ours, whatever the body holds."""

    @settings(max_examples=150)
    @given(BODIES[kind].map(settled))
    def holds(body: dict[str, Any]) -> None:
        body = {**body, "model": "m"}
        if method.is_stream:
            body["stream"] = True
        elif body.get("stream"):
            body["stream"] = False
        arrived = sent(body, method, kind, is_usage_in_stream_asked=False)
        assert same(arrived, body), (arrived, body)

    holds()


@given(st.sampled_from([None, {}, {"include_usage": False}, {"include_usage": None}, {"include_obfuscation": True}]))
def test_a_stream_is_asked_for_usage_whatever_the_client_said(options: Any) -> None:
    """What else the client asked of its stream stays."""
    body = {**HELLO, "stream": True, "stream_options": options}
    assert sent(body, STREAM_CHAT)["stream_options"] == {**(options or {}), "include_usage": True}
    assert sent({**HELLO, "stream": True}, STREAM_CHAT)["stream_options"] == {"include_usage": True}


def test_a_vendor_that_refuses_stream_options_is_not_asked() -> None:
    """`is_usage_in_stream_asked: false` adds nothing; the client's own wish goes through."""
    assert "stream_options" not in sent({**HELLO, "stream": True}, STREAM_CHAT, is_usage_in_stream_asked=False)
    asked = {**HELLO, "stream": True, "stream_options": {"include_usage": True}}
    assert sent(asked, STREAM_CHAT, is_usage_in_stream_asked=False) == asked


def test_a_whole_answer_is_not_asked_as_stream() -> None:
    """A gRPC client may leave `stream` set on an ordinary call: the provider must not stream."""
    assert sent({**HELLO, "stream": True})["stream"] is False
    assert "stream" not in sent(HELLO)


def test_the_upstreams_model_name_replaces_the_clients() -> None:
    """Set on the candidate; unset = the client's name."""
    assert sent(HELLO, candidate={"upstream_model": "vendor/x"})["model"] == "vendor/x"
    assert sent(HELLO)["model"] == "m"


def test_forced_dropped_and_renamed_parameters() -> None:
    """Drops first, then renames, then what is forced; a name that is not there changes nothing."""
    body = {**HELLO, "temperature": 1, "user": "u", "max_tokens": 5, "seed": 1}
    arrived = sent(
        body,
        drop=["user", "absent"],
        rename={"max_tokens": "max_completion_tokens", "gone": "x"},
        force={"temperature": 0, "reasoning": {"effort": "low"}},
        candidate={"force": {"temperature": 0.5}, "drop": ["seed"]},
    )
    assert arrived == {**HELLO, "temperature": 0.5, "max_completion_tokens": 5, "reasoning": {"effort": "low"}}


def test_usage_can_be_dropped_for_a_vendor_that_refuses_it() -> None:
    """The configuration has the last word."""
    assert "stream_options" not in sent({**HELLO, "stream": True}, STREAM_CHAT, drop=["stream_options"])


def test_the_clients_message_is_not_changed() -> None:
    """Each try works from the same request."""
    request = chat.decode_request({**HELLO, "user": "u", "stream": True})
    before = request.SerializeToString()
    encode(STREAM_CHAT, request, deployment_of(drop=["user"], force={"n": 2}), "m")
    assert request.SerializeToString() == before


@pytest.mark.parametrize(("method", "kind"), CASES, ids=[method.name for method, _ in CASES])
def test_paths(method: Method, kind: str) -> None:
    """Appended to the base URL, version included."""
    path = {"chat": "/chat/completions", "completion": "/completions", "embedding": "/embeddings"}[kind]
    request = encode(method, DECODE[kind]({"model": "m"}), deployment_of("https://v.example/v1"), "m")
    assert request.url == f"https://v.example/v1{path}"
    assert request.is_stream is method.is_stream


def test_azures_path_and_query() -> None:
    """`{model}` stands for the upstream model, quoted whole, so that no name leaves its place in the path."""
    deployment = deployment_of(
        "https://r.openai.azure.com/openai",
        paths={"chat": "/deployments/{model}/chat/completions"},
        query={"api-version": "2024-10-21", "x": "a b&c"},
        candidate={"upstream_model": "my/../gpt 4?#"},
    )
    url = encode(CHAT, chat.decode_request(HELLO), deployment, "m").url
    assert url == (
        "https://r.openai.azure.com/openai/deployments/my%2F..%2Fgpt%204%3F%23/chat/completions"
        "?api-version=2024-10-21&x=a+b%26c"
    )


def test_headers_are_ours_not_the_clients() -> None:
    """Streams ask for bytes as they are; a provider's own headers go over ours."""
    whole = encode(CHAT, chat.decode_request(HELLO), deployment_of(headers={"X-Title": "t"}), "m").headers
    stream = encode(STREAM_CHAT, chat.decode_request(HELLO), deployment_of(headers={"User-Agent": "u"}), "m").headers
    assert whole == {
        "content-type": "application/json", "accept": "application/json", "accept-encoding": "gzip, deflate",
        "user-agent": whole["user-agent"], "x-title": "t",
    }  # fmt: skip
    assert (stream["accept"], stream["accept-encoding"], stream["user-agent"]) == ("text/event-stream", "identity", "u")
