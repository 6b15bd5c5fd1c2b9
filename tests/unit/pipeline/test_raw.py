"""Whole answers that pass as they are: only to who takes them in the provider's dialect, checked and settled alike."""

from __future__ import annotations

import json
from typing import Any

import pytest

from gateway.core.errors import Kind
from gateway.rpc.contract import CHAT, Raw
from gateway.wire.openai import chat
from tests.support.recorder import COMPLETION
from tests.unit.pipeline.kits import Outcome, bench, config_of, model, provider
from tests.unit.providers.loopback import Connection, loopback

REQUEST = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "hello"}]})
TAKES = {"dialect": "openai", "takes_json": True}
SPACED = json.dumps(COMPLETION, indent=3).encode() + b"\n"


async def answered(body: bytes, **context: Any) -> tuple[Outcome, dict[str, Any]]:
    """A call that a provider answers with `body`, and its log record."""

    async def answer(connection: Connection, _request: bytes) -> None:
        await connection.answer(body)

    async with loopback(answer) as server, bench(config_of({"p": provider(server.url)}, {"m": model("p")})) as made:
        outcome = await made.call(CHAT, REQUEST, **context)
        assert made.is_at_rest
        return outcome, made.log.records()[0]


async def test_answer_of_the_callers_dialect_keeps_its_bytes() -> None:
    """Spaces and all; usage is settled as for a message."""
    outcome, record = await answered(SPACED, **TAKES)
    assert outcome.events == [Raw(SPACED)]
    usage = COMPLETION["usage"]
    assert (record["prompt_tokens"], record["completion_tokens"]) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )


@pytest.mark.parametrize("context", [{}, {"dialect": "openai"}, {"dialect": "other", "takes_json": True}])
async def test_others_get_a_message(context: dict[str, Any]) -> None:
    """A caller of another dialect, or one that does not say that it takes JSON."""
    outcome, _ = await answered(SPACED, **context)
    assert outcome.events == [chat.decode_response(COMPLETION)]


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"choices":5}', b"\xff", b'{"choices":[' + b"[" * 100 + b"]" * 100])
async def test_what_is_no_answer_is_refused_alike(body: bytes) -> None:
    """Nothing that could not be decoded passes."""
    outcome, _ = await answered(body, **TAKES)
    assert outcome.error is not None
    assert outcome.error.kind is Kind.PROVIDER_INVALID


@pytest.mark.parametrize("usage", [None, 5, "many", []])
async def test_usage_that_is_none_is_estimated(usage: Any) -> None:
    """Whatever stands there, the answer passes, and it is not free."""
    outcome, record = await answered(json.dumps({**COMPLETION, "usage": usage}).encode(), **TAKES)
    assert outcome.error is None
    assert record["is_estimate"]
