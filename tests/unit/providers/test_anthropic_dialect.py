"""The Anthropic format upstream: what is sent, what comes back, what a failure means."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import GatewayError, Kind
from gateway.providers import openai_dialect
from gateway.providers.anthropic_dialect import (
    VERSION,
    AnthropicStreamDecoder,
    classify,
    decode_reply,
    encode,
    stream_decoder,
    usage_of_reply,
)
from gateway.rpc.contract import CHAT, EMBED, STREAM_CHAT, with_text
from gateway.wire.anthropic import chat
from gateway.wire.anthropic.rendering import EventRenderer
from gateway.wire.json import loads
from gateway.wire.openai import chat as openai_chat
from gateway.wire.openai.chunks import encode_chunk
from tests.contract import anthropic_json, lossless
from tests.contract.lossless import same, settled
from tests.unit.pipeline.kits import deployment_of

HELLO = {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
USAGE = {"input_tokens": 9, "cache_read_input_tokens": 3, "output_tokens": 1}
START = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude", "content": [], "usage": USAGE}


def delta(index: int, **members: Any) -> dict[str, Any]:
    return {"type": "content_block_delta", "index": index, "delta": members}


def start(index: int, **block: Any) -> dict[str, Any]:
    return {"type": "content_block_start", "index": index, "content_block": block}


def stop(index: int) -> dict[str, Any]:
    return {"type": "content_block_stop", "index": index}


EVENTS = [
    {"type": "message_start", "message": START},
    start(0, type="thinking", thinking="", signature=""),
    {"type": "ping"},
    delta(0, type="thinking_delta", thinking="h"),
    delta(0, type="thinking_delta", thinking="m"),
    delta(0, type="signature_delta", signature="s"),
    stop(0),
    start(1, type="text", text=""),
    *(delta(1, type="text_delta", text=text) for text in ("Hel", "lo ", "☃")),
    stop(1),
    start(2, type="server_tool_use", id="s1", name="web_search", input={}),
    delta(2, type="input_json_delta", partial_json='{"q":1}'),
    stop(2),
    start(3, type="tool_use", id="t1", name="f", input={}),
    delta(3, type="input_json_delta", partial_json=""),
    delta(3, type="input_json_delta", partial_json='{"a":'),
    delta(3, type="input_json_delta", partial_json="1}"),
    stop(3),
    start(4, type="tool_use", id="t2", name="g", input={}),
    stop(4),
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 7},
    },
    {"type": "message_stop"},
]


def frames(*events: dict[str, Any]) -> bytes:
    """Events as a stream of bytes."""
    return b"".join(
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}\n\n".encode() for event in events
    )


def decoder(*, native: bool = False, usage: bool = True) -> AnthropicStreamDecoder:
    """A decoder for a client of this format, or of OpenAI's."""
    body = {"model": "m", "stream_options": {"include_usage": usage}}
    request = chat.decode_request(body) if native else openai_chat.decode_request(body)
    return stream_decoder(STREAM_CHAT, request, deployment_of())


def chunks_of(made: AnthropicStreamDecoder, pieces: list[bytes]) -> list[dict[str, Any]]:
    """The stream's chunks as JSON, shorthand expanded."""
    events = [event for piece in pieces for event in made.feed(piece)] + made.finish()
    shown, template = [], None
    for event in events:
        template = event if not isinstance(event, str) else template
        shown.append(encode_chunk(with_text(template, event) if isinstance(event, str) else event))  # type: ignore[arg-type]  # a str was handled above
    return shown


def failure(made: AnthropicStreamDecoder, data: bytes) -> GatewayError:
    """How a stream fails."""
    with pytest.raises(GatewayError) as caught:
        chunks_of(made, [data])
    return caught.value


