"""Anthropic's wire format, simulated: messages (JSON and events), token counting, models, errors.

Rules:
- Pure; ids are derived from the request, so that the same request has the same answer.
- A request the vendor would refuse is refused: what is missing, out of range, or a member of another format.
- Tokens marked for the cache count as read from it; usage at the end of a stream is cumulative.
- A stream's first block is opened before, and its last closed after, the part whose chunks faults count.

Not here: which requests are refused (anthropic_checks.py), what is said (answer.py), faults and bytes (play.py).
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from gateway.simulator.answer import TOKENS_PER_PART, Answer, Question, Tool, answer, check, count_tokens
from gateway.simulator.anthropic_checks import check_body
from gateway.simulator.behaviour import Behaviour, UnknownOption, parse
from gateway.simulator.bench import CHUNKS, http_chunk
from gateway.simulator.openai_chat import digest
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, Reply, Route, StreamReply
from gateway.wire.sse import encode_event

CREATED = "2026-01-05T08:00:00Z"
MODELS = ("claude-sonnet-4-5", "claude-haiku-4-5", "sim", "sim-reasoning", "sim-tools-2")
SIGNATURE = "c2lnbmF0dXJl"
_STEP = 8  # characters of arguments in one increment
_STOP_REASONS = {"stop": "end_turn", "length": "max_tokens", "tool_calls": "tool_use", "content_filter": "refusal"}
_ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


class Anthropic:
    """The format as the server uses it (see reply.WireFormat)."""

    routes: tuple[Route, ...] = (
        Route("POST", "/v1/messages", "messages"),
        Route("POST", "/v1/messages/count_tokens", "count_tokens"),
    )
    error_event: str | None = "error"

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """`x-api-key`, or a bearer token."""
        sent = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(sent.encode(), key.encode())

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        if operation == "models":
            return Ask(operation, params.get("model", ""), is_attempt=False)
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, None, f"The request body is not valid JSON: {error}") from None
        if not isinstance(fields, dict):
            raise Refused(400, None, "The request body must be a JSON object.")
        model = fields.get("model")
        if not model or not isinstance(model, str):
            raise Refused(400, None, "model: Field required")
        return Ask(operation, model, fields.get("stream") is True and operation == "messages", fields)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        return _REPLIES[ask.operation](ask, behaviour)

    def error(self, refused: Refused) -> Json:
        kind = _ERROR_TYPES.get(refused.status) or ("api_error" if refused.status >= 500 else "invalid_request_error")
        return {"type": "error", "error": {"type": kind, "message": refused.message}, "request_id": "req_simulator"}

    def bench(self, operation: str) -> Canned | None:
        return _BENCH if operation == "messages" else None


def _messages(ask: Ask, behaviour: Behaviour) -> Reply:
    check_body(ask.body)
    question = _question(ask.body)
    check(question, behaviour)
    if (ask.body.get("thinking") or {}).get("type") == "enabled":
        behaviour = replace(behaviour, is_reasoning=True)
    said = answer(question, behaviour)
    reason, sequence = _stop(question, said, behaviour)
    usage = None if behaviour.is_usage_omitted else _usage(ask.body, question, behaviour)
    head = {
        "id": "msg_" + digest(orjson.dumps(ask.body, option=orjson.OPT_SORT_KEYS)),
        "type": "message",
        "role": "assistant",
        "model": ask.model,
    }
    blocks = _blocks(said)
    if not ask.is_stream:
        body = {**head, "content": blocks, "stop_reason": reason, "stop_sequence": sequence}
        return body if usage is None else {**body, "usage": {**usage, "output_tokens": said.tokens}}
    message: Json = {**head, "content": [], "stop_reason": None, "stop_sequence": None}
    if usage is not None:
        message["usage"] = {**usage, "output_tokens": 1}
    end: Json = {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": sequence}}
    if usage is not None:
        end["usage"] = {"output_tokens": said.tokens}
    return _stream(message, blocks, said, end, has_prelude=behaviour.has_prelude)


def _stop(question: Question, said: Answer, behaviour: Behaviour) -> tuple[str, str | None]:
    """The stop reason, and the text that ended the answer, if one did."""
    if said.refusal:
        return "refusal", None
    if said.finish == "stop" and question.stop:
        whole = answer(replace(question, stop=()), behaviour).text
        found = [(at, stop) for stop in question.stop if stop and (at := whole.find(stop)) >= 0]
        if found:
            return "stop_sequence", min(found)[1]
    return _STOP_REASONS[said.finish], None


def _blocks(said: Answer) -> list[Json]:
    blocks: list[Json] = []
    if said.reasoning:
        blocks.append({"type": "thinking", "thinking": "".join(said.reasoning), "signature": SIGNATURE})
    if words := "".join(said.refusal) or said.text:
        blocks.append({"type": "text", "text": words})
    for at, (tool, arguments) in enumerate(said.calls):
        call_id = "toolu_" + digest(f"{at}{tool.name}{arguments}".encode())
        blocks.append({"type": "tool_use", "id": call_id, "name": tool.name, "input": orjson.loads(arguments)})
    return blocks


# streams


def _stream(message: Json, blocks: list[Json], said: Answer, end: Json, *, has_prelude: bool) -> StreamReply:
    ping = Frame({"type": "ping"}, "ping")
    opening = [*([ping] if has_prelude else []), _frame(type="message_start", message=message)]
    if blocks:
        opening.append(_begin(0, blocks[0]))
    opening.append(ping)

    def content() -> Iterator[Frame]:
        for index, block in enumerate(blocks):
            if index:
                yield _finish(index - 1)
                yield _begin(index, block)
            yield from (_frame(type="content_block_delta", index=index, delta=delta) for delta in _deltas(block, said))

    last = (_finish(len(blocks) - 1),) if blocks else ()
    closing = (*last, _frame(**end))
    return StreamReply(tuple(opening), content(), closing, (_frame(type="message_stop"),))


def _frame(**payload: Any) -> Frame:
    return Frame(payload, payload["type"])


def _begin(index: int, block: Json) -> Frame:
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    begun = {name: empty.get(name, value) for name, value in block.items()}
    return _frame(type="content_block_start", index=index, content_block=begun)


def _finish(index: int) -> Frame:
    return _frame(type="content_block_stop", index=index)


def _deltas(block: Json, said: Answer) -> Iterator[Json]:
    if block["type"] == "thinking":
        yield from ({"type": "thinking_delta", "thinking": piece} for piece in said.reasoning)
        yield {"type": "signature_delta", "signature": SIGNATURE}
    elif block["type"] == "text":
        yield from ({"type": "text_delta", "text": piece} for piece in said.refusal or said.pieces)
    else:
        arguments = orjson.dumps(block["input"]).decode()
        yield {"type": "input_json_delta", "partial_json": ""}
        for at in range(0, len(arguments), _STEP):
            yield {"type": "input_json_delta", "partial_json": arguments[at : at + _STEP]}


# questions


def _question(body: Json) -> Question:
    messages = body["messages"]
    users = [item for item in messages if item.get("role") == "user"] or messages
    last = _content(users[-1])
    results = [_text_of(block.get("content")) for block in last if block.get("type") == "tool_result"]
    choice = body.get("tool_choice") or {}
    tools = tuple(Tool(tool["name"], tool.get("input_schema") or {}) for tool in body.get("tools") or ())
    if choice.get("type") == "tool":
        tools = tuple(tool for tool in tools if tool.name == choice.get("name"))
    is_free = choice.get("type") != "none"
    return Question(
        text=_text_of(last),
        prompt_tokens=_tokens(body.get("system")) + sum(_tokens(item.get("content")) for item in messages),
        part_count=sum(block.get("type") in ("image", "document") for block in last),
        tool_results=tuple(results),
        is_prefilled=messages[-1].get("role") == "assistant",
        prefill=_text_of(messages[-1].get("content")) if messages[-1].get("role") == "assistant" else "",
        tools=tools if is_free else (),
        may_call=is_free,
        must_call=choice.get("type") in ("any", "tool"),
        is_parallel=choice.get("disable_parallel_tool_use") is not True,
        shape=_shape(body),
        stop=tuple(body.get("stop_sequences") or ()),
        max_tokens=body.get("max_tokens"),
    )


def _shape(body: Json) -> Any:
    wanted = (body.get("output_config") or {}).get("format") or {}
    return wanted.get("schema") if wanted.get("type") == "json_schema" else None


def _content(message: Json) -> list[Json]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(block["text"]) for block in content if block.get("type") == "text")
    return content if isinstance(content, str) else ""


def _tokens(content: Any, *, is_cached_only: bool = False) -> int:
    if isinstance(content, str):
        return 0 if is_cached_only else count_tokens(content)
    blocks = [block for block in content or () if not is_cached_only or block.get("cache_control")]
    return sum(_block_tokens(block) for block in blocks)


def _block_tokens(block: Json) -> int:
    if block.get("type") == "tool_result":
        return _tokens(block.get("content"))
    if block.get("type") in ("image", "document"):
        return TOKENS_PER_PART
    return count_tokens(str(block.get("text", "")))


def _usage(body: Json, question: Question, behaviour: Behaviour) -> Json:
    contents = [body.get("system"), *(item.get("content") for item in body["messages"])]
    cached = sum(_tokens(content, is_cached_only=True) for content in contents)
    return {
        "input_tokens": question.prompt_tokens - cached,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "service_tier": behaviour.mode or "standard",
    }


def _count(ask: Ask, _: Behaviour) -> Json:
    check_body({**ask.body, "max_tokens": 1})
    return {"input_tokens": _question(ask.body).prompt_tokens}


# models


def _models(ask: Ask, _: Behaviour) -> Json:
    if ask.model:
        return _model(ask.model)
    data = [_model(name) for name in MODELS]
    return {"data": data, "has_more": False, "first_id": data[0]["id"], "last_id": data[-1]["id"]}


def _model(name: str) -> Json:
    try:
        parse(name)
    except UnknownOption as error:
        raise Refused(404, None, f"model: {name}: {error}") from None
    return {"type": "model", "id": name, "display_name": name, "created_at": CREATED}


_REPLIES: dict[str, Callable[[Ask, Behaviour], Reply]] = {
    "messages": _messages,
    "count_tokens": _count,
    "models": _models,
}


# load


def _canned() -> Canned:
    start = b"HTTP/1.1 200 OK\r\nx-request-id: req_bench\r\nContent-Type: "
    usage = {"input_tokens": 10, "output_tokens": CHUNKS}
    head = {"id": "msg_bench", "type": "message", "role": "assistant", "model": "bench"}
    text = {"type": "text", "text": "Hello! How can I help you today? " * 8}
    body = orjson.dumps({**head, "content": [text], "stop_reason": "end_turn", "stop_sequence": None, "usage": usage})

    def event(frame: Frame) -> bytes:
        return http_chunk(encode_event(orjson.dumps(frame.payload), frame.event))

    message: Json = {**head, "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
    delta = {"stop_reason": "end_turn", "stop_sequence": None}
    closing = (_finish(0), _frame(type="message_delta", delta=delta, usage=usage), _frame(type="message_stop"))
    return Canned(
        start + b"application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body,
        start
        + b"text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        + event(_frame(type="message_start", message=message))
        + event(_begin(0, text)),
        event(_frame(type="content_block_delta", index=0, delta={"type": "text_delta", "text": " hello"})),
        b"".join(map(event, closing)) + b"0\r\n\r\n",
    )


_BENCH = _canned()
