"""Legacy text completions: `POST /v1/completions`, whole and streamed (the same object).

Rules: see the package; a text event stands for the last chunk with another `choices[0].text` (shorthand.py).
Not here: chat (chat.py).
"""

from collections.abc import Sequence
from typing import Any

from gateway.wire.json import JsonInvalid, dumps, loads
from gateway.wire.openai.chunks import single_choice
from gateway.wire.openai.fields import boolean, integer, json_text, number, record, records, string
from gateway.wire.openai.inputs import STOP, STREAM_OPTIONS, text_input
from gateway.wire.openai.mirror import JsonObject, Mirror, always
from gateway.wire.openai.shorthand import TextReader, TextWriter
from gateway.wire.openai.usage import USAGE
from gateway.wire.pb import completions_pb2

REQUEST = Mirror(
    completions_pb2.CompletionRequest,
    [
        string("model", allow_empty=False),
        text_input("prompt"),
        integer("best_of"),
        boolean("echo"),
        number("frequency_penalty"),
        json_text("logit_bias"),
        integer("logprobs"),
        integer("max_tokens"),
        integer("n"),
        number("presence_penalty"),
        integer("seed"),
        STOP,
        boolean("stream"),
        STREAM_OPTIONS,
        string("suffix"),
        number("temperature"),
        number("top_p"),
        string("user"),
    ],
)

CHOICE = Mirror(
    completions_pb2.CompletionChoice,
    [integer("index"), string("text"), string("finish_reason"), json_text("logprobs")],
    fills={
        "index": always(0),
        "text": always(""),
        "finish_reason": always(None),
        "logprobs": always(None),
    },
)

RESPONSE = Mirror(
    completions_pb2.CompletionResponse,
    [
        string("id"),
        string("object"),
        integer("created"),
        string("model"),
        records("choices", CHOICE),
        record("usage", USAGE),
        string("system_fingerprint"),
    ],
    fills={"object": always("text_completion"), "choices": always([])},
)


def decode_request(obj: JsonObject) -> completions_pb2.CompletionRequest:
    """Read a request body; any JSON object is accepted."""
    request: completions_pb2.CompletionRequest = REQUEST.made(obj)
    return request


def encode_request(request: completions_pb2.CompletionRequest) -> JsonObject:
    """Return the request body of a message. Raises JsonInvalid for a JSON text in it that is none."""
    return REQUEST.encode(request)


def decode_response(obj: JsonObject) -> completions_pb2.CompletionResponse:
    """Read a whole answer or one chunk; any JSON object is accepted."""
    response: completions_pb2.CompletionResponse = RESPONSE.made(obj)
    return response


def encode_response(response: completions_pb2.CompletionResponse) -> JsonObject:
    """Return the JSON object of an answer or chunk. Raises JsonInvalid for a JSON text in it that is none."""
    return RESPONSE.encode(response)


def _text_slot(obj: Any) -> tuple[JsonObject, str] | None:
    choice = single_choice(obj)
    return (choice, "text") if choice is not None and type(choice.get("text")) is str else None


class CompletionChunkDecoder:
    """Reads the chunks of one stream."""

    __slots__ = ("_text", "text_of")

    def __init__(self) -> None:
        self._text = TextReader(_text_slot)
        self.text_of = self._text.text_of
        """The text of an event that is the last whole chunk with another text; None if it is anything else."""

    def decode(self, data: bytes) -> completions_pb2.CompletionResponse | str:
        """Read the data of one event. Raises JsonInvalid if it is not a JSON object."""
        text = self.text_of(data)
        if text is not None:
            return text
        obj = loads(data)
        if type(obj) is not dict:
            raise JsonInvalid("a chunk must be a JSON object")
        chunk = decode_response(obj)
        self._text.learn(data, obj)
        return chunk


class CompletionChunkRenderer:
    """Writes the chunks of one stream."""

    __slots__ = ("_text",)

    def __init__(self) -> None:
        self._text = TextWriter(_text_slot)

    def render(self, event: completions_pb2.CompletionResponse | str) -> bytes:
        """Return the JSON of one event, without framing; raises like `ChunkRenderer.render`."""
        if isinstance(event, str):
            return self._text.written(event)
        obj = encode_response(event)
        self._text.learn(obj)
        return dumps(obj)

    def texts(self, texts: Sequence[str], before: bytes, after: bytes) -> bytes:
        """What `render` returns for several texts in a row, each between `before` and `after`."""
        return self._text.all_written(texts, before, after)
