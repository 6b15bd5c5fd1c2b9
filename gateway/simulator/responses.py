"""OpenAI's Responses format, simulated: answers, their events, errors.

Rules:
- Pure; ids are derived from the request, so that the same request has the same answer. Nothing is kept.
- A request the vendor would refuse is refused: members of chats, items it does not know, answers to calls nobody made.
- Every event has its number; reasoning has a summary where one was asked for, and a proof where that was included.

Not here: what is refused (responses_checks.py), what is said (answer.py), faults and bytes (play.py).
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import orjson

from gateway.simulator.answer import TOKENS_PER_PART, Answer, Question, Tool, answer, check, count_tokens
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.openai import OpenAi
from gateway.simulator.openai_chat import CREATED, digest, mode_of
from gateway.simulator.reply import Ask, Canned, Frame, Json, Refused, Reply, Route, StreamReply
from gateway.simulator.responses_checks import PROOF, check_request

_STEP = 8  # characters of arguments in one increment
_OPENAI = OpenAi()
_REPEATED: Json = {
    "instructions": None, "max_output_tokens": None, "metadata": {}, "parallel_tool_calls": True,
    "previous_response_id": None, "store": True, "temperature": 1.0, "tool_choice": "auto", "tools": [], "top_p": 1.0,
    "truncation": "disabled", "user": None,
}  # fmt: skip


class Responses:
    """The format as the server uses it (see reply.WireFormat)."""

    routes: tuple[Route, ...] = tuple(
        Route("POST", f"{prefix}/responses", "responses") for prefix in ("", "/v1", "/openai/v1")
    )
    error_event: str | None = "error"

    def is_authorized(self, headers: Mapping[str, str], key: str) -> bool:
        """A bearer token, or Azure's `api-key` header."""
        sent = headers.get("api-key") or headers.get("authorization", "").removeprefix("Bearer ")
        return hmac.compare_digest(sent.encode(), key.encode())

    def ask(self, operation: str, params: Mapping[str, str], body: bytes) -> Ask:
        """Decode a request. Raises Refused."""
        return _OPENAI.ask(operation, params, body)

    def reply(self, ask: Ask, behaviour: Behaviour) -> Reply:
        """Return the healthy answer of a model that behaves so. Raises Refused."""
        check_request(ask.body)
        question = _question(ask.body)
        check(question, behaviour)
        reasoning = ask.body.get("reasoning") or {}
        if reasoning.get("effort") not in (None, "none"):
            behaviour = replace(behaviour, is_reasoning=True)
        said = answer(question, behaviour)
        whole = _whole(ask, question, said, behaviour)
        return _stream(whole, said, behaviour) if ask.is_stream else whole

    def error(self, refused: Refused) -> Json:
        """OpenAI's error object; in a stream it is an event of type error."""
        return {"type": "error", **_OPENAI.error(refused)}

    def bench(self, operation: str) -> Canned | None:  # an argument of every format
        """None: load tests drive chats."""
        return None


# answers


def _whole(ask: Ask, question: Question, said: Answer, behaviour: Behaviour) -> Json:
    suffix = digest(orjson.dumps(ask.body, option=orjson.OPT_SORT_KEYS))
    reason = {"length": "max_output_tokens", "content_filter": "content_filter"}.get(said.finish)
    status = "incomplete" if reason else "completed"
    repeated = {name: ask.body.get(name, default) for name, default in _REPEATED.items()}
    return {
        "id": f"resp_{suffix}", "object": "response", "created_at": CREATED, "status": status, "background": False,
        "error": None, "incomplete_details": {"reason": reason} if reason else None, "model": ask.model,
        "output": _output(ask.body, said, suffix, status, is_shown=behaviour.is_reasoning), **repeated,
        "reasoning": {"effort": None, "summary": None, **(ask.body.get("reasoning") or {})},
        "service_tier": mode_of(ask, behaviour),
        "text": {"format": {"type": "text"}, "verbosity": "medium", **(ask.body.get("text") or {})}, "top_logprobs": 0,
        "usage": None if behaviour.is_usage_omitted else _usage(question, said),
    }  # fmt: skip


def _usage(question: Question, said: Answer) -> Json:
    return {
        "input_tokens": question.prompt_tokens,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": said.tokens,
        "output_tokens_details": {"reasoning_tokens": len(said.reasoning)},
        "total_tokens": question.prompt_tokens + said.tokens,
    }


def _output(body: Json, said: Answer, suffix: str, status: str, *, is_shown: bool) -> list[Json]:
    items: list[Json] = []
    if said.reasoning:
        has_summary = is_shown or (body.get("reasoning") or {}).get("summary") is not None
        summary = [{"type": "summary_text", "text": "".join(said.reasoning)}] if has_summary else []
        item: Json = {"id": f"rs_{suffix}", "type": "reasoning", "summary": summary}
        if "reasoning.encrypted_content" in (body.get("include") or ()):
            item["encrypted_content"] = PROOF + suffix
        items.append(item)
    items += [_call(*call, f"{suffix}_{at}") for at, call in enumerate(said.calls)]
    if not said.calls:
        part: Json = {"type": "output_text", "text": said.text, "annotations": [], "logprobs": []}
        if said.refusal:
            part = {"type": "refusal", "refusal": "".join(said.refusal)}
        items.append(
            {"id": f"msg_{suffix}", "type": "message", "status": status, "role": "assistant", "content": [part]}
        )
    return items


def _call(tool: Tool, arguments: str, suffix: str) -> Json:
    head = {"status": "completed", "call_id": f"call_{suffix}", "name": tool.name}
    if tool.schema is None:
        return {"id": f"ctc_{suffix}", "type": "custom_tool_call", **head, "input": arguments}
    return {"id": f"fc_{suffix}", "type": "function_call", **head, "arguments": arguments}


