"""Embeddings: `POST /v2/embed`.

Rules:
- Texts only; token ids have no place here. Vectors are asked for as floats and keep their order.
- `input_type` and `truncate` of the request reach the vendor; where it has no `input_type`, INPUT_TYPE is sent, which
  the vendor requires.

Not here: vectors as base64 (the renderer that was asked for it).
"""

from typing import Any, Final

from gateway.wire.foreign import extra_names, plain_embedding
from gateway.wire.openai.mirror import JsonObject, kept_object
from gateway.wire.pb import embeddings_pb2

INPUT_TYPE: Final = "search_document"
_NATIVE: Final = ("input_type", "truncate")
_HINTS: Final = ("user", "encoding_format", *_NATIVE)


def encode_request(request: embeddings_pb2.EmbeddingRequest, unsupported: list[str]) -> JsonObject:
    """The body for a request. Paths of what cannot be mapped are appended to `unsupported`."""
    request = plain_embedding(request, unsupported)
    if request.input.tokens:
        unsupported.append("input")
    unsupported += [name for name in extra_names(request.extra) if name not in _HINTS]
    out: JsonObject = {"model": request.model, "texts": list(request.input.texts), "embedding_types": ["float"]}
    if request.HasField("dimensions"):
        out["output_dimension"] = request.dimensions
    kept = kept_object(request.extra) if request.extra else {}
    return {**out, "input_type": INPUT_TYPE, **{name: kept[name] for name in _NATIVE if name in kept}}


def decode_response(obj: JsonObject) -> embeddings_pb2.EmbeddingResponse:
    """Read an answer. Raises ValueError if a vector is not one, OverflowError if a number is too large."""
    found = obj.get("embeddings")
    vectors = found.get("float") if type(found) is dict else found
    response = embeddings_pb2.EmbeddingResponse(object="list")
    for at, values in enumerate(vectors if type(vectors) is list else ()):
        if type(values) is not list or not values or not {type(value) for value in values} <= {float, int}:
            raise ValueError(f"embedding {at} is no list of numbers")
        response.data.add(object="embedding", index=at, values=values)
    if not response.data:
        raise ValueError("it has no `embeddings`")
    if (count := _input_tokens(obj)) is not None:
        response.usage.prompt_tokens = response.usage.total_tokens = count
    return response


def _input_tokens(obj: JsonObject) -> int | None:
    value: Any = obj
    for name in ("meta", "billed_units", "input_tokens"):
        value = value.get(name) if type(value) is dict else None
    is_count = type(value) in (int, float) and 0 <= value < 2**60
    return int(value) if is_count else None
