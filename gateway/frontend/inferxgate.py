"""InferXgate's own paths: `/stats`, `/v1/providers`, the older names of `/auth/keys`, and its names of metrics.

Rules:
    - Only profiles with the endpoints `inferxgate` have them.
    - What the gateway does not know is null or empty, never invented.

Source: InferXgate's routes and Prometheus metrics.

Not here: `/auth` itself (accounts.py), what is counted (the service).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from gateway.frontend import accounts, answer
from gateway.frontend.accounts_json import MICROS, time_text
from gateway.frontend.asking import told
from gateway.frontend.reply import Reply
from gateway.rpc.contract import Caller
from gateway.wire import json

Endpoint = Callable[[Reply], Awaitable[None]]
GROUP = "inferxgate"
_ID = {"key_id": "id"}
_KEY_ROWS = {  # method and path as InferXgate has them, and ours
    "generate": accounts.Row("POST", "/auth/key/generate", "CreateKey"),
    "update": accounts.Row("POST", "/auth/key/update", "UpdateKey", rename=_ID),
    "delete": accounts.Row("POST", "/auth/key/delete", "RevokeKey", rename=_ID),
    "info": accounts.Row("GET", "/auth/key/info", "GetKey", rename=_ID),
}
KEY_ROUTES = tuple(row.path for row in _KEY_ROWS.values())
PATHS = ("/stats", "/v1/providers", *KEY_ROUTES)


def routes(caller: Caller) -> dict[str, dict[str, Endpoint]]:
    """Its paths."""
    found: dict[str, dict[str, Endpoint]] = {
        "/stats": {"GET": partial(stats, caller), "HEAD": partial(stats, caller)},
        "/v1/providers": {"GET": partial(providers, caller), "HEAD": partial(providers, caller)},
    }
    for row in _KEY_ROWS.values():
        found[row.path] = {row.method: partial(accounts.ask, caller, row, {})}
    return found


async def stats(caller: Caller, reply: Reply) -> None:
    """`GET /stats`: the last seven days."""
    found = await told(caller, "GetStats", reply, has_credential=not reply.profile.is_stats_public)
    body = {
        "usage_stats": {
            "total_requests": found.calls,
            "total_tokens": found.prompt_tokens + found.completion_tokens,
            "total_cost": found.cost_usd_micros / MICROS,
            "average_latency_ms": round(found.average_milliseconds, 1),
            "cache_hit_rate": round(found.cache_hit_rate, 4),
            "requests_by_model": [_sum("model", each) for each in found.by_model],
            "requests_by_provider": [_sum("provider", each) for each in found.by_provider],
        },
        "recent_requests": [_recent(call) for call in found.recent],
        "provider_health": [_health(each) for each in found.providers],
        "cache_enabled": found.is_cache_enabled,
        "database_enabled": True,
    }
    await reply.send(200, answer.JSON, json.dumps(body), "cache-control: no-store\r\n")


def _sum(name: str, each: Any) -> dict[str, Any]:
    tokens = each.prompt_tokens + each.completion_tokens
    return {name: each.of, "count": each.calls, "total_tokens": tokens, "total_cost": each.cost_usd_micros / MICROS}


def _recent(call: Any) -> dict[str, Any]:
    return {
        "id": call.id,
        "model": call.model,
        "provider": call.provider,
        "prompt_tokens": call.prompt_tokens,
        "completion_tokens": call.completion_tokens,
        "total_tokens": call.prompt_tokens + call.completion_tokens,
        "cost_usd": call.cost_usd_micros / MICROS if call.HasField("cost_usd_micros") else None,
        "latency_ms": call.milliseconds,
        "user_id": None,
        "cached": call.is_cached,
        "error": None if call.outcome == "complete" else call.outcome,
        "created_at": time_text(call.created_at_ms),
    }


def _health(each: Any) -> dict[str, Any]:
    return {
        "provider": each.provider,
        "model": each.models[0] if each.models else None,
        "success_count": each.completed,
        "error_count": each.failed,
        "total_latency_ms": each.milliseconds,
        "last_error_time": None,
        "available": each.is_available,
    }


async def providers(caller: Caller, reply: Reply) -> None:
    """`GET /v1/providers`: who serves which models; addresses and keys are told to nobody."""
    found = await told(caller, "GetStats", reply, has_credential=not reply.profile.is_stats_public)
    data = [
        {
            "id": each.provider,
            "name": each.provider,
            "status": "active" if each.is_available else "inactive",
            "models": list(each.models),
            "endpoint": None,
            "api_key_configured": each.is_available,
        }
        for each in found.providers
    ]
    await reply.send(200, answer.JSON, json.dumps({"object": "list", "data": data}))


def in_its_words(exposition: bytes) -> bytes:
    """The metrics of an exposition again under InferXgate's names; what it counts and we do not is left out."""
    from prometheus_client.parser import text_string_to_metric_families

    values: dict[str, dict[str, float]] = {}
    for family in text_string_to_metric_families(exposition.decode()):
        for sample in family.samples:
            for name, labels, value in _renamed(sample.name, sample.labels, sample.value):
                found = values.setdefault(name, {})
                found[labels] = found.get(labels, 0.0) + value
    lines = {name: [f"{name}{{{labels}}} {value}" for labels, value in found.items()] for name, found in values.items()}
    kinds = {name: "counter" if name.endswith("_total") else "gauge" for name in lines if "_seconds" not in name}
    text = [f"# TYPE {name} {kind}\n" + "\n".join(lines.pop(name)) for name, kind in kinds.items()]
    if lines:
        rows = [row for name in sorted(lines) for row in lines[name]]
        text.append("# TYPE llm_gateway_request_duration_seconds histogram\n" + "\n".join(rows))
    return ("\n".join(text) + "\n").encode() if text else b""


