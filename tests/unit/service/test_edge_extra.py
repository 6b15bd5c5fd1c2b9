"""A gRPC request may not be counted by one value and sent with another."""

from __future__ import annotations

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.service.edge import _check_extra
from gateway.wire.pb import chat_pb2


@pytest.mark.parametrize("dialect", ["anthropic", "gemini", "cohere", "responses", "unheard-of"])
@pytest.mark.parametrize("member", ["max_tokens", "messages", "contents", "input", "n", "system"])
def test_a_counted_member_in_the_extra_of_another_dialect_is_refused(dialect: str, member: str) -> None:
    """Whatever the dialect's own codec would make of it."""
    request = chat_pb2.ChatRequest(model="m", dialect=dialect, extra=f'{{"odd": 1, "{member}": 5}}')
    with pytest.raises(GatewayError) as caught:
        _check_extra(request)
    assert (caught.value.kind, caught.value.param) == (Kind.INVALID_REQUEST, member)


def test_other_members_pass() -> None:
    """Unknown members are what `extra` is for."""
    _check_extra(chat_pb2.ChatRequest(model="m", dialect="anthropic", extra='{"container": {"id": "c"}}'))
