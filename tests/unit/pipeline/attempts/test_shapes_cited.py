"""What an answer cites, when its deployment gives it in another shape than its caller asked for."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.errors import GatewayError
from gateway.pipeline.attempts.order import Order
from gateway.pipeline.attempts.shapes import Gathering, as_stream
from gateway.rpc.contract import CHAT, STREAM_CHAT
from gateway.wire.anthropic import chat as anthropic
from gateway.wire.json import dumps, loads
from gateway.wire.openai import chat
from gateway.wire.openai.chunks import ChunkDecoder, ChunkRenderer
from gateway.wire.pb import chat_pb2
from tests.unit.pipeline.kits import entry_of, provider

NOTE = {"type": "url_citation", "url_citation": {"url": "https://example.com/a", "title": "A"}}
FOUND = {"type": "web_search_result_location", **NOTE["url_citation"], "cited_text": "x"}  # type: ignore[dict-item]  # a dict


def streamed(answer: Any) -> list[Any]:
    """The chunks a caller gets of a whole answer."""
    request = chat.decode_request({"model": "m", "messages": [{"role": "user", "content": "hi"}]})
    entry = entry_of({"p": provider("http://127.0.0.1:9/v1")})
    renderer = ChunkRenderer()
    events: list[Any] = as_stream(Order(STREAM_CHAT, request, "m", entry, 0.0), answer)
    return [loads(renderer.render(each)) for each in events]


def gathered(events: list[Any]) -> Any:
    """The message of a whole answer made of a stream."""
    gathering = Gathering(CHAT, 10_000)
    gathering.take(events)
    answer: Any = gathering.whole(None)
    return chat.encode_response(answer)["choices"][0]["message"]


def chunk(delta: dict[str, Any], finish: str | None = None) -> Any:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_a_whole_answer_as_a_stream(vendor: str) -> None:
    """The links come behind the text, before the end."""
    said: dict[str, Any] = {"role": "assistant", "content": "hello", "annotations": [NOTE, {"type": "file_citation"}]}
    answer: Any = chat.decode_response({"choices": [{"index": 0, "message": said, "finish_reason": "stop"}]})
    if vendor == "anthropic":
        answer = anthropic.decode_response({"content": [{"type": "text", "text": "hello", "citations": [FOUND]}]})
    deltas = [choice["delta"] for each in streamed(answer) for choice in each["choices"]]
    assert [delta.get("annotations") for delta in deltas] == [None, None, [NOTE], None]


def test_a_stream_as_a_whole_answer() -> None:
    """From increments of any format, and from the chunks of OpenAI's; text behind them is not lost."""
    decoder = ChunkDecoder()
    cited = chat_pb2.ChatChunk(choices=[{"delta": {"blocks": [{"citation_json": dumps(NOTE).decode()}]}}])
    data = [chunk({"role": "assistant", "content": "hel", "annotations": [NOTE]})]
    data += [chunk({"content": words}) for words in ("lo", " you", "!")]
    events = [decoder.decode(dumps(each)) for each in data]
    told = gathered([*events, cited, decoder.decode(dumps(chunk({}, "stop")))])
    assert (told["content"], told["annotations"]) == ("hello you!", [NOTE, NOTE])
    assert "annotations" not in gathered(events[1:])


def test_links_count_into_the_bound() -> None:
    """A provider cannot fill memory with them."""
    gathering, decoder = Gathering(CHAT, 1000), ChunkDecoder()
    with pytest.raises(GatewayError):
        for _ in range(100):
            gathering.take([decoder.decode(dumps(chunk({"annotations": [NOTE]})))])
