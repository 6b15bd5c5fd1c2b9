"""The list of models in Gemini's shape, page by page.

Rules:
- A name is `models/` and the id; what the gateway does not know (display names, versions) is the id, or left out.
- A token names the last model of the page before: a list that changed meanwhile goes on behind it.

Not here: which models a key may use (the service).

Source: the Gemini API reference, `models.list` and `models.get`.
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Final

from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import models_pb2

PAGE_DEFAULT: Final = 50
PAGE_MAX: Final = 1000
TOKEN_MAX_CHARS: Final = 1000
_METHODS: Final = {
    "chat": ("generateContent", "streamGenerateContent", "countTokens"),
    "embedding": ("embedContent", "batchEmbedContents"),
}


def encode_model(model: models_pb2.Model) -> JsonObject:
    """One model."""
    out: JsonObject = {"name": f"models/{model.id}", "baseModelId": model.id, "displayName": model.id}
    if model.HasField("context_window"):
        out["inputTokenLimit"] = model.context_window
    if model.HasField("output_max_tokens"):
        out["outputTokenLimit"] = model.output_max_tokens
    methods = [method for name, found in _METHODS.items() if name in model.capabilities for method in found]
    return {**out, "supportedGenerationMethods": methods, **_thinking(model)}


def encode_list(response: models_pb2.ListModelsResponse, size: int = 0, token: str = "") -> JsonObject:
    """A page of at most `size` models (0: as many as Google gives, never more than PAGE_MAX) behind that of `token`.

    Raises ValueError for a token that is none of this list's.
    """
    models = response.models
    start = _place_behind(token, models) if token else 0
    end = start + min(size or PAGE_DEFAULT, PAGE_MAX)
    page = {"models": [encode_model(model) for model in models[start:end]]}
    return {**page, "nextPageToken": _token_of(models[end - 1])} if end < len(models) else page


def _token_of(model: models_pb2.Model) -> str:
    return urlsafe_b64encode(model.id.encode()).decode().rstrip("=")


def _place_behind(token: str, models: Sequence[models_pb2.Model]) -> int:
    if len(token) > TOKEN_MAX_CHARS:
        raise ValueError("the token is too long")
    last = urlsafe_b64decode(token.encode("ascii") + b"==").decode()
    for at, model in enumerate(models, 1):
        if model.id == last:
            return at
    raise ValueError("no model of the list is the last of that page")


def _thinking(model: models_pb2.Model) -> JsonObject:
    return {"thinking": True} if "reasoning" in model.capabilities else {}
