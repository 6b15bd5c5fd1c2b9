"""What Cohere's answers and events become."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.rpc.contract import with_text
from gateway.wire.anthropic import chat as anthropic_chat
from gateway.wire.cohere import embeddings
from gateway.wire.cohere.answers import FINISH_REASONS, decode_response
from gateway.wire.cohere.events import EventDecoder
from gateway.wire.json import dumps
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import ChunkRenderer
from tests.contract import lossless
from tests.contract.lossless import settled

USAGE = {"billed_units": {"input_tokens": 1}, "tokens": {"input_tokens": 5.0, "output_tokens": 4}, "cached_tokens": 2}
CALL = {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


def answer(**message: Any) -> dict[str, Any]:
    return {"id": "x", "finish_reason": "COMPLETE", "message": {"role": "assistant", **message}, "usage": USAGE}


def test_an_answer() -> None:
    """Thinking, text, counts of what the model saw."""
    content = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    response = decode_response(answer(content=content, citations=[{"start": 0}]))
    shown = chat.encode_response(response)
    message = shown["choices"][0]["message"]
    assert (message["content"], message["reasoning_content"]) == ("ab", "hm")
    assert (shown["id"], shown["choices"][0]["finish_reason"]) == ("x", "stop")
    assert shown["usage"] == {
        "prompt_tokens": 5, "completion_tokens": 4, "total_tokens": 9, "prompt_tokens_details": {"cached_tokens": 2}
    }  # fmt: skip
    assert json.loads(response.choices[0].message.extra) == {"citations": [{"start": 0}]}
    assert "citations" not in message
    assert [block["type"] for block in anthropic_chat.encode_response(response)["content"]] == [
        "thinking",
        "text",
        "text",
    ]


def test_calls() -> None:
    """The plan is their text, also in Anthropic's format."""
    response = decode_response({**answer(tool_plan="I look.", tool_calls=[CALL, CALL]), "finish_reason": "TOOL_CALL"})
    choice = chat.encode_response(response)["choices"][0]
    assert (choice["message"]["content"], choice["message"]["tool_calls"]) == ("I look.", [CALL, CALL])
    assert choice["finish_reason"] == "tool_calls"
    shown = anthropic_chat.encode_response(response)
    assert [block["type"] for block in shown["content"]] == ["text", "tool_use", "tool_use"]
    assert (shown["stop_reason"], shown["content"][1]["input"]) == ("tool_use", {"a": 1})


@pytest.mark.parametrize("reason", [*FINISH_REASONS, "SOMETHING"])
def test_finish_reasons(reason: str) -> None:
    """Kept beside OpenAI's word."""
    choice = decode_response({**answer(), "finish_reason": reason}).choices[0]
    assert (choice.finish_reason, choice.native_finish_reason) == (FINISH_REASONS.get(reason, "stop"), reason)


@settings(max_examples=100)
@given(st.dictionaries(st.sampled_from(["id", "message", "finish_reason", "usage"]), lossless.anything))
def test_any_object_is_an_answer(body: Any) -> None:
    """Whatever its members are."""
    assert dumps(chat.encode_response(decode_response(settled(body))))


def test_embeddings() -> None:
    """Vectors in order, counts; anything else is refused."""
    found = embeddings.decode_response(
        {"embeddings": {"float": [[0.5, 1], [0.25, 0]]}, "meta": {"billed_units": {"input_tokens": 3.0}}}
    )
    assert [(e.index, list(e.values)) for e in found.data] == [(0, [0.5, 1.0]), (1, [0.25, 0.0])]
    assert (found.usage.prompt_tokens, found.usage.total_tokens) == (3, 3)
    for broken in ({}, {"embeddings": {"float": []}}, {"embeddings": {"float": [["a"]]}}, {"embeddings": [[]]}):
        with pytest.raises(ValueError, match="embedding"):
            embeddings.decode_response(broken)


# streams


def about(type_: str, index: int | None = None, **message: Any) -> dict[str, Any]:
    numbered = {} if index is None else {"index": index}
    return {"type": type_, **numbered, "delta": {"message": message}}


