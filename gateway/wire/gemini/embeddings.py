"""Embeddings: embedContent and batchEmbedContents.

Rules:
- A request of this dialect is written as it was read: one content (input form `string`) or a batch. Of others, always
  a batch. The answer's vectors keep their order; usage is what newer models report.
- Typed are the texts, and the dimensions where all agree. What those cannot give back exactly stands in `extra`, item
  by item (`requests`), and is laid over what they give. The model is the upstream's wherever the client named one.
- Token ids have no place here, nor has OpenAI's format one for `taskType` and `title`: they are named in `unsupported`.

Not here: vectors as base64 (the renderer that was asked for it).
"""

import struct
from typing import Any, Final

from gateway.wire.foreign import extra_names
from gateway.wire.gemini.groups import is_text
from gateway.wire.gemini.outcome import usage_of
from gateway.wire.gemini.parts import DIALECT
from gateway.wire.json import text
from gateway.wire.openai.mirror import JsonObject, kept_object
from gateway.wire.pb import embeddings_pb2, types_pb2

_RESOURCES: Final = ("models/", "tunedModels/", "projects/", "publishers/")
_DIMENSIONS: Final = ("outputDimensionality", "output_dimensionality")


def encode_request(request: embeddings_pb2.EmbeddingRequest, model: str, unsupported: list[str]) -> JsonObject:
    """The body of batchEmbedContents for this upstream model, or of embedContent (`is_single`).

    Unmappable members of other dialects' requests are appended to `unsupported`. Raises JsonInvalid for an `extra` that
    is no JSON.
    """
    name = model if model.startswith(_RESOURCES) else f"models/{model}"
    kept: JsonObject = {}
    if request.dialect == DIALECT:
        kept = kept_object(request.extra) if request.extra else {}
    else:
        unsupported += [name for name in extra_names(request.extra) if name not in ("user", "encoding_format")]
    if request.input.tokens:
        unsupported.append("input")
    if is_single(request):
        return _item(request, request.input.texts[0] if request.input.texts else None, name, kept)
    texts = request.input.texts
    if "requests" not in kept:
        items = [_item(request, words, name, {}) for words in texts]
        return {"requests": items, **kept} if items or request.dialect != DIALECT else kept
    if not _is_fitting(kept["requests"], len(texts)):
        return kept
    pairs = zip(texts, kept["requests"], strict=True)
    return {**kept, "requests": [_item(request, words, name, residue) for words, residue in pairs]}


def is_single(request: embeddings_pb2.EmbeddingRequest) -> bool:
    """Whether a request is one of embedContent."""
    return request.dialect == DIALECT and request.input.form == types_pb2.INPUT_FORM_STRING


def _is_fitting(residues: Any, count: int) -> bool:
    return type(residues) is list and len(residues) == count and all(type(residue) is dict for residue in residues)


def _item(request: embeddings_pb2.EmbeddingRequest, words: str | None, model: str, residue: JsonObject) -> JsonObject:
    out: JsonObject = {}
    if "model" not in request.nulls:
        out["model"] = model
    if words is not None:
        out["content"] = {"parts": [{"text": words}]}
    if request.HasField("dimensions") and not any(name in residue for name in _DIMENSIONS):
        out["outputDimensionality"] = request.dimensions
    out.update(residue)
    if "model" in residue:
        out["model"] = model
    return out


def decode_request(obj: JsonObject, *, is_batch: bool) -> embeddings_pb2.EmbeddingRequest:
    """Read the body of batchEmbedContents or embedContent; any JSON object is accepted. The URL says the model."""
    request = embeddings_pb2.EmbeddingRequest(dialect=DIALECT)
    request.input.form = types_pb2.INPUT_FORM_STRINGS if is_batch else types_pb2.INPUT_FORM_STRING
    items = obj.get("requests") if is_batch else [obj]
    if type(items) is not list or not items or not all(type(item) is dict and "content" in item for item in items):
        request.nulls.append("model")
        request.extra = text(obj) if obj else ""
        return request
    if any("model" not in item for item in items):
        request.nulls.append("model")
    dimensions = {_dimensions_of(item) for item in items}
    if len(dimensions) == 1 and (agreed := dimensions.pop()) is not None:
        request.dimensions = agreed
    residues = [_read_item(item, request) for item in items]
    extra = {**obj, "requests": residues} if is_batch else residues[0]
    if is_batch and not any(residues):
        del extra["requests"]
    if extra:
        request.extra = text(extra)
    return request


def _dimensions_of(item: JsonObject) -> int | None:
    value = item.get("outputDimensionality", item.get("output_dimensionality"))
    return value if type(value) is int and 0 < value < 2**31 else None


def _read_item(item: JsonObject, request: embeddings_pb2.EmbeddingRequest) -> JsonObject:
    """Take what has typed fields; return the rest."""
    content = item["content"]
    words = _text_of(content)
    request.input.texts.append(words)
    residue = {name: value for name, value in item.items() if name != "content"}
    if "model" not in request.nulls:
        del residue["model"]
    if "outputDimensionality" in item and request.HasField("dimensions") and "output_dimensionality" not in item:
        del residue["outputDimensionality"]
    if content != {"parts": [{"text": words}]}:
        residue["content"] = content
    return residue


def _text_of(content: Any) -> str:
    """What is counted, and what a model of another format is asked: all texts of a content."""
    if is_text(content):
        return str(content)
    parts = content.get("parts") if type(content) is dict else None
    found = [part.get("text") for part in parts if type(part) is dict] if type(parts) is list else []
    return "\n".join(text for text in found if is_text(text))


def decode_response(obj: JsonObject) -> embeddings_pb2.EmbeddingResponse:
    """Read the answer of batchEmbedContents or embedContent. Raises ValueError if a vector is not one."""
    found = obj.get("embeddings", [obj.get("embedding")])
    response = embeddings_pb2.EmbeddingResponse(object="list", dialect=DIALECT)
    for at, embedding in enumerate(found if type(found) is list else ()):
        values = embedding.get("values") if type(embedding) is dict else None
        kinds = set(map(type, values)) if type(values) is list else set()
        if not values or not kinds <= {float, int}:
            raise ValueError(f"embedding {at} has no list of numbers `values`")
        residue = {name: value for name, value in embedding.items() if name != "values" or int in kinds}
        response.data.add(object="embedding", index=at, values=values, extra=text(residue) if residue else "")
    if type(usage := obj.get("usageMetadata")) is dict:
        response.usage.CopyFrom(usage_of(usage))
    beside = {name: value for name, value in obj.items() if name not in ("embeddings", "embedding")}
    if beside:
        response.extra = text(beside)
    return response


def encode_response(response: embeddings_pb2.EmbeddingResponse, *, is_batch: bool) -> JsonObject:
    """The answer of batchEmbedContents, or of embedContent (its one vector)."""
    is_native = response.dialect == DIALECT
    found = [_vector(embedding, is_native=is_native) for embedding in response.data]
    extra = kept_object(response.extra) if is_native and response.extra else {}
    if is_batch:
        return {"embeddings": found, **extra}
    return {"embedding": found[0] if found else {"values": []}, **extra}


def _vector(embedding: embeddings_pb2.Embedding, *, is_native: bool) -> JsonObject:
    out: JsonObject = {"values": _values(embedding)}
    return {**out, **kept_object(embedding.extra)} if is_native and embedding.extra else out


def _values(embedding: embeddings_pb2.Embedding) -> list[float]:
    if embedding.HasField("packed"):
        count = len(embedding.packed) // 4
        return list(struct.unpack(f"<{count}f", embedding.packed[: 4 * count]))
    return [*embedding.values]
