"""Every upstream format's own words for the same small things: what tests/contract/test_dialects.py compares.

Rules: one row per dialect; a new dialect's is added to ROWS.
Not here: what a dialect promises (test_dialects.py), whole transcripts (transcripts/).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from gateway.core.errors import Kind
from gateway.wire.bedrock.eventstream import encode_message


@dataclass(frozen=True)
class Row:
    """A dialect's own words for the same small things."""

    reply: bytes  # a whole answer: "hello", 3 prompt and 2 completion tokens
    stream: bytes  # the same, streamed and complete; empty for a format without streams
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
        errors=anthropic_row().errors,
        counts=None,
    )


def palm_row() -> Row:
    """Google's of before Gemini."""
    counted = {"inputTokenCount": {"totalTokens": 3}, "outputTokenCount": {"totalTokens": 2}}
    predictions = [{"candidates": [{"author": "bot", "content": "hello"}]}]
    reply = {"predictions": predictions, "metadata": {"tokenMetadata": counted}}
    return Row(json.dumps(reply).encode(), b"", gemini_row().errors)


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
