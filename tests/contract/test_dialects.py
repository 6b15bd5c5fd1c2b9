"""What every upstream dialect promises, tested alike for each: one row per dialect.

A new dialect is a file `gateway/providers/*_dialect.py`, a line in the registry and a row here.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import gateway.providers
from gateway.config.schema.upstream import NEVER_STREAMS
from gateway.core.errors import GatewayError, Kind
from gateway.providers.registry import DIALECTS
from gateway.providers.upstream import Dialect
from gateway.rpc.contract import CHAT, STREAM_CHAT, with_text
from gateway.wire.bedrock.eventstream import encode_message
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import is_content
from tests.unit.pipeline.kits import deployment_of

PURE = ("asyncio", "socket", "aiohttp", "grpc", "dynaconf", "threading", "subprocess")


@dataclass(frozen=True)
class Row:
    """A dialect's own words for the same small things."""

    reply: bytes  # a whole answer: "hello", 3 prompt and 2 completion tokens
    stream: bytes  # the same, streamed and complete; empty for a format without streams
    stream_end: bytes  # how `stream` says that it is complete
    errors: Mapping[Kind, tuple[int, bytes]]  # an answer for each kind of refusal it has words for
    counts: tuple[int, int] | None = (3, 2)  # of `reply`; None for a format that counts nothing