@settings(max_examples=100)
@given(anthropic_json.request.map(settled))
def test_any_body_of_this_format_arrives_as_the_client_wrote_it(body: dict[str, Any]) -> None:
    """With nothing configured, only `model` and `stream` are ours."""
    body = {**body, "model": "m"}
    if body.get("stream"):
        body["stream"] = False
    sent = encode(CHAT, chat.decode_request(body), deployment_of(dialect="anthropic"), "m")
    assert same(loads(sent.body, depth_max=lossless.DEEP), body)


def test_a_request_goes_to_messages_with_key_and_version() -> None:
    """The key's header is the configuration's; a version there wins."""
    request = openai_chat.decode_request(HELLO)
    sent = encode(STREAM_CHAT, request, deployment_of("http://h/v1", force={"metadata": {}}, drop=["temperature"]), "m")
    assert sent.url == "http://h/v1/messages"
    assert sent.headers["anthropic-version"] == VERSION
    assert json.loads(sent.body) == {**HELLO, "stream": True, "metadata": {}}
    other = encode(
        CHAT, request, deployment_of(headers={"Anthropic-Version": "x"}, paths={"chat": "/m/{model}"}), "a/b"
    )
    assert (other.headers["anthropic-version"], other.url[-6:]) == ("x", "/a%2Fb")
    with pytest.raises(GatewayError) as caught:
        encode(EMBED, request, deployment_of(), "m")
    assert caught.value.kind is Kind.UNSUPPORTED_PARAMETER


def test_a_stream_for_openai_clients() -> None:
    """Role, reasoning, text, calls numbered from 0, the end, the usage; what only this format has is left out."""
    shown = chunks_of(decoder(), [frames(*EVENTS)])
    assert {(chunk["id"], chunk["model"], chunk["object"]) for chunk in shown} == {
        ("msg_1", "claude", "chat.completion.chunk")
    }
    deltas = [chunk["choices"][0]["delta"] for chunk in shown if chunk["choices"]]
    assert deltas[0] == {"role": "assistant"}
    assert "".join(d.get("reasoning_content", "") for d in deltas) == "hm"
    assert "".join(d.get("content", "") for d in deltas) == "Hello ☃"
    calls = [call for d in deltas for call in d.get("tool_calls", ())]
    assert [call["id"] for call in calls if "id" in call] == ["t1", "t2"]
    assert "".join(call["function"].get("arguments", "") for call in calls) == '{"a":1}'
    assert shown[-2]["choices"][0]["finish_reason"] == "tool_calls"
    assert shown[-1]["usage"] == {
        "prompt_tokens": 12, "completion_tokens": 7, "total_tokens": 19, "prompt_tokens_details": {"cached_tokens": 3},
    }  # fmt: skip
    assert shown[-1]["choices"] == []


def test_usage_is_known_although_nobody_asked() -> None:
    """For the ledger; the client gets none."""
    made = decoder(usage=False)
    assert not any("usage" in chunk for chunk in chunks_of(made, [frames(*EVENTS)]))
    assert made.usage is not None
    assert (made.usage.prompt_tokens, made.usage.completion_tokens) == (12, 7)
    assert made.is_done


@given(st.lists(st.integers(0, len(frames(*EVENTS))), max_size=6))
def test_however_the_bytes_are_cut(cuts: list[int]) -> None:
    """The same chunks, the same usage."""
    data = frames(*EVENTS)
    ends = sorted({0, *cuts, len(data)})
    pieces = [data[left:right] for left, right in itertools.pairwise(ends)]
    whole, cut = chunks_of(decoder(), [data]), chunks_of(decoder(), pieces)
    for chunk in (*whole, *cut):
        chunk.pop("created")
    assert whole == cut


def test_a_client_of_this_format_gets_every_event() -> None:
    """Pings and tools of the vendor included."""
    made, renderer = decoder(native=True), EventRenderer()
    events = made.feed(frames(*EVENTS)) + made.finish()
    rendered = [(name, json.loads(data)) for event in events for name, data in renderer.render(event)]  # type: ignore[arg-type]  # chunks only
    assert rendered == [(event["type"], event) for event in EVENTS]


