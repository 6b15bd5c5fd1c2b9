"""OpenAI's chat completions, simulated: the answer, its stream, and what all of OpenAI's endpoints share.

Rules:
- Pure; ids are derived from the request, so that the same request has the same answer.
- Every member the API reference lists is there, null included; the usage chunk comes only when it was asked for.
- In a stream, `index` is in every fragment of a tool call, `id`, `type` and `name` only in its first.

Not here: routes, errors, the other endpoints (openai.py), what is said (answer.py).
"""

import base64
import hashlib
import struct
from collections.abc import Iterator
from itertools import zip_longest
from typing import Any

import orjson

from gateway.simulator.answer import TOKENS_PER_PART, Answer, Question, Tool, answer, check, count_tokens
from gateway.simulator.behaviour import Behaviour
from gateway.simulator.reply import Ask, Frame, Json, Refused, Reply, StreamReply

CREATED = 1767600000
FINGERPRINT = "fp_simulator"
MAX_CHOICES = 128
DONE = Frame(b"[DONE]")
SILENT_PCM = bytes(480)


def chat(ask: Ask, behaviour: Behaviour) -> Reply:
    question = _chat_question(ask.body)
    check(question, behaviour)
    answers = [answer(question, behaviour, choice) for choice in range(choices_of(ask.body))]
    if ask.is_stream:
        return _chat_stream(ask, behaviour, question, answers)
    choices = [
        {
            "index": index,
            "message": _message(ask.body, said),
            "logprobs": _chat_logprobs(ask.body, said.pieces),
            "finish_reason": _finish(ask.body, said),
        }
        for index, said in enumerate(answers)
    ]
    body = {**head_of(ask, "chatcmpl-", "chat.completion"), "service_tier": mode_of(ask, behaviour), "choices": choices}
    return body if behaviour.is_usage_omitted else {**body, "usage": _usage(question, answers)}


def _chat_question(body: Json) -> Question:
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages or not all(isinstance(item, dict) for item in messages):
        raise Refused(400, "missing_required_parameter", "Missing required parameter: 'messages'.", "messages")
    users = [item for item in messages if item.get("role") == "user"] or messages
    results: list[str] = []
    for item in reversed(messages):
        if item.get("role") not in ("tool", "function"):
            break
        results.insert(0, _text_of(item.get("content")))
    tools, is_required = _tools(body)
    return Question(
        text=_text_of(users[-1].get("content")),
        prompt_tokens=sum(_content_tokens(item.get("content")) for item in messages),
        part_count=len(_other_parts(users[-1].get("content"))),
        tool_results=tuple(results),
        is_prefilled=messages[-1].get("role") == "assistant",
        prefill=_text_of(messages[-1].get("content")) if messages[-1].get("role") == "assistant" else "",
        tools=tools,
        may_call=body.get("tool_choice", body.get("function_call")) != "none",
        must_call=is_required,
        is_parallel=body.get("parallel_tool_calls") is not False,
        shape=_shape(body.get("response_format")),
        stop=stop_of(body.get("stop")),
        max_tokens=body.get("max_completion_tokens", body.get("max_tokens")),
    )


