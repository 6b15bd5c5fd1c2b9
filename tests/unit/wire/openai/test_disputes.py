"""extra must not say something else than the typed fields: else what is checked is not what is sent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.openai import chat, completions, embeddings
from gateway.wire.openai.disputes import first_dispute
from gateway.wire.pb import chat_pb2, completions_pb2, types_pb2
from tests.contract import lossless
from tests.contract.lossless import settled

Block, ChatRequest, Message = types_pb2.Block, chat_pb2.ChatRequest, types_pb2.Message


@given(st.one_of(lossless.chat_request, lossless.anything).map(settled))
def test_what_was_read_from_json_is_undisputed(body: Any) -> None:
    """Whatever the JSON was, HTTP callers are never refused for this reason."""
    if isinstance(body, dict):
        for codec in (chat, completions, embeddings):
            assert first_dispute(codec.decode_request(body)) is None


@given(st.one_of(lossless.completion_request, lossless.embedding_request).map(settled))
def test_other_requests_read_from_json_are_undisputed(body: Any) -> None:
    """The same for the other request kinds."""
    for codec in (completions, embeddings):
        assert first_dispute(codec.decode_request(body)) is None


@pytest.mark.parametrize(
    ("request_", "path"),
    [
        (ChatRequest(model="a", extra='{"model":"b"}'), "model"),
        (ChatRequest(extra='{"messages":[{"role":"user","content":"a"}]}'), "messages"),
        (ChatRequest(n=1, extra='{"n":100}'), "n"),
        (ChatRequest(n=1, extra='{"n":null}'), "n"),
        (ChatRequest(n=1, extra='{"n":1.5}'), "n"),
        (ChatRequest(max_tokens=1, extra='{"max_tokens":5.0}'), "max_tokens"),
        (ChatRequest(stop=["a"], extra='{"stop":["b"]}'), "stop"),
        (ChatRequest(stop=["a"], extra='{"stop":"a"}'), "stop"),
        (ChatRequest(extra='{"tools":[{"type":"function"}]}'), "tools"),
        (ChatRequest(extra='{"stream_options":{}}'), "stream_options"),
        (
            ChatRequest(stream_options=types_pb2.StreamOptions(extra='{"include_usage":true}')),
            "stream_options.include_usage",
        ),
        (ChatRequest(messages=[Message(), Message(extra='{"content":"a"}')]), "messages[1].content"),
        (ChatRequest(messages=[Message(role="tool", extra='{"tool_call_id":"a"}')]), "messages[0].tool_call_id"),
        (
            ChatRequest(messages=[Message(blocks=[Block(text="a", extra='{"text":"b"}')])]),
            "messages[0].blocks[0].text",
        ),
        (completions_pb2.CompletionRequest(extra='{"prompt":"a"}'), "prompt"),
    ],
)
def test_contradictions_are_found(request_: Any, path: str) -> None:
    """Each is named by its path."""
    assert first_dispute(request_) == path


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest(extra='{"vendor":1}'),
        ChatRequest(temperature=1, extra='{"temperature":1.0}'),
        ChatRequest(extra='{"stop":[]}'),
        ChatRequest(extra='{"temperature":"hot"}'),
        ChatRequest(messages=[Message(extra='{"content":5,"x":1}')]),
        ChatRequest(metadata={"a": "b"}, extra='{"metadata":{"a":"b"}}'),
    ],
)
def test_the_rest_may_stand(request_: Any) -> None:
    """Unknown members, other spellings of the same value, and what no typed field can hold (admission sees it)."""
    assert first_dispute(request_) is None