@pytest.mark.parametrize("length", range(1, len(EVENTS)))
def test_a_stream_without_its_end_is_cut(length: int) -> None:
    """Only `message_stop` completes it, also for clients of this format."""
    for native in (True, False):
        assert failure(decoder(native=native), frames(*EVENTS[:length])).kind is Kind.STREAM_CUT


@pytest.mark.parametrize(
    ("type_", "kind"),
    [
        ("overloaded_error", Kind.PROVIDER_ERROR),
        ("rate_limit_error", Kind.PROVIDER_RATE_LIMITED),
        ("invalid_request_error", Kind.INVALID_REQUEST),
        ("brand_new_error", Kind.PROVIDER_ERROR),
    ],
)
def test_an_error_in_a_stream(type_: str, kind: Kind) -> None:
    """Ends it, by its type."""
    event = {"type": "error", "error": {"type": type_, "message": "m"}}
    assert failure(decoder(), frames(*EVENTS[:9], event)).kind is kind


@pytest.mark.parametrize(
    ("status", "type_", "kind"),
    [
        (400, "invalid_request_error", Kind.INVALID_REQUEST),
        (401, "authentication_error", Kind.PROVIDER_AUTH),
        (402, "billing_error", Kind.PROVIDER_AUTH),
        (403, "permission_error", Kind.PROVIDER_AUTH),
        (404, "not_found_error", Kind.MODEL_NOT_FOUND),
        (413, "request_too_large", Kind.REQUEST_TOO_LARGE),
        (429, "rate_limit_error", Kind.PROVIDER_RATE_LIMITED),
        (500, "api_error", Kind.PROVIDER_ERROR),
        (504, "timeout_error", Kind.PROVIDER_TIMEOUT),
        (529, "overloaded_error", Kind.PROVIDER_ERROR),
        (503, "", Kind.PROVIDER_ERROR),
    ],
)
def test_every_status_is_one_kind(status: int, type_: str, kind: Kind) -> None:
    """And says when to come back, if the provider does."""
    body = json.dumps({"type": "error", "error": {"type": type_, "message": "why"}}).encode() if type_ else b"<html>"
    error = classify(status, {"retry-after": "7"}, body)
    assert error.kind is kind
    if kind is Kind.PROVIDER_RATE_LIMITED or status == 529:
        assert error.retry_after_s == 7
    if status == 529:
        assert error.http_status == 529
    if kind is Kind.INVALID_REQUEST:
        assert "why" in error.message


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"content":"x"}', b'{"choices":[]}'])
def test_what_is_no_answer_is_the_providers_fault(body: bytes) -> None:
    """Another deployment may do better."""
    for read in (decode_reply, usage_of_reply):
        with pytest.raises(GatewayError) as caught:
            read(CHAT, body)
        assert caught.value.kind is Kind.PROVIDER_INVALID


def test_a_whole_answer() -> None:
    """With its usage, also where the body passes as it is."""
    body = json.dumps({**START, "content": [{"type": "text", "text": "hi"}], "stop_reason": "end_turn"}).encode()
    reply: Any = decode_reply(CHAT, body)
    assert reply.choices[0].message.blocks[0].text == "hi"
    assert reply.created > 0
    assert usage_of_reply(CHAT, body) == reply.usage


def test_what_has_no_place_is_told_to_the_pipeline() -> None:
    """Of either format in the other; of the same format nothing is."""
    asked = openai_chat.decode_request({**HELLO, "seed": 1})
    assert encode(CHAT, asked, deployment_of(dialect="anthropic"), "m").unsupported == ("seed",)
    native = chat.decode_request({**HELLO, "top_k": 1, "container": "c"})
    assert openai_dialect.encode(CHAT, native, deployment_of(), "m").unsupported == ("container", "top_k")
    assert encode(CHAT, native, deployment_of(dialect="anthropic"), "m").unsupported == ()
    assert openai_dialect.encode(CHAT, asked, deployment_of(), "m").unsupported == ()
