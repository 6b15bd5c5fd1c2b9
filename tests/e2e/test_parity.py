"""The same calls over HTTP and over gRPC come to the same: answers, usage, failures, headers.

Rules: every call is made once over each protocol with the same model name, key and request id, and all that both tell
    is compared; names of models are the test's own, so that counters of faults are, too.
Not here: whether what they tell is right (the other tests of this folder).
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.conftest import LIMITED_KEYS, LIMITS, NARROW_KEY
from tests.e2e.parity import Call, Told, over_grpc, over_http
from tests.support.served import Served

HI = [{"role": "user", "content": "hello big world"}]
CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TOOLS = [
    {"type": "function", "function": {"name": "weather", "parameters": CITY}},
    {"type": "function", "function": {"name": "clock"}},
]
SCHEMA = {"type": "json_schema", "json_schema": {"name": "place", "strict": True, "schema": CITY}}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
SOUND = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}
PARTS = [{"role": "user", "content": [{"type": "text", "text": "look"}, IMAGE, SOUND]}]
GEMINI_TEXT = {"parts": [{"text": "hello big world"}]}
GEMINI_HI = [{"role": "user", **GEMINI_TEXT}]
GEMINI_TOOLS = {"tools": [{"functionDeclarations": [{"name": "weather", "parametersJsonSchema": CITY}]}]}
RESULTS = [
    *HI,
    {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "c1", "content": "noon"},
]


def chat(model: str, more: dict[str, Any] | None = None, **call: Any) -> Call:
    """A chat with the usual message; `more` are members of the body."""
    return Call("chat", {"model": model, "messages": HI, **(more or {})}, **call)


def stream(model: str, more: dict[str, Any] | None = None, **call: Any) -> Call:
    """The same, streamed."""
    return chat(model, {"stream": True, **(more or {})}, **call)


def gemini(model: str, method: str = "generateContent", more: dict[str, Any] | None = None, **call: Any) -> Call:
    """A request of Gemini's format, with the usual message; `more` are members of the body."""
    return Call(f"gemini:{method}", {"model": model, "contents": GEMINI_HI, **(more or {})}, **call)


SUCCESSES = {
    "chat": chat("sim-tag-parity"),
    "chat-parameters": chat("sim-tag-parity", {"temperature": 0, "top_p": 0.5, "seed": 7, "user": "ana", "stop": "z"}),
    "chat-n": chat("sim-tag-parity", {"n": 3}),
    "chat-logprobs": chat("sim-tag-parity", {"logprobs": True, "top_logprobs": 2}),
    "chat-tools": chat("sim-tools-2-tag-parity", {"tools": TOOLS}),
    "chat-tool-results": chat("sim-tag-parity", {"messages": RESULTS, "tools": TOOLS}),
    "chat-legacy-functions": chat("sim-tag-parity", {"functions": [{"name": "clock", "parameters": {}}]}),
    "chat-schema": chat("sim-tag-parity", {"response_format": SCHEMA}),
    "chat-vision-and-audio": chat("sim-tag-parity", {"messages": PARTS}),
    "chat-audio-out": chat(
        "sim-tag-parity", {"modalities": ["text", "audio"], "audio": {"voice": "a", "format": "wav"}}
    ),
    "chat-reasoning": chat("sim-reasoning-tag-parity"),
    "chat-refusal": chat("sim-refusal-tag-parity"),
    "chat-length": chat("sim-tag-parity", {"max_completion_tokens": 2}),
    "chat-unknown-members": chat("sim-extra-tag-parity", {"x_vendor": {"deep": [None, 2**70]}, "x_null": None}),
    "chat-no-usage": chat("sim-nousage-tag-parity"),
    "chat-empty": chat("sim-empty-tag-parity"),
    "stream": stream("sim-chunks-30-tag-parity"),
    "stream-usage": stream("sim-tag-parity", {"stream_options": {"include_usage": True}}),
    "stream-n": stream("sim-tag-parity", {"n": 3, "stream_options": {"include_usage": True}}),
    "stream-tools": stream("sim-tools-2-tag-parity", {"tools": TOOLS}),
    "stream-logprobs": stream("sim-tag-parity", {"logprobs": True, "top_logprobs": 1}),
    "stream-reasoning": stream("sim-reasoning-tag-parity"),
    "stream-refusal": stream("sim-refusal-tag-parity"),
    "stream-unknown-members": stream("sim-extra-tag-parity"),
    "stream-usage-in-each": stream("sim-usage-each-tag-parity", {"stream_options": {"include_usage": True}}),
    "stream-prelude": stream("sim-prelude-tag-parity"),
    "stream-odd-bytes": stream("sim-bytes-7-crlf-comments-nospace-tag-parity"),
    "stream-filter": stream("sim-filter-tag-parity"),
    "completion": Call("completions", {"model": "sim-tag-parity", "prompt": "once upon", "logprobs": 1}),
    "completion-several": Call("completions", {"model": "sim-tag-parity", "prompt": ["one", "two"], "n": 2}),
    "completion-stream": Call("completions", {"model": "sim-tag-parity", "prompt": "once upon", "stream": True}),
    "embeddings": Call("embeddings", {"model": "sim-tag-parity", "input": ["a", "b"]}),
    "embeddings-base64": Call("embeddings", {"model": "sim-tag-parity", "input": "a", "encoding_format": "base64"}),
    "embeddings-tokens": Call("embeddings", {"model": "sim-tag-parity", "input": [[1, 2], [3]], "dimensions": 8}),
    "gemini": gemini("sim-tag-parity", more={"systemInstruction": {"parts": [{"text": "be kind"}]}}),
    "gemini-tools": gemini("sim-tools-2-tag-parity", more=GEMINI_TOOLS),
    "gemini-settings": gemini("sim-tag-parity", more={"generationConfig": {"seed": 7, "candidateCount": 2}}),
    "gemini-stream": gemini("sim-chunks-30-tag-parity", "streamGenerateContent"),
    "gemini-stream-tools": gemini("sim-tools-2-tag-parity", "streamGenerateContent", GEMINI_TOOLS),
    "gemini-count": gemini("sim-tag-parity", "countTokens"),
    "gemini-embed": Call("gemini:embedContent", {"model": "sim-tag-parity", "content": GEMINI_TEXT}),
    "gemini-embed-batch": Call(
        "gemini:batchEmbedContents", {"model": "sim-tag-parity", "requests": [{"content": GEMINI_TEXT}] * 2}
    ),
    "models": Call("models"),
    "models-of-a-narrow-key": Call("models", key=NARROW_KEY),
    "model": Call("models/gpt-4o-mini"),
}