def openai_row() -> Row:
    """OpenAI's."""
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    message = {"role": "assistant", "content": "hello"}
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "up"}
    chunks = [
        {**head, "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "hel"}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}]},
        {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
        {**head, "choices": [], "usage": usage},
    ]

    def refusal(code: str | None) -> bytes:
        return json.dumps({"error": {"message": "words", "type": "t", "param": None, "code": code}}).encode()

    return Row(
        reply=json.dumps(
            {"id": "x", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
        ).encode(),
        stream=b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n",
        stream_end=b"data: [DONE]\n\n",
        errors={
            Kind.INVALID_REQUEST: (400, refusal(None)),
            Kind.CONTEXT_LENGTH_EXCEEDED: (400, refusal("context_length_exceeded")),
            Kind.CONTENT_FILTERED: (400, refusal("content_filter")),
            Kind.PROVIDER_AUTH: (401, refusal("invalid_api_key")),
            Kind.MODEL_NOT_FOUND: (404, refusal("model_not_found")),
            Kind.PROVIDER_RATE_LIMITED: (429, refusal("rate_limit_exceeded")),
            Kind.PROVIDER_ERROR: (500, refusal(None)),
        },
    )


def gemini_row() -> Row:
    """Google's."""

    def frame(text: str, count: int, **members: Any) -> dict[str, Any]:
        usage = {"promptTokenCount": 3, "candidatesTokenCount": count, "totalTokenCount": 3 + count}
        candidate = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0, **members}
        return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "up", "responseId": "x"}

    def refusal(status: str, *details: Any) -> bytes:
        return json.dumps({"error": {"code": 0, "message": "words", "status": status, "details": details}}).encode()

    end = b"data: " + json.dumps(frame("", 2, finishReason="STOP")).encode() + b"\n\n"
    return Row(
        reply=json.dumps(frame("hello", 2, finishReason="STOP")).encode(),
        stream=b"".join(b"data: " + json.dumps(frame(*said)).encode() + b"\n\n" for said in (("hel", 1), ("lo", 2)))
        + end,
        stream_end=end,
        errors={
            Kind.INVALID_REQUEST: (400, refusal("INVALID_ARGUMENT")),
            Kind.PROVIDER_AUTH: (400, refusal("INVALID_ARGUMENT", {"reason": "API_KEY_INVALID"})),
            Kind.MODEL_NOT_FOUND: (404, refusal("NOT_FOUND")),
            Kind.PROVIDER_RATE_LIMITED: (429, refusal("RESOURCE_EXHAUSTED", {"retryDelay": "7s"})),
            Kind.PROVIDER_ERROR: (503, refusal("UNAVAILABLE")),
            Kind.PROVIDER_TIMEOUT: (504, refusal("DEADLINE_EXCEEDED")),
        },
    )


def anthropic_row() -> Row:
    """Anthropic's."""
    head = {"id": "x", "type": "message", "role": "assistant", "model": "up", "stop_sequence": None}
    usage = {"input_tokens": 3, "output_tokens": 2}

    def frame(type_: str, **members: Any) -> bytes:
        return f"event: {type_}\ndata: {json.dumps({'type': type_, **members})}\n\n".encode()

    def said(text: str) -> bytes:
        return frame("content_block_delta", index=0, delta={"type": "text_delta", "text": text})

    def refusal(type_: str) -> bytes:
        return json.dumps({"type": "error", "error": {"type": type_, "message": "words"}}).encode()

    content = [{"type": "text", "text": "hello"}]
    end = frame("message_stop")
    return Row(
        reply=json.dumps({**head, "content": content, "stop_reason": "end_turn", "usage": usage}).encode(),
        stream=frame("message_start", message={**head, "content": [], "stop_reason": None, "usage": usage})
        + frame("content_block_start", index=0, content_block={"type": "text", "text": ""})
        + said("hel")
        + said("lo")
        + frame("content_block_stop", index=0)
        + frame("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 2})
        + end,
        stream_end=end,
        errors={
            Kind.INVALID_REQUEST: (400, refusal("invalid_request_error")),
            Kind.PROVIDER_AUTH: (401, refusal("authentication_error")),
            Kind.MODEL_NOT_FOUND: (404, refusal("not_found_error")),
            Kind.PROVIDER_RATE_LIMITED: (429, refusal("rate_limit_error")),
            Kind.PROVIDER_ERROR: (529, refusal("overloaded_error")),
            Kind.PROVIDER_TIMEOUT: (504, refusal("timeout_error")),
        },
    )


def bedrock_row() -> Row:
    """Amazon's."""
    usage = {"inputTokens": 3, "outputTokens": 2, "totalTokens": 5}
    refusal = json.dumps({"message": "words"}).encode()

    def frame(type_: str, **members: Any) -> bytes:
        return encode_message({":message-type": "event", ":event-type": type_}, json.dumps(members).encode())

    message = {"role": "assistant", "content": [{"text": "hello"}]}
    end = frame("messageStop", stopReason="end_turn") + frame("metadata", usage=usage)
    return Row(
        reply=json.dumps({"output": {"message": message}, "stopReason": "end_turn", "usage": usage}).encode(),
        stream=frame("messageStart", role="assistant")
        + frame("contentBlockDelta", contentBlockIndex=0, delta={"text": "hel"})
        + frame("contentBlockDelta", contentBlockIndex=0, delta={"text": "lo"})
        + frame("contentBlockStop", contentBlockIndex=0)
        + end,
        stream_end=end,
        errors={
            Kind.INVALID_REQUEST: (400, refusal),
            Kind.PROVIDER_AUTH: (403, refusal),
            Kind.MODEL_NOT_FOUND: (404, refusal),
            Kind.PROVIDER_TIMEOUT: (408, refusal),
            Kind.PROVIDER_RATE_LIMITED: (429, refusal),
            Kind.PROVIDER_ERROR: (424, refusal),
        },
    )


def cohere_row() -> Row:
    """Cohere's."""
    usage = {"billed_units": {"input_tokens": 1, "output_tokens": 1}, "tokens": {"input_tokens": 3, "output_tokens": 2}}
    refusal = json.dumps({"id": "x", "message": "words"}).encode()

    def frame(type_: str, **members: Any) -> bytes:
        return f"event: {type_}\ndata: {json.dumps({'type': type_, **members})}\n\n".encode()

    def said(text: str) -> dict[str, Any]:
        return {"index": 0, "delta": {"message": {"content": {"text": text}}}}

    end = frame("message-end", delta={"finish_reason": "COMPLETE", "usage": usage})
    message = {"role": "assistant", "content": [{"type": "text", "text": "hello"}]}
    return Row(
        reply=json.dumps({"id": "x", "finish_reason": "COMPLETE", "message": message, "usage": usage}).encode(),
        stream=frame("message-start", id="x", delta={"message": {"role": "assistant", "content": []}})
        + frame("content-start", index=0, delta={"message": {"content": {"type": "text", "text": ""}}})
        + frame("content-delta", **said("hel"))
        + frame("content-delta", **said("lo"))
        + frame("content-end", index=0)
        + end,
        stream_end=end,
        errors={
            Kind.INVALID_REQUEST: (400, refusal),
            Kind.PROVIDER_AUTH: (498, refusal),
            Kind.MODEL_NOT_FOUND: (404, refusal),
            Kind.PROVIDER_RATE_LIMITED: (429, refusal),
            Kind.PROVIDER_ERROR: (500, refusal),
            Kind.PROVIDER_TIMEOUT: (504, refusal),
        },
    )


def responses_row() -> Row:
    """OpenAI's other format."""
    usage = {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}
    item = {"type": "message", "id": "m", "role": "assistant", "content": [{"type": "output_text", "text": "hello"}]}
    whole = {"id": "x", "object": "response", "status": "completed", "error": None, "output": [item], "usage": usage}

    def frame(type_: str, **members: Any) -> bytes:
        return f"event: {type_}\ndata: {json.dumps({'type': type_, **members})}\n\n".encode()

    def said(text: str) -> bytes:
        return frame("response.output_text.delta", item_id="m", output_index=0, content_index=0, delta=text)

    def refusal(code: str | None) -> bytes:
        return json.dumps({"error": {"message": "words", "type": "t", "param": None, "code": code}}).encode()

    end = frame("response.completed", response=whole)
    return Row(
        reply=json.dumps(whole).encode(),
        stream=frame("response.created", response={**whole, "status": "in_progress", "output": [], "usage": None})
        + frame("response.output_item.added", output_index=0, item={**item, "content": []})
        + said("hel")
        + said("lo")
        + frame("response.output_item.done", output_index=0, item=item)
        + end,
        stream_end=end,
        errors={
            Kind.INVALID_REQUEST: (400, refusal(None)),
            Kind.CONTEXT_LENGTH_EXCEEDED: (400, refusal("context_length_exceeded")),
            Kind.PROVIDER_AUTH: (401, refusal("invalid_api_key")),
            Kind.MODEL_NOT_FOUND: (404, refusal("model_not_found")),
            Kind.PROVIDER_RATE_LIMITED: (429, refusal("rate_limit_exceeded")),
            Kind.PROVIDER_ERROR: (500, refusal("server_error")),
        },
    )


def azure_row() -> Row:
    """Microsoft's: OpenAI's, after a chunk about the prompt, and with an error inside the error."""
    row = openai_row()
    first = {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": []}
    inner = {"code": "ResponsibleAIPolicyViolation", "content_filter_result": {}}
    filtered = {"error": {"message": "words", "code": None, "param": "prompt", "status": 400, "innererror": inner}}
    return replace(
        row,
        stream=b"data: " + json.dumps(first).encode() + b"\n\n" + row.stream,
        errors={**row.errors, Kind.CONTENT_FILTERED: (400, json.dumps(filtered).encode())},
    )


def anthropic_complete_row() -> Row:
    """Anthropic's of before Messages."""
    head = {"type": "completion", "id": "x", "model": "up"}

    def frame(text: str, reason: str | None = None) -> bytes:
        told = {**head, "completion": text, "stop_reason": reason}
        return f"event: completion\ndata: {json.dumps(told)}\n\n".encode()

    end = frame("", "stop_sequence")
    return Row(
        reply=json.dumps({**head, "completion": " hello", "stop_reason": "stop_sequence"}).encode(),
        stream=frame(" hel") + b'event: ping\ndata: {"type": "ping"}\n\n' + frame("lo") + end,
        stream_end=end,
        errors=anthropic_row().errors,
        counts=None,
    )


def palm_row() -> Row:
    """Google's of before Gemini."""
    counted = {"inputTokenCount": {"totalTokens": 3}, "outputTokenCount": {"totalTokens": 2}}
    predictions = [{"candidates": [{"author": "bot", "content": "hello"}]}]
    reply = {"predictions": predictions, "metadata": {"tokenMetadata": counted}}
    return Row(json.dumps(reply).encode(), b"", b"", gemini_row().errors)


ROWS = {
    "anthropic": anthropic_row(),
    "anthropic_complete": anthropic_complete_row(),
    "azure": azure_row(),
    "bedrock": bedrock_row(),
    "cohere": cohere_row(),
    "gemini": gemini_row(),
    "openai": openai_row(),
    "palm": palm_row(),
    "responses": responses_row(),
}
CASES = [pytest.param(DIALECTS[name], row, id=name) for name, row in ROWS.items() if name in DIALECTS]
STREAMING = [case for case in CASES if case.id not in NEVER_STREAMS]
ASKED = {"model": "client-name", "messages": [{"role": "user", "content": "say hello"}]}


def test_files_registry_and_rows_are_the_same_dialects() -> None:
    """None is forgotten in one of the three places."""
    folder = Path(gateway.providers.__path__[0])
    files = {path.stem.removesuffix("_dialect") for path in folder.glob("*_dialect.py")}
    assert files == set(DIALECTS) == set(ROWS)
    assert all(name == dialect.NAME for name, dialect in DIALECTS.items())


@pytest.mark.parametrize("name", ROWS)
def test_a_dialect_decides_and_does_not_wait(name: str) -> None:
    """It imports no socket and no event loop, and no other dialect."""
    folder = Path(gateway.providers.__path__[0])
    tree = ast.parse((folder / f"{name}_dialect.py").read_text())
    imported = {
        module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert not any(module.split(".")[0] in PURE for module in imported)
    assert not any(module.endswith("_dialect") for module in imported)


@pytest.mark.parametrize(("dialect", "row"), CASES)
def test_a_request_names_the_upstreams_model_and_changes_no_message(dialect: Dialect, row: Row) -> None:
    """Text, URL and headers are complete; the message can be sent again elsewhere."""
    request = chat.decode_request(ASKED)
    before = request.SerializeToString()
    deployment = deployment_of("https://vendor.example/v1", candidate={"upstream_model": "vendor-name"})
    for method in (CHAT, STREAM_CHAT) if row.stream else (CHAT,):
        made = dialect.encode(method, request, deployment, "client-name")
        assert made.url.startswith("https://vendor.example/v1/")
        assert b"say hello" in made.body
        assert b"client-name" not in made.body
        assert "vendor-name" in made.url + made.body.decode()
        assert all(name == name.lower() for name in made.headers)
        assert made.is_stream is method.is_stream
        assert not row.reply.startswith(made.body)
    assert request.SerializeToString() == before


@pytest.mark.parametrize(("dialect", "row"), CASES)
def test_a_whole_answer(dialect: Dialect, row: Row) -> None:
    """Text, end and usage arrive; half of it is no answer."""
    reply: Any = dialect.decode_reply(CHAT, row.reply)
    assert reply.choices[0].message.blocks[0].text == "hello"
    assert reply.choices[0].finish_reason
    counts = (reply.usage.prompt_tokens, reply.usage.completion_tokens) if reply.HasField("usage") else None
    assert counts == row.counts
    for broken in (b"", row.reply[: len(row.reply) // 2], b"[]"):
        with pytest.raises(GatewayError) as caught:
            dialect.decode_reply(CHAT, broken)
        assert caught.value.kind is Kind.PROVIDER_INVALID


def streamed(dialect: Dialect, pieces: list[bytes]) -> tuple[Any, list[Any]]:
    """The decoder and the whole messages of a stream."""
    decoder = dialect.stream_decoder(STREAM_CHAT, chat.decode_request(ASKED), deployment_of())
    events: list[Any] = [event for piece in pieces for event in decoder.feed(piece)] + decoder.finish()
    messages: list[Any] = []
    for event in events:
        messages.append(with_text(messages[-1], event) if isinstance(event, str) else event)
    return decoder, messages


@pytest.mark.parametrize(("dialect", "row"), STREAMING)
def test_a_stream_cut_into_any_pieces(dialect: Dialect, row: Row) -> None:
    """The same text, end, counts and usage, cut at every byte."""
    for size in (len(row.stream), 1, 2, 3, 7, 64):
        pieces = [row.stream[at : at + size] for at in range(0, len(row.stream), size)]
        decoder, messages = streamed(dialect, pieces)
        assert "".join(block.text for m in messages for c in m.choices for block in c.delta.blocks) == "hello"
        assert [choice.finish_reason for m in messages for choice in m.choices if choice.finish_reason] == ["stop"]
        assert any(is_content(message) for message in messages)
        assert (decoder.has_content, decoder.is_done, decoder.output_chars) == (True, True, 5)
        usage = decoder.usage
        assert (None if usage is None else (usage.prompt_tokens, usage.completion_tokens)) == row.counts
        assert not any(message.HasField("usage") for message in messages), "nobody asked for it"


@pytest.mark.parametrize(("dialect", "row"), STREAMING)
def test_a_stream_that_ends_before_its_end_is_cut(dialect: Dialect, row: Row) -> None:
    """At no byte before the last frames does it look complete."""
    last_content = row.stream.rindex(b"lo")
    for at in range(0, last_content, 5):
        with pytest.raises(GatewayError) as caught:
            streamed(dialect, [row.stream[:at]])
        assert caught.value.kind is Kind.STREAM_CUT


def test_a_format_without_streams_says_so() -> None:
    """To the configuration, which then asks it for whole answers, and to whoever asks for a stream all the same."""
    assert {case.id for case in CASES if not ROWS[str(case.id)].stream} == NEVER_STREAMS
    for name in NEVER_STREAMS:
        assert not deployment_of(dialect=name).can_stream
        with pytest.raises(GatewayError) as caught:
            DIALECTS[name].encode(STREAM_CHAT, chat.decode_request(ASKED), deployment_of(), "m")
        assert caught.value.param == "stream"


@pytest.mark.parametrize(("dialect", "row"), CASES)
def test_refusals_by_status_and_code(dialect: Dialect, row: Row) -> None:
    """Each kind it has words for; other words of the message change nothing; no body is needed."""
    for kind, (status, body) in row.errors.items():
        assert dialect.classify(status, {}, body).kind is kind
        assert dialect.classify(status, {}, body.replace(b"words", b"rate limit quota invalid key")).kind is kind
    for status in (400, 401, 403, 404, 408, 409, 418, 429, 500, 503, 529):
        for body in (b"", b"<html>", b"null", b'{"error":null}'):
            assert isinstance(dialect.classify(status, {}, body), GatewayError)
    assert dialect.classify(429, {"retry-after": "3"}, b"").retry_after_s == 3
