"""The name of the model in an answer, and nothing else, is exchanged: in every place where a format has it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.wire import json as lossless
from gateway.wire.anthropic import chat as anthropic
from gateway.wire.anthropic.events import EventDecoder, NativeRenderer
from gateway.wire.openai import chat, chunks, completions, embeddings
from gateway.wire.pb import chat_pb2
from gateway.wire.renamed import renamed, renamed_json

ODD = {"model": {"model": "kept"}, "big": 2**70, "message": "model", "n": None}


@pytest.mark.parametrize("codec", [chat, completions, embeddings])
def test_whole_answers_keep_everything_else(codec: Any) -> None:
    """Unknown members, integers beyond 64 bits and nulls included; the message it was made of is not touched."""
    said: dict[str, Any] = {
        "id": "x",
        "object": "o",
        "model": "theirs",
        "choices": [],
        "data": [],
        "odd": ODD,
        "usage": None,
    }
    answer = codec.decode_response(said)
    assert codec.encode_response(renamed(answer, "ours")) == {**codec.encode_response(answer), "model": "ours"}
    assert answer.model == "theirs"
    assert lossless.loads(renamed_json(lossless.dumps(said), "ours")) == {**said, "model": "ours"}


def test_what_says_no_name_says_none_afterwards() -> None:
    """Neither null, nor a name of another type, nor nothing becomes a name; such an event is not copied."""
    nameless: list[dict[str, Any]] = [{"model": None}, {"choices": []}, {"model": 7}]
    for said in nameless:
        answer = chat.decode_response(dict(said))
        assert chat.encode_response(renamed(answer, "ours")) == chat.encode_response(answer)
        assert json.loads(renamed_json(json.dumps(said).encode(), "ours")) == said
    silent = chat_pb2.ChatChunk(object="chat.completion.chunk")
    assert renamed(silent, "ours") is silent


def test_increments_behind_a_renamed_chunk_have_its_name() -> None:
    """A text is the last whole chunk again: the name in it is the new one."""
    decoder, renderer = chunks.ChunkDecoder(), chunks.ChunkRenderer()
    written = []
    for word in ("one", "two", "three"):
        data = {"id": "x", "model": "theirs", "choices": [{"index": 0, "delta": {"content": word}}]}
        event = decoder.decode(json.dumps(data).encode())
        written.append(json.loads(renderer.render(event if isinstance(event, str) else renamed(event, "ours"))))
    assert [(each["model"], each["choices"][0]["delta"]["content"]) for each in written] == [
        ("ours", "one"), ("ours", "two"), ("ours", "three"),
    ]  # fmt: skip


def test_events_that_are_kept_whole() -> None:
    """Anthropic's first event has the name in `message`; a tool's input may say `model` as it likes."""
    start: dict[str, Any] = {
        "type": "message_start",
        "message": {"id": "m", "model": "theirs", "content": [], "x": ODD},
    }
    event: Any = EventDecoder().decode(json.dumps(start).encode())
    made: Any = renamed(event, "ours")
    ((_, data),) = NativeRenderer().render(made)
    assert lossless.loads(data) == {**start, "message": {**start["message"], "model": "ours"}}
    assert made.model == "ours"
    native = chat_pb2.ChatChunk(dialect="responses", extra=json.dumps({"response": {"model": "theirs"}, "odd": ODD}))
    assert json.loads(renamed(native, "ours").extra) == {"response": {"model": "ours"}, "odd": ODD}
    call = {"content": [{"type": "tool_use", "id": "t", "name": "f", "input": {"model": "mine"}}], "model": "theirs"}
    whole = anthropic.encode_response(renamed(anthropic.decode_response(call), "ours"))
    assert whole["content"] == call["content"]
    assert whole["model"] == "ours"
    assert json.loads(renamed_json(b'{"modelVersion": "theirs", "responseId": "x"}', "ours")) == {
        "modelVersion": "ours", "responseId": "x",
    }  # fmt: skip