_Sample = tuple[str, str, float]


def _renamed(name: str, labels: Mapping[str, str], value: float) -> list[_Sample]:
    """One sample in InferXgate's words; several or none."""
    who = {"model": labels.get("gen_ai_request_model", ""), "provider": labels.get("gen_ai_provider_name", "")}
    if name.startswith("gen_ai_server_request_duration_seconds_"):
        what = name.removeprefix("gen_ai_server_request_duration_seconds_")
        status = "error" if labels.get("error_type") else "success"
        found = [("llm_gateway_requests_total", _text({**who, "status": status}), value)] if what == "count" else []
        bounds = {"le": labels["le"]} if "le" in labels else {}
        if what in ("bucket", "sum", "count") and status == "success":
            operation = {"operation": labels.get("gen_ai_operation_name", "")}
            duration = f"llm_gateway_request_duration_seconds_{what}"
            found.append((duration, _text({**who, **operation, **bounds}), value))
        return found
    if name == "gen_ai_client_token_usage_sum":
        kind = "prompt" if labels.get("gen_ai_token_type") == "input" else "completion"
        return [("llm_gateway_tokens_total", _text({**who, "token_type": kind}), value)]
    if name == "gateway_cost_usd_micros_total":
        return [("llm_gateway_cost_usd_total", _text(labels), value / MICROS)]
    if name == "gateway_cache_calls_total" and labels.get("result") in ("hit", "miss"):
        return [("llm_gateway_cache_total", _text({"model": labels["model"], "status": labels["result"]}), value)]
    if name == "gateway_calls_in_flight":
        return [("llm_gateway_active_requests", _text({"provider": "all"}), value)]
    if name == "gateway_breaker_state":
        provider, _, model = labels["deployment"].partition("/")
        return [("llm_gateway_model_available", _text({"model": model, "provider": provider}), float(value < 2))]
    if name == "gateway_rate_limited_total":
        limit = _text({"key_id": "", "limit_type": labels["limit"]})
        return [("llm_gateway_rate_limit_exceeded_total", limit, value)]
    return []


def _text(labels: Mapping[str, str]) -> str:
    escaped = {
        name: value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n") for name, value in labels.items()
    }
    return ",".join(f'{name}="{value}"' for name, value in escaped.items())
