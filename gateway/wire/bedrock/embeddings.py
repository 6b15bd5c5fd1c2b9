"""Embeddings by InvokeModel, whose bodies are those of the model's vendor: Amazon's Titan texts, and Cohere's.

Rules:
- Which vendor's body a model takes is in its name, that of an inference profile too.
- Titan takes one text in a request. Its first version knows no `dimensions`.
- `normalize` (Titan), `input_type` and `truncate` (Cohere) of the request reach the model.
- Titan counts tokens; Cohere's counts are in a header, which nobody reads.

Source: Amazon Bedrock Runtime API, `InvokeModel`, and its inference parameters of both models.

Not here: Cohere's own bodies (cohere/embeddings.py), HTTP (the provider's dialect).
"""

from typing import Final

from gateway.wire.cohere import embeddings as cohere
from gateway.wire.foreign import extra_names, plain_embedding
from gateway.wire.openai.mirror import JsonObject, kept_object
from gateway.wire.pb import embeddings_pb2

TITAN, TITAN_V2, COHERE = "titan", "titan-v2", "cohere"
_VENDORS: Final = {
    "titan-embed-text-v2": TITAN_V2,
    "titan-embed-text": TITAN,
    "titan-embed-g1-text": TITAN,
    "cohere.embed": COHERE,
}
_HINTS: Final = ("user", "encoding_format")
_NATIVE: Final = "normalize"


def vendor_of(model: str) -> str | None:
    """Whose body a model of that name takes; None for one that is none of these."""
    return next((vendor for part, vendor in _VENDORS.items() if part in model), None)


def is_one_text(request: embeddings_pb2.EmbeddingRequest) -> bool:
    """Whether the input is all that Titan takes."""
    return len(request.input.texts) == 1 and not request.input.tokens


def encode_request(request: embeddings_pb2.EmbeddingRequest, vendor: str, unsupported: list[str]) -> JsonObject:
    """The body for a request. Paths of what cannot be mapped are appended to `unsupported`."""
    if vendor == COHERE:
        body = cohere.encode_request(request, unsupported)
        del body["model"]
        return body
    request = plain_embedding(request, unsupported)
    kept = kept_object(request.extra) if request.extra else {}
    unsupported += [name for name in extra_names(request.extra) if name not in (*_HINTS, _NATIVE)]
    out: JsonObject = {"inputText": next(iter(request.input.texts), "")}
    if request.HasField("dimensions") and vendor == TITAN_V2:
        out["dimensions"] = request.dimensions
    elif request.HasField("dimensions"):
        unsupported.append("dimensions")
    return {**out, _NATIVE: kept[_NATIVE]} if _NATIVE in kept else out


def decode_response(obj: JsonObject) -> embeddings_pb2.EmbeddingResponse:
    """Read an answer of either. Raises ValueError if a vector is not one, OverflowError if a number is too large."""
    if "embedding" not in obj:
        return cohere.decode_response(obj)
    response = cohere.decode_response({"embeddings": [obj["embedding"]]})
    count = obj.get("inputTextTokenCount")
    if type(count) is int and 0 <= count < 2**60:
        response.usage.prompt_tokens = response.usage.total_tokens = count
    return response
