"""JSON of the Anthropic format for property tests: plausible bodies and events, spoiled at every level.

Rules: as lossless.py.
Not here: what must hold for them (test_lossless_anthropic.py).
"""

from __future__ import annotations

from hypothesis import strategies as st

from tests.contract.lossless import anything, cache_control, encoded, floats, integers, lists, objects, texts

marks = {"cache_control": cache_control}
source = st.one_of(
    objects({"media_type": texts, "data": encoded, "url": texts}, {"type": "base64"}),
    objects({"url": texts, "media_type": texts}, {"type": "url"}),
    objects({"file_id": texts}, {"type": "file"}),
    objects({"data": texts, "media_type": texts}, {"type": "text"}),
    objects({"content": anything}, {"type": "content"}),
    anything,
)
plain_block = st.one_of(
    objects({"text": texts, "citations": anything, **marks}, {"type": "text"}),
    objects({"source": source, **marks}, {"type": "image"}),
    objects({"source": source, "title": texts, "context": texts, "citations": anything, **marks}, {"type": "document"}),
    objects({"x": anything}, {"type": "search_result"}),
)
content = st.one_of(texts, lists(plain_block))
block = st.one_of(
    plain_block,
    objects({"id": texts, "name": texts, "input": anything, **marks}, {"type": "tool_use"}),
    objects({"tool_use_id": texts, "content": content, "is_error": st.booleans(), **marks}, {"type": "tool_result"}),
    objects({"thinking": texts, "signature": texts}, {"type": "thinking"}),
    objects({"data": texts}, {"type": "redacted_thinking"}),
    objects({"id": texts, "name": texts, "input": anything}, {"type": "server_tool_use"}),
    objects({"text": texts}),
)
blocks = st.one_of(texts, lists(block))
message = objects({"role": st.sampled_from(["user", "assistant", "system"]), "content": blocks})
tool = objects(
    {"name": texts, "description": texts, "input_schema": anything, "strict": st.booleans(), **marks,
     "type": st.sampled_from(["custom", "bash_20250124"])}
)  # fmt: skip
tool_choice = objects(
    {
        "name": texts,
        "disable_parallel_tool_use": st.booleans(),
        "type": st.sampled_from(["auto", "any", "tool", "none"]),
    }
)
request = objects(
    {"model": texts, "max_tokens": integers, "messages": lists(message), "system": blocks, "stream": st.booleans(),
     "metadata": objects({"user_id": texts}), "stop_sequences": st.lists(texts, max_size=3), "temperature": floats,
     "top_p": floats, "top_k": integers, "tools": lists(tool), "tool_choice": tool_choice, "service_tier": texts,
     "thinking": objects({"type": texts, "budget_tokens": integers}), "output_config": anything, "user": texts,
     "dialect": texts, "stop": texts}
)  # fmt: skip
count = st.one_of(integers, st.integers(0, 100))
usage = objects(
    {"input_tokens": count, "output_tokens": count, "cache_read_input_tokens": count,
     "cache_creation_input_tokens": count, "cache_creation": anything, "service_tier": texts}
)  # fmt: skip
_ending = {"stop_reason": st.sampled_from(["end_turn", "tool_use", "brand_new"]), "stop_sequence": texts}
response = objects(
    {"id": texts, "type": st.just("message"), "role": texts, "model": texts, "content": blocks, "usage": usage,
     "container": anything, **_ending}
)  # fmt: skip
index = st.one_of(st.integers(0, 3), integers)
delta = st.one_of(
    objects({"text": texts}, {"type": "text_delta"}),
    objects({"thinking": texts}, {"type": "thinking_delta"}),
    objects({"partial_json": texts}, {"type": "input_json_delta"}),
    objects({"signature": texts}, {"type": "signature_delta"}),
    objects({"citation": anything}, {"type": "citations_delta"}),
    anything,
)
usual = st.one_of(
    st.builds(lambda text: {"type": "text_delta", "text": text}, texts),
    st.builds(lambda text: {"type": "input_json_delta", "partial_json": text}, texts),
    st.builds(lambda text: {"type": "thinking_delta", "thinking": text}, texts),
)
event = st.one_of(
    st.builds(lambda made: {"type": "content_block_delta", "index": 0, "delta": made}, usual),
    st.builds(lambda made, at: {"type": "content_block_delta", "index": at, "delta": made}, usual, st.integers(0, 1)),
    objects({"message": response}, {"type": "message_start"}),
    objects({"index": index, "content_block": block}, {"type": "content_block_start"}),
    objects({"index": index, "delta": delta}, {"type": "content_block_delta"}),
    objects({"index": index}, {"type": "content_block_stop"}),
    objects({"delta": objects(_ending), "usage": usage}, {"type": "message_delta"}),
    objects({"error": anything}, {"type": "error"}),
    objects({"x": anything}),
    st.sampled_from([{"type": "ping"}, {"type": "message_stop"}, {"type": None}]),
)
