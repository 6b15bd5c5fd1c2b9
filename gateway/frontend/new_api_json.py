"""new-api's shapes: users, tokens (API keys), logs, prices and quota units, from and to messages of the contract.

Rules:
    - Pure. 500,000 quota units are 1 USD, so that a unit is two micro-USD; a rest below one unit is not shown.
    - Roles are numbers: 1 a user, 10 an administrator. A token's status: 1 on, 2 off, 3 expired, 4 used up.
    - Ids are texts: they are this gateway's own.

Source: new-api's management API.

Not here: paths and the envelope (new_api.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.errors import GatewayError, Kind
from gateway.wire.pb import accounts_pb2

Json = dict[str, Any]
UNITS_PER_USD = 500_000
MICROS_PER_UNIT = 2
UNLIMITED_USD = 100_000_000
ON, OFF, EXPIRED, SPENT = 1, 2, 3, 4
ROLES = {"user": 1, "admin": 10}
_RATIO_USD_PER_MILLION = 2.0  # what a model ratio of 1 costs
_NEVER = -1


def quota(usd_micros: int) -> int:
    """Quota units of an amount."""
    return usd_micros // MICROS_PER_UNIT


def user(message: Any, billing: Any = None) -> Json:
    """A user; with what they have and used, if that is known."""
    found: Json = {
        "id": message.id,
        "username": message.email or message.username,
        "display_name": message.username,
        "email": message.email,
        "role": ROLES.get(message.role, 1),
        "status": OFF if message.is_blocked else ON,
        "group": message.group,
    }
    if message.HasField("wallet"):
        found["quota"] = quota(message.wallet.balance_usd_micros)
    if billing is not None:
        found |= {"used_quota": quota(billing.used_usd_micros), "request_count": billing.calls}
    return found


def token(key: Any, now_ms: int, whole: str = "") -> Json:
    """A key; the whole of it only when it has just been made."""
    has_budget = key.HasField("max_budget_usd_micros")
    left = key.max_budget_usd_micros - key.spent_usd_micros if has_budget else 0
    return {
        "id": key.id,
        "user_id": key.user_id,
        "key": whole or f"{key.key_prefix}**********",
        "status": _status(key, now_ms),
        "name": key.name,
        "created_time": key.created_at_ms // 1000,
        "accessed_time": key.last_used_at_ms // 1000,
        "expired_time": key.expires_at_ms // 1000 if key.HasField("expires_at_ms") else _NEVER,
        "remain_quota": max(0, quota(left)),
        "used_quota": quota(key.spent_usd_micros),
        "unlimited_quota": not has_budget,
        "model_limits_enabled": bool(key.allowed_models),
        "model_limits": ",".join(key.allowed_models),
        "allow_ips": "\n".join(key.allowed_ips),
        "group": key.group,
    }


def _status(key: Any, now_ms: int) -> int:
    if key.is_blocked or key.is_revoked:
        return OFF
    if key.HasField("expires_at_ms") and key.expires_at_ms <= now_ms:
        return EXPIRED
    is_spent = key.HasField("max_budget_usd_micros") and key.spent_usd_micros >= key.max_budget_usd_micros
    return SPENT if is_spent else ON


def new_key(body: Mapping[str, Any], profile: str) -> accounts_pb2.CreateKeyRequest:
    """What a new token shall be. Raises GatewayError INVALID_REQUEST."""
    request = accounts_pb2.CreateKeyRequest(name=_text(body, "name"), group=_text(body, "group"), profile=profile)
    request.allowed_models.extend(_models(body))
    request.allowed_ips.extend(_lines(body))
    if not _flag(body, "unlimited_quota"):
        request.max_budget_usd_micros = _number(body, "remain_quota") * MICROS_PER_UNIT
    expired_time = _number(body, "expired_time", _NEVER)
    if expired_time != _NEVER:
        request.expires_at_ms = expired_time * 1000
    return request


def key_changes(body: Mapping[str, Any], known: Any, *, is_status_only: bool) -> accounts_pb2.UpdateKeyRequest:
    """What shall change of a token; absent members stay. Raises GatewayError INVALID_REQUEST."""
    request = accounts_pb2.UpdateKeyRequest(id=known.id)
    if "status" in body:
        request.is_blocked = _number(body, "status") != ON
    if is_status_only:
        return request
    if "name" in body:
        request.name = _text(body, "name")
    if "group" in body:
        request.group = _text(body, "group")
    if "model_limits" in body or "model_limits_enabled" in body:
        request.allowed_models.values.extend(_models(body))
        request.allowed_models.SetInParent()
    if "allow_ips" in body:
        request.allowed_ips.values.extend(_lines(body))
        request.allowed_ips.SetInParent()
    if _flag(body, "unlimited_quota"):
        request.clear.append("max_budget_usd_micros")
    elif "remain_quota" in body:
        request.max_budget_usd_micros = known.spent_usd_micros + _number(body, "remain_quota") * MICROS_PER_UNIT
    if (expired_time := _number(body, "expired_time", 0)) == _NEVER:
        request.clear.append("expires_at_ms")
    elif expired_time:
        request.expires_at_ms = expired_time * 1000
    return request


def _models(body: Mapping[str, Any]) -> list[str]:
    is_on = _flag(body, "model_limits_enabled")
    return [name for name in _text(body, "model_limits").split(",") if name.strip()] if is_on else []


def _lines(body: Mapping[str, Any]) -> list[str]:
    return [line.strip() for line in _text(body, "allow_ips").splitlines() if line.strip()]


def log(call: Any) -> Json:
    """A settled call as a line of the log."""
    cost = call.cost_usd_micros if call.HasField("cost_usd_micros") else 0
    return {
        "id": call.id,
        "user_id": call.user_id,
        "created_at": call.created_at_ms // 1000,
        "type": 2,  # consumption
        "content": "",
        "token_id": call.key_id,
        "model_name": call.model,
        "quota": quota(cost),
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "use_time": call.milliseconds // 1000,
        "channel_name": call.provider,
        "request_id": call.request_id,
    }


def pricing(reply: Any) -> Json:
    """Prices of models as ratios, and those of groups; not in the usual envelope."""
    return {
        "success": True,
        "data": [_price(each) for each in reply.models],
        "group_ratio": {group.id: group.ratio_ppm / 1_000_000 for group in reply.groups},
        "usable_group": {group.id: group.name for group in reply.groups},
    }


def _price(each: Any) -> Json:
    model = each.model
    given = model.pricing.input_usd_micros_per_million / 1_000_000
    made = model.pricing.output_usd_micros_per_million / 1_000_000
    is_per_call = each.HasField("call_usd_micros") and not given and not made
    return {
        "model_name": model.id,
        "quota_type": int(is_per_call),
        "model_ratio": given / _RATIO_USD_PER_MILLION,
        "model_price": each.call_usd_micros / 1_000_000,
        "owner_by": model.owned_by,
        "completion_ratio": made / given if given else 1,
        "enable_groups": list(each.groups),
    }


def _text(body: Mapping[str, Any], name: str) -> str:
    value = body.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _wrong(name, "must be a string")
    return value


def _number(body: Mapping[str, Any], name: str, default: int = 0) -> int:
    value = body.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or abs(value) > 2**50:
        raise _wrong(name, "must be an integer")
    return value


def _flag(body: Mapping[str, Any], name: str) -> bool:
    value = body.get(name)
    if value is not None and not isinstance(value, bool):
        raise _wrong(name, "must be true or false")
    return bool(value)


def text(body: Mapping[str, Any], name: str) -> str:
    """A member that must be there. Raises GatewayError INVALID_REQUEST."""
    if not (found := _text(body, name)):
        raise _wrong(name, "is missing")
    return found


def _wrong(name: str, words: str) -> GatewayError:
    return GatewayError(Kind.INVALID_REQUEST, f"`{name}` {words}.", param=name)
