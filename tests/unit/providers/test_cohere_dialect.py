"""The Cohere format upstream: failures told as an answer, ends, what is sent where."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers.cohere_dialect import decode_reply, encode, stream_decoder
from gateway.rpc.contract import CHAT, COMPLETE, EMBED, STREAM_CHAT
from gateway.wire.openai import chat
from gateway.wire.pb import completions_pb2, embeddings_pb2
from tests.unit.pipeline.kits import deployment_of

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream_options": {"include_usage": True}}


def event(type_: str, **members: Any) -> bytes:
    return f"event: {type_}\ndata: {json.dumps({'type': type_, **members})}\n\n".encode()


START = event("message-start", id="x")
TEXT = event("content-delta", index=0, delta={"message": {"content": {"text": "hello"}}})


def decoder() -> Any:
    return stream_decoder(STREAM_CHAT, chat.decode_request(ASKED), deployment_of())


def ended(reason: str) -> bytes:
    return event("message-end", delta={"finish_reason": reason, "usage": {"tokens": {}}})


@pytest.mark.parametrize(
    ("end", "kind"),
    [
        (ended("ERROR"), Kind.PROVIDER_ERROR),
        (ended("TIMEOUT"), Kind.PROVIDER_TIMEOUT),
        (b'data: {"id":"x","message":"words"}\n\n', Kind.PROVIDER_ERROR),
        (b"data: {\n\n", Kind.PROVIDER_INVALID),
        (b"data: []\n\n", Kind.PROVIDER_INVALID),
    ],
)
def test_a_failure_in_a_stream(end: bytes, kind: Kind) -> None:
    """Is one; what came before it in the same read is not lost."""
    with pytest.raises(GatewayError) as caught:
        decoder().feed(START + TEXT + end)
    assert caught.value.kind is kind
    assert [block.text for chunk in caught.value.before for c in chunk.choices for block in c.delta.blocks] == ["hello"]


@pytest.mark.parametrize(("reason", "kind"), [("ERROR", Kind.PROVIDER_ERROR), ("TIMEOUT", Kind.PROVIDER_TIMEOUT)])
def test_a_failure_told_as_an_answer(reason: str, kind: Kind) -> None:
    """Is one."""
    with pytest.raises(GatewayError) as caught:
        decode_reply(CHAT, json.dumps({"finish_reason": reason, "message": {}}).encode())
    assert caught.value.kind is kind


def test_nothing_is_read_after_the_end() -> None:
    """And counts that never came are none."""
    made = decoder()
    events = made.feed(START + TEXT + ended("COMPLETE") + TEXT + b"data: [DONE]\n\n")
    assert [chunk.choices[0].finish_reason for chunk in events] == ["", "", "stop"]
    assert (made.finish(), made.usage) == ([], None)


def test_paths() -> None:
    """Are Cohere's unless configured; only chat and embeddings have one."""
    deployment = deployment_of("https://h/v2")
    embed = embeddings_pb2.EmbeddingRequest(model="m")
    assert encode(EMBED, embed, deployment, "m").url == "https://h/v2/embed"
    other = deployment_of("https://h", paths={"chat": "/proxy/{model}"})
    assert encode(CHAT, chat.decode_request(ASKED), other, "m").url == "https://h/proxy/m"
    with pytest.raises(GatewayError) as caught:
        encode(COMPLETE, completions_pb2.CompletionRequest(), deployment, "m")
    assert caught.value.kind is Kind.UNSUPPORTED_PARAMETER


@pytest.mark.parametrize("body", [{}, {"embeddings": {"float": [["a"]]}}, {"embeddings": {"float": [[10**400]]}}])
def test_embeddings_that_are_none(body: dict[str, Any]) -> None:
    """Are no answer."""
    with pytest.raises(GatewayError) as caught:
        decode_reply(EMBED, json.dumps(body).encode())
    assert caught.value.kind is Kind.PROVIDER_INVALID