# streams


def _stream(whole: Json, said: Answer, behaviour: Behaviour) -> StreamReply:
    begun = {**whole, "status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
    opening = [("response.created", {"response": begun}), ("response.in_progress", {"response": begun})]
    if behaviour.has_prelude:
        opening.insert(1, ("response.queued", {"response": {**begun, "status": "queued"}}))
    content = [event for at, item in enumerate(whole["output"]) for event in _item(at, item, said)]
    last = f"response.{whole['status']}"
    frames = [
        Frame({"type": type_, "sequence_number": number, **members}, type_)
        for number, (type_, members) in enumerate([*opening, *content, (last, {"response": whole})])
    ]
    first = len(opening)
    before = next((at for at, (type_, _) in enumerate(content) if type_.endswith(".delta")), len(content))
    after = next((at for at in range(len(content), 0, -1) if content[at - 1][0].endswith(".delta")), len(content))
    return StreamReply(
        tuple(frames[: first + before]),
        frames[first + before : first + after],
        tuple(frames[first + after : -1]),
        (frames[-1],),
    )


def _item(index: int, item: Json, said: Answer) -> Iterator[tuple[str, Json]]:
    """The events of one output item."""
    kind, at = item["type"], {"item_id": item["id"], "output_index": index}
    empty = {**item, **({"status": "in_progress"} if "status" in item else {})}
    empty |= {name: type(item[name])() for name in ("content", "summary", "arguments", "input") if name in item}
    yield "response.output_item.added", {"output_index": index, "item": {**empty}}
    if kind == "message":
        yield from _part(at, item["content"][0], said)
    elif kind == "reasoning" and item["summary"]:
        where, part = {**at, "summary_index": 0}, item["summary"][0]
        yield "response.reasoning_summary_part.added", {**where, "part": {**part, "text": ""}}
        for piece in said.reasoning:
            yield "response.reasoning_summary_text.delta", {**where, "delta": piece}
        yield "response.reasoning_summary_text.done", {**where, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**where, "part": part}
    elif kind in ("function_call", "custom_tool_call"):
        is_custom = kind == "custom_tool_call"
        member = "input" if is_custom else "arguments"
        name = "response.custom_tool_call_input" if is_custom else "response.function_call_arguments"
        for start in range(0, len(item[member]), _STEP):
            yield f"{name}.delta", {**at, "delta": item[member][start : start + _STEP]}
        yield f"{name}.done", {**at, member: item[member]}
    yield "response.output_item.done", {"output_index": index, "item": item}


def _part(at: Json, part: Json, said: Answer) -> Iterator[tuple[str, Json]]:
    where, is_refusal = {**at, "content_index": 0}, part["type"] == "refusal"
    member, name = ("refusal", "response.refusal") if is_refusal else ("text", "response.output_text")
    more: Json = {} if is_refusal else {"logprobs": []}
    yield "response.content_part.added", {**where, "part": {**part, member: ""}}
    for piece in said.refusal or said.pieces:
        yield f"{name}.delta", {**where, "delta": piece, **more}
    yield f"{name}.done", {**where, member: part[member], **more}
    yield "response.content_part.done", {**where, "part": part}


# questions


def _question(body: Json) -> Question:
    given = body["input"]
    items = [{"role": "user", "content": given}] if isinstance(given, str) else given
    users = [item for item in items if item.get("role") == "user"] or [{"content": ""}]
    results: list[str] = []
    for item in reversed(items):
        if not str(item.get("type", "")).endswith("_call_output"):
            break
        results.insert(0, _text_of(item.get("output")))
    tools, is_required = _tools(body)
    last = _others(users[-1].get("content"))
    instructions = count_tokens(body.get("instructions") or "")
    return Question(
        text=_text_of(users[-1].get("content")),
        prompt_tokens=instructions + sum(_tokens(item.get("content", item.get("output"))) for item in items),
        part_count=0 if results else last,
        tool_results=tuple(results),
        tools=tools,
        may_call=body.get("tool_choice") != "none",
        must_call=is_required,
        is_parallel=body.get("parallel_tool_calls") is not False,
        shape=_shape((body.get("text") or {}).get("format") or {}),
        max_tokens=body.get("max_output_tokens"),
    )


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part["text"]) for part in content if "text" in part)
    return content if isinstance(content, str) else ""


def _others(content: Any) -> int:
    kinds = ("input_image", "input_file", "input_audio")
    return sum(part.get("type") in kinds for part in content) if isinstance(content, list) else 0


def _tokens(content: Any) -> int:
    return count_tokens(_text_of(content)) + TOKENS_PER_PART * _others(content)


def _shape(form: Json) -> Any:
    if form.get("type", "text") == "text":
        return None
    return True if form["type"] == "json_object" else form.get("schema", {})


def _tools(body: Json) -> tuple[tuple[Tool, ...], bool]:
    """The tools that may be called, and whether one must be."""
    given = [
        Tool(item["name"], None if item["type"] == "custom" else item.get("parameters") or {})
        for item in body.get("tools") or ()
        if item["type"] in ("function", "custom")
    ]
    choice = body.get("tool_choice", "auto")
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        names = {item.get("name") for item in choice.get("tools") or ()}
        return tuple(tool for tool in given if tool.name in names), choice.get("mode") == "required"
    if isinstance(choice, dict):
        return tuple(tool for tool in given if tool.name == choice.get("name")), True
    return (() if choice == "none" else tuple(given)), choice == "required"
