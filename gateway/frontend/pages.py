"""The endpoints that need no body: models, health, readiness, metrics, the OpenAPI document, the front page.

Rules:
    - `/health` says that this process answers; `/readyz` says whether a call would reach a service.
    - Only the models are asked of the service; the other pages answer without it.

Not here: which models a key may use (the service), what the metrics are (gateway.observe).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any
from urllib.parse import unquote

from gateway.core.errors import GatewayError, Kind
from gateway.frontend import answer
from gateway.frontend.context import query_of
from gateway.frontend.inference import answer_whole, context_of
from gateway.frontend.reply import Reply
from gateway.frontend.voice import ANTHROPIC, GEMINI, OPENAI, Voice
from gateway.rpc.contract import GET_MODEL, LIST_MODELS, CallContext, Caller
from gateway.wire import json
from gateway.wire.anthropic import models as anthropic_models
from gateway.wire.gemini import models as gemini_models
from gateway.wire.openai import models
from gateway.wire.pb import models_pb2

MODEL_PREFIX = "/v1/models/"
PAGE_SIZE_MAX_CHARS = 9
_PAGING = (("pageSize", "page_size"), ("pageToken", "page_token"))
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_EXTRAS = {
    "capabilities": ("capabilities",),
    "context_window": ("context_window", "output_max_tokens"),
    "pricing": ("pricing",),
}


async def list_models(caller: Caller, reply: Reply, *, spoken: Voice | None = None) -> None:
    """The list of models: in the shape of `spoken`, or of the client that asks for `GET /v1/models`."""
    reply.speak(spoken or _voice_of(reply))
    items = caller(LIST_MODELS, models_pb2.ListModelsRequest(), _context(reply))
    await answer_whole(items, _encoders(reply)[0], reply)


async def get_model(caller: Caller, reply: Reply, path: str) -> None:
    """`GET /v1/models/{id}`; the id is the rest of the path, decoded once, so it may contain `/` and `:`."""
    raw = path.removeprefix(MODEL_PREFIX).encode("utf-8", "surrogateescape")
    await show_model(caller, reply, unquote(raw.decode("utf-8", "replace")))


async def show_model(caller: Caller, reply: Reply, model_id: str, *, spoken: Voice | None = None) -> None:
    """One model: in the shape of `spoken`, or of the client that asks for `GET /v1/models/{id}`."""
    reply.speak(spoken or _voice_of(reply))
    items = caller(GET_MODEL, models_pb2.GetModelRequest(id=model_id), _context(reply))
    await answer_whole(items, _encoders(reply)[1], reply)


def _voice_of(reply: Reply) -> Voice:
    """Who asks, where all formats have one path: Anthropic's clients name its version, Gemini's have key carriers."""
    headers, dialects = reply.request.headers, reply.profile.dialects
    if "anthropic-version" in headers and ANTHROPIC.dialect in dialects:
        return ANTHROPIC
    has_carrier = "x-goog-api-key" in headers or "key" in query_of(reply.request.raw_path)
    return GEMINI if has_carrier and GEMINI.dialect in dialects else OPENAI


def _encoders(reply: Reply) -> tuple[Callable[[Any], dict[str, Any]], Callable[[Any], dict[str, Any]]]:
    """What writes the list and one model, in the shape of the reply's format."""
    if reply.voice.dialect == ANTHROPIC.dialect:
        return anthropic_models.encode_list, anthropic_models.encode_model
    if reply.voice.dialect == GEMINI.dialect:
        return partial(_gemini_page, query_of(reply.request.raw_path)), gemini_models.encode_model
    extras = reply.profile.model_extras

    def encode_list(message: models_pb2.ListModelsResponse) -> dict[str, Any]:
        listed = models.encode_list(message)
        for model in listed["data"]:
            trim(model, extras)
        return {"success": True, **listed} if "endpoint_types" in extras else listed

    return encode_list, lambda message: trim(models.encode_model(message), extras)


def _gemini_page(query: dict[str, str], message: models_pb2.ListModelsResponse) -> dict[str, Any]:
    """The page of Gemini's list that the query asks for. Raises GatewayError INVALID_REQUEST."""
    size, token = (query.get(name, query.get(other, "")) for name, other in _PAGING)
    if size and not (size.isascii() and size.isdigit() and len(size) <= PAGE_SIZE_MAX_CHARS):
        raise _wrong("pageSize", "`pageSize` must be a whole number of models.")
    try:
        return gemini_models.encode_list(message, int(size or 0), token)
    except ValueError as error:
        raise _wrong("pageToken", "`pageToken` must be the `nextPageToken` of a page of this list.") from error


def _wrong(param: str, text: str) -> GatewayError:
    return GatewayError(Kind.INVALID_REQUEST, text, param=param)


def _context(reply: Reply) -> CallContext:
    """Where the list is public, nothing that stands in a key's place is an obstacle."""
    return context_of(reply, has_credential=not reply.profile.is_model_list_public)


def trim(model: dict[str, Any], extras: tuple[str, ...]) -> dict[str, Any]:
    """Take from a model object what the profile does not show, and add what only it shows."""
    for extra, members in _EXTRAS.items():
        if extra not in extras:
            for member in members:
                model.pop(member, None)
    if "permission" in extras:
        model["permission"] = []
    if "endpoint_types" in extras:
        model["supported_endpoint_types"] = ["openai"]
    return model


async def health(reply: Reply, uptime_s: float) -> None:
    """`GET /health`: this process answers."""
    body = json.dumps(
        {
            "status": "healthy",
            "timestamp": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "role": "frontend",
            "uptime_s": round(uptime_s, 1),
        }
    )
    await reply.send(200, answer.JSON, body, "cache-control: no-store\r\n")


async def ready(reply: Reply, *, is_ready: bool, is_draining: bool) -> None:
    """`GET /readyz`: 200 if a call would reach a service now, else 503."""
    if not is_ready or is_draining:
        why = "This frontend is draining." if is_draining else "No service is connected."
        raise GatewayError(Kind.UNAVAILABLE, why, retry_after_s=1.0)
    await reply.send(200, answer.JSON, b'{"status":"ready"}', "cache-control: no-store\r\n")


async def front_page(reply: Reply) -> None:
    """`GET /`: where to look next."""
    body = json.dumps(
        {"name": "one-gateway", "api": "/v1", "openapi": "/openapi.json", "health": "/health", "ready": "/readyz"}
    )
    await reply.send(200, answer.JSON, body)
