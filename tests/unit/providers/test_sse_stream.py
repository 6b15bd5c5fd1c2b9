"""Streams of server-sent events, in every dialect that has them: what a failure carries, and what an end may hold."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers.registry import DIALECTS
from gateway.providers.sse_stream import SseStream
from gateway.rpc.contract import STREAM_CHAT
from gateway.wire.openai import chat
from tests.unit.pipeline.kits import deployment_of

REQUEST = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
KEPT = b": a comment\n\n"


def decoder(name: str, **members: Any) -> Any:
    """A decoder of a dialect."""
    return DIALECTS[name].stream_decoder(STREAM_CHAT, REQUEST, deployment_of(**members))


def streaming() -> list[str]:
    """The dialects whose streams are of this kind."""

    def is_one(name: str) -> bool:
        try:
            return isinstance(decoder(name), SseStream)
        except GatewayError:
            return False  # it has no streams

    return [name for name in DIALECTS if is_one(name)]


def test_every_decoder_says_what_its_frames_mean() -> None:
    """Each has an `_event` of its own, and shares how bytes become events."""
    assert len(streaming()) > 5
    for name in streaming():
        made = type(decoder(name))
        assert not inspect.isabstract(made)
        assert made.feed is SseStream.feed


@pytest.mark.parametrize("name", streaming())
@pytest.mark.parametrize("data", [b"data: {broken\n\n", b"data: {\xff}\n\n"])
def test_a_frame_that_is_no_json(name: str, data: bytes) -> None:
    """It is the provider's failure, and nothing came before it."""
    with pytest.raises(GatewayError, match="not JSON") as caught:
        decoder(name).feed(data)
    assert caught.value.kind is Kind.PROVIDER_INVALID
    assert caught.value.before == []


@pytest.mark.parametrize("name", streaming())
def test_a_frame_too_long_at_the_end_of_the_body(name: str) -> None:
    """Found behind a whole frame, it is told when the body ends, as any other that is too long."""
    made = decoder(name, chunk_max_bytes=4096)
    made.feed(KEPT + b"data: \n\n" + b"data: " + b"x" * 5000)
    with pytest.raises(GatewayError, match="chunk_max_bytes") as caught:
        made.finish()
    assert caught.value.kind is Kind.PROVIDER_INVALID


@pytest.mark.parametrize("name", streaming())
def test_a_body_that_says_nothing_was_cut(name: str) -> None:
    """Comments and frames without data are no events."""
    made = decoder(name)
    assert made.feed(KEPT + b"data: \n\n" + KEPT) == []
    with pytest.raises(GatewayError) as caught:
        made.finish()
    assert caught.value.kind is Kind.STREAM_CUT