EVENTS = [
    {"type": "message-start", "id": "x", "delta": {"message": {"role": "assistant", "content": []}}},
    about("content-start", 0, content={"type": "thinking", "thinking": ""}),
    *(about("content-delta", 0, content={"thinking": word}) for word in ("h", "m")),
    {"type": "content-end", "index": 0},
    about("content-start", 1, content={"type": "text", "text": "Hel"}),
    *(about("content-delta", 1, content={"text": word}) for word in ("lo ", "", "☃")),
    about("citation-start", 0, citations={"start": 0, "end": 2, "text": "He"}),
    {"type": "citation-end", "index": 0},
    about("content-delta", 1, content={"text": "!"}),
    {"type": "content-end", "index": 1},
    *(about("tool-plan-delta", tool_plan=word) for word in (" I", " look")),
    about("tool-call-start", 0, tool_calls={"id": "a", "type": "function", "function": {"name": "f", "arguments": ""}}),
    *(about("tool-call-delta", 0, tool_calls={"function": {"arguments": part}}) for part in ('{"a"', ":1", "}")),
    {"type": "tool-call-end", "index": 0},
    about(
        "tool-call-start", 1, tool_calls={"id": "b", "type": "function", "function": {"name": "g", "arguments": "{"}}
    ),
    about("tool-call-delta", 1, tool_calls={"function": {"arguments": "}"}}),
    {"type": "tool-call-end", "index": 1},
    {"type": "something-new", "delta": 1},
    {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL", "usage": USAGE}},
]


def decoded(events: list[Any]) -> tuple[list[Any], int]:
    """The whole chunks, and how many came as texts."""
    decoder = EventDecoder(7, id_="y", model="m")
    chunks: list[Any] = []
    texts = 0
    for event in filter(lambda made: made is not None, (decoder.decode(dumps(event)) for event in events)):
        texts += isinstance(event, str)
        chunks.append(with_text(chunks[-1], event) if isinstance(event, str) else event)
    return chunks, texts


def test_a_stream() -> None:
    """Every part in its block, one id, one role, one end."""
    chunks, texts = decoded(EVENTS)
    assert {(chunk.id, chunk.created, chunk.model) for chunk in chunks} == {("x", 7, "m")}
    blocks = [block for chunk in chunks for choice in chunk.choices for block in choice.delta.blocks]
    assert "".join(block.thinking.text for block in blocks) == "hm"
    assert "".join(block.text for block in blocks) == "Hello ☃! I look"
    by_block = {number: [*of] for number, of in itertools.groupby(blocks, key=lambda block: block.block)}
    assert [*by_block] == [0, 1, 2, 3, 4]
    assert [("".join(b.tool.arguments for b in by_block[n]), by_block[n][0].tool.id) for n in (3, 4)] == [
        ('{"a":1}', "a"), ("{}", "b"),
    ]  # fmt: skip
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == [
        "tool_calls"
    ]
    assert texts >= 4, "increments are passed on as texts"
    assert chunks[-1].usage.total_tokens == 9


def test_a_stream_for_openai_clients() -> None:
    """Calls have their indexes, and no chunk says what only Cohere knows."""
    chunks, _ = decoded(EVENTS)
    renderer = ChunkRenderer()
    shown = [json.loads(renderer.render(chunk)) for chunk in chunks]
    fragments = [call for chunk in shown for c in chunk["choices"] for call in c["delta"].get("tool_calls", ())]
    assert [(call["index"], call.get("id"), call["function"].get("name")) for call in fragments if "id" in call] == [
        (0, "a", "f"), (1, "b", "g"),
    ]  # fmt: skip
    assert [call["index"] for call in fragments] == [0, 0, 0, 0, 1, 1]
    assert not any("citation" in json.dumps(chunk) or "tool_plan" in json.dumps(chunk) for chunk in shown)


@settings(max_examples=100)
@given(
    st.lists(
        st.fixed_dictionaries(
            {"type": st.sampled_from(sorted({str(event["type"]) for event in EVENTS}))},
            optional={"index": lossless.anything, "delta": lossless.anything, "id": lossless.anything},
        ),
        max_size=6,
    )
)
def test_any_event_is_read(events: list[Any]) -> None:
    """Whatever its members are."""
    for chunk in decoded([settled(event) for event in events])[0]:
        assert ChunkRenderer().render(chunk)
