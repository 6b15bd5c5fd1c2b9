"""Embeddings: `POST /v1/embeddings`.

Rules:
- See the package; a vector is kept as it was spelled: a list of floats as numbers, canonical base64 as bytes. A list
  with whole numbers among them stays in `extra` and is readable as floats too.

Not here: converting between the two spellings (the dialect that knows what was asked).
"""

from typing import Any

from gateway.wire.foreign import is_foreign, stripped
from gateway.wire.openai.base64text import packed_bytes, packed_text
from gateway.wire.openai.fields import integer, record, records, string
from gateway.wire.openai.inputs import text_input
from gateway.wire.openai.mirror import Field, JsonObject, Mirror, always
from gateway.wire.openai.usage import USAGE
from gateway.wire.pb import embeddings_pb2


def _read_vector(embedding: Any, value: Any) -> bool:
    if type(value) is str:
        if (data := packed_bytes(value)) is None:
            return False
        embedding.packed = data
        return True
    kinds = set(map(type, value)) if type(value) is list else set()
    if not kinds or not kinds <= {float, int}:
        return False
    try:
        embedding.values.extend(value)
    except OverflowError:
        del embedding.values[:]
    return kinds == {float}


def _write_values(out: JsonObject, values: Any) -> None:
    out["embedding"] = list(values)


def _write_packed(out: JsonObject, data: bytes) -> None:
    out["embedding"] = packed_text(data)


REQUEST = Mirror(
    embeddings_pb2.EmbeddingRequest,
    [
        string("model", allow_empty=False),
        text_input("input"),
        integer("dimensions"),
        string("encoding_format"),
        string("user"),
    ],
)

EMBEDDING = Mirror(
    embeddings_pb2.Embedding,
    [
        string("object"),
        integer("index"),
        Field("embedding", _read_vector, {"values": _write_values, "packed": _write_packed}),
    ],
    fills={"object": always("embedding"), "index": always(0)},
)

RESPONSE = Mirror(
    embeddings_pb2.EmbeddingResponse,
    [string("object"), records("data", EMBEDDING), string("model"), record("usage", USAGE)],
    fills={"object": always("list"), "data": always([])},
)


def decode_request(obj: JsonObject) -> embeddings_pb2.EmbeddingRequest:
    """Read a request body; any JSON object is accepted."""
    request: embeddings_pb2.EmbeddingRequest = REQUEST.made(obj)
    return request


def encode_request(request: embeddings_pb2.EmbeddingRequest) -> JsonObject:
    """Return the request body of a message. Raises JsonInvalid for a JSON text in it that is none."""
    return REQUEST.encode(request)


def decode_response(obj: JsonObject) -> embeddings_pb2.EmbeddingResponse:
    """Read an answer; any JSON object is accepted."""
    response: embeddings_pb2.EmbeddingResponse = RESPONSE.made(obj)
    return response


def encode_response(response: embeddings_pb2.EmbeddingResponse) -> JsonObject:
    """Return the JSON object of an answer. Raises JsonInvalid for a JSON text in it that is none."""
    return RESPONSE.encode(stripped(response) if is_foreign(response.dialect) else response)
