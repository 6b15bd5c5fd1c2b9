"""The model list in Anthropic's shape.

Rules: one page; `created_at` is RFC 3339. What the list does not know (display names) is the id.
Not here: which models a key may use (the service).
"""

from datetime import UTC, datetime

from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import models_pb2


def encode_model(model: models_pb2.Model) -> JsonObject:
    """One model."""
    created = datetime.fromtimestamp(model.created, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"type": "model", "id": model.id, "display_name": model.id, "created_at": created}


def encode_list(response: models_pb2.ListModelsResponse) -> JsonObject:
    """All models, as the only page."""
    data = [encode_model(model) for model in response.models]
    ids = [model["id"] for model in data] or [None]
    return {"data": data, "has_more": False, "first_id": ids[0], "last_id": ids[-1]}
