"""The Converse format upstream: failures in a stream, ends, keys."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers.bedrock_dialect import decode_reply, encode, stream_decoder
from gateway.rpc.contract import CHAT, EMBED, STREAM_CHAT
from gateway.wire.bedrock.errors import STATUSES
from gateway.wire.bedrock.eventstream import encode_message
from gateway.wire.openai import chat
from gateway.wire.openai import embeddings as openai_embeddings
from gateway.wire.pb import embeddings_pb2
from tests.unit.pipeline.kits import deployment_of

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream_options": {"include_usage": True}}
KINDS = {
    400: Kind.INVALID_REQUEST, 403: Kind.PROVIDER_AUTH, 404: Kind.MODEL_NOT_FOUND, 408: Kind.PROVIDER_TIMEOUT,
    424: Kind.PROVIDER_ERROR, 429: Kind.PROVIDER_RATE_LIMITED, 500: Kind.PROVIDER_ERROR, 503: Kind.PROVIDER_ERROR,
}  # fmt: skip


def event(type_: str, **members: Any) -> bytes:
    return encode_message({":message-type": "event", ":event-type": type_}, json.dumps(members).encode())


START = event("messageStart", role="assistant")
TEXT = event("contentBlockDelta", contentBlockIndex=0, delta={"text": "hello"})
STOP = event("messageStop", stopReason="end_turn")


def decoder() -> Any:
    return stream_decoder(STREAM_CHAT, chat.decode_request(ASKED), deployment_of())


@pytest.mark.parametrize(("name", "status"), [*STATUSES.items(), ("futureException", 500)])
def test_an_exception_in_a_stream(name: str, status: int) -> None:
    """Is classified by its name; what came before it in the same read is not lost."""
    failure = encode_message({":message-type": "exception", ":exception-type": name}, b'{"message":"words"}')
    with pytest.raises(GatewayError) as caught:
        decoder().feed(START + TEXT + failure)
    assert caught.value.kind is KINDS[status]
    assert [block.text for chunk in caught.value.before for c in chunk.choices for block in c.delta.blocks] == ["hello"]


def test_a_stream_without_counts_is_complete() -> None:
    """Once it said its end; not in the middle of a message."""
    made = decoder()
    made.feed(START + TEXT + STOP)
    (end,) = made.finish()
    assert (end.choices[0].finish_reason, made.is_done, made.usage) == ("stop", True, None)
    whole: Any = decode_reply(CHAT, b'{"output":{"message":{"content":[{"text":"a"}]}},"stopReason":"end_turn"}')
    assert not whole.HasField("usage")
    for data in (START + TEXT, START + TEXT + STOP + event("metadata")[:-1]):
        made = decoder()
        made.feed(data)
        with pytest.raises(GatewayError) as caught:
            made.finish()
        assert caught.value.kind is Kind.STREAM_CUT


@pytest.mark.parametrize("data", [b"data: {}\n\n" * 3, TEXT[:-1] + b"\0", event("x")[:16] + b"\0" * 99])
def test_what_is_no_event_stream(data: bytes) -> None:
    """Is no answer."""
    with pytest.raises(GatewayError) as caught:
        decoder().feed(data)
    assert caught.value.kind is Kind.PROVIDER_INVALID


def test_counts() -> None:
    """Come in a chunk of their own, with cached tokens among those of the prompt."""
    usage = {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3, "cacheReadInputTokens": 4}
    made = decoder()
    *_, last = made.feed(START + TEXT + STOP + event("metadata", usage=usage))
    assert (last.usage.prompt_tokens, last.usage.completion_tokens) == (5, 2)
    assert last.usage.prompt_tokens_details.cached_tokens == 4
    assert made.finish() == []
    answer = {"output": {"message": {"content": [{"text": "a"}]}}, "stopReason": "max_tokens", "usage": usage}
    whole: Any = decode_reply(CHAT, json.dumps(answer).encode())
    assert (whole.usage.prompt_tokens, whole.choices[0].finish_reason) == (5, "length")


def test_a_request() -> None:
    """Names the model in its URL, quoted; a bearer key needs no signature; a chat model embeds nothing."""
    deployment = deployment_of("https://h", candidate={"upstream_model": "us.anthropic.claude-v1:0"})
    request = encode(STREAM_CHAT, chat.decode_request(ASKED), deployment, "m")
    assert request.url == "https://h/model/us.anthropic.claude-v1%3A0/converse-stream"
    assert "x-amz-date" not in request.headers
    assert json.loads(request.body).keys() == {"messages", "inferenceConfig"}
    with pytest.raises(GatewayError) as caught:
        encode(EMBED, embeddings_pb2.EmbeddingRequest(), deployment, "m")
    assert (caught.value.kind, caught.value.param) == (Kind.UNSUPPORTED_PARAMETER, "model")


def test_a_request_for_embeddings() -> None:
    """The body of the model's vendor, to InvokeModel."""
    deployment = deployment_of("https://h", candidate={"upstream_model": "amazon.titan-embed-text-v2:0"})
    request = encode(EMBED, openai_embeddings.decode_request({"model": "m", "input": "hi"}), deployment, "m")
    assert request.url == "https://h/model/amazon.titan-embed-text-v2%3A0/invoke"
    assert json.loads(request.body) == {"inputText": "hi"}
    for given in (["a", "b"], [1, 2], [[1]]):
        with pytest.raises(GatewayError) as caught:
            encode(EMBED, openai_embeddings.decode_request({"model": "m", "input": given}), deployment, "m")
        assert (caught.value.kind, caught.value.param) == (Kind.UNSUPPORTED_PARAMETER, "input")


@pytest.mark.parametrize("answer", ["{", "[]", "{}", '{"embedding":[]}', '{"embeddings":{"float":[["x"]]}}'])
def test_vectors_that_are_none(answer: str) -> None:
    """The provider's failure."""
    with pytest.raises(GatewayError) as caught:
        decode_reply(EMBED, answer.encode())
    assert caught.value.kind is Kind.PROVIDER_INVALID
