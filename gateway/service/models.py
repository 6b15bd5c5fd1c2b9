"""The models a caller may see, from the catalogue.

Rules:
    - Only wire names without a glob are listed; a name a glob matches can still be asked for by id.
    - A caller sees what its key may use; without an identity (a public list) everything.
    - A price of null is left out: unknown is not free.
Not here:
    - JSON (wire.openai.models).
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from gateway.accounts.keys import Identity
from gateway.config.catalogue import Catalogue, Entry
from gateway.config.schema.pricing import PriceMode, Pricing
from gateway.core.errors import GatewayError, Kind
from gateway.wire.pb import models_pb2

MICROS = 1_000_000


def list_models(catalogue: Catalogue, identity: Identity | None) -> models_pb2.ListModelsResponse:
    """Every listed model this caller may use."""
    shown = [(name, entry) for name, entry in catalogue.listed() if identity is None or identity.may_use(name)]
    return models_pb2.ListModelsResponse(models=[model_message(name, entry) for name, entry in shown])


def get_model(catalogue: Catalogue, identity: Identity | None, name: str) -> models_pb2.Model:
    """One model. Raises GatewayError MODEL_NOT_FOUND when it is unknown or not for this caller."""
    entry = catalogue.find(name)
    if entry is None or (identity is not None and not identity.may_use(name)):
        raise GatewayError(
            Kind.MODEL_NOT_FOUND,
            f"The model `{name[:200]}` does not exist or you do not have access to it.",
            param="model",
        )
    return model_message(name, entry)


def model_message(name: str, entry: Entry) -> models_pb2.Model:
    """A model under one of its names."""
    return models_pb2.Model(
        id=name,
        created=entry.created_unix_s,
        owned_by=entry.owned_by,
        capabilities=entry.capability_list,
        context_window=entry.context_window_tokens,
        output_max_tokens=entry.output_max_tokens,
        pricing=_pricing(entry.pricing) if entry.pricing else None,
    )


def _pricing(pricing: Pricing) -> models_pb2.Pricing:
    modes = [models_pb2.ModePricing(mode=word, **_prices(mode)) for word, mode in sorted(pricing.modes.items())]
    return models_pb2.Pricing(**_prices(pricing), modes=modes)


def _prices(pricing: Pricing | PriceMode) -> dict[str, Any]:
    return {
        "input_usd_micros_per_million": _micros(pricing.input_usd_per_million),
        "output_usd_micros_per_million": _micros(pricing.output_usd_per_million),
        "cached_input_usd_micros_per_million": _micros(pricing.cached_input_usd_per_million),
    }


def _micros(usd: Decimal | None) -> int | None:
    return None if usd is None else int(usd * MICROS)
