"""Cohere's wire format, simulated: chat (JSON and events), embeddings, errors.

Rules:
- Pure; ids are derived from the request, so that the same request has the same answer.
- A request the vendor would refuse is refused: what is missing, out of range, or a member of another format.
- Calls of tools have a plan before them. A stream's parts are opened and closed around the chunks that faults count.

Not here: what is said (answer.py), faults and bytes (play.py).
"""

import hmac
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from gateway.simulator.answer import TOKENS_PER_PART, Answer, Question, Tool, answer, check, count_tokens
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.openai import unit_vector
from gateway.simulator.openai_chat import digest
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, Reply, Route, StreamReply

PLAN = "I will use the tools."
DIMENSIONS = (256, 512, 1024, 1536)
MAX_TEXTS = 96
_STEP = 8  # characters of arguments in one increment
_ROLES = ("system", "user", "assistant", "tool")
_FOREIGN = (
    *("stop", "n", "top_p", "top_k", "logit_bias", "max_completion_tokens", "parallel_tool_calls", "user"),
    *("stream_options", "reasoning_effort", "metadata", "store", "functions", "service_tier", "system"),
)
_FINISH = {"stop": "COMPLETE", "length": "MAX_TOKENS", "tool_calls": "TOOL_CALL", "content_filter": "ERROR"}
_RANGES = {"temperature": (0, 1), "p": (0.01, 0.99), "k": (0, 500), "frequency_penalty": (0, 1),
           "presence_penalty": (0, 1), "max_tokens": (1, 1 << 20)}  # fmt: skip


class Cohere:
    """The format as the server uses it (see reply.WireFormat)."""

    routes: tuple[Route, ...] = (Route("POST", "/v2/chat", "chat"), Route("POST", "/v2/embed", "embed"))
    error_event: str | None = None

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """A bearer token."""
        return hmac.compare_digest(headers.get("authorization", "").encode(), f"Bearer {key}".encode())

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:  # no path has one
        """Decode a request. Raises Refused."""
        try:
            fields = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, None, f"invalid json syntax: {error}") from None
        if not isinstance(fields, dict):
            raise Refused(400, None, "invalid json syntax: the body must be an object")
        model = fields.get("model")
        if not model or not isinstance(model, str):
            raise Refused(400, None, "a model parameter is required for this endpoint.")
        return Ask(operation, model, fields.get("stream") is True and operation == "chat", fields)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        """Return the healthy answer of a model that behaves so. Raises Refused."""
        return _REPLIES[ask.operation](ask, behaviour)

    def error(self, refused: Refused) -> Json:
        """Cohere's error object."""
        return {"id": digest(refused.message.encode()), "message": refused.message}

    def bench(self, operation: str) -> Canned | None:  # an argument of every format
        """None: load tests drive OpenAI's format."""
        return None


# chat


def _chat(ask: Ask, behaviour: Behaviour) -> Reply:
    _check(ask.body)
    question = _question(ask.body)
    check(question, behaviour)
    if (ask.body.get("thinking") or {}).get("type") == "enabled":
        behaviour = replace(behaviour, is_reasoning=True)
    said = answer(question, behaviour)
    reason = _reason(question, said, behaviour)
    usage = {} if behaviour.is_usage_omitted else {"usage": _usage(question, said)}
    answer_id = digest(orjson.dumps(ask.body, option=orjson.OPT_SORT_KEYS))
    if ask.is_stream:
        end = _frame(type="message-end", delta={"finish_reason": reason, **usage})
        return _stream(answer_id, said, end, has_prelude=behaviour.has_prelude)
    message: Json = {"role": "assistant"}
    if parts := [{"type": kind, kind: "".join(pieces)} for kind, pieces in _parts(said)]:
        message["content"] = parts
    if said.calls:
        message |= {"tool_plan": PLAN, "tool_calls": [_call(*numbered) for numbered in enumerate(said.calls)]}
    return {"id": answer_id, "finish_reason": reason, "message": message, **usage}


