"""Any body of the Responses format and every event of any stream come out of the gateway as they went in.

Not here: what a body means to providers of other formats (tests/unit/wire/responses).
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import Message
from hypothesis import example, given, settings
from hypothesis import strategies as st

from gateway.wire.json import dumps, loads
from gateway.wire.openai import chat as openai_chat
from gateway.wire.openai.chunks import ChunkRenderer
from gateway.wire.responses.answers import about
from gateway.wire.responses.events import EventRenderer
from gateway.wire.responses.incoming import EventReader
from gateway.wire.responses.reading import decode_response
from gateway.wire.responses.request import decode_request, encode_request
from tests.contract import lossless
from tests.contract.lossless import anything, floats, integers, lists, objects, same, settled, texts, uris

parts = st.one_of(
    texts,
    lists(
        st.one_of(
            objects({"text": texts, "annotations": anything}, {"type": "input_text"}),
            objects({"text": texts, "logprobs": anything}, {"type": "output_text"}),
            objects({"image_url": uris, "detail": texts, "file_id": texts}, {"type": "input_image"}),
            objects({"file_data": uris, "filename": texts, "file_url": texts}, {"type": "input_file"}),
            objects({"refusal": texts}, {"type": "refusal"}),
        )
    ),
)
call = {"id": texts, "call_id": texts, "name": texts, "arguments": texts, "input": texts, "status": texts}
item = st.one_of(
    objects({"role": st.sampled_from(["user", "system", "assistant", "developer"]), "content": parts, "id": texts}),
    objects({"role": texts, "content": parts}, {"type": "message"}),
    objects(call, {"type": "function_call"}),
    objects(call, {"type": "custom_tool_call"}),
    objects({"call_id": texts, "output": parts}, {"type": "function_call_output"}),
    objects({"summary": parts, "content": parts, "encrypted_content": texts, "id": texts}, {"type": "reasoning"}),
    objects({"action": anything}, {"type": "web_search_call"}),
)
tool = objects(
    {"type": st.sampled_from(["function", "custom", "web_search"]), "name": texts, "parameters": anything,
     "strict": st.booleans(), "format": anything}
)  # fmt: skip
choice = st.one_of(
    st.sampled_from(["none", "auto", "required", "any"]),
    objects({"type": st.sampled_from(["function", "custom", "allowed_tools"]), "name": texts, "tools": lists(tool)}),
)
request = objects(
    {"model": texts, "input": st.one_of(texts, lists(item)), "instructions": texts, "max_output_tokens": integers,
     "temperature": floats, "top_p": floats, "top_logprobs": integers, "include": lists(texts), "tools": lists(tool),
     "tool_choice": choice, "parallel_tool_calls": st.booleans(), "stream": st.booleans(), "stream_options": anything,
     "reasoning": objects({"effort": texts, "summary": texts}), "metadata": st.dictionaries(texts, texts, max_size=2),
     "text": objects({"verbosity": texts, "format": objects({"type": st.just("json_schema"), "schema": anything})}),
     "user": texts, "store": st.booleans(), "truncation": texts, "service_tier": texts, "messages": anything,
     "logprobs": anything, "max_completion_tokens": integers, "reasoning_effort": texts, "response_format": anything}
)  # fmt: skip
counts = objects({name: st.integers(0, 9) for name in ("input_tokens", "output_tokens", "total_tokens")})
response = objects(
    {"id": texts, "status": st.sampled_from(["completed", "incomplete"]), "output": lists(item), "usage": counts,
     "model": texts, "created_at": floats, "incomplete_details": objects({"reason": texts})}
)  # fmt: skip
event = objects(
    {"type": st.sampled_from(
        ["response.created", "response.output_text.delta", "response.refusal.delta", "response.output_item.added",
         "response.output_item.done", "response.function_call_arguments.delta", "response.completed",
         "response.reasoning_summary_text.delta", "response.reasoning_summary_part.added", "response.new.thing",
         "response.output_text.annotation.added", "response.custom_tool_call_input.delta"]),
     "delta": texts, "output_index": st.integers(0, 2), "content_index": st.integers(0, 2), "item": item,
     "summary_index": st.integers(0, 2), "logprobs": anything, "response": response, "sequence_number": integers,
     "annotation": anything}
)  # fmt: skip


def pass_on(message: Any) -> Any:
    """What the other end of the link gets."""
    return type(message).FromString(message.SerializeToString()) if isinstance(message, Message) else message


@settings(max_examples=150)
@given(st.one_of(request, lossless.chat_request, st.dictionaries(texts, anything)))
def test_requests_come_back(body: Any) -> None:
    """Whatever its members: known, unknown, null, of a wrong type."""
    expected = settled(body)
    made = encode_request(pass_on(decode_request(expected)))
    read = loads(dumps(made), depth_max=lossless.DEEP)
    assert same(read, expected), (read, expected)


@settings(max_examples=150)
@given(st.lists(event.map(settled), max_size=8))
def test_events_come_back(events: list[Any]) -> None:
    """Byte for byte, with their names, one for each."""
    reader, renderer = EventReader(0, is_native=True), EventRenderer(about({}, "", 0))
    for told in events:
        data, name = dumps(told), told.get("type") if isinstance(told.get("type"), str) else None
        rendered = renderer.render(pass_on(reader.read(data, name)))
        assert rendered == [(name or "", data)]


@settings(max_examples=150)
@given(st.lists(event.map(settled), max_size=8))
def test_events_make_chunks_for_other_clients(events: list[Any]) -> None:
    """Whatever a provider sends, what comes of it can be written for a client of chats."""
    reader, renderer = EventReader(0, is_native=False), ChunkRenderer()
    for told in events:
        made = reader.read(dumps(told), None)
        if made is not None:
            loads(renderer.render(pass_on(made)))


@settings(max_examples=150)
@example({"usage": {"input_tokens": 2**63 - 9, "output_tokens": 9}})
@given(st.one_of(response, st.dictionaries(texts, anything)))
def test_answers_can_be_written_for_other_clients(body: Any) -> None:
    """Whatever their members."""
    made = pass_on(decode_response(settled(body)))
    assert openai_chat.encode_response(made)["choices"][0]["finish_reason"] in (
        *("stop", "length", "content_filter", "tool_calls"),
    )


@settings(max_examples=150)
@given(lossless.chat_request)
def test_requests_of_chats_can_be_mapped(body: Any) -> None:
    """Whatever their members: to a body, and to paths of what has no place in it."""
    unsupported: list[str] = []
    made = encode_request(openai_chat.decode_request(settled(body)), unsupported)
    assert isinstance(made["input"], list)
    loads(dumps(made), depth_max=lossless.DEEP)
