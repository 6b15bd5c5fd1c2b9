"""The Admin service: where calls go and why, and the live state of deployments, for administrators.

Rules:
    - Who asks is proved first: `admin.key`, or a key with `is_admin`; everybody else is told the same, whatever exists.
    - Answers show no credential and nothing of what a call said; failures come with causes, for operators.
    - State is that of this service; of several, each is asked for its own.
Not here:
    - What a record holds (pipeline.explain); deciding (routing).
"""

from __future__ import annotations

import hmac
from typing import Any

from google.protobuf.json_format import ParseDict
from google.protobuf.message import Message

from gateway.config.catalogue import Deployment
from gateway.core.errors import GatewayError, Kind
from gateway.pipeline.explain import explain, past_record
from gateway.pipeline.identify import identify
from gateway.pipeline.kit import Kit
from gateway.routing.facts import Facts
from gateway.rpc.contract import EXPLAIN_ROUTE, CallContext, Head, Item, Method, Tail
from gateway.wire.pb import admin_pb2


async def ask_admin(kit: Kit, method: Method, request: Any, context: CallContext) -> list[Item]:
    """The items of one request. Raises GatewayError PERMISSION_DENIED, NOT_FOUND, MODEL_NOT_FOUND, INVALID_REQUEST."""
    await _administer(kit, context)
    reply: Message = _explained(kit, request) if method is EXPLAIN_ROUTE else _deployments(kit, request.model)
    return [Head({"x-gateway-generation": str(kit.runtime.generation)}), [reply], Tail({})]


async def _administer(kit: Kit, context: CallContext) -> None:
    key = kit.runtime.config.admin.key
    if key is not None and key.is_set:
        given = context.credential.encode("utf-8", "surrogatepass")
        if hmac.compare_digest(given, key.reveal().encode()):
            return
    identity = await identify(kit, kit.runtime, context)
    if not identity.is_admin:
        raise GatewayError(
            Kind.PERMISSION_DENIED,
            "This is for administrators: use `admin.key` of the configuration, or a key with is_admin.",
            code="admin_required",
        )


def _explained(kit: Kit, request: Any) -> admin_pb2.ExplainRouteReply:
    if bool(request.request_id) == bool(request.model):
        raise GatewayError(Kind.INVALID_REQUEST, "Give either `request_id` or `model`.", param="request_id")
    if request.request_id:
        past = kit.calls.find(request.request_id)
        if past is None:
            text = (
                f"No call `{request.request_id[:128]}` is remembered: it is too long ago, or another service made it."
            )
            raise GatewayError(Kind.NOT_FOUND, text, param="request_id")
        record: dict[str, Any] | None = past_record(past)
    else:
        now_s = kit.transport.loop.time()
        record = explain(kit.runtime.catalogue, kit.board, facts_asked(request), kit.draw, now_s)
        if record is None:
            text = f"No model is configured under the name `{request.model[:200]}`."
            raise GatewayError(Kind.MODEL_NOT_FOUND, text, param="model")
    return ParseDict(_set(record), admin_pb2.ExplainRouteReply())


def facts_asked(request: Any) -> Facts:
    """The hypothetical call of a request."""
    return Facts(
        model=request.model,
        is_stream=request.is_stream,
        prompt_tokens=request.prompt_tokens,
        output_tokens=request.output_tokens,
        needs=tuple(request.needs),
        key_id=request.key_id,
        group=request.group,
        user=request.user,
        headers=dict(request.headers),
        metadata=dict(request.metadata),
    )


def _set(value: Any) -> Any:
    """A record without its nulls: on the wire they are absent."""
    if isinstance(value, dict):
        return {name: _set(item) for name, item in value.items() if item is not None}
    return [_set(item) for item in value] if isinstance(value, list) else value


def _deployments(kit: Kit, slug: str) -> admin_pb2.ListDeploymentsReply:
    runtime = kit.runtime
    if slug and runtime.catalogue.of_slug(slug) is None:
        raise GatewayError(Kind.MODEL_NOT_FOUND, f"No model has the key `{slug[:200]}`.", param="model")
    users: dict[str, list[str]] = {}
    found: dict[str, Deployment] = {}
    for entry in runtime.catalogue.entries:
        for deployment in entry.candidates:
            if entry.slug not in users.setdefault(deployment.live_id, []):
                users[deployment.live_id].append(entry.slug)
            found.setdefault(deployment.live_id, deployment)
    states = [_state(kit, d, users[d.live_id]) for d in found.values() if not slug or slug in users[d.live_id]]
    return admin_pb2.ListDeploymentsReply(deployments=states, generation=runtime.generation)


def _state(kit: Kit, deployment: Deployment, models: list[str]) -> admin_pb2.DeploymentState:
    now_s = kit.transport.loop.time()
    live, door = kit.board.live(deployment), kit.gate.find(deployment)
    breaker = live.breaker
    return admin_pb2.DeploymentState(
        deployment=deployment.live_id,
        models=models,
        unavailable=deployment.unavailable_reason or "",
        breaker=breaker.state(now_s).value,
        reason=breaker.reason,
        open_for_s=max(0.0, breaker.open_until_s - now_s),
        openings=breaker.openings,
        in_flight=live.in_flight,
        first_content_s=live.first_contents.now_s(now_s),
        answer_s=live.whole_answers.now_s(now_s),
        headroom=live.allowance.share_left(now_s),
        concurrency_limit=door.limit.calls if door is not None else 0,
        waiting=door.waiting if door is not None else 0,
        shed=sum(door.shed_calls) if door is not None else 0,
    )
