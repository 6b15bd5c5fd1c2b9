"""Answers as bytes: what goes in comes out, bounds hold, and damage is never an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cache.recording import Recording, expiry_of, read
from gateway.rpc.contract import Batch, Raw
from gateway.wire.openai import chat
from gateway.wire.pb import chat_pb2

CHUNK = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}


def chunk(**delta: object) -> chat_pb2.ChatChunk:
    """One chunk of a stream."""
    text = delta.pop("content", None)
    blocks = [{"text": text}] if text is not None else [{"tool": {"id": "call_1", "name": "f"}}]
    return chat_pb2.ChatChunk(id="c", choices=[{"delta": {"blocks": blocks}}])


def recorded(batches: list[Batch], max_bytes: int = 100_000, *, has_tool_calls: bool = False) -> Recording:
    """A recording of these."""
    made = Recording(max_bytes, has_tool_calls=has_tool_calls)
    for batch in batches:
        made.add(batch)
    return made


texts = st.text(max_size=20).filter(lambda text: text.isprintable() or not text)
events = st.one_of(texts.map(lambda text: chunk(content=text)), texts)


@given(st.lists(st.lists(events, min_size=1, max_size=4), min_size=1, max_size=5), st.lists(texts, max_size=3))
def test_batches_come_back_as_they_were(batches: list[Batch], left_out: list[str]) -> None:
    """The same batches with the same events, the expiry and what was left out."""
    data = recorded(batches).whole(1234.5, left_out)
    found = read(data, chat_pb2.ChatChunk)
    assert found.batches == batches
    assert (found.expires_unix_s, found.left_out) == (1234.5, tuple(left_out))
    assert expiry_of(data) == 1234.5


@given(st.data())
def test_damage_is_never_an_answer(data: st.DataObject) -> None:
    """Cut or lengthened anywhere, or another mark: ValueError, nothing else; one wrong byte at worst another text."""
    whole = recorded([[chunk(content="hello"), " world"], ["!"]]).whole(1.0, ["a"])
    at = data.draw(st.integers(0, len(whole) - 1))
    for damaged in (whole[:at], whole + b"x", b"gwc0" + whole[4:]):
        with pytest.raises(ValueError, match=r"recorded|damaged"):
            read(damaged, chat_pb2.ChatChunk)
    flipped = bytearray(whole)
    flipped[at] ^= data.draw(st.integers(1, 255))
    try:
        read(bytes(flipped), chat_pb2.ChatChunk)
    except ValueError:
        return


def test_a_long_answer_is_dropped_and_its_memory_with_it() -> None:
    """From the batch that goes over the bound nothing is kept, and nothing more is taken."""
    made = recorded([["x" * 600]] * 3, max_bytes=1500)
    assert made.is_dropped
    assert made._parts == []


@pytest.mark.parametrize(
    "event",
    [
        chunk(),
        chat.decode_response(
            {
                **CHUNK,
                "choices": [
                    {
                        "index": 0,
                        "message": {
                            "role": "assistant",
                            "content": None,
                            "tool_calls": [
                                {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
                            ],
                        },
                        "finish_reason": "tool_calls",
                    }
                ],
            }
        ),
        chat_pb2.ChatChunk(choices=[{"delta": {"blocks": [{"start": {"tool_use": {"name": "f"}}}]}}]),
    ],
    ids=["chunk", "whole", "announced"],
)
def test_tool_calls_are_kept_only_where_allowed(event: object) -> None:
    """Whoever gets such an answer again calls the tools again."""
    assert recorded([[event]]).is_dropped
    assert not recorded([[event]], has_tool_calls=True).is_dropped


@pytest.mark.parametrize("event", [Raw(b"{}"), "half a pair \ud800"], ids=["raw", "surrogate"])
def test_what_has_no_bytes_of_its_own_is_not_kept(event: str | Raw) -> None:
    """JSON as a provider sent it belongs to one dialect; half a surrogate pair has no UTF-8."""
    assert recorded([[chunk(content="a")], [event]]).is_dropped
