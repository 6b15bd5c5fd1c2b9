"""The Gemini dialect: URLs, configured bodies, errors, and the ends of streams."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers import gemini_dialect
from gateway.rpc.contract import CHAT, COMPLETE, EMBED, STREAM_CHAT, STREAM_COMPLETE
from gateway.wire.gemini import chat
from gateway.wire.openai import chat as openai_chat
from gateway.wire.openai import completions, embeddings
from gateway.wire.openai.chunks import encode_chunk
from tests.unit.pipeline.kits import deployment_of

ASKED = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
NATIVE = {"contents": [{"parts": [{"text": "hi"}], "x": 1}], "generation_config": {"temperature": 1.0}, "y": None}


def sent(request: Any = None, method: Any = CHAT, **members: Any) -> Any:
    """The request to a provider with these members."""
    deployment = deployment_of("https://g.example/v1beta", **members)
    return gemini_dialect.encode(method, request or openai_chat.decode_request(ASKED), deployment, "m 1/x")


def test_urls() -> None:
    """One method per operation, the model quoted; a stream asks for events."""
    base = "https://g.example/v1beta/models/m%201%2Fx"
    embed = embeddings.decode_request({"model": "m", "input": "a"})
    assert sent().url == f"{base}:generateContent"
    assert sent(method=STREAM_CHAT).url == f"{base}:streamGenerateContent?alt=sse"
    assert sent(embed, EMBED).url == f"{base}:batchEmbedContents"
    assert sent(query={"key": "k"}, method=STREAM_CHAT).url.endswith("?key=k&alt=sse")


def test_configured_paths() -> None:
    """A path with `{model}` replaces ours, for the stream too."""
    paths = {"chat": "/endpoints/{model}:generateContent"}
    assert sent(paths=paths).url == "https://g.example/v1beta/endpoints/m%201%2Fx:generateContent"
    assert sent(paths=paths, method=STREAM_CHAT).url.endswith("/m%201%2Fx:streamGenerateContent?alt=sse")


def test_a_body_of_this_dialect_is_sent_as_it_came() -> None:
    """Unknown members, nulls and spelling included."""
    assert json.loads(sent(chat.decode_request(NATIVE)).body) == NATIVE


def test_drop_rename_and_force() -> None:
    """Members of the body and of generationConfig; forced objects are merged."""
    body = chat.decode_request(
        {"contents": [], "labels": {"a": "b"}, "generationConfig": {"seed": 1, "topK": 2, "temperature": 0.5}}
    )
    made = sent(
        body,
        drop=["labels", "generationConfig.seed"],
        rename={"generationConfig.topK": "generationConfig.top_k"},
        force={"generationConfig": {"temperature": 0}, "safetySettings": []},
    )
    assert json.loads(made.body) == {
        "contents": [], "generationConfig": {"top_k": 2, "temperature": 0}, "safetySettings": []
    }  # fmt: skip
    forced = sent(chat.decode_request({"contents": []}), force={"generationConfig.seed": 5})
    assert json.loads(forced.body) == {"contents": [], "generationConfig": {"seed": 5}}


def test_what_cannot_be_mapped_is_named() -> None:
    """The body lacks it, and the pipeline is told, which refuses the call or drops the member."""
    made = sent(openai_chat.decode_request({**ASKED, "logit_bias": {"1": 1}}))
    assert made.unsupported == ("logit_bias",)
    assert "logit_bias" not in json.loads(made.body)


def test_legacy_completions_have_no_place() -> None:
    """Said before anything is sent."""
    request = completions.decode_request({"model": "m", "prompt": "x"})
    for method in (COMPLETE, STREAM_COMPLETE):
        with pytest.raises(GatewayError) as caught:
            sent(request, method)
        assert caught.value.kind is Kind.UNIMPLEMENTED


def error(status: str = "", code: Any = 0, *details: Any) -> bytes:
    """An error body."""
    return json.dumps({"error": {"code": code, "message": "words", "status": status, "details": details}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("INVALID_ARGUMENT"), Kind.INVALID_REQUEST),
        (400, error("INVALID_ARGUMENT", 400, {"reason": "API_KEY_INVALID"}), Kind.PROVIDER_AUTH),
        (400, error("FAILED_PRECONDITION"), Kind.PROVIDER_AUTH),
        (401, error("UNAUTHENTICATED"), Kind.PROVIDER_AUTH),
        (403, error("PERMISSION_DENIED"), Kind.PROVIDER_AUTH),
        (404, error("NOT_FOUND"), Kind.MODEL_NOT_FOUND),
        (413, error(), Kind.REQUEST_TOO_LARGE),
        (429, error("RESOURCE_EXHAUSTED"), Kind.PROVIDER_RATE_LIMITED),
        (499, error("CANCELLED"), Kind.PROVIDER_ERROR),
        (500, error("INTERNAL"), Kind.PROVIDER_ERROR),
        (503, error("UNAVAILABLE"), Kind.PROVIDER_ERROR),
        (504, error("DEADLINE_EXCEEDED"), Kind.PROVIDER_TIMEOUT),
        (500, b"<html>", Kind.PROVIDER_ERROR),
    ],
)
def test_errors_by_status(status: int, body: bytes, kind: Kind) -> None:
    """Status, status word and reason decide."""
    assert gemini_dialect.classify(status, {}, body).kind is kind
    assert gemini_dialect.classify(status, {}, b"[" + body + b"]").kind is kind


def test_the_wait_a_provider_asks_for() -> None:
    """RetryInfo first, then the header."""
    retry = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37.5s"}
    assert gemini_dialect.classify(429, {"retry-after": "3"}, error("", 429, retry)).retry_after_s == 37.5
    assert gemini_dialect.classify(429, {"retry-after": "3"}, error()).retry_after_s == 3


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, Kind.PROVIDER_RATE_LIMITED),
        ({"status": "UNAVAILABLE"}, Kind.PROVIDER_ERROR),
        ({"code": 200, "status": "DEADLINE_EXCEEDED"}, Kind.PROVIDER_TIMEOUT),
        ("words", Kind.PROVIDER_ERROR),
    ],
)
def test_an_error_in_the_place_of_an_answer(given: Any, kind: Kind) -> None:
    """In a body of status 200, and as a frame of a stream."""
    data = json.dumps({"error": given}).encode()
    with pytest.raises(GatewayError) as caught:
        gemini_dialect.decode_reply(CHAT, data)
    assert caught.value.kind is kind
    with pytest.raises(GatewayError) as caught:
        decoder().feed(b"data: " + data + b"\n\n")
    assert caught.value.kind is kind


def frame(text: str | None = "x", finish: str | None = None, index: int = 0, **members: Any) -> bytes:
    """One frame of a stream."""
    content = {} if text is None else {"content": {"role": "model", "parts": [{"text": text}]}}
    candidate = {**content, "index": index, **({"finishReason": finish} if finish else {})}
    return b"data: " + json.dumps({"candidates": [candidate], **members}).encode() + b"\r\n\r\n"


def decoder(**members: Any) -> gemini_dialect.GeminiStreamDecoder:
    """A decoder for an OpenAI client that asks with these members."""
    request = openai_chat.decode_request({**ASKED, **members})
    return gemini_dialect.stream_decoder(STREAM_CHAT, request, deployment_of())


USAGE = {"usageMetadata": {"promptTokenCount": 2, "candidatesTokenCount": 1, "totalTokenCount": 3}}


def test_usage_comes_once_and_only_if_asked() -> None:
    """In a chunk of its own, after the end; the last count holds."""
    data = frame("a", **USAGE) + frame("b", "STOP", usageMetadata={**USAGE["usageMetadata"], "candidatesTokenCount": 2})
    for options in ({"stream_options": {"include_usage": True}}, {}):
        made = decoder(**options)
        events: list[Any] = made.feed(data) + made.finish()
        shown = [encode_chunk(event) for event in events]
        assert [len(chunk["choices"]) for chunk in shown] == ([1, 1, 0] if options else [1, 1])
        assert ["usage" in chunk for chunk in shown] == ([False, False, True] if options else [False, False])
        assert made.usage is not None
        assert made.usage.completion_tokens == 2


def test_a_client_of_gemini_gets_the_frames_as_they_came() -> None:
    """Usage in every frame, native words, no frame of ours."""
    made = gemini_dialect.stream_decoder(STREAM_CHAT, chat.decode_request(NATIVE), deployment_of())
    data = [frame("a", **USAGE, z=None), frame(None, "STOP", **USAGE)]
    events: list[Any] = [event for piece in data for event in made.feed(piece)] + made.finish()
    renderer = chat.ChunkRenderer()
    rendered = [json.loads(body) for event in events for _, body in renderer.render(event)]
    assert rendered == [json.loads(piece[6:]) for piece in data]


@pytest.mark.parametrize(
    ("data", "is_complete"),
    [
        (frame("a") + frame("b", "STOP"), True),
        (frame("a", "MAX_TOKENS"), True),
        (frame("a", "STOP") + frame("b", "STOP", 1), True),
        (b'data: {"promptFeedback":{"blockReason":"SAFETY"}}\n\n', True),
        (frame("a"), False),
        (frame("a", "STOP") + frame("b", index=1), False),
        (frame("a", "STOP") + b'data: {"candidates"', False),
        (b'data: {"usageMetadata":{}}\n\n', False),
        (b"", False),
    ],
)
def test_when_a_stream_is_complete(data: bytes, is_complete: bool) -> None:
    """Every candidate it showed has ended, and nothing is half there."""
    made = decoder()
    made.feed(data)
    if is_complete:
        made.finish()
        assert made.is_done
        return
    with pytest.raises(GatewayError) as caught:
        made.finish()
    assert caught.value.kind is Kind.STREAM_CUT


def test_frames_that_cannot_be_used() -> None:
    """No JSON, no object, too long."""
    for data in (b"data: {broken\n\n", b"data: [1]\n\n", b"data: " + b"x" * 5_000_000):
        with pytest.raises(GatewayError) as caught:
            decoder().feed(data)
        assert caught.value.kind is Kind.PROVIDER_INVALID


def test_a_failure_carries_what_came_before_it() -> None:
    """Frames of the same bytes that came whole are not lost."""
    with pytest.raises(GatewayError) as caught:
        decoder().feed(frame("hello") + b"data: {broken\n\n" + frame("never"))
    before: Any = caught.value.before
    assert [encode_chunk(chunk)["choices"][0]["delta"]["content"] for chunk in before] == ["hello"]


def test_whole_answers() -> None:
    """A whole answer has a time and its usage; a blocked prompt is an answer; nothing else is."""
    answer = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": "STOP"}], **USAGE}
    reply: Any = gemini_dialect.decode_reply(CHAT, json.dumps(answer).encode())
    assert reply.created > 1_700_000_000
    assert chat.encode_response(reply) == answer
    assert openai_chat.encode_response(reply)["id"].startswith("chatcmpl-")
    usage = gemini_dialect.usage_of_reply(CHAT, json.dumps(answer).encode())
    assert usage is not None
    assert usage.total_tokens == 3
    blocked: Any = gemini_dialect.decode_reply(CHAT, b'{"promptFeedback":{"blockReason":"OTHER"}}')
    assert blocked.choices[0].finish_reason == "content_filter"
    for body in (b"{}", b"[]", b"x", b'{"candidates":null}'):
        with pytest.raises(GatewayError) as caught:
            gemini_dialect.decode_reply(CHAT, body)
        assert caught.value.kind is Kind.PROVIDER_INVALID
    with pytest.raises(GatewayError):
        gemini_dialect.decode_reply(EMBED, b'{"embeddings":[{"values":["x"]}]}')


def test_frames_that_only_add_text_travel_as_text() -> None:
    """Neighbours of one kind are the shorthand; what differs in anything else is a whole chunk; counts stay right."""
    thought = {"text": "hm", "thought": True}
    contents: list[Any] = [
        {"text": "a"},
        {"text": "b"},
        {"text": "c", "x": 1},
        {"text": "d"},
        thought,
        thought,
        thought,
    ]
    made = decoder()
    events: list[Any] = []
    for at, part in enumerate(contents):
        usage = {"promptTokenCount": 1, "candidatesTokenCount": at}
        candidate = {"content": {"role": "model", "parts": [part]}, "index": 0}
        body = {"candidates": [candidate], "usageMetadata": usage, "responseId": "r"}
        events += made.feed(b"data: " + json.dumps(body).encode() + b"\n\n")
    assert [event if isinstance(event, str) else "chunk" for event in events] == [
        "chunk", "chunk", "chunk", "d", "chunk", "hm", "hm"
    ]  # fmt: skip
    assert made.chunks == 7
    assert made.output_chars == 4
    assert made.usage is not None
    assert made.usage.completion_tokens == 6


def test_a_changed_head_is_told() -> None:
    """Another id, model, candidate or an end is never the shorthand."""
    made = decoder()
    events: list[Any] = made.feed(frame("a") + frame("b") + frame("c", index=1) + frame("d", modelVersion="n"))
    events += made.feed(frame("e", responseId="q", modelVersion="n") + frame("f", "STOP", responseId="q"))
    assert not any(isinstance(event, str) for event in events)
