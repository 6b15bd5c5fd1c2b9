"""Accounts as JSON: bodies and queries onto messages of the contract, and messages back.

Rules:
    - Pure, and one rule for every message: `X_ms` is `X` as RFC 3339, `X_usd_micros` is `X_usd` as a number of dollars,
      everything else has its own name; what is absent is null.
    - A member that a message does not have is refused: a limit that is misspelt would be no limit.
    - A key and a session also have the members that InferXgate's clients know.
Not here:
    - Which path takes which message (accounts.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from gateway.core.errors import GatewayError, Kind
from gateway.wire import json
from gateway.wire.pb import accounts_pb2

MICROS = 1_000_000
_INT_MAX = 2**53
_TEXTS, _LIMITS = "gateway.v1.Texts", "gateway.v1.LimitSet"
_ALIASES = {"max_budget": "max_budget_usd_micros", "blocked": "is_blocked"}
_RATES = {"rate_limit_rpm": "requests_per_minute", "rate_limit_tpm": "tokens_per_minute"}


def decode(kind: type[Message], body: Mapping[str, Any], /, **known: Any) -> Message:
    """A message from a body and what the path says. Raises GatewayError INVALID_REQUEST that names the member."""
    fields = {field.name: field for field in kind.DESCRIPTOR.fields}
    message: Any = kind()
    for name, value in body.items():
        if name in _RATES and "limits" in fields:
            _set_limit(message, fields["limits"], name, value)
            continue
        field, factor = _field(fields, name)
        if field is None or field.name in known:
            raise _wrong(name, "is no member of this request")
        if value is None and field.name in ("max_budget_usd_micros", "expires_at_ms") and "clear" in fields:
            message.clear.append(field.name)
        elif value is not None:
            _set(message, field, name, value, factor)
    for name, value in known.items():
        setattr(message, name, value)
    return message  # type: ignore[no-any-return]  # of that kind


def _field(fields: Mapping[str, Any], name: str) -> tuple[Any, str]:
    """The field a member means, and how its value is written there: as it is, in USD, or as a time."""
    if name in ("clear", "details_json"):
        return None, ""
    if name in fields:
        return fields[name], ""
    for spelling, how in ((_ALIASES.get(name, name), ""), (f"{name}_micros", "usd"), (f"{name}_ms", "time")):
        if spelling in fields:
            return fields[spelling], "usd" if name == "max_budget" else how
    return None, ""


def _set(message: Any, field: Any, name: str, value: Any, how: str) -> None:
    if how:
        setattr(message, field.name, _usd_micros(name, value) if how == "usd" else _unix_ms(name, value))
    elif field.message_type is not None and field.message_type.full_name == _TEXTS:
        getattr(message, field.name).values.extend(_texts(name, value))
        getattr(message, field.name).SetInParent()
    elif field.message_type is not None:
        target = getattr(message, field.name)
        if field.message_type.full_name == _LIMITS:
            target.SetInParent()
            target = target.limits
        for limit, amount in _object(name, value).items():
            target[_text(name, limit)] = _integer(f"{name}.{limit}", amount)
    elif field.is_repeated:
        getattr(message, field.name).extend(_texts(name, value))
    else:
        setattr(message, field.name, _scalar(field, name, value))


def _set_limit(message: Any, field: Any, name: str, value: Any) -> None:
    target = message.limits.limits if field.message_type.full_name == _LIMITS else message.limits
    if value is not None:
        target[_RATES[name]] = _integer(name, value)


def _scalar(field: Any, name: str, value: Any) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return _text(name, value)
    if field.type == FieldDescriptor.TYPE_BOOL:
        if not isinstance(value, bool):
            raise _wrong(name, "must be true or false")
        return value
    return _integer(name, value, 2**31 - 1 if field.type == FieldDescriptor.TYPE_INT32 else _INT_MAX)


def _integer(name: str, value: Any, most: int = _INT_MAX) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > most:
        raise _wrong(name, "must be an integer")
    return value


def _texts(name: str, value: Any) -> list[str]:
    if not isinstance(value, list):
        raise _wrong(name, "must be an array of strings")
    return [_text(name, item) for item in value]


def _text(name: str, value: Any) -> str:
    """A string that UTF-8 can hold: JSON can write half of a surrogate pair, a message cannot."""
    if not isinstance(value, str) or any("\ud800" <= char <= "\udfff" for char in value):
        raise _wrong(name, "must be a string of whole characters")
    return value


def _object(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _wrong(name, "must be an object")
    return value


def _usd_micros(name: str, value: Any) -> int:
    is_number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    micros = Decimal(str(value)) * MICROS if is_number else Decimal("NaN")
    if not micros.is_finite() or abs(micros) > _INT_MAX or micros != micros.to_integral_value():
        raise _wrong(name, "must be an amount in USD with at most 6 decimals")
    return int(micros)


def _unix_ms(name: str, value: Any) -> int:
    try:
        time = datetime.fromisoformat(value)
    except (TypeError, ValueError):
        raise _wrong(name, "must be a time such as 2030-01-31T12:00:00Z") from None
    if time.tzinfo is None:
        time = time.replace(tzinfo=UTC)
    return int(time.timestamp() * 1000)


def encode(message: Message) -> dict[str, Any]:
    """A message as a JSON object."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        name, value = _member(message, field)
        found[name] = value
    if isinstance(message, accounts_pb2.ApiKey):
        return _key(found)
    if isinstance(message, accounts_pb2.User) and found["wallet"] is None:
        del found["wallet"]
    return found


def _member(message: Any, field: Any) -> tuple[str, Any]:
    name = field.name
    is_absent = field.has_presence and not message.HasField(name)
    value: Any = None if is_absent else getattr(message, name)
    if field.message_type is not None and field.message_type.GetOptions().map_entry:
        return name, dict(value)
    if field.is_repeated:
        return name, [encode(item) if isinstance(item, Message) else item for item in value]
    if isinstance(value, Message):
        return name, encode(value)
    if name == "details_json":
        return "details", json.loads((value or "{}").encode())
    if name.endswith("_ms"):
        return name.removesuffix("_ms"), time_text(value) if value else None
    if name.endswith("_usd_micros"):
        return name.removesuffix("_micros"), None if value is None else value / MICROS
    return name, value


def _key(found: dict[str, Any]) -> dict[str, Any]:
    """A key with the members under the names InferXgate gives them, beside its own."""
    if not found["key"]:
        del found["key"]
    limits = found["limits"]
    found["max_budget"] = found.pop("max_budget_usd")
    found["current_spend"] = found.pop("spent_usd")
    found["blocked"] = found.pop("is_blocked") or found["is_revoked"]
    return found | {name: limits.get(limit) for name, limit in _RATES.items()}


def time_text(unix_ms: int) -> str:
    """RFC 3339, in UTC, to the second."""
    return datetime.fromtimestamp(unix_ms / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _wrong(name: str, words: str) -> GatewayError:
    shown = name[:100].encode("utf-8", "replace").decode()
    return GatewayError(Kind.INVALID_REQUEST, f"`{shown}` {words}.", param=shown)
