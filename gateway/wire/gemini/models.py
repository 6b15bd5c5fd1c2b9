"""The list of models in Gemini's shape.

Rules: a name is `models/` and the id; what the gateway does not know (display names, versions) is the id, or left out.
Not here: which models a key may use (the service), pages of the list (the frontend).

Source: the Gemini API reference, `models.list` and `models.get`.
"""

from typing import Final

from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import models_pb2

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


def encode_list(response: models_pb2.ListModelsResponse) -> JsonObject:
    """All models, as the only page."""
    return {"models": [encode_model(model) for model in response.models]}


def _thinking(model: models_pb2.Model) -> JsonObject:
    return {"thinking": True} if "reasoning" in model.capabilities else {}
