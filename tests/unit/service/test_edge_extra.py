"""A gRPC request may not be counted by one value and sent with another."""

from __future__ import annotations

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.service.edge import _check_extra
from gateway.wire.pb import chat_pb2, embeddings_pb2


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


@pytest.mark.parametrize(
    ("extra", "param"),
    [
        ('{"requests": [{"taskType": "X"}, {"content": {}}]}', "requests[1].content"),
        ('{"requests": [1]}', "requests[0].content"),
        ('{"content": {"parts": []}}', "content"),
    ],
)
def test_texts_of_geminis_embeddings_are_counted(extra: str, param: str) -> None:
    """They stand in `input`; what surrounds them may be in `extra`."""
    request = embeddings_pb2.EmbeddingRequest(model="m", dialect="gemini", extra=extra)
    with pytest.raises(GatewayError) as caught:
        _check_extra(request)
    assert caught.value.param == param
    request.extra = '{"requests": [{"taskType": "X"}], "taskType": "Y"}'
    _check_extra(request)


@pytest.mark.parametrize("member", ["generationConfig", "generation_config"])
@pytest.mark.parametrize("name", ["candidateCount", "max_output_tokens"])
def test_counted_settings_of_gemini_are_refused(member: str, name: str) -> None:
    """Inside generationConfig too; its other members are free."""
    request = chat_pb2.ChatRequest(model="m", dialect="gemini", extra=f'{{"{member}": {{"{name}": 9}}}}')
    with pytest.raises(GatewayError) as caught:
        _check_extra(request)
    assert caught.value.param == f"{member}.{name}"
    _check_extra(chat_pb2.ChatRequest(model="m", dialect="gemini", extra='{"generationConfig": {"imageConfig": {}}}'))
