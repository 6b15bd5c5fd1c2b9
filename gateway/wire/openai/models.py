"""The list of models: `GET /v1/models` and `GET /v1/models/{id}`.

Rules: prices are written in USD per million tokens, exactly as many digits as the micro-USD have.
Not here: which models a caller may see (the service), a profile's own members (the frontend).
"""

from gateway.wire.openai.fields import plain_number
from gateway.wire.openai.mirror import JsonObject
from gateway.wire.pb import models_pb2

_USD = 1_000_000


def encode_model(model: models_pb2.Model) -> JsonObject:
    """Return the JSON object of one model."""
    out: JsonObject = {"id": model.id, "object": "model", "created": model.created, "owned_by": model.owned_by}
    if model.capabilities:
        out["capabilities"] = list(model.capabilities)
    if model.HasField("context_window"):
        out["context_window"] = model.context_window
    if model.HasField("output_max_tokens"):
        out["output_max_tokens"] = model.output_max_tokens
    if model.HasField("pricing"):
        out["pricing"] = _pricing(model.pricing)
    return out


def encode_list(response: models_pb2.ListModelsResponse) -> JsonObject:
    """Return the JSON object of the list."""
    return {"object": "list", "data": [encode_model(model) for model in response.models]}


def _pricing(pricing: models_pb2.Pricing) -> JsonObject:
    """`input_usd_micros_per_million` becomes `input_per_million`, and so on; those of modes stand under their names."""
    modes = {mode.mode: _prices(mode) for mode in pricing.modes}
    return {**_prices(pricing), **({"modes": modes} if modes else {})}


def _prices(pricing: models_pb2.Pricing | models_pb2.ModePricing) -> JsonObject:
    prices = [(field.name, value) for field, value in pricing.ListFields() if "_usd_micros" in field.name]
    return {name.replace("_usd_micros", ""): plain_number(value / _USD) for name, value in prices}
