"""What a maintained price list says about the configured models, beside what is configured: a proposal for people.

Rules:
    - Nothing is decided here: a proposal names the old and the new value of every price that differs, and what the
      list does not know stays as it is.
    - A model's price is that of its first candidate whose provider the list knows, under the name the vendor has.
    - Prices come and go as decimal text; no digit is lost.
Source: the price list of the package genai-prices (the extra `catalogue`), which works without a network.
Not here:
    - Writing files, tables (commands.catalogue); what calls cost (core.tariff).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from gateway.config.schema import Config, Model, Pricing
from gateway.core.globs import is_glob

VENDORS = {
    "anthropic": "anthropic",
    "azure": "azure",
    "azure-openai": "azure",
    "bedrock": "aws",
    "cohere": "cohere",
    "deepseek": "deepseek",
    "gemini": "google",
    "groq": "groq",
    "mistral": "mistral",
    "openai": "openai",
    "openai_responses": "openai",
    "openrouter": "openrouter",
    "together": "together",
    "vertex": "google",
    "xai": "x-ai",
}
MEMBERS = {
    "input_usd_per_million": "input_mtok",
    "output_usd_per_million": "output_mtok",
    "cached_input_usd_per_million": "cache_read_mtok",
    "cache_write_usd_per_million": "cache_write_mtok",
    "audio_input_usd_per_million": "input_audio_mtok",
    "audio_output_usd_per_million": "output_audio_mtok",
}

Listed = Mapping[str, Any]
"""One model's prices: `MEMBERS`' values to Decimal, or to something with `base` and `tiers` of `start` and `price`."""
Lookup = Callable[[str, str], Listed | None]
"""Vendor and the vendor's model name to its prices; None = not on the list. `modes` has those of other modes."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One model. `prices` None = the list does not know it."""

    slug: str
    source: str  # vendor/model on the list
    configured: dict[str, Any]
    prices: dict[str, Any] | None

    @property
    def changes(self) -> dict[str, tuple[str | None, str]]:
        """Price by name: (configured, listed), where they differ."""
        return {
            name: (_shown(self.configured.get(name)), _shown(listed) or "")
            for name, listed in (self.prices or {}).items()
            if _comparable(self.configured.get(name)) != _comparable(listed)
        }


def proposals(config: Config, lookup: Lookup) -> Iterator[Proposal]:
    """One for every configured model that somebody pays a vendor for."""
    for slug, model in config.models.items():
        known = [(vendor, name) for vendor, name in _names(model) if vendor]
        if not known:
            continue
        found = next(((f"{vendor}/{name}", listed) for vendor, name in known if (listed := lookup(vendor, name))), None)
        source, listed = found or (f"{known[0][0]}/{known[0][1]}", None)
        configured = _configured(model.pricing)
        yield Proposal(slug, source, configured, None if listed is None else _proposed(listed, configured))


def _proposed(listed: Listed, configured: Mapping[str, Any]) -> dict[str, Any]:
    """The list's prices, and the configured ones of modes it does not know."""
    prices = prices_of(listed)
    standard = {**prices, "output_usd_per_million": prices.get("output_usd_per_million", "0")}
    modes = {word: {**standard, **prices_of(mode)} for word, mode in (listed.get("modes") or {}).items()}
    changed = {word: mode for word, mode in modes.items() if mode != standard}
    known = {**configured.get("modes", {}), **changed}
    return {**prices, "modes": known} if known else prices


def prices_of(listed: Listed) -> dict[str, Any]:
    """The members of `pricing` that the list gives, as text, tiers included."""
    flat = {ours: listed.get(theirs) for ours, theirs in MEMBERS.items()}
    prices: dict[str, Any] = {name: _text(_base(price)) for name, price in flat.items() if price is not None}
    starts = sorted({tier.start for price in flat.values() for tier in getattr(price, "tiers", ())})
    tiers = [
        {
            "above_input_tokens": int(start),
            **{name: _text(_at(price, start)) for name, price in flat.items() if price is not None},
        }
        for start in starts
    ]
    return {**prices, "tiers": tiers} if tiers else prices


def layer(found: list[Proposal]) -> dict[str, Any]:
    """The changed models as a configuration layer; what is configured and not on the list stays."""
    return {"models": {each.slug: {"pricing": {**each.configured, **(each.prices or {})}} for each in found}}


def _names(model: Model) -> Iterator[tuple[str | None, str]]:
    plain = next((name for name in model.names if not is_glob(name)), "")
    for candidate in model.candidates:
        name = candidate.upstream_model or plain
        if name:
            yield VENDORS.get(candidate.provider), name


def _configured(pricing: Pricing | None) -> dict[str, Any]:
    if pricing is None:
        return {}
    members: dict[str, Any] = _plain(pricing.model_dump(exclude_unset=True))
    return {name: value for name, value in members.items() if value not in ([], {})}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(each) for name, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return _text(value) if isinstance(value, Decimal) else value


def _base(price: Any) -> Decimal:
    return Decimal(getattr(price, "base", price))


def _at(price: Any, start: int) -> Decimal:
    """The price of calls above `start` tokens."""
    own = [tier.price for tier in sorted(getattr(price, "tiers", ()), key=lambda t: t.start) if tier.start <= start]
    return Decimal(own[-1]) if own else _base(price)


def _text(price: Decimal) -> str:
    """`0.15`, never `1.5E-1`."""
    return format(price.normalize(), "f")


def _shown(value: Any) -> str | None:
    if isinstance(value, dict):
        return ", ".join(f"{word} {mode['input_usd_per_million']}" for word, mode in value.items())
    return value if value is None or isinstance(value, str) else f"{len(value)} tiers"


def _comparable(value: Any) -> Any:
    if isinstance(value, str):
        return Decimal(value)
    if isinstance(value, list):
        return [_comparable(each) for each in value]
    if isinstance(value, dict):
        return {name: _comparable(each) for name, each in value.items()}
    return value
