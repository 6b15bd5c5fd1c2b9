"""What every upstream dialect promises, tested alike for each: one row per dialect.

A new dialect is a file `gateway/providers/*_dialect.py`, a line in the registry and a row in dialect_rows.py.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import pytest

import gateway.providers
from gateway.config.schema.upstream import NEVER_STREAMS
from gateway.core.errors import GatewayError, Kind
from gateway.providers.registry import DIALECTS
from gateway.providers.upstream import Dialect
from gateway.rpc.contract import CHAT, STREAM_CHAT, with_text
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import is_content
from tests.contract.dialect_rows import ROWS, Row
from tests.unit.pipeline.kits import deployment_of

PURE = ("asyncio", "socket", "aiohttp", "grpc", "dynaconf", "threading", "subprocess")
CASES = [pytest.param(DIALECTS[name], row, id=name) for name, row in ROWS.items() if name in DIALECTS]
STREAMING = [case for case in CASES if case.id not in NEVER_STREAMS]
ASKED = {"model": "client-name", "messages": [{"role": "user", "content": "say hello"}]}


def test_files_registry_and_rows_are_the_same_dialects() -> None:
    """None is forgotten in one of the three places."""
    folder = Path(gateway.providers.__path__[0])
    files = {path.stem.removesuffix("_dialect") for path in folder.glob("*_dialect.py")}
    assert files == set(DIALECTS) == set(ROWS)
    assert all(name == dialect.NAME for name, dialect in DIALECTS.items())


@pytest.mark.parametrize("name", ROWS)
def test_a_dialect_decides_and_does_not_wait(name: str) -> None:
    """It imports no socket and no event loop, and no other dialect."""
    folder = Path(gateway.providers.__path__[0])
    tree = ast.parse((folder / f"{name}_dialect.py").read_text())
    imported = {
        module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for module in ([node.module or ""] if isinstance(node, ast.ImportFrom) else [each.name for each in node.names])
    }
    assert not any(module.split(".")[0] in PURE for module in imported)
    assert not any(module.endswith("_dialect") for module in imported)


@pytest.mark.parametrize(("dialect", "row"), CASES)
def test_a_request_names_the_upstreams_model_and_changes_no_message(dialect: Dialect, row: Row) -> None:
    """Text, URL and headers are complete; the message can be sent again elsewhere."""
    request = chat.decode_request(ASKED)
    before = request.SerializeToString()
    deployment = deployment_of("https://vendor.example/v1", candidate={"upstream_model": "vendor-name"})
    for method in (CHAT, STREAM_CHAT) if row.stream else (CHAT,):
        made = dialect.encode(method, request, deployment, "client-name")
        assert made.url.startswith("https://vendor.example/v1/")
        assert b"say hello" in made.body
        assert b"client-name" not in made.body
        assert "vendor-name" in made.url + made.body.decode()
        assert all(name == name.lower() for name in made.headers)
        assert made.is_stream is method.is_stream
        assert not row.reply.startswith(made.body)
    assert request.SerializeToString() == before


@pytest.mark.parametrize(("dialect", "row"), CASES)
def test_a_whole_answer(dialect: Dialect, row: Row) -> None:
    """Text, end and usage arrive; half of it is no answer."""
    reply: Any = dialect.decode_reply(CHAT, row.reply)
    assert reply.choices[0].message.blocks[0].text == "hello"
    assert reply.choices[0].finish_reason
    counts = (reply.usage.prompt_tokens, reply.usage.completion_tokens) if reply.HasField("usage") else None
    assert counts == row.counts
    for broken in (b"", row.reply[: len(row.reply) // 2], b"[]"):
        with pytest.raises(GatewayError) as caught:
            dialect.decode_reply(CHAT, broken)
        assert caught.value.kind is Kind.PROVIDER_INVALID


def streamed(dialect: Dialect, pieces: list[bytes]) -> tuple[Any, list[Any]]:
    """The decoder and the whole messages of a stream."""
    decoder = dialect.stream_decoder(STREAM_CHAT, chat.decode_request(ASKED), deployment_of())
    events: list[Any] = [event for piece in pieces for event in decoder.feed(piece)] + decoder.finish()
    messages: list[Any] = []
    for event in events:
        messages.append(with_text(messages[-1], event) if isinstance(event, str) else event)
    return decoder, messages


@pytest.mark.parametrize(("dialect", "row"), STREAMING)
def test_a_stream_cut_into_any_pieces(dialect: Dialect, row: Row) -> None:
    """The same text, end, counts and usage, cut at every byte."""
    for size in (len(row.stream), 1, 2, 3, 7, 64):
        pieces = [row.stream[at : at + size] for at in range(0, len(row.stream), size)]
        decoder, messages = streamed(dialect, pieces)
        assert "".join(block.text for m in messages for c in m.choices for block in c.delta.blocks) == "hello"
        assert [choice.finish_reason for m in messages for choice in m.choices if choice.finish_reason] == ["stop"]
        assert any(is_content(message) for message in messages)
        assert (decoder.has_content, decoder.is_done, decoder.output_chars) == (True, True, 5)
        usage = decoder.usage
        assert (None if usage is None else (usage.prompt_tokens, usage.completion_tokens)) == row.counts
        assert not any(message.HasField("usage") for message in messages), "nobody asked for it"


@pytest.mark.parametrize(("dialect", "row"), STREAMING)
def test_a_stream_that_ends_before_its_end_is_cut(dialect: Dialect, row: Row) -> None:
    """At no byte before the last frames does it look complete."""
    last_content = row.stream.rindex(b"lo")
    for at in range(0, last_content, 5):
        with pytest.raises(GatewayError) as caught:
            streamed(dialect, [row.stream[:at]])
        assert caught.value.kind is Kind.STREAM_CUT


def test_a_format_without_streams_says_so() -> None:
    """To the configuration, which then asks it for whole answers, and to whoever asks for a stream all the same."""
    assert {case.id for case in CASES if not ROWS[str(case.id)].stream} == NEVER_STREAMS
    for name in NEVER_STREAMS:
        assert not deployment_of(dialect=name).can_stream
        with pytest.raises(GatewayError) as caught:
            DIALECTS[name].encode(STREAM_CHAT, chat.decode_request(ASKED), deployment_of(), "m")
        assert caught.value.param == "stream"


@pytest.mark.parametrize(("dialect", "row"), CASES)
def test_refusals_by_status_and_code(dialect: Dialect, row: Row) -> None:
    """Each kind it has words for; other words of the message change nothing; no body is needed."""
    for kind, (status, body) in row.errors.items():
        assert dialect.classify(status, {}, body).kind is kind
        assert dialect.classify(status, {}, body.replace(b"words", b"rate limit quota invalid key")).kind is kind
    for status in (400, 401, 403, 404, 408, 409, 418, 429, 500, 503, 529):
        for body in (b"", b"<html>", b"null", b'{"error":null}'):
            assert isinstance(dialect.classify(status, {}, body), GatewayError)
    assert dialect.classify(429, {"retry-after": "3"}, b"").retry_after_s == 3
