"""What came whole before a failure in the same read is given to the caller, then the failure."""

from __future__ import annotations

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers import openai_dialect
from gateway.rpc.contract import STREAM_CHAT
from gateway.wire.pb import chat_pb2
from tests.unit.pipeline.kits import deployment_of

CHUNK = b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"%b"},"finish_reason":null}]}\n\n'


def test_events_before_an_error_in_the_same_read_travel_with_it() -> None:
    """The failure carries every event decoded before it, and nothing after it."""
    decoder = openai_dialect.stream_decoder(STREAM_CHAT, chat_pb2.ChatRequest(), deployment_of("http://127.0.0.1:1/v1"))
    data = CHUNK % b"a" + CHUNK % b"b" + b'data: {"error":{"message":"no"}}\n\n' + CHUNK % b"c"
    with pytest.raises(GatewayError) as raised:
        decoder.feed(data)
    assert raised.value.kind is Kind.PROVIDER_ERROR
    assert len(raised.value.before) == 2
    assert raised.value.before[1] == "b"
