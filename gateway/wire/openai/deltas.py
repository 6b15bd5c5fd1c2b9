"""One chunk of a streamed chat answer, without memory of the others.

Rules:
- Blocks of a delta are ordered: reasoning, content, refusal, audio, tool calls, function_call.
- All block numbers are 0 here, and a fragment made without an index has none: both need the stream (numbering.py).
- What other dialects announce (start, stop, citations of links) is written where OpenAI has a place for it, else left
  out.

Not here: the stream as a whole (chunks.py).
"""

from typing import Any

from gateway.wire.links import link_in
from gateway.wire.openai.fields import integer, is_text, json_text, record, records, string
from gateway.wire.openai.messages import BLOCK_MEMBERS, REASONING
from gateway.wire.openai.mirror import Field, JsonObject, Mirror, Reader, add_kept, always
from gateway.wire.openai.parts import AUDIO_ANSWER
from gateway.wire.openai.tools import CALL_FRAGMENTS, CALLS, FUNCTION_CALL
from gateway.wire.openai.usage import USAGE
from gateway.wire.pb import chat_pb2


def _read_content(delta: Any, value: Any) -> bool:
    if not is_text(value):
        return False
    delta.blocks.add().text = value
    return True


def _read_refusal(delta: Any, value: Any) -> bool:
    if not is_text(value):
        return False
    delta.blocks.add().refusal = value
    return True


def _reading_thinking(member: str) -> Reader:
    def read(delta: Any, value: Any) -> bool:
        if not is_text(value):
            return False
        thinking = delta.blocks.add().thinking
        thinking.text = value
        thinking.member = member
        return True

    return read


def _read_audio(delta: Any, value: Any) -> bool:
    if type(value) is not dict:
        return False
    audio = delta.blocks.add().audio
    audio.SetInParent()
    AUDIO_ANSWER.decode(value, audio)
    return True


def _read_tool_calls(delta: Any, value: Any) -> bool:
    if type(value) is not list or not value or not all(type(call) is dict for call in value):
        return False
    for call in value:
        block = delta.blocks.add()
        CALL_FRAGMENTS.read(call, block, block.tool)
    return True


def _read_function_call(delta: Any, value: Any) -> bool:
    if type(value) is not dict:
        return False
    CALL_FRAGMENTS.read_function_call(value, delta.blocks.add().tool)
    return True


_DELTA = Mirror(
    chat_pb2.Delta,
    [
        string("role"),
        Field(REASONING, _reading_thinking(REASONING), {}),
        Field("reasoning", _reading_thinking("reasoning"), {}),
        Field("content", _read_content, {}),
        Field("refusal", _read_refusal, {}),
        Field("audio", _read_audio, {}),
        Field("tool_calls", _read_tool_calls, {}),
        Field(FUNCTION_CALL, _read_function_call, {}),
    ],
    first=BLOCK_MEMBERS,
)


def _write_delta(delta: chat_pb2.Delta) -> JsonObject:
    out: JsonObject = {}
    if delta.HasField("role"):
        out["role"] = delta.role
    for block in delta.blocks:
        if (write := _WRITERS.get(block.WhichOneof("kind"))) is not None:
            write(out, block)
    add_kept(out, delta.nulls, delta.extra)
    return out


def _append(out: JsonObject, name: str, more: str) -> None:
    out[name] = out.get(name, "") + more


def _write_text(out: JsonObject, block: Any) -> None:
    _append(out, "content", block.text)


def _write_refusal(out: JsonObject, block: Any) -> None:
    _append(out, "refusal", block.refusal)


def _write_thinking(out: JsonObject, block: Any) -> None:
    if block.thinking.HasField("text"):
        _append(out, block.thinking.member or REASONING, block.thinking.text)


def _write_audio(out: JsonObject, block: Any) -> None:
    out["audio"] = AUDIO_ANSWER.encode(block.audio)


def _write_tool(out: JsonObject, block: Any) -> None:
    if block.tool.type == FUNCTION_CALL:
        out[FUNCTION_CALL] = CALL_FRAGMENTS.write_function_call(block.tool)
    else:
        out.setdefault("tool_calls", []).append(CALL_FRAGMENTS.write(block, block.tool))


def _write_start(out: JsonObject, block: Any) -> None:
    start = block.start
    kind = start.WhichOneof("kind")
    if kind == "tool_use":
        out.setdefault("tool_calls", []).append(CALLS.write(start, start.tool_use))
    elif kind == "text" and start.text:
        _append(out, "content", start.text)


def _write_citation(out: JsonObject, block: Any) -> None:
    if (found := link_in(block.citation_json)) is not None:
        out.setdefault("annotations", []).append(found)


_WRITERS = {
    "citation_json": _write_citation,
    "text": _write_text,
    "refusal": _write_refusal,
    "thinking": _write_thinking,
    "audio": _write_audio,
    "tool": _write_tool,
    "start": _write_start,
}


def _read_choice_delta(choice: Any, value: Any) -> bool:
    if type(value) is not dict:
        return False
    choice.delta.SetInParent()
    _DELTA.decode(value, choice.delta)
    return True


def _write_choice_delta(out: JsonObject, value: chat_pb2.Delta) -> None:
    out["delta"] = _write_delta(value)


CHOICE = Mirror(
    chat_pb2.ChoiceDelta,
    [
        integer("index"),
        Field("delta", _read_choice_delta, {"delta": _write_choice_delta}),
        string("finish_reason"),
        json_text("logprobs"),
        string("native_finish_reason"),
        string("stop_sequence"),
    ],
    fills={"index": always(0), "delta": always({}), "finish_reason": always(None)},
)

CHUNK = Mirror(
    chat_pb2.ChatChunk,
    [
        string("id"),
        string("object"),
        integer("created"),
        string("model"),
        records("choices", CHOICE),
        record("usage", USAGE),
        string("service_tier"),
        string("system_fingerprint"),
        json_text("moderation"),
        string("obfuscation"),
    ],
    fills={"object": always("chat.completion.chunk"), "choices": always([])},
)
