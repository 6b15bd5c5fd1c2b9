"""Answers of providers of the same format: as they came, but for the id of what they continue."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.wire.json import dumps, loads
from gateway.wire.pb import chat_pb2
from gateway.wire.responses.native import NativeEvents, continuing

ODD = {"big": 2**70, "deep": [None, {"x": 1.5}], "text": '"previous_response_id":"no"'}
ANSWER: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "previous_response_id": None,
    "status": "completed",
    **ODD,
}


def event(name: str, **members: Any) -> chat_pb2.ChatChunk:
    extra = dumps({"type": name, "sequence_number": 1, **members}).decode()
    return chat_pb2.ChatChunk(dialect="responses", object=name, extra=extra)


def test_a_whole_answer() -> None:
    """Only that member is another, also where the provider leaves it out."""
    assert loads(continuing(dumps(ANSWER), "resp_0")) == {**ANSWER, "previous_response_id": "resp_0"}
    assert loads(continuing(b'{"id":"resp_1"}', "resp_0")) == {"id": "resp_1", "previous_response_id": "resp_0"}


@pytest.mark.parametrize("odd", [b"", b"{", b"[]", b"1", b'{"response":1}', b'{"response":[]}'])
def test_what_holds_no_answer_is_left_alone(odd: bytes) -> None:
    """Whatever it is."""
    assert continuing(odd, "resp_0") == odd


def test_the_events_of_a_stream() -> None:
    """Those that hold the answer name it; the others are the same bytes; what is kept of them names it, too."""
    native = NativeEvents("resp_0")
    delta = event("response.output_text.delta", delta="previous_response_id", response={})
    name, data = native.take(event("response.created", response=ANSWER))
    assert (name, loads(data)["response"]["previous_response_id"]) == ("response.created", "resp_0")
    assert native.take(delta) == (delta.object, delta.extra.encode())
    native.take(event("response.completed", response=ANSWER))
    assert native.begun() == native.answer() == {**ANSWER, "previous_response_id": "resp_0"}
    assert native.next_number() == 2


def test_what_continues_nothing_is_the_same_bytes() -> None:
    """No event is read."""
    created = event("response.created", response=ANSWER)
    assert NativeEvents().take(created) == (created.object, created.extra.encode())