FAILURES = {
    "no-key": chat("sim", key=None),
    "no-key-models": Call("models", key=None),
    "wrong-key": chat("sim", key="gw-wrong.key"),
    "key-without-the-model": chat("sim", key=NARROW_KEY),
    "unknown-model": chat("nobody"),
    "unknown-model-by-id": Call("models/nobody"),
    "unknown-model-embeddings": Call("embeddings", {"model": "nobody", "input": "a"}),
    "gemini-no-key": gemini("sim", key=None),
    "gemini-unknown-model": gemini("nobody"),
    "gemini-no-contents": Call("gemini:generateContent", {"model": "sim"}),
    "gemini-top-k": gemini("sim", more={"generationConfig": {"topK": 3}}),
    "gemini-task-type": Call(
        "gemini:embedContent", {"model": "sim", "content": GEMINI_TEXT, "taskType": "RETRIEVAL_QUERY"}
    ),
    "gemini-provider-429": gemini("direct/sim-status-429-after-7-tag-parity"),
    "gemini-cut-stream": gemini("direct/sim-chunks-20-pace-20-cut-5-tag-parity", "streamGenerateContent"),
    "no-model": Call("chat", {"messages": HI}),
    "no-messages": Call("chat", {"model": "sim", "messages": []}),
    "no-content": Call("chat", {"model": "sim", "messages": [{"role": "user"}]}),
    "temperature": chat("sim", {"temperature": 2.5}),
    "top-p-of-a-stream": stream("sim", {"top_p": 1.5}),
    "n": chat("sim", {"n": 129}),
    "stop": chat("sim", {"stop": ["a", "b", "c", "d", "e"]}),
    "wrong-type": chat("sim", {"temperature": "hot"}),
    "top-logprobs-alone": chat("sim", {"top_logprobs": 2}),
    "empty-input": Call("embeddings", {"model": "sim", "input": ""}),
    "vision-not-offered": chat("plain/sim", {"messages": PARTS}),
    "tools-not-offered": stream("plain/sim", {"tools": TOOLS}),
    "not-an-embedding-model": Call("embeddings", {"model": "plain/sim", "input": "a"}),
    "context-length": chat("direct/sim-context-1-tag-parity"),
    "content-filter": chat("direct/sim-flagged-tag-parity"),
    "provider-400": chat("direct/sim-status-400-tag-parity"),
    "provider-401": chat("direct/sim-status-401-tag-parity"),
    "provider-404": chat("direct/sim-status-404-tag-parity"),
    "provider-429": chat("direct/sim-status-429-after-7-tag-parity"),
    "provider-429-of-a-stream": stream("direct/sim-status-429-after-7-tag-parity"),
    "provider-500": chat("direct/sim-status-500-tag-parity"),
    "provider-503": stream("direct/sim-status-503-tag-parity"),
    "provider-timeout": chat("hasty/sim-silent-tag-parity"),
    "provider-timeout-of-a-stream": stream("hasty/sim-silent-tag-parity"),
    "provider-stalls-mid-stream": stream("pausing/sim-chunks-9-stall-4-20000-tag-parity"),
    "provider-closes": chat("direct/sim-cut-before-headers-tag-parity"),
    "provider-is-no-json": chat("direct/sim-html-tag-parity"),
    "provider-is-no-stream": stream("direct/sim-html-tag-parity"),
    "cut-stream": stream("direct/sim-chunks-20-pace-20-cut-5-tag-parity"),
    "cut-answer": chat("direct/sim-cut-5-tag-parity"),
    "malformed-chunk": stream("direct/sim-chunks-20-pace-20-malformed-5-tag-parity"),
    "error-event": stream("direct/sim-chunks-20-pace-20-error-5-tag-parity"),
    "no-finish": stream("direct/sim-chunks-20-pace-20-cut-20-tag-parity"),
    "deadline": chat("direct/sim-first-20000-tag-parity", timeout_s=0.5),
    "deadline-of-a-stream": stream("direct/sim-first-20000-tag-parity", timeout_s=0.5),
    "deadline-mid-stream": stream("direct/sim-chunks-400-pace-50-tag-parity", timeout_s=3.0),
}