def _reason(question: Question, said: Answer, behaviour: Behaviour) -> str:
    if said.refusal:
        return "COMPLETE"
    if said.finish == "stop" and question.stop:
        whole = answer(replace(question, stop=()), behaviour).text
        if any(stop in whole for stop in question.stop):
            return "STOP_SEQUENCE"
    return _FINISH[said.finish]


def _usage(question: Question, said: Answer) -> Json:
    counts = {"input_tokens": question.prompt_tokens, "output_tokens": said.tokens}
    return {"billed_units": counts, "tokens": counts, "cached_tokens": 0}


def _parts(said: Answer) -> list[tuple[str, tuple[str, ...]]]:
    parts = [("thinking", said.reasoning), ("text", said.refusal or said.pieces)]
    return [(kind, pieces) for kind, pieces in parts if pieces]


def _call(at: int, call: tuple[Tool, str]) -> Json:
    tool, arguments = call
    call_id = f"{tool.name}_{digest(f'{at}{tool.name}{arguments}'.encode())[:12]}"
    return {"id": call_id, "type": "function", "function": {"name": tool.name, "arguments": arguments}}


# streams


def _frame(**payload: Any) -> Frame:
    return Frame(payload, payload["type"])


def _about(type_: str, index: int | None = None, **message: Any) -> Frame:
    numbered = {} if index is None else {"index": index}
    return _frame(type=type_, **numbered, delta={"message": message})


def _stream(answer_id: str, said: Answer, end: Frame, *, has_prelude: bool) -> StreamReply:
    message = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    opening = [_frame(type="message-start", id=answer_id, delta={"message": message})]
    if has_prelude:
        opening.insert(0, _frame(type="debug", prompt=""))
    parts = _parts(said)
    if parts:
        opening.append(_begin(0, parts[0][0]))

    def content() -> Iterator[Frame]:
        for index, (kind, pieces) in enumerate(parts):
            if index:
                yield _frame(type="content-end", index=index - 1)
                yield _begin(index, kind)
            for piece in pieces:
                yield _about("content-delta", index, content={kind: piece})
        if said.calls:
            yield _about("tool-plan-delta", tool_plan=PLAN)
        for at, call in enumerate(said.calls):
            yield from _calling(at, _call(at, call))

    closing = (_frame(type="content-end", index=len(parts) - 1),) if parts and not said.calls else ()
    return StreamReply(tuple(opening), content(), closing, (end,))


def _begin(index: int, kind: str) -> Frame:
    return _about("content-start", index, content={"type": kind, kind: ""})


def _calling(at: int, call: Json) -> Iterator[Frame]:
    arguments = call["function"]["arguments"]
    begun = {**call, "function": {**call["function"], "arguments": ""}}
    yield _about("tool-call-start", at, tool_calls=begun)
    for place in range(0, len(arguments), _STEP):
        piece = arguments[place : place + _STEP]
        yield _about("tool-call-delta", at, tool_calls={"function": {"arguments": piece}})
    yield _frame(type="tool-call-end", index=at)


# questions


def _check(body: Json) -> None:
    for name in _FOREIGN:
        if name in body:
            raise Refused(422, None, f"unknown field: parameter '{name}' is not a valid field")
    for name, (low, high) in _RANGES.items():
        value = body.get(name)
        if value is not None and (not isinstance(value, int | float) or not low <= value <= high):
            raise Refused(400, None, f"invalid request: {name} must be between {low} and {high} inclusive.")
    if body.get("tool_choice") not in (None, "REQUIRED", "NONE"):
        raise Refused(400, None, "invalid request: tool_choice must be REQUIRED or NONE.")
    if body.get("tool_choice") == "REQUIRED" and not body.get("tools"):
        raise Refused(400, None, "invalid request: tool_choice REQUIRED needs tools.")
    shape = body.get("response_format") or {}
    if shape.get("type", "text") != "text" and (body.get("tools") or body.get("documents")):
        raise Refused(400, None, "invalid request: response_format is not supported with RAG or tools.")
    if shape.get("type", "text") not in ("text", "json_object"):
        raise Refused(400, None, "invalid request: response_format.type must be text or json_object.")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise Refused(400, None, "invalid request: list of messages must not be empty")
    for at, message in enumerate(messages):
        _check_message(message, at)


