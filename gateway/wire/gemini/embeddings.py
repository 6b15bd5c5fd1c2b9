"""Embeddings: embedContent and batchEmbedContents.

Rules:
- Written is always a batch, one request per input; the answer's vectors keep their order. Gemini reports no usage.
- Read are both: a batch whose items agree on dimensions is one request of several texts.
- Token ids have no place here, nor do the members `taskType` and `title` in OpenAI's format: they are named in
  `unsupported`.

Not here: vectors as base64 (the renderer that was asked for it).
"""

import struct
from typing import Any, Final

from gateway.wire.foreign import extra_names
from gateway.wire.gemini.groups import is_text
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import embeddings_pb2, types_pb2

_READ: Final = frozenset(("model", "content", "outputDimensionality", "output_dimensionality"))


def encode_request(request: embeddings_pb2.EmbeddingRequest, model: str, unsupported: list[str]) -> JsonObject:
    """The body of batchEmbedContents for this upstream model. Unmappable members are appended to `unsupported`."""
    if request.input.tokens:
        unsupported.append("input")
    unsupported += [name for name in extra_names(request.extra) if name not in ("user", "encoding_format")]
    shared: JsonObject = {"outputDimensionality": request.dimensions} if request.HasField("dimensions") else {}
    name = model if "/" in model else f"models/{model}"
    contents = ({"parts": [{"text": text}]} for text in request.input.texts)
    return {"requests": [{"model": name, "content": content, **shared} for content in contents]}


def decode_request(obj: JsonObject, unsupported: list[str]) -> embeddings_pb2.EmbeddingRequest:
    """Read the body of embedContent or batchEmbedContents; the URL says the model."""
    batch = obj.get("requests")
    items = [item for item in batch if type(item) is dict] if type(batch) is list else [obj]
    request = embeddings_pb2.EmbeddingRequest()
    is_batch = type(batch) is list
    request.input.form = types_pb2.INPUT_FORM_STRINGS if is_batch else types_pb2.INPUT_FORM_STRING
    for at, item in enumerate(items):
        where = f"requests[{at}]." if is_batch else ""
        request.input.texts.append(_text_of(item.get("content"), f"{where}content", unsupported))
        unsupported += [f"{where}{name}" for name in item if name not in _READ]
        dimensions = item.get("outputDimensionality", item.get("output_dimensionality"))
        if type(dimensions) is int and 0 < dimensions < 2**31:
            if request.HasField("dimensions") and request.dimensions != dimensions:
                unsupported.append(f"{where}outputDimensionality")
            request.dimensions = dimensions
    return request


def _text_of(content: Any, path: str, unsupported: list[str]) -> str:
    if is_text(content):
        return str(content)
    parts = content.get("parts") if type(content) is dict else None
    found: list[str] = []
    for at, part in enumerate(parts if type(parts) is list else ()):
        if type(part) is dict and is_text(text := part.get("text")):
            found.append(text)
        else:
            unsupported.append(f"{path}.parts[{at}]")
    return "\n".join(found)


def decode_response(obj: JsonObject) -> embeddings_pb2.EmbeddingResponse:
    """Read the answer of batchEmbedContents or embedContent. Raises ValueError if a vector is not one."""
    found = obj.get("embeddings", [obj.get("embedding")])
    response = embeddings_pb2.EmbeddingResponse(object="list")
    for at, embedding in enumerate(found if type(found) is list else ()):
        values = embedding.get("values") if type(embedding) is dict else None
        if type(values) is not list or not values or not {type(value) for value in values} <= {float, int}:
            raise ValueError(f"embedding {at} has no list of numbers `values`")
        response.data.add(object="embedding", index=at, values=values)
    return response


def encode_response(response: embeddings_pb2.EmbeddingResponse, *, is_batch: bool) -> JsonObject:
    """The answer of batchEmbedContents, or of embedContent (its one vector)."""
    found = [{"values": _values(embedding)} for embedding in response.data]
    if is_batch:
        return {"embeddings": found}
    return {"embedding": found[0] if found else {"values": []}}


def _values(embedding: embeddings_pb2.Embedding) -> list[float]:
    if embedding.HasField("packed"):
        count = len(embedding.packed) // 4
        return list(struct.unpack(f"<{count}f", embedding.packed[: 4 * count]))
    return [*embedding.values]
