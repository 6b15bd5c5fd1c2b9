"""Streams as Gemini's reference describes them: the same events however cut, and golden chunks for OpenAI's clients.

Each `transcripts/NAME.sse` is the body of one streamed answer; `NAME.golden` holds what an OpenAI client gets, one JSON
chunk per line, and the kind of failure if it ends with one. After a wanted change: `python -m
tests.contract.gemini.test_transcripts` writes the golden files anew; read the difference like an API change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import GatewayError, Kind
from gateway.providers.gemini_dialect import GeminiStreamDecoder, stream_decoder
from gateway.rpc.contract import STREAM_CHAT
from gateway.wire.gemini import chat
from gateway.wire.openai import chat as openai_chat
from gateway.wire.openai.chunks import ChunkRenderer
from gateway.wire.pb.chat_pb2 import ChatChunk
from gateway.wire.sse import SseParser
from tests.unit.pipeline.kits import deployment_of

FOLDER = Path(__file__).parent / "transcripts"
TRANSCRIPTS = sorted(FOLDER.glob("*.sse"))
ASKED = {"model": "gemini-2.5-flash", "messages": [{"role": "user", "content": "hi"}]}


def decoder(*, is_native: bool = False) -> GeminiStreamDecoder:
    """A decoder for a client of OpenAI that wants usage, or of Gemini."""
    request = openai_chat.decode_request({**ASKED, "stream_options": {"include_usage": True}})
    return stream_decoder(STREAM_CHAT, chat.decode_request({}) if is_native else request, deployment_of())


def events_of(pieces: list[bytes], *, is_native: bool = False) -> list[Any]:
    """Every event, times and made-up ids of the stream taken out, and the kind of the failure it ends with."""
    made = decoder(is_native=is_native)
    events: list[Any] = []
    try:
        for piece in pieces:
            events += made.feed(piece)
        events += made.finish()
    except GatewayError as error:
        events.append(error.kind)
    for event in events:
        if isinstance(event, ChatChunk) and not is_native:
            event.created = 0
            event.id = "" if event.id.startswith("chatcmpl-") else event.id
    return events


def golden_of(data: bytes) -> str:
    """What an OpenAI client gets."""
    renderer = ChunkRenderer()
    lines = [e.name if isinstance(e, Kind) else renderer.render(e).decode() for e in events_of([data])]
    return "".join(line + "\n" for line in lines)


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_cut_at_any_byte_it_is_the_same(path: Path) -> None:
    """Two pieces for every cut, and one byte at a time."""
    data = path.read_bytes()
    whole = events_of([data])
    assert len(whole) >= 1
    for at in range(1, len(data)):
        assert events_of([data[:at], data[at:]]) == whole, at
    assert events_of([data[at : at + 1] for at in range(len(data))]) == whole


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_an_openai_client_gets_the_golden_chunks(path: Path) -> None:
    """Word for word."""
    assert golden_of(path.read_bytes()) == path.with_suffix(".golden").read_text("utf-8")


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_a_gemini_client_gets_every_frame(path: Path) -> None:
    """The frames before a failure, as they came."""
    parser, renderer = SseParser(1 << 20), chat.ChunkRenderer()
    frames = [json.loads(event.data) for event in parser.feed(path.read_bytes())]
    events = [event for event in events_of([path.read_bytes()], is_native=True) if isinstance(event, ChatChunk)]
    rendered = [json.loads(data) for event in events for _, data in renderer.render(event)]
    assert rendered == [frame for frame in frames if "error" not in frame][: len(rendered)]
    assert len(rendered) in (len(frames), 0) or "error" in frames[-1]


def test_there_is_a_golden_file_for_each() -> None:
    """None too many, none too few, and at least a dozen."""
    assert {path.stem for path in FOLDER.glob("*.golden")} == {path.stem for path in TRANSCRIPTS}
    assert len(TRANSCRIPTS) >= 12


if __name__ == "__main__":
    for transcript in TRANSCRIPTS:
        transcript.with_suffix(".golden").write_text(golden_of(transcript.read_bytes()), "utf-8")
