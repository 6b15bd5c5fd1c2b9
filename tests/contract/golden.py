"""What each client gets of each recorded stream, as text: one golden file per transcript.

`transcripts/DIALECT/NAME.sse` is the body of one streamed answer as a provider of that dialect sends it, written from
its published specification; `NAME.events` is the readable source of a binary one (eventstream.py). `NAME.golden` beside
it holds the gateway's whole answer to a client of each format, in sections.

After a wanted change: `python -m tests.contract.golden --write`; read the difference like an API change.

Rules:
- Bytes go through the dialect's own decoder and the frontend's own frames; rewritten are only times, ids the
  gateway made up itself, and what a response repeats of its request (`...`).
- A stream that fails before its first content is an answer with a status, as on the wire; one that fails later ends
  with the client format's failure and with nothing behind it.

Not here: what must hold for them (test_transcripts.py).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.core.errors import GatewayError
from gateway.frontend import gemini
from gateway.frontend.inference import CHAT, MESSAGES, Family, Frames
from gateway.frontend.responses import RESPONSES_FAMILY
from gateway.frontend.settings import Profile
from gateway.frontend.voice import Voice
from gateway.providers.registry import DIALECTS
from gateway.providers.upstream import StreamDecoder
from gateway.rpc.contract import STREAM_CHAT
from tests.contract.eventstream import binary
from tests.unit.pipeline.kits import deployment_of

FOLDER = Path(__file__).parent / "transcripts"
REQUEST_ID = "req_0123456789abcdef"
CONTENTS = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
TURNS = [{"role": "user", "content": "hi"}]
MADE = [
    (re.compile(rb'("created(?:_at)?"): ?\d+'), rb"\1:0"),
    (re.compile(rb'("completed_at"): ?\d+'), rb"\1:0"),
    (re.compile(rb'"background":false,"instructions":null.*?"store":false'), rb'"...":"..."'),  # echoes of the request
    (re.compile(rb"(chatcmpl-|msg_bdrk_)[0-9a-f]{14,17}\b"), rb"\1made"),
]


@dataclass(frozen=True)
class Client:
    """A client format: its endpoint, and the body of a request of it."""

    family: Family
    body: dict[str, Any]

    def opened(self) -> tuple[Any, Frames, Voice]:
        """The request as the service gets it, and what writes the answer."""
        request, family = self.family.decode(self.body), self.family
        if family.of_request is not None:
            family = family.of_request(self.body, REQUEST_ID)
        assert family.frames is not None
        return request, family.frames(), family.voice


CLIENTS = {
    "openai": Client(
        CHAT, {"model": "m", "messages": TURNS, "stream": True, "stream_options": {"include_usage": True}}
    ),
    "responses": Client(RESPONSES_FAMILY, {"model": "m", "input": "hi", "stream": True, "store": False}),
    "anthropic": Client(MESSAGES, {"model": "m", "messages": TURNS, "max_tokens": 99, "stream": True}),
    "gemini": Client(gemini.METHODS["streamGenerateContent"]("m", {"alt": "sse"}), CONTENTS),
    "gemini_array": Client(gemini.METHODS["streamGenerateContent"]("m", {}), CONTENTS),
}


@dataclass(frozen=True)
class Transcript:
    """One recorded stream of a provider."""

    dialect: str
    path: Path

    @property
    def id(self) -> str:
        """How tests name it."""
        return f"{self.dialect}-{self.path.stem}"

    @property
    def golden(self) -> Path:
        """Where its golden file is."""
        return self.path.with_suffix(".golden")

    def data(self) -> bytes:
        """The bytes on the wire."""
        return binary(self.path.read_text("utf-8")) if self.path.suffix == ".events" else self.path.read_bytes()

    def decoder(self, request: Any) -> StreamDecoder:
        """A decoder for this stream, asked for by `request`."""
        deployment = deployment_of(candidate={"upstream_model": "upstream-model"})
        return DIALECTS[self.dialect].stream_decoder(STREAM_CHAT, request, deployment)


def transcripts() -> list[Transcript]:
    """Every recorded stream, by dialect and name."""
    paths = sorted(path for path in FOLDER.glob("*/*") if path.suffix in (".sse", ".events"))
    return [Transcript(path.parent.name, path) for path in paths]


def events_of(decoder: StreamDecoder, pieces: list[bytes]) -> tuple[list[Any], GatewayError | None]:
    """Every event of a stream that comes in these pieces, and how it failed, if it did."""
    events: list[Any] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
        events += decoder.finish()
    except GatewayError as error:
        return events + error.before, error
    return events, None


def shown(transcript: Transcript, client: Client) -> bytes:
    """The answer a client gets: the frames of a stream, or status and body of a failure before any content."""
    request, frames, voice = client.opened()
    decoder = transcript.decoder(request)
    events, error = events_of(decoder, [transcript.data()])
    data = b"".join(frames.frames([event]) for event in events)
    if error is not None and not (decoder.has_content and data):
        status, body, lines = voice.failure(error, Profile(), REQUEST_ID)
        return _settled(b"HTTP %d\n%b%b\n" % (status, lines.replace("\r", "").encode(), body))
    return _settled(data + (frames.end() if error is None else voice.error_event(error, REQUEST_ID)))


def _settled(data: bytes) -> bytes:
    for pattern, made in MADE:
        data = pattern.sub(made, data)
    return data


def golden_of(transcript: Transcript, clients: dict[str, Client] | None = None) -> bytes:
    """The whole golden file."""
    chosen = CLIENTS if clients is None else clients
    return b"".join(b"=== %b\n%b\n" % (name.encode(), shown(transcript, each)) for name, each in chosen.items())


def main(arguments: list[str], say: Callable[[str], None] = print) -> int:
    """Compare every golden file, or write them all anew; returns how many were wrong."""
    wrong = 0
    for transcript in transcripts():
        made = golden_of(transcript)
        if transcript.golden.exists() and transcript.golden.read_bytes() == made:
            continue
        wrong += 1
        say(f"{transcript.id}: {'written' if '--write' in arguments else 'differs'}")
        if "--write" in arguments:
            transcript.golden.write_bytes(made)
    return 0 if "--write" in arguments else wrong


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
