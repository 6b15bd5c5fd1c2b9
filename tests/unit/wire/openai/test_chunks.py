"""What a stream's events mean: blocks, content, usage, ends, errors."""

from typing import Any

import pytest

from gateway.wire.json import JsonInvalid, dumps
from gateway.wire.openai.chunks import ChunkDecoder, is_content
from gateway.wire.openai.completions import CompletionChunkDecoder
from gateway.wire.pb import chat_pb2, completions_pb2, types_pb2


def chunk(*deltas: dict[str, Any], **members: Any) -> bytes:
    return dumps({"choices": [{"index": at, "delta": delta} for at, delta in enumerate(deltas)]} | members)


def call(arguments: str = "", **members: Any) -> dict[str, Any]:
    name = members.pop("name", None)
    return members | {"function": {"arguments": arguments} | ({"name": name} if name else {})}


def numbers(*chunks: list[dict[str, Any]]) -> list[list[int]]:
    """The block numbers of the calls in each chunk, made of lists of fragments."""
    decoder = ChunkDecoder()
    found = []
    for fragments in chunks:
        event = decoder.decode(chunk({"tool_calls": fragments}))
        assert not isinstance(event, str)
        found.append([block.block for block in event.choices[0].delta.blocks])
    return found


def test_blocks_are_numbered_as_they_appear() -> None:
    """Per choice: reasoning, then text, then calls, each with its number for the whole stream."""
    decoder = ChunkDecoder()
    seen = []
    for deltas in (
        [{"reasoning_content": "a"}, {"content": "b"}],
        [{"content": "c"}, {"refusal": "d"}],
        [{"reasoning_content": "e", "content": "f", "tool_calls": [call(index=0, id="x")]}, {"content": "g"}],
    ):
        event = decoder.decode(chunk(*deltas))
        assert not isinstance(event, str)
        seen.append([[block.block for block in choice.delta.blocks] for choice in event.choices])
    assert seen == [[[0], [0]], [[1], [1]], [[0, 1, 2], [0]]]


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        # as the specification has it
        ([[call(index=0, id="a", name="f")], [call("{", index=0)], [call(index=1, id="b", name="g")],
          [call("{", index=1)], [call("}", index=0)]], [[0], [0], [1], [1], [0]]),
        # parallel calls, all with index 0, told apart by id
        ([[call("{}", index=0, id="a", name="f")], [call("{}", index=0, id="b", name="f")]], [[0], [1]]),
        # the same, in fragments: what follows belongs to the latest
        ([[call(index=0, id="a", name="f")], [call("{", index=0)], [call(index=0, id="b", name="f")],
          [call("}", index=0)]], [[0], [0], [1], [1]]),
        # the id repeated in every fragment, indexes wrong
        ([[call(index=0, id="a", name="f")], [call(index=1, id="b", name="f")], [call("x", index=0, id="b")]],
         [[0], [1], [1]]),
        # no index at all: the latest call
        ([[call(id="a", name="f")], [call("{")], [call(id="b", name="g")], [call("}")]], [[0], [0], [1], [1]]),
        # neither id nor index, whole calls: a new name is a new call
        ([[call("{}", name="f")], [call("{}", name="g")]], [[0], [1]]),
        # neither, several in one chunk: each its own
        ([[call("{}", name="f"), call("{}", name="f")]], [[0, 1]]),
        # index 0 for all, no id, several in one chunk
        ([[call("{}", index=0, name="f"), call("{}", index=0, name="g")]], [[0, 1]]),
        # an empty id is none
        ([[call(index=0, id="a", name="f")], [call("{", index=0, id="")], [call("}", index=0, id=None)]],
         [[0], [0], [0]]),
    ],
)  # fmt: skip
def test_fragments_find_their_call(chunks: list[list[dict[str, Any]]], expected: list[list[int]]) -> None:
    """By id, then index, then position; providers whose index is missing or lies included."""
    assert numbers(*chunks) == expected


CONTENT = [
    {"content": "a"},
    {"refusal": "a"},
    {"reasoning_content": "a"},
    {"reasoning": "a"},
    {"tool_calls": [call(index=0)]},
    {"function_call": {"name": "f"}},
    {"audio": {"data": "AAAA"}},
    {"audio": {"transcript": "a"}},
    {"content": [{"type": "text", "text": "a"}]},
    {"content": "\ud800"},
    {"role": "assistant", "content": "", "refusal": "a"},
]
NO_CONTENT = [
    {},
    {"role": "assistant"},
    {"role": "assistant", "content": "", "refusal": None},
    {"content": None},
    {"content": []},
    {"tool_calls": []},
    {"reasoning_content": ""},
    {"audio": {"id": "a", "expires_at": 5}},
    {"unknown": "a"},
]


@pytest.mark.parametrize("delta", CONTENT, ids=str)
def test_content_is_seen(delta: dict[str, Any]) -> None:
    """Anything of the answer commits the call, in any choice, also where only `extra` holds it."""
    assert is_content(ChunkDecoder().decode(chunk(delta)))
    assert is_content(ChunkDecoder().decode(chunk({}, delta)))


@pytest.mark.parametrize("delta", NO_CONTENT, ids=str)
def test_preludes_are_no_content(delta: dict[str, Any]) -> None:
    """Roles, empty texts, nulls and unknown members bring nothing."""
    assert not is_content(ChunkDecoder().decode(chunk(delta)))
    assert not is_content(ChunkDecoder().decode(dumps({"choices": [], "usage": {"total_tokens": 1}})))


def test_content_of_other_events() -> None:
    """Texts, legacy chunks, and blocks other dialects announce."""
    assert is_content("a")
    assert not is_content("")
    assert is_content(completions_pb2.CompletionResponse(choices=[completions_pb2.CompletionChoice(text="a")]))
    assert not is_content(completions_pb2.CompletionResponse(choices=[completions_pb2.CompletionChoice(text="")]))
    for start, expected in (
        (types_pb2.Block(text=""), False),
        (types_pb2.Block(tool_use=types_pb2.ToolUseBlock()), True),
    ):
        delta = chat_pb2.Delta(blocks=[chat_pb2.BlockDelta(start=start)])
        assert is_content(chat_pb2.ChatChunk(choices=[chat_pb2.ChoiceDelta(delta=delta)])) is expected


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b"{", b'"a"', b"[DONE]"])
def test_what_is_no_chunk_is_refused(data: bytes) -> None:
    """Only JSON objects are chunks."""
    for decoder in (ChunkDecoder(), CompletionChunkDecoder()):
        with pytest.raises(JsonInvalid):
            decoder.decode(data)


def test_padding_in_every_chunk_costs_few_tries() -> None:
    """When each chunk differs outside its text, the decoder soon stops looking for a template, and stays right."""
    decoder = ChunkDecoder()
    events = [decoder.decode(chunk({"content": "a"}, obfuscation="x" * at)) for at in range(50)]
    assert not any(isinstance(event, str) for event in events)
    assert decoder._text._tries == 0
    assert not isinstance(decoder.decode(chunk({"content": "b"}, obfuscation="x" * 49)), str)