def _check_message(message: Any, at: int) -> None:
    role = message.get("role") if isinstance(message, dict) else None
    if role not in _ROLES:
        raise Refused(400, None, f"invalid request: messages[{at}].role must be one of {', '.join(_ROLES)}")
    if role == "system" and at:
        raise Refused(400, None, "system turn must be the first in the list")
    if role in ("system", "user") and not message.get("content"):
        raise Refused(400, None, "message must not be empty in a turn")
    if role == "tool" and not message.get("tool_call_id"):
        raise Refused(400, None, f"invalid request: messages[{at}].tool_call_id is required")
    for call in message.get("tool_calls") or ():
        if not isinstance(orjson.loads(call["function"]["arguments"]), dict):
            raise Refused(400, None, f"invalid request: messages[{at}].tool_calls: arguments must be a JSON object")


def _question(body: Json) -> Question:
    messages = body["messages"]
    users = [item for item in messages if item["role"] == "user"] or messages
    last = _parts_of(users[-1])
    tools = tuple(
        Tool(tool["function"]["name"], tool["function"].get("parameters") or {}) for tool in body.get("tools") or ()
    )
    mode = body.get("tool_choice")
    documents = body.get("documents") or ()
    results = _results(messages)
    parts = sum(part.get("type") == "image_url" for part in last) + len(documents)
    return Question(
        text=_text_of(users[-1]),
        prompt_tokens=sum(map(_tokens, messages)) + TOKENS_PER_PART * len(documents),
        part_count=0 if results else parts,
        tool_results=tuple(results),
        is_prefilled=messages[-1]["role"] == "assistant",
        tools=tools if mode != "NONE" else (),
        may_call=mode != "NONE",
        must_call=mode == "REQUIRED",
        shape=_shape(body.get("response_format") or {}),
        stop=tuple(body.get("stop_sequences") or ()),
        max_tokens=body.get("max_tokens"),
    )


def _results(messages: list[Json]) -> list[str]:
    """The results of tools since the last turn that is none."""
    found: list[str] = []
    for message in reversed(messages):
        if message["role"] != "tool":
            break
        found.insert(0, _text_of(message))
    return found


def _parts_of(message: Json) -> list[Json]:
    content = message.get("content")
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())


def _text_of(message: Json) -> str:
    return " ".join(str(part["text"]) for part in _parts_of(message) if part.get("type") == "text")


def _tokens(message: Json) -> int:
    images = [part for part in _parts_of(message) if part.get("type") == "image_url"]
    return count_tokens(_text_of(message)) + TOKENS_PER_PART * len(images)


def _shape(wanted: Json) -> Any:
    if wanted.get("type") != "json_object":
        return None
    return wanted.get("json_schema") or True


# embeddings


def _embed(ask: Ask, behaviour: Behaviour) -> Reply:
    texts, size = ask.body.get("texts"), ask.body.get("output_dimension", DIMENSIONS[-1])
    if not ask.body.get("input_type"):
        raise Refused(400, None, "invalid request: valid input_type must be provided with the provided model")
    if not isinstance(texts, list) or not 1 <= len(texts) <= MAX_TEXTS:
        raise Refused(400, None, f"invalid request: total number of texts must be at most {MAX_TEXTS}")
    if size not in DIMENSIONS:
        raise Refused(400, None, f"invalid request: output_dimension must be one of {DIMENSIONS}")
    if ask.body.get("embedding_types") != ["float"]:
        raise Refused(400, None, "invalid request: the simulator has embedding_types float only")
    body: Json = {"id": digest(orjson.dumps(texts)), "texts": texts, "response_type": "embeddings_by_type"}
    body["embeddings"] = {"float": [unit_vector(text, size) for text in texts]}
    units = {} if behaviour.is_usage_omitted else {"billed_units": {"input_tokens": sum(map(count_tokens, texts))}}
    return {**body, "meta": {"api_version": {"version": "2"}, **units}}


_REPLIES: dict[str, Callable[[Ask, Behaviour], Reply]] = {"chat": _chat, "embed": _embed}