def _text_of(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(str(part["text"]) for part in content if isinstance(part, dict) and "text" in part)
    return content if isinstance(content, str) else ""


def _other_parts(content: Any) -> list[Any]:
    parts = content if isinstance(content, list) else []
    return [
        part for part in parts if isinstance(part, dict) and part.get("type") in ("image_url", "input_audio", "file")
    ]


def _content_tokens(content: Any) -> int:
    return count_tokens(_text_of(content)) + TOKENS_PER_PART * len(_other_parts(content))


def _shape(response_format: Any) -> Any:
    if not isinstance(response_format, dict) or response_format.get("type") in (None, "text"):
        return None
    return (
        True if response_format["type"] == "json_object" else response_format.get("json_schema", {}).get("schema", {})
    )


def stop_of(stop: Any) -> tuple[str, ...]:
    return (stop,) if isinstance(stop, str) else tuple(stop or ())


def choices_of(body: Json) -> int:
    n = body.get("n") or 1
    if not isinstance(n, int) or not 1 <= n <= MAX_CHOICES:
        raise Refused(400, "invalid_value", f"Invalid 'n': expected an integer from 1 to {MAX_CHOICES}.", "n")
    return n


def _tools(body: Json) -> tuple[tuple[Tool, ...], bool]:
    """Return the tools that may be called, and whether one must be."""
    given = [_tool(item) for item in body.get("tools") or ()]
    given += [Tool(item["name"], item.get("parameters") or {}) for item in body.get("functions") or ()]
    choice = body.get("tool_choice", body.get("function_call", "auto"))
    if isinstance(choice, dict) and choice.get("type") == "allowed_tools":
        allowed = choice.get("allowed_tools", {})
        names = {_tool(item).name for item in allowed.get("tools") or ()}
        return tuple(tool for tool in given if tool.name in names), allowed.get("mode") == "required"
    if isinstance(choice, dict):
        name = _tool(choice).name if "type" in choice else choice.get("name")
        return tuple(tool for tool in given if tool.name == name), True
    if choice == "none":
        return (), False
    return tuple(given), choice == "required"


def _tool(item: Json) -> Tool:
    inner = item.get(item.get("type", "function")) or {}
    name = str(inner.get("name", item.get("name", "")))
    return Tool(name, None if item.get("type") == "custom" else inner.get("parameters") or {})


def _is_legacy(body: Json) -> bool:
    return "functions" in body and "tools" not in body


def _finish(body: Json, said: Answer) -> str:
    return "function_call" if said.calls and _is_legacy(body) else said.finish


def _message(body: Json, said: Answer) -> Json:
    message: Json = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
    if said.refusal:
        message.update(content=None, refusal="".join(said.refusal))
    if said.reasoning:
        message["reasoning_content"] = "".join(said.reasoning)
    if said.calls and _is_legacy(body):
        message.update(content=None, function_call={"name": said.calls[0][0].name, "arguments": said.calls[0][1]})
    elif said.calls:
        message.update(content=None, tool_calls=[_call(*call, index) for index, call in enumerate(said.calls)])
    elif _wants_audio(body):
        message.update(content=None, audio={**_audio(said), "data": _audio_data(body)})
    return message


def _call(tool: Tool, arguments: str, index: int) -> Json:
    call_id = "call_" + digest(f"{index}{tool.name}{arguments}".encode())
    if tool.schema is None:
        return {"id": call_id, "type": "custom", "custom": {"name": tool.name, "input": arguments}}
    return {"id": call_id, "type": "function", "function": {"name": tool.name, "arguments": arguments}}


def _wants_audio(body: Json) -> bool:
    return "audio" in (body.get("modalities") or ())


def _audio(said: Answer) -> Json:
    return {"id": "audio_" + digest(said.text.encode()), "expires_at": CREATED + 3600, "transcript": said.text}


def _audio_data(body: Json) -> str:
    """Return 10 ms of silence at 24 kHz, with a WAV header when that was asked for."""
    wav = struct.pack("<4sI4s4sIHHIIHH4sI", b"RIFF", 516, b"WAVE", b"fmt ", 16, 1, 1, 24000, 48000, 2, 16, b"data", 480)
    is_wav = (body.get("audio") or {}).get("format") == "wav"
    return base64.b64encode(wav + SILENT_PCM if is_wav else SILENT_PCM).decode()


def _chat_logprobs(body: Json, pieces: tuple[str, ...]) -> Json | None:
    if not body.get("logprobs"):
        return None
    top = body.get("top_logprobs") or 0
    content = []
    for piece in pieces:
        ranked = [_logprob(piece if rank == 0 else f"{piece}~{rank}", -0.1 - rank) for rank in range(max(top, 1))]
        content.append({**ranked[0], "top_logprobs": ranked[:top]})
    return {"content": content, "refusal": None}


def _logprob(token: str, logprob: float) -> Json:
    return {"token": token, "logprob": logprob, "bytes": list(token.encode())}


def _chat_stream(ask: Ask, behaviour: Behaviour, question: Question, answers: list[Answer]) -> StreamReply:
    is_usage_asked = (
        bool((ask.body.get("stream_options") or {}).get("include_usage")) and not behaviour.is_usage_omitted
    )
    head = {**head_of(ask, "chatcmpl-", "chat.completion.chunk"), "service_tier": mode_of(ask, behaviour)}

    total = _usage(question, answers)

    def chunk(index: int, delta: Json, finish: str | None = None, sent: int | None = None) -> Frame:
        logprobs = _chat_logprobs(ask.body, (delta["content"],)) if delta.get("content") else None
        choice = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": finish}
        body: Json = {**head, "choices": [choice]}
        if behaviour.is_usage_in_each:
            body["usage"] = total if sent is None else _usage_so_far(total, sent)
        elif is_usage_asked:
            body["usage"] = None
        return Frame(body)

    def content() -> Iterator[Frame]:
        sent = 0
        for step in zip_longest(*(_deltas(ask.body, said) for said in answers)):
            for index, delta in enumerate(step):
                if delta is not None:
                    sent += 1
                    yield chunk(index, delta, sent=sent)

    role = {"role": "assistant", "content": "", "refusal": None}
    opening = [chunk(index, role, sent=0) for index in range(len(answers))]
    if behaviour.has_prelude:
        opening.insert(0, Frame({**head, "id": "", "choices": [], "prompt_filter_results": []}))
    closing = [chunk(index, {}, _finish(ask.body, said)) for index, said in enumerate(answers)]
    if is_usage_asked and not behaviour.is_usage_in_each:
        closing.append(Frame({**head, "choices": [], "usage": total}))
    return StreamReply(tuple(opening), content(), tuple(closing), (DONE,))


def _deltas(body: Json, said: Answer) -> Iterator[Json]:
    for piece in said.reasoning:
        yield {"reasoning_content": piece}
    for piece in said.refusal:
        yield {"refusal": piece}
    if said.calls and _is_legacy(body):
        yield {"function_call": {"name": said.calls[0][0].name, "arguments": ""}}
        yield {"function_call": {"arguments": said.calls[0][1]}}
    else:
        for index, call in enumerate(said.calls):
            yield from _call_deltas(_call(*call, index), index)
    if _wants_audio(body) and not said.calls:
        audio = _audio(said)
        yield from ({"audio": {"id": audio["id"], "transcript": piece}} for piece in said.pieces)
        yield {"audio": {"id": audio["id"], "data": base64.b64encode(SILENT_PCM).decode()}}
        yield {"audio": {"id": audio["id"], "expires_at": audio["expires_at"]}}
    else:
        yield from ({"content": piece} for piece in said.pieces)


def _call_deltas(call: Json, index: int) -> Iterator[Json]:
    """The first fragment names the call; the others carry its index and up to 8 characters of its arguments."""
    kind, member = call["type"], "arguments" if call["type"] == "function" else "input"
    text = call[kind][member]
    yield {"tool_calls": [{"index": index, **call, kind: {**call[kind], member: ""}}]}
    for at in range(0, len(text), 8):
        yield {"tool_calls": [{"index": index, kind: {member: text[at : at + 8]}}]}


def _usage(question: Question, answers: list[Answer]) -> Json:
    completion = sum(said.tokens for said in answers)
    return {
        "prompt_tokens": question.prompt_tokens,
        "completion_tokens": completion,
        "total_tokens": question.prompt_tokens + completion,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": sum(len(said.reasoning) for said in answers),
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def _usage_so_far(total: Json, sent: int) -> Json:
    completion = min(sent, total["completion_tokens"])
    return {**total, "completion_tokens": completion, "total_tokens": total["prompt_tokens"] + completion}


def head_of(ask: Ask, prefix: str, kind: str) -> Json:
    answer_id = prefix + digest(orjson.dumps(ask.body, option=orjson.OPT_SORT_KEYS))
    return {"id": answer_id, "object": kind, "created": CREATED, "model": ask.model, "system_fingerprint": FINGERPRINT}


def mode_of(ask: Ask, behaviour: Behaviour) -> str:
    """How the request is processed: as the model's name says, else as it asks."""
    asked = ask.body.get("service_tier")
    return behaviour.mode or (asked if asked in ("flex", "priority", "scale") else "default")


def digest(data: bytes) -> str:
    return hashlib.blake2b(data, digest_size=12).hexdigest()