MID_STREAM = {
    *("provider-stalls-mid-stream", "cut-stream", "malformed-chunk", "error-event", "no-finish"),
    "deadline-mid-stream",
    "gemini-cut-stream",
}


async def both(gateway: Served, call: Call, name: str) -> tuple[Told, Told]:
    """The call over each protocol."""
    request_id = f"parity-{name}"
    return await over_http(gateway, call, request_id), await over_grpc(gateway, call, request_id)


def begin_alike(http: Told, grpc: Told) -> None:
    """The chunks before a failure are the same, as far as they go.

    How far is not promised: a deadline is an instant, and gRPC may drop messages a client has not read when the
    status of a failed call arrives.
    """
    count = min(len(http.answer or ()), len(grpc.answer or ()))
    assert (http.answer or [])[:count] == (grpc.answer or [])[:count]


@pytest.mark.parametrize("name", SUCCESSES)
async def test_success_is_the_same(gateway: Served, name: str) -> None:
    """Same answer to the last member, same headers, same stages; both say that it is complete."""
    http, grpc = await both(gateway, SUCCESSES[name], name)
    assert http.error is grpc.error is None
    assert http.is_complete
    assert grpc.is_complete
    assert http.answer
    assert http.answer == grpc.answer
    assert http.headers == grpc.headers
    assert http.headers["x-request-id"] == f"parity-{name}"
    assert http.stages == ([] if SUCCESSES[name].is_stream else grpc.stages)


@pytest.mark.parametrize("name", FAILURES)
async def test_failure_is_the_same(gateway: Served, name: str) -> None:
    """Same words, type, param, code, status and wait, after the same chunks; neither says that it is complete."""
    http, grpc = await both(gateway, FAILURES[name], name)
    assert http.error is not None
    assert grpc.error is not None
    if FAILURES[name].timeout_s is not None:  # a gRPC client's own clock strikes first, and it has words of its own
        grpc.error["message"] = http.error["message"]
    assert http.error == grpc.error
    assert not http.is_complete
    assert not grpc.is_complete
    begin_alike(http, grpc)
    assert bool(http.answer) == (name in MID_STREAM)
    if FAILURES[name].timeout_s is None:
        assert http.headers == grpc.headers
    assert http.headers["x-request-id"] == f"parity-{name}"


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("form", ["whole", "stream"])
async def test_limits_are_the_same(gateway: Served, limit: str, form: str) -> None:
    """Keys of equal limits, one per protocol, see the same numbers in each answer and are refused alike."""
    body = {"stream": form == "stream", "max_tokens": 30}
    keys = [LIMITED_KEYS[limit, protocol + form] for protocol in ("http", "grpc")]
    http = [await over_http(gateway, chat("sim-tag-limits", body, key=keys[0]), f"l{n}") for n in range(4)]
    grpc = [await over_grpc(gateway, chat("sim-tag-limits", body, key=keys[1]), f"l{n}") for n in range(4)]
    assert [told.headers for told in http] == [told.headers for told in grpc]
    assert [told.answer or None for told in http] == [told.answer or None for told in grpc]
    assert [_without_moment(told.error) for told in http] == [_without_moment(told.error) for told in grpc]
    last = http[-1]
    assert last.error is not None
    assert last.error["code"] == "rate_limit_exceeded"
    assert last.error["has_retry_after"]
    assert any(name.startswith("x-ratelimit-remaining") for name in last.headers)


def _without_moment(error: dict[str, Any] | None) -> dict[str, Any] | None:
    """The message says how many seconds are left."""
    return error and {**error, "message": error["message"].partition("Try again")[0]}


def test_there_are_enough_calls() -> None:
    """At least thirty calls, failures as many as successes."""
    assert min(len(SUCCESSES), len(FAILURES)) >= 30
